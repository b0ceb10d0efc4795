"""Seals open as their recipients open them, and not otherwise."""

from __future__ import annotations

import base64
import hashlib
import io
import secrets
import shutil
import subprocess
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import pyzipper
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from lernline.errors import BadRequest
from lernline.report.policy import Seal
from lernline.report.sealing import open_envelope, seal
from report_worlds import KEY, unzipped

PLAIN = [b"a,b\n", memoryview(b"1,2\n"), b"x" * 3_000_000, b""]
WHOLE = b"".join(bytes(piece) for piece in PLAIN)


def decrypted(data: bytes, key: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    return unpadder.update(cipher.update(data) + cipher.finalize()) + unpadder.finalize()


def test_a_password_zip_is_aes_256_and_opens_with_the_password_alone() -> None:
    sealed = b"".join(seal(PLAIN, Seal("aes-zip", ".zip"), "report.csv", key=KEY))

    with pyzipper.AESZipFile(io.BytesIO(sealed)) as archive:
        (entry,) = archive.infolist()
        assert (entry.filename, entry.wz_aes_strength) == ("report.csv", 3)
        for wrong in (None, b"wrong horse"):
            with pytest.raises(RuntimeError):
                archive.read(entry, pwd=wrong)
    assert unzipped(sealed, KEY) == WHOLE
    assert b"xxxx" not in sealed


def test_a_changed_password_zip_does_not_open() -> None:
    sealed = bytearray(b"".join(seal([secrets.token_bytes(100_000)], Seal("aes-zip", ".zip"), "r.csv", key=KEY)))
    sealed[len(sealed) // 2] ^= 1

    with pytest.raises((pyzipper.zipfile.BadZipFile, zlib.error)):
        unzipped(bytes(sealed), KEY)


def test_an_ordinary_zip_opens_with_an_ordinary_tool() -> None:
    sealed = b"".join(seal(PLAIN, Seal("zip", ".zip"), "report.csv"))
    with zipfile.ZipFile(io.BytesIO(sealed)) as archive:
        assert archive.testzip() is None
        assert archive.read("report.csv") == WHOLE


@pytest.mark.skipif(shutil.which("unzip") is None, reason="unzip is not installed (apt-get install unzip)")
def test_unzip_reads_what_was_written_in_one_go(tmp_path: Path) -> None:
    file = tmp_path / "report.zip"
    file.write_bytes(b"".join(seal(PLAIN, Seal("zip", ".zip"), "report.csv")))
    shown = subprocess.run(["unzip", "-p", str(file)], capture_output=True, check=True)
    assert shown.stdout == WHOLE


@given(st.binary(max_size=400), st.text(min_size=1, max_size=20))
def test_a_text_key_envelope_opens_by_the_contracts_recipe(content: bytes, key: str) -> None:
    sealed = unzipped(b"".join(seal([content], Seal("text-key", ".zip"), "report.csv", key=key)))

    level, wrapped, body = sealed.split(b"\n", 2)
    user_key = hashlib.md5(key.encode()).hexdigest().upper().encode()
    assert level == b"TEXT_KEY_ENCRYPTED_DATASET"
    assert len(wrapped) == 64
    assert decrypted(body, decrypted(base64.b64decode(wrapped), user_key)) == content
    assert open_envelope(sealed, key) == content


def test_two_envelopes_of_one_report_share_no_data_key() -> None:
    one, two = (unzipped(b"".join(seal(PLAIN, Seal("text-key", ".zip"), "r.csv", key=KEY))) for _ in range(2))
    assert one.split(b"\n", 2)[2] != two.split(b"\n", 2)[2]


def test_a_cut_envelope_and_another_file_are_refused() -> None:
    sealed = unzipped(b"".join(seal(PLAIN, Seal("text-key", ".zip"), "r.csv", key=KEY)))
    for content in (sealed[:-3], sealed[:40], b"PLAIN_DATASET\nx\ny", b""):
        with pytest.raises(BadRequest):
            open_envelope(content, KEY)


def test_a_wrong_key_gives_nothing_of_the_report() -> None:
    sealed = unzipped(b"".join(seal(PLAIN, Seal("text-key", ".zip"), "r.csv", key=KEY)))
    with suppress(BadRequest):  # a wrong key may happen to end in good padding
        assert WHOLE not in open_envelope(sealed, "wrong horse")


def test_a_public_key_envelope_opens_with_the_private_key() -> None:
    private = rsa.generate_private_key(65537, 2048)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    sealed = unzipped(b"".join(seal(PLAIN, Seal("public-key", ".zip"), "r.csv", public_key=pem)))

    level, wrapped, body = sealed.split(b"\n", 2)
    assert level == b"PUBLIC_KEY_ENCRYPTED_DATASET"
    data_key = private.decrypt(base64.b64decode(wrapped), rsa_padding.PKCS1v15())
    assert decrypted(body, data_key) == WHOLE


@pytest.mark.parametrize(
    ("how", "more"),
    [
        (Seal("aes-zip", ".zip"), {}),
        (Seal("text-key", ".zip"), {"key": ""}),
        (Seal("public-key", ".zip"), {}),
        (Seal("public-key", ".zip"), {"public_key": b"no key"}),
    ],
)
def test_a_missing_key_is_refused_before_anything_is_read(how: Seal, more: dict[str, object]) -> None:
    def untouched() -> Iterator[bytes]:
        raise AssertionError("the report was read")
        yield b""

    with pytest.raises(BadRequest):
        seal(untouched(), how, "r.csv", **more)  # type: ignore[arg-type]
