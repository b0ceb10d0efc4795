"""Data Integrity proofs with ``eddsa-rdfc-2022`` (certificates.md 11 c, d)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from lernline.certify.canonical import Canonicalizer
from lernline.certify.keys import IssuerKey
from lernline.certify.linked_data import canonical_nquads

CRYPTOSUITE: Final = "eddsa-rdfc-2022"
PROOF_TYPE: Final = "DataIntegrityProof"
PROOF_PURPOSE: Final = "assertionMethod"
_LONGEST_SIGNATURE: Final = 100


def xsd_time(ms: int) -> str:
    """An instant as credentials write it, e.g. ``2026-03-01T00:00:00Z`` (milliseconds only when there are some)."""
    moment = datetime.fromtimestamp(ms // 1000, tz=UTC)
    fraction = f".{ms % 1000:03d}" if ms % 1000 else ""
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


class Signer:
    """Signs credentials with one key; keeps the canonical frame of each document shape, so use one for many."""

    def __init__(self, key: IssuerKey) -> None:
        self._key = key
        self._canonical = Canonicalizer()

    @property
    def did(self) -> str:
        """The DID that the signatures speak for."""
        return self._key.did

    def sign(self, document: Mapping[str, Any], created_ms: int) -> dict[str, Any]:
        """The document with a ``proof`` list of one proof.

        Raises:
            UnsignedContent: a part of the document would not be covered by the signature.
        """
        proof: dict[str, Any] = {
            "type": PROOF_TYPE,
            "cryptosuite": CRYPTOSUITE,
            "created": xsd_time(created_ms),
            "verificationMethod": self._key.verification.id,
            "proofPurpose": PROOF_PURPOSE,
        }
        unsigned = {name: value for name, value in document.items() if name != "proof"}
        options = {"@context": unsigned["@context"], **proof}
        message = _digest(self._canonical.nquads(options)) + _digest(self._canonical.nquads(unsigned))
        proof["proofValue"] = "z" + base58.b58encode(self._key.private.sign(message)).decode()
        return {**unsigned, "proof": [proof]}


def signature_holds(document: Mapping[str, Any], proof: Mapping[str, Any], public: bytes) -> bool:
    """Whether ``proof`` was made over ``document`` with the private half of ``public``.

    Args:
        document: the credential; its ``proof`` member is not looked at.
        proof: one proof of the suite, as it stands in the credential.
        public: 32 bytes.

    Raises:
        UnsignedContent: the document or the proof holds something that no signature covers.
    """
    signature = _signature(proof.get("proofValue"))
    if signature is None:
        return False
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    options = {name: value for name, value in proof.items() if name != "proofValue"}
    options["@context"] = document.get("@context")
    message = _digest(canonical_nquads(options)) + _digest(canonical_nquads(unsigned))
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _signature(value: object) -> bytes | None:
    if not isinstance(value, str) or not value.startswith("z") or len(value) > _LONGEST_SIGNATURE:
        return None
    try:
        return base58.b58decode(value[1:])
    except ValueError:
        return None
