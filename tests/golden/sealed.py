"""Opening delivered reports the way a recipient does, from the contract's description of the formats alone."""

import base64
import csv
import hashlib
import io
from typing import Final

TEXT_KEY: Final = "TEXT_KEY_ENCRYPTED_DATASET"
PASSWORD: Final = "PASSWORD_PROTECTED_DATASET"
_ZERO_IV: Final = bytes(16)
_AES_256: Final = 3  # the strength's number in the zip's AES header


class SealError(AssertionError):
    """A delivered file is not sealed as its tenant's policy says."""


def open_report(data: bytes, level: str, key: str | None) -> tuple[str, bytes]:
    """Name and plain bytes of the one entry of a sealed report."""
    import pyzipper  # noqa: PLC0415  only report cases need it

    with pyzipper.AESZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) != 1:
            raise SealError(f"expected one entry, got {[entry.filename for entry in entries]}")
        locked = bool(entries[0].flag_bits & 1)
        if locked != (level == PASSWORD and bool(key)):
            raise SealError(f"level {level}: expected a password = {not locked}, the entry has one = {locked}")
        content = bytes(archive.read(entries[0], pwd=key.encode() if locked and key else None))
        name = str(entries[0].filename)
    if level != TEXT_KEY:
        return name, content
    if not key:
        raise SealError(f"level {level} needs the request's key")
    return name, _open_envelope(content, key)


def is_aes_256(data: bytes) -> bool:
    """Whether the first entry of a zip is encrypted with AES of 256 bits."""
    import pyzipper  # noqa: PLC0415

    with pyzipper.AESZipFile(io.BytesIO(data)) as archive:
        return bool(archive.infolist()[0].wz_aes_strength == _AES_256)


def read_csv(data: bytes) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV file."""
    lines = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    if not lines:
        raise SealError("the file is empty, it has not even a header")
    return lines[0], lines[1:]


def _open_envelope(data: bytes, key: str) -> bytes:
    level, wrapped, body = data.split(b"\n", 2)
    if level.decode() != TEXT_KEY:
        raise SealError(f"the envelope's first line is {level!r}")
    user_key = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest().upper().encode()
    return _decrypt(body, _decrypt(base64.b64decode(wrapped), user_key))


def _decrypt(data: bytes, key: bytes) -> bytes:
    from cryptography.hazmat.primitives import padding  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415

    decryptor = Cipher(algorithms.AES(key), modes.CBC(_ZERO_IV)).decryptor()
    padded = decryptor.update(data) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    return bytes(unpadder.update(padded) + unpadder.finalize())
