"""Is this certificate genuine? Checked offline, line by line, in plain words (certificates.md 11 g, C-12).

Nothing that the document says about itself is believed before the signature holds under a key of the issuer's DID:
``did:key`` is its own key; for ``did:web`` the keys come from a DID document that the caller holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from lernline.certify.keys import VerificationKey, resolve_did_key
from lernline.certify.linked_data import UnsignedContent
from lernline.certify.signing import CRYPTOSUITE, PROOF_PURPOSE, PROOF_TYPE, signature_holds
from lernline.errors import BadRequest, LernlineError

_LARGEST = 1_000_000
_TYPES = ({"VerifiableCredential"}, {"OpenBadgeCredential", "AchievementCredential"})


class Check(Struct, frozen=True):
    """One thing that was looked at; ``line`` is a sentence for a person."""

    name: str
    passed: bool
    line: str


class Report(Struct, frozen=True):
    """Outcome of a verification.

    Attributes:
        checks: in the order in which they were made; the first failure that makes others pointless ends the list.
        issuer_known: whether the key came from the caller and not from the certificate itself.
        credential: what was verified, or None when it was not readable.
    """

    checks: tuple[Check, ...]
    issuer_known: bool = False
    credential: dict[str, Any] | None = None

    @property
    def valid(self) -> bool:
        """Whether every check passed."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    def lines(self) -> list[str]:
        """``ok`` or ``FAILED``, and the sentence, per check."""
        return [f"{'ok    ' if check.passed else 'FAILED'}  {check.line}" for check in self.checks]


class _StopError(LernlineError):
    """Ends a verification early; carries the failed check's name as code."""


def verify_credential(document: bytes, *, now_ms: int, trusted: Sequence[VerificationKey] = ()) -> Report:
    """Check a certificate.

    Args:
        document: the JSON as it was received.
        now_ms: the instant for which validity is asked, epoch milliseconds.
        trusted: keys of issuers that the caller trusts. With any given, no other issuer passes.
    """
    checks: list[Check] = []
    credential: dict[str, Any] | None = None
    known = False
    try:
        credential = _read(document)
        checks.append(Check("form", True, "The file is an Open Badges 3.0 credential."))
        issuer = _issuer_did(credential)
        keys, known = _keys_of(issuer, trusted)
        checks.append(Check("issuer", True, _issuer_line(credential, issuer, known=known)))
        checks.append(_check_proofs(credential, issuer, keys, now_ms))
        checks.append(_check_validity(credential, now_ms))
    except _StopError as stop:
        checks.append(Check(stop.code, False, stop.message))
    return Report(tuple(checks), known, credential)


def _read(document: bytes) -> dict[str, Any]:
    if len(document) > _LARGEST:
        raise _StopError("The file is too large for a certificate.", code="form")
    try:
        credential = msgspec.json.decode(document)
        repeated = _has_repeated_key(document)
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        raise _StopError("The file is not valid JSON.", code="form") from problem
    if not isinstance(credential, dict):
        raise _StopError("The file is not a credential: a JSON object is expected.", code="form")
    if repeated:
        raise _StopError("The file writes one key twice, so that programs may read it differently.", code="form")
    types = credential.get("type")
    named = {name for name in types if isinstance(name, str)} if isinstance(types, list) else set()
    if not all(named & wanted for wanted in _TYPES):
        raise _StopError("The file is not an Open Badges 3.0 credential (type).", code="form")
    if not isinstance(credential.get("credentialSubject"), Mapping):
        raise _StopError("The credential has no credentialSubject.", code="form")
    return credential


def _has_repeated_key(document: bytes) -> bool:
    repeated = False

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        read = dict(found)
        repeated = repeated or len(read) < len(found)
        return read

    json.loads(document, object_pairs_hook=pairs)
    return repeated


def _issuer_did(credential: Mapping[str, Any]) -> str:
    issuer = credential.get("issuer")
    did = issuer.get("id") if isinstance(issuer, Mapping) else issuer
    if not isinstance(did, str) or not did.startswith("did:"):
        raise _StopError("The credential names no issuer by a DID (issuer.id).", code="issuer")
    return did


def _keys_of(issuer: str, trusted: Iterable[VerificationKey]) -> tuple[list[VerificationKey], bool]:
    trusted = list(trusted)
    own = [key for key in trusted if key.controller == issuer]
    if own:
        return own, True
    if trusted:
        raise _StopError(f"The issuer {issuer} is not one of those that you trust.", code="issuer")
    if issuer.startswith("did:key:"):
        try:
            return [resolve_did_key(issuer)], False
        except BadRequest as problem:
            raise _StopError(f"The issuer {issuer} is not a did:key of an Ed25519 key.", code="issuer") from problem
    raise _StopError(f"The keys of {issuer} are not at hand; give its DID document (did.json).", code="issuer")


def _issuer_line(credential: Mapping[str, Any], issuer: str, *, known: bool) -> str:
    profile = credential["issuer"]
    name = profile.get("name") if isinstance(profile, Mapping) else None
    named = f"{name} ({issuer})" if isinstance(name, str) else issuer
    if known:
        return f"The issuer is {named}, whose keys you hold."
    return f"The issuer calls itself {named}; its key comes from the certificate, so make sure that you know this DID."


def _check_proofs(credential: Mapping[str, Any], issuer: str, keys: Sequence[VerificationKey], now_ms: int) -> Check:
    stored = credential.get("proof")
    proofs = stored if isinstance(stored, list) else [stored]
    accepted = [proof for proof in proofs if isinstance(proof, Mapping) and proof.get("cryptosuite") == CRYPTOSUITE]
    if not accepted:
        raise _StopError(f"The credential carries no proof of the suite {CRYPTOSUITE}.", code="proof")
    for proof in accepted:
        _refuse_odd_proof(credential, proof, now_ms)
        key = next((key for key in keys if key.id == proof["verificationMethod"]), None)
        if key is None:
            raise _StopError(
                f"The signing key {proof['verificationMethod']} does not belong to {issuer}.", code="proof"
            )
        try:
            holds = signature_holds(credential, proof, key.public)
        except UnsignedContent as problem:
            raise _StopError(
                f"The signature cannot cover the whole credential: {problem.message}", code="proof"
            ) from problem
        if not holds:
            raise _StopError("The signature does not fit: the certificate was changed or forged.", code="proof")
    return Check("proof", True, f"The signature holds ({CRYPTOSUITE}, key {accepted[0]['verificationMethod']}).")


def _refuse_odd_proof(credential: Mapping[str, Any], proof: Mapping[str, Any], now_ms: int) -> None:
    if proof.get("type") != PROOF_TYPE:
        raise _StopError(f"The proof's type must be {PROOF_TYPE}.", code="proof")
    if proof.get("proofPurpose") != PROOF_PURPOSE:
        raise _StopError(f"The proof was made for another purpose than {PROOF_PURPOSE}.", code="proof")
    if not isinstance(proof.get("verificationMethod"), str):
        raise _StopError("The proof names no key (verificationMethod).", code="proof")
    if "previousProof" in proof:
        raise _StopError("Chained proofs are not supported.", code="proof")
    if "@context" in proof and proof["@context"] != credential.get("@context"):
        raise _StopError("The proof brings its own @context.", code="proof")
    expires = _instant(proof, "expires", "proof")
    if expires is not None and expires <= _at(now_ms):
        raise _StopError("The proof has expired.", code="proof")


def _check_validity(credential: Mapping[str, Any], now_ms: int) -> Check:
    since = _instant(credential, "validFrom", "validity")
    until = _instant(credential, "validUntil", "validity")
    now = _at(now_ms)
    if since is None:
        raise _StopError("The credential does not say from when it is valid (validFrom).", code="validity")
    if since > now:
        raise _StopError(f"The certificate is valid only from {since:%Y-%m-%d %H:%M} UTC.", code="validity")
    if until is not None and until < now:
        raise _StopError(f"The certificate was valid until {until:%Y-%m-%d %H:%M} UTC.", code="validity")
    end = f" until {until:%Y-%m-%d}" if until else ", without an end"
    return Check("validity", True, f"It is valid since {since:%Y-%m-%d}{end}.")


def _at(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


def _instant(values: Mapping[str, Any], name: str, check: str) -> datetime | None:
    text = values.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _StopError(f"{name} is not a time with a zone.", code=check)
    return moment.astimezone(UTC)
