"""Issuer keys: made once, kept safe, published."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from lernline.certify.keys import (
    KeyUnusableError,
    from_multikey,
    keys_of_did_document,
    load_or_create_keys,
    resolve_did_key,
    rotate_key,
    to_multikey,
    web_did,
)
from lernline.errors import BadRequest

EXAMPLE = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"


def test_the_first_start_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    made = load_or_create_keys(tmp_path / "keys")
    assert (tmp_path / "keys" / "key-1.pem").stat().st_mode & 0o777 == 0o600
    assert load_or_create_keys(tmp_path / "keys").current.did == made.current.did
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["key-1.pem"]


def test_two_processes_that_start_together_get_one_key(tmp_path: Path) -> None:
    dids: list[str] = []
    barrier = threading.Barrier(8)

    def start() -> None:
        barrier.wait()
        dids.append(load_or_create_keys(tmp_path).current.did)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(dids) == 8
    assert len(set(dids)) == 1


def test_a_retired_key_stays_in_the_did_document(tmp_path: Path) -> None:
    first = load_or_create_keys(tmp_path, "edu.example")
    assert rotate_key(tmp_path) == 2
    second = load_or_create_keys(tmp_path, "edu.example")
    assert second.current.verification.id == "did:web:edu.example#key-2"
    assert first.current.verification in second.keys
    assert keys_of_did_document(second.did_document()) == second.keys


def test_without_a_domain_every_key_is_an_issuer_of_its_own_and_stays_trusted(tmp_path: Path) -> None:
    first = load_or_create_keys(tmp_path)
    rotate_key(tmp_path)
    second = load_or_create_keys(tmp_path)
    assert second.current.did != first.current.did
    assert second.keys == (first.current.verification, second.current.verification)
    assert second.keys == second.trusted
    assert keys_of_did_document(second.did_document()) == (second.current.verification,)


def test_a_domain_that_comes_later_keeps_the_certificates_before_it_trusted(tmp_path: Path) -> None:
    before = load_or_create_keys(tmp_path)
    after = load_or_create_keys(tmp_path, "edu.example")
    assert set(after.trusted) == {before.current.verification, after.current.verification}
    assert after.keys == (after.current.verification,)


def test_a_did_key_resolves_to_its_own_key(tmp_path: Path) -> None:
    issuing = load_or_create_keys(tmp_path)
    assert resolve_did_key(issuing.current.did) == issuing.current.verification


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_or_create_keys(tmp_path)
    (tmp_path / "key-1.pem").chmod(0o644)
    with pytest.raises(KeyUnusableError, match="chmod 600"):
        load_or_create_keys(tmp_path)


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key-1.pem"
    path.touch(0o600)
    path.write_bytes(b"nonsense")
    with pytest.raises(KeyUnusableError, match="PKCS 8"):
        load_or_create_keys(tmp_path)
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyUnusableError, match="not an Ed25519 key"):
        load_or_create_keys(tmp_path)


@pytest.mark.parametrize(
    ("domain", "did"),
    [
        ("edu.example", "did:web:edu.example"),
        ("EDU.example/orgs/o1", "did:web:edu.example:orgs:o1"),
        ("localhost:8080", "did:web:localhost%3A8080"),
    ],
)
def test_a_domain_becomes_a_did(domain: str, did: str) -> None:
    assert web_did(domain) == did


@pytest.mark.parametrize("domain", ["https://edu.example", "edu.example/", "edu example", "a:b:c", "edu.example#x"])
def test_what_is_no_domain_is_refused(domain: str) -> None:
    with pytest.raises(BadRequest, match="issuer domain"):
        web_did(domain)


def test_a_multikey_goes_there_and_back() -> None:
    assert to_multikey(from_multikey(EXAMPLE)) == EXAMPLE


@pytest.mark.parametrize("text", ["", "z", "z0OIl", EXAMPLE[1:], EXAMPLE[:-2], "z" + "1" * 100_000])
def test_what_is_no_multikey_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="Multikey"):
        from_multikey(text)


@pytest.mark.parametrize(
    "change",
    [
        {"assertionMethod": []},
        {"verificationMethod": []},
        {"id": "did:web:other.example"},
        {"id": None},
        {"assertionMethod": None},
    ],
)
def test_a_did_document_without_a_usable_key_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    document = load_or_create_keys(tmp_path, "edu.example").did_document()
    with pytest.raises(BadRequest, match="DID document"):
        keys_of_did_document({**document, **change})
