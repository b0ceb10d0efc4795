"""Keys of reports at rest: encrypted with the installation's own key, dropped when the request ends (X-34)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from pathlib import Path

from lernline.blob.secret import secret_from
from lernline.errors import BadRequest

_PREFIX = "lk1:"
_NONCE_BYTES = 12


class Keyring:
    """Encrypts and opens keys with AES-256-GCM under the bytes in ``secret_file``, which is made when missing."""

    def __init__(self, secret_file: Path) -> None:
        self._secret = secret_from(secret_file)

    def locked(self, key: str, request_id: str) -> str:
        """The key as it may lie in the table; it opens for that request alone."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  heavy

        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._for(b"encrypt")).encrypt(nonce, key.encode(), request_id.encode())
        return _PREFIX + base64.b64encode(nonce + sealed).decode()

    def opened(self, stored: str | None, request_id: str) -> str | None:
        """The key; text that another program put into the column is taken as it is.

        Raises:
            BadRequest: it was encrypted here and does not open.
        """
        if not stored or not stored.startswith(_PREFIX):
            return stored or None
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415  heavy
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  heavy

        try:
            raw = base64.b64decode(stored.removeprefix(_PREFIX), validate=True)
            cipher = AESGCM(self._for(b"encrypt"))
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], request_id.encode()).decode()
        except (ValueError, InvalidTag):
            raise BadRequest("the stored encryptionKey does not open; ask for the report again") from None

    def reference(self, key: str | None) -> str:
        """Tells keys apart without telling what they are; empty for none."""
        if key is None:
            return ""
        return hmac.new(self._for(b"reference"), key.encode(), hashlib.sha256).hexdigest()[:32]

    def _for(self, purpose: bytes) -> bytes:
        return hmac.new(self._secret, b"lernline-report-key\0" + purpose, hashlib.sha256).digest()
