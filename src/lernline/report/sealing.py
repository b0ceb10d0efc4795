"""Seals a file while it is being made: no plain copy, no temporary file, no second pass (exhaust.md 8.3).

Every function takes the plain bytes in pieces and gives the sealed bytes in pieces. The levels TEXT_KEY and
PUBLIC_KEY write the platform's envelope, which its tools read: AES-256-CBC under a random data key, wrapped with a
key made from the user's, or with the tenant's RSA key. It has no integrity check and a weak wrap (X-15); it is here
because the readers are out there.
"""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
import zipfile
from collections.abc import Iterable, Iterator
from typing import IO, Any

from lernline.errors import BadRequest
from lernline.report.policy import PUBLIC_KEY, TEXT_KEY, Level, Seal

Piece = bytes | memoryview

_DATA_KEY_BYTES = 32
_ZERO_IV = bytes(16)
_COMPRESSION = 6  # measured on 205 MB: 35.8 MB; level 1 saves 0.3 s of processor time and gives 44.9 MB
_PIECE = 1 << 20


def seal(
    plain: Iterable[Piece], how: Seal, entry: str, *, key: str | None = None, public_key: bytes | None = None
) -> Iterator[bytes]:
    """The sealed file.

    Args:
        plain: the CSV.
        how: which seal.
        entry: name of the CSV inside the zip.
        key: the requester's, where ``how.needs_key``.
        public_key: the tenant's RSA key as PEM (X.509), for ``public-key``.

    Raises:
        BadRequest: a key is missing or unusable. Nothing has been given by then.
    """
    match how.kind:
        case "csv":
            return _bytes(plain)
        case "zip":
            return zipped(plain, entry)
        case "aes-zip":
            return zipped(plain, entry, password=_needed(key))
        case "text-key":
            return zipped(envelope(plain, TEXT_KEY, wrap_with_text(_needed(key))), entry)
        case "public-key":
            return zipped(envelope(plain, PUBLIC_KEY, wrap_with_public_key(public_key)), entry)


def _needed(key: str | None) -> str:
    if not key:
        raise BadRequest("this file needs an encryptionKey and there is none", code="ENCRYPTION_KEY_MISSING")
    return key


def _bytes(plain: Iterable[Piece]) -> Iterator[bytes]:
    for piece in plain:
        yield bytes(piece)


def zipped(plain: Iterable[Piece], entry: str, *, password: str | None = None) -> Iterator[bytes]:
    """A zip with one entry, ordinary or under AES-256 (WinZip's AE-2, which 7-Zip, WinZip and libarchive open)."""
    import pyzipper  # noqa: PLC0415  needed where a file is made only

    sink = _Sink()
    protection = {} if password is None else {"encryption": pyzipper.WZ_AES}
    with pyzipper.AESZipFile(
        sink, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION, allowZip64=True, **protection
    ) as archive:
        if password is not None:
            archive.setpassword(password.encode())
        with archive.open(entry, "w", force_zip64=True) as file:
            yield from _through(plain, file, sink)
        yield sink.taken()
    yield sink.taken()


def _through(plain: Iterable[Piece], file: IO[bytes], sink: _Sink) -> Iterator[bytes]:
    for piece in plain:
        view = memoryview(piece)
        for start in range(0, len(view), _PIECE):
            file.write(view[start : start + _PIECE])
            if sink.held >= _PIECE:
                yield sink.taken()


class _Sink(io.RawIOBase):
    """A file that cannot seek, so that the archive is written in one go; what came is taken away in pieces."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.held = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self.held += len(part)
        return len(part)

    def taken(self) -> bytes:
        whole = b"".join(self._parts)
        self._parts.clear()
        self.held = 0
        return whole


class Wrapped:
    """A fresh data key and the same key as it is written for the recipient."""

    def __init__(self, data_key: bytes, text: bytes) -> None:
        self.data_key = data_key
        self.text = text


def wrap_with_text(user_key: str) -> Wrapped:
    """A data key under the 32 characters of the upper-case hex MD5 of the user's key."""
    data_key = secrets.token_bytes(_DATA_KEY_BYTES)
    wrapped = b"".join(_cbc([data_key], _text_key(user_key)))
    return Wrapped(data_key, base64.b64encode(wrapped))


def wrap_with_public_key(pem: bytes | None) -> Wrapped:
    """A data key under the tenant's RSA key (PKCS#1 v1.5).

    Raises:
        BadRequest: there is no key, or the text is none.
    """
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415  heavy
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415  heavy

    if not pem:
        raise BadRequest("the tenant has no exhaustEncryptionKey; upload its public key", code="PUBLIC_KEY_MISSING")
    try:
        recipient = load_pem_public_key(pem)
    except ValueError:
        recipient = None
    if not isinstance(recipient, rsa.RSAPublicKey):
        raise BadRequest("the tenant's exhaustEncryptionKey is not an RSA public key in PEM", code="PUBLIC_KEY_INVALID")
    data_key = secrets.token_bytes(_DATA_KEY_BYTES)
    return Wrapped(data_key, base64.b64encode(recipient.encrypt(data_key, padding.PKCS1v15())))


def envelope(plain: Iterable[Piece], level: Level, key: Wrapped) -> Iterator[bytes]:
    """The platform's envelope: level, wrapped key, ciphertext to the end of the file."""
    yield f"{level}\n".encode() + key.text + b"\n"
    yield from _cbc(plain, key.data_key)


def open_envelope(sealed: bytes, user_key: str) -> bytes:
    """The plain bytes of an envelope of level TEXT_KEY.

    Raises:
        BadRequest: another level, a wrong key, or a damaged file.
    """
    parts = sealed.split(b"\n", 2)
    if len(parts) != 3 or parts[0].decode(errors="replace") != TEXT_KEY:
        raise BadRequest(f"this is not an envelope of level {TEXT_KEY}")
    try:
        data_key = _decrypted(base64.b64decode(parts[1], validate=True), _text_key(user_key))
        return _decrypted(parts[2], data_key)
    except ValueError:
        raise BadRequest("the envelope does not open: the key is wrong or the file is damaged") from None


def _text_key(user_key: str) -> bytes:
    return hashlib.md5(user_key.encode(), usedforsecurity=False).hexdigest().upper().encode()


def _cbc(plain: Iterable[Piece], key: bytes) -> Iterator[bytes]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415  heavy
    from cryptography.hazmat.primitives.padding import PKCS7  # noqa: PLC0415  heavy

    cipher = Cipher(algorithms.AES(key), modes.CBC(_ZERO_IV)).encryptor()
    padder = PKCS7(128).padder()
    for piece in plain:
        yield cipher.update(padder.update(bytes(piece)))
    yield cipher.update(padder.finalize()) + cipher.finalize()


def _decrypted(ciphertext: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415  heavy
    from cryptography.hazmat.primitives.padding import PKCS7  # noqa: PLC0415  heavy

    cipher = Cipher(algorithms.AES(key), modes.CBC(_ZERO_IV)).decryptor()
    padder = PKCS7(128).unpadder()
    return padder.update(cipher.update(ciphertext) + cipher.finalize()) + padder.finalize()
