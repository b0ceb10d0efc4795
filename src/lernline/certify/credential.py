"""The certificate as an Open Badges 3.0 credential on VC 2.0, before it is signed (certificates.md 11).

Everything that makes the certificate what it is lies inside the signed content (C-2, C-16), in terms that the two
pinned contexts define:

=====================  ========================================================================
fact                   place
=====================  ========================================================================
recipient's name, id   ``credentialSubject.identifier`` (``name``, ``systemId``)
batch                  ``credentialSubject.term``
completion             ``awardedDate``, ``credentialSubject.activityEndDate``
issue                  ``validFrom``
scores                 ``credentialSubject.result``, described in ``achievement.resultDescription``
course, template       ``achievement.otherIdentifier`` (``ext:courseId``, ``ext:templateId``, ``ext:templateVersion``)
signatories            ``evidence`` of genre ``Signatory``
=====================  ========================================================================
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from msgspec import Struct

from lernline.certify.linked_data import CREDENTIALS_V2, OPEN_BADGES_V3
from lernline.certify.signing import xsd_time
from lernline.certify.template import Signatory

_NAMESPACE: Final = uuid.UUID("5b0c7d9e-3c2e-5f53-9a64-8a1f0c3f7a11")


class ScoreShown(Struct, frozen=True):
    """One assessment's best attempt in percent."""

    content_id: str
    name: str
    percent: float


class CredentialFacts(Struct, frozen=True):
    """All that a certificate says.

    Attributes:
        credential_id: UUID of the certificate.
        issuer_did: who signs.
        base_url: address under which the issuer names achievements, or "" for URNs (did:key, air-gapped).
        completed_ms, issued_ms: epoch milliseconds; completion and issue are two facts (C-2).
        criteria: what had to be done, in one sentence.
        recipient_salt: when given, the user id is written as salted SHA-256, so that a published certificate
            does not show it and still proves it to whoever knows it.
        valid_until_ms: end of validity, or None.
    """

    credential_id: str
    issuer_did: str
    issuer_name: str
    issuer_url: str
    recipient_id: str
    recipient_name: str
    course_id: str
    course_name: str
    batch_id: str
    template_id: str
    template_name: str
    template_version: str
    criteria: str
    completed_ms: int
    issued_ms: int
    signatories: tuple[Signatory, ...] = ()
    scores: tuple[ScoreShown, ...] = ()
    base_url: str = ""
    recipient_salt: str = ""
    valid_until_ms: int | None = None


def build_credential(facts: CredentialFacts) -> dict[str, Any]:
    """The unsigned AchievementCredential of ``facts``."""
    achievement_id = _achievement_id(facts)
    achievement: dict[str, Any] = {
        "id": achievement_id,
        "type": ["Achievement"],
        "achievementType": "Certificate",
        "name": facts.course_name or facts.template_name,
        "description": f"Completed {facts.course_name or facts.course_id}",
        "criteria": {"narrative": facts.criteria},
        "otherIdentifier": [
            _other("ext:courseId", facts.course_id),
            _other("ext:templateId", facts.template_id),
            _other("ext:templateVersion", facts.template_version),
        ],
    }
    subject: dict[str, Any] = {
        "type": ["AchievementSubject"],
        "identifier": [_identity("name", facts.recipient_name), _recipient(facts)],
        "term": facts.batch_id,
        "activityEndDate": f"{datetime.fromtimestamp(facts.completed_ms // 1000, tz=UTC):%Y-%m-%d}",
        "achievement": achievement,
    }
    if facts.scores:
        achievement["resultDescription"] = [
            {
                "id": _result_id(achievement_id, score),
                "type": ["ResultDescription"],
                "name": score.name or score.content_id,
                "resultType": "Percent",
            }
            for score in facts.scores
        ]
        subject["result"] = [
            {
                "type": ["Result"],
                "resultDescription": _result_id(achievement_id, score),
                "value": f"{round(score.percent, 2):g}",
            }
            for score in facts.scores
        ]
    credential: dict[str, Any] = {
        "@context": [CREDENTIALS_V2, OPEN_BADGES_V3],
        "id": f"urn:uuid:{facts.credential_id}",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": facts.template_name,
        "issuer": {
            "id": facts.issuer_did,
            "type": ["Profile"],
            "name": facts.issuer_name,
            "url": facts.issuer_url,
        },
        "validFrom": xsd_time(facts.issued_ms),
        "awardedDate": xsd_time(facts.completed_ms),
        "credentialSubject": subject,
    }
    if facts.valid_until_ms is not None:
        credential["validUntil"] = xsd_time(facts.valid_until_ms)
    if facts.signatories:
        credential["evidence"] = [_signed_by(signatory) for signatory in facts.signatories]
    return credential


def credential_uuid(
    secret: bytes, user_id: str, course_id: str, batch_id: str, template_id: str, version: str, sequence: int
) -> str:
    """The id that a certificate has however often its event is replayed, a version 4 UUID to everybody else (C-19).

    Who holds the id sees the certificate, so that nobody may work it out from what is known of a learner: the facts
    are keyed with ``secret``, the installation's own. ``sequence`` counts the issues of one template to one learner in
    one batch; a re-issue takes the next number.
    """
    parts = (user_id, course_id, batch_id, template_id, version, str(sequence))
    named = "".join(f"{len(part)}:{part}" for part in parts)
    return str(uuid.UUID(bytes=_keyed(secret, b"id", named)[:16], version=4))


def recipient_salt(secret: bytes, credential_id: str) -> str:
    """The salt of a certificate's hidden recipient: it stands in the certificate and cannot be had from its id."""
    return _keyed(secret, b"salt", credential_id)[:16].hex()


def credential_address(base_url: str, credential_id: str) -> str:
    """Where anybody who has it can see a certificate: the text of its QR code."""
    return f"{base_url.rstrip('/')}/certs/{credential_id}"


def hashed_recipient(recipient_id: str, salt: str) -> str:
    """Open Badges' form of a hidden identity: SHA-256 over id and salt."""
    return "sha256$" + hashlib.sha256((recipient_id + salt).encode()).hexdigest()


def _keyed(secret: bytes, purpose: bytes, text: str) -> bytes:
    return hmac.new(secret, b"lernline-certificate-" + purpose + b"\0" + text.encode(), hashlib.sha256).digest()


def _achievement_id(facts: CredentialFacts) -> str:
    if facts.base_url:
        course, template = quote(facts.course_id, safe=""), quote(facts.template_id, safe="")
        return f"{facts.base_url.rstrip('/')}/achievements/{course}/{template}"
    named = f"{facts.issuer_did} {facts.course_id} {facts.template_id}"
    return f"urn:uuid:{uuid.uuid5(_NAMESPACE, named)}"


def _result_id(achievement_id: str, score: ScoreShown) -> str:
    return f"{achievement_id}#{quote(score.content_id, safe='')}"


def _recipient(facts: CredentialFacts) -> dict[str, Any]:
    if not facts.recipient_salt:
        return _identity("systemId", facts.recipient_id)
    hidden = hashed_recipient(facts.recipient_id, facts.recipient_salt)
    return {**_identity("systemId", hidden), "hashed": True, "salt": facts.recipient_salt}


def _identity(kind: str, value: str) -> dict[str, Any]:
    return {"type": "IdentityObject", "hashed": False, "identityHash": value, "identityType": kind}


def _other(kind: str, value: str) -> dict[str, Any]:
    return {"type": "IdentifierEntry", "identifier": value, "identifierType": kind}


def _signed_by(signatory: Signatory) -> dict[str, Any]:
    return {
        "type": ["Evidence"],
        "genre": "Signatory",
        "name": signatory.name,
        "description": signatory.designation,
        "narrative": f"Signed by {signatory.name} ({signatory.id}), {signatory.designation}",
    }
