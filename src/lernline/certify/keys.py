"""The issuer's Ed25519 keys and the DID that they speak for (certificates.md 11).

Keys lie in one folder as ``key-<n>.pem`` (PKCS 8, mode 0600). The highest number signs; the others are retired and
stay, so that certificates which they signed still verify. With a domain the issuer is ``did:web`` and every key is one
of its methods; without one each key is an issuer of its own, a ``did:key``.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import base58
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Struct

from lernline.errors import BadRequest, LernlineError

_MULTICODEC_ED25519: Final = b"\xed\x01"
_LONGEST_MULTIKEY: Final = 64
_KEY_FILE: Final = re.compile(r"key-([1-9]\d*)\.pem")
_DOMAIN: Final = re.compile(r"(?!-)[a-z0-9-]+(\.[a-z0-9-]+)*(:\d{1,5})?(/[A-Za-z0-9._~-]+)*", re.IGNORECASE)


class KeyUnusableError(LernlineError):
    """The issuer's key cannot be used as it lies."""

    status = 500
    default_code = "ISSUER_KEY_UNUSABLE"


class VerificationKey(Struct, frozen=True):
    """A public key that may sign certificates for an issuer.

    Attributes:
        id: the verification method, e.g. ``did:web:edu.example#key-1``.
        controller: the DID that it belongs to.
        public: 32 bytes.
    """

    id: str
    controller: str
    public: bytes

    @property
    def multikey(self) -> str:
        """``z6Mk…``: the form that DID documents carry."""
        return to_multikey(self.public)


class IssuerKey(Struct, frozen=True):
    """The key that signs, with its public half."""

    private: Ed25519PrivateKey
    verification: VerificationKey

    @property
    def did(self) -> str:
        """The issuer's DID."""
        return self.verification.controller


class Issuing(Struct, frozen=True):
    """What an issuing folder holds: the key in use and every key that it ever used, by number."""

    current: IssuerKey
    keys: tuple[VerificationKey, ...]

    @property
    def trusted(self) -> tuple[VerificationKey, ...]:
        """Every name under which a key of the folder may have signed: the domain's, and its own ``did:key``."""
        own = (resolve_did_key(key_did(key.public)) for key in self.keys)
        return tuple(dict.fromkeys([*self.keys, *own]))

    def did_document(self) -> dict[str, Any]:
        """The document to publish at ``did.json``, retired keys of the same DID included."""
        return did_document(self.current.did, [key for key in self.keys if key.controller == self.current.did])


def load_or_create_keys(folder: Path, domain: str | None = None) -> Issuing:
    """Open the issuer's keys; the first start makes ``key-1.pem``.

    Args:
        folder: where the keys lie; made with mode 0700 when it is missing.
        domain: ``edu.example`` or ``edu.example/orgs/o1`` for ``did:web``; None for ``did:key``.

    Raises:
        KeyUnusableError: a file is not an Ed25519 key, or others on this machine may read it.
        BadRequest: the domain has no valid form.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    numbers = _numbers(folder)
    if not numbers:
        _write_new_key(folder, 1)
        numbers = _numbers(folder)
    loaded = {number: _read_key(folder / f"key-{number}.pem") for number in numbers}
    newest = max(numbers)
    did = web_did(domain) if domain else None
    keys = {number: _verification(did, number, private) for number, private in loaded.items()}
    return Issuing(IssuerKey(loaded[newest], keys[newest]), tuple(keys.values()))


def rotate_key(folder: Path) -> int:
    """Add a key that signs from the next start on; answers its number."""
    number = max(_numbers(folder), default=0) + 1
    _write_new_key(folder, number)
    return number


def web_did(domain: str) -> str:
    """``did:web`` of a host with optional port and path.

    Raises:
        BadRequest: the text is not of that form.
    """
    if _DOMAIN.fullmatch(domain) is None:
        raise BadRequest(f"The issuer domain {domain!r} must look like edu.example or edu.example/orgs/o1.")
    host, *path = domain.split("/")
    return ":".join(["did:web", quote(host.lower(), safe=""), *path])


def key_did(public: bytes) -> str:
    """``did:key`` of an Ed25519 public key."""
    return f"did:key:{to_multikey(public)}"


def to_multikey(public: bytes) -> str:
    """``z`` + base58btc of multicodec prefix and key."""
    return "z" + base58.b58encode(_MULTICODEC_ED25519 + public).decode()


def from_multikey(text: str) -> bytes:
    """The 32 bytes of an Ed25519 Multikey.

    Raises:
        BadRequest: another kind of key, or no key.
    """
    try:
        raw = base58.b58decode(text[1:]) if text.startswith("z") and len(text) <= _LONGEST_MULTIKEY else b""
    except ValueError:
        raw = b""
    if len(raw) != 34 or not raw.startswith(_MULTICODEC_ED25519):
        raise BadRequest("The public key is not an Ed25519 Multikey (z6Mk...).")
    return raw[2:]


def resolve_did_key(did: str) -> VerificationKey:
    """The one key of a ``did:key``.

    Raises:
        BadRequest: it is not the did:key of an Ed25519 key.
    """
    multikey = did.removeprefix("did:key:")
    return VerificationKey(f"{did}#{multikey}", did, from_multikey(multikey))


def did_document(did: str, keys: Iterable[VerificationKey]) -> dict[str, Any]:
    """A DID document that lists ``keys`` for signing certificates (certificates.md 11)."""
    listed = list(keys)
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
        "id": did,
        "assertionMethod": [key.id for key in listed],
        "verificationMethod": [
            {"id": key.id, "type": "Multikey", "controller": did, "publicKeyMultibase": key.multikey} for key in listed
        ],
    }


def keys_of_did_document(document: Mapping[str, Any]) -> tuple[VerificationKey, ...]:
    """The Ed25519 keys that a DID document allows to sign certificates.

    Only keys under ``assertionMethod`` count, and only those that the document's own DID controls.

    Raises:
        BadRequest: the document names no DID or no such key.
    """
    did = document.get("id")
    methods = document.get("verificationMethod")
    allowed = document.get("assertionMethod")
    if not isinstance(did, str) or not isinstance(methods, list) or not isinstance(allowed, list):
        raise BadRequest("The DID document needs id, verificationMethod and assertionMethod.")
    embedded = [entry for entry in allowed if isinstance(entry, Mapping)]
    named = {entry for entry in allowed if isinstance(entry, str)}
    found = []
    for method in [*methods, *embedded]:
        if not isinstance(method, Mapping) or method.get("type") != "Multikey" or method.get("controller") != did:
            continue
        key_id, multikey = method.get("id"), method.get("publicKeyMultibase")
        if not isinstance(key_id, str) or not isinstance(multikey, str):
            continue
        absolute = did + key_id if key_id.startswith("#") else key_id
        if not (named & {key_id, absolute} or method in embedded) or absolute.partition("#")[0] != did:
            continue
        with contextlib.suppress(BadRequest):
            found.append(VerificationKey(absolute, did, from_multikey(multikey)))
    if not found:
        raise BadRequest(f"The DID document of {did} lists no Ed25519 Multikey under assertionMethod.")
    return tuple(found)


def _numbers(folder: Path) -> list[int]:
    found = (_KEY_FILE.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match[1]) for match in found if match)


def _write_new_key(folder: Path, number: int) -> None:
    """Write a key whole or not at all; a process that was quicker wins."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    draft = folder / f".draft-{secrets.token_hex(8)}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, folder / f"key-{number}.pem")
    finally:
        draft.unlink()


def _read_key(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & 0o007:
        raise KeyUnusableError(f"{path.name} can be read by anybody on this machine; run chmod 600 on it.")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        raise KeyUnusableError(f"{path.name} is not an unencrypted PKCS 8 key in PEM form.") from problem
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusableError(f"{path.name} is not an Ed25519 key.")
    return key


def _public(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def _verification(did: str | None, number: int, private: Ed25519PrivateKey) -> VerificationKey:
    """The key's name as a method of the domain's DID, or of its own where there is no domain."""
    public = _public(private)
    if did is None:
        return resolve_did_key(key_did(public))
    return VerificationKey(f"{did}#key-{number}", did, public)
