"""Download links of a local store: a token that names one object and ends, signed so that nobody can make another.

A bucket signs its own addresses; a folder cannot, so the API serves the file to whoever brings a good token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from pathlib import Path

from lernline.blob.secret import secret_from
from lernline.clock import Clock
from lernline.errors import Forbidden

_MAC_BYTES = 32
_EXPIRY_BYTES = 8


class LinkSigner:
    """Makes and checks tokens with the key in ``secret_file``, which is made when it is missing."""

    def __init__(self, secret_file: Path, clock: Clock) -> None:
        self._secret = secret_from(secret_file)
        self._clock = clock

    def sign(self, key: str, expires_ms: int) -> str:
        """A URL-safe token that is good for the object ``key`` until ``expires_ms`` (epoch ms)."""
        payload = expires_ms.to_bytes(_EXPIRY_BYTES, "big") + key.encode()
        return base64.urlsafe_b64encode(self._mac(payload) + payload).rstrip(b"=").decode()

    def verify(self, token: str) -> str:
        """The key of the object that the token is for.

        Raises:
            Forbidden: the token was not made here, was changed, or has ended.
        """
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            raw = b""
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload)) or len(payload) <= _EXPIRY_BYTES:
            raise Forbidden("this download link is not valid; ask for the request again to get a new one")
        if int.from_bytes(payload[:_EXPIRY_BYTES], "big") <= self._clock.now_ms():
            raise Forbidden("this download link has ended; ask for the request again to get a new one")
        return payload[_EXPIRY_BYTES:].decode()

    def _mac(self, payload: bytes) -> bytes:
        return hmac.new(self._secret, b"lernline-download\0" + payload, hashlib.sha256).digest()
