"""Making one certificate: the signed credential, its row, and the entry that the enrolment carries."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from lernline.certify.credential import (
    CredentialFacts,
    ScoreShown,
    build_credential,
    credential_uuid,
    recipient_salt,
)
from lernline.certify.keys import Issuing
from lernline.certify.signing import Signer
from lernline.certify.template import Signatory
from lernline.model import Credential, EnrolmentKey, IssuedCertificate

ENTITY = "TrainingCertificate"
_encode = msgspec.json.Encoder().encode


class Due(msgspec.Struct, frozen=True):
    """A certificate that is due: whose, from which template, and what it says. Times are epoch ms."""

    key: EnrolmentKey
    recipient_name: str
    course_name: str
    template_id: str
    template_version: str
    template_name: str
    template_url: str
    issuer_name: str
    issuer_url: str
    signatories: tuple[Signatory, ...]
    criteria: str
    completed_ms: int
    scores: tuple[ScoreShown, ...] = ()
    sequence: int = 1


class Certifier:
    """Signs certificates with the installation's key; one is kept for the life of a process.

    Args:
        issuing: the installation's keys.
        base_url: address under which it is known.
        secret: the installation's own, from which ids and salts of certificates are made.
    """

    def __init__(self, issuing: Issuing, base_url: str, secret: bytes) -> None:
        self._base_url = base_url.rstrip("/")
        self._secret = secret
        self._signer = Signer(issuing.current)

    def issue(self, due: Due, now_ms: int) -> tuple[Credential, IssuedCertificate]:
        """The credential and the enrolment's entry; the same certificate gets the same id however often it is made."""
        userid, courseid, batchid = due.key
        identifier = credential_uuid(
            self._secret, userid, courseid, batchid, due.template_id, due.template_version, due.sequence
        )
        facts = CredentialFacts(
            credential_id=identifier,
            issuer_did=self._signer.did,
            issuer_name=due.issuer_name,
            issuer_url=due.issuer_url,
            recipient_id=userid,
            recipient_name=due.recipient_name,
            course_id=courseid,
            course_name=due.course_name,
            batch_id=batchid,
            template_id=due.template_id,
            template_name=due.template_name,
            template_version=due.template_version,
            criteria=due.criteria,
            completed_ms=due.completed_ms,
            issued_ms=now_ms,
            signatories=due.signatories,
            scores=due.scores,
            base_url=self._base_url if self._signer.did.startswith("did:web:") else "",
            recipient_salt=recipient_salt(self._secret, identifier),
        )
        document = self._signer.sign(build_credential(facts), now_ms)
        credential = Credential(
            id=identifier,
            userid=userid,
            courseid=courseid,
            batchid=batchid,
            template_id=due.template_id,
            template_version=due.template_version,
            template_name=due.template_name,
            document=_encode(document),
            svg_template=due.template_url,
            issued_on=now_ms,
            sequence=due.sequence,
        )
        entry = IssuedCertificate(
            identifier=identifier,
            name=due.template_name,
            lastIssuedOn=_issued_on(now_ms),
            templateUrl=due.template_url,
            type=ENTITY,
            templateId=due.template_id,
            templateVersion=due.template_version,
        )
        return credential, entry


def with_entry(
    entries: list[IssuedCertificate], entry: IssuedCertificate, replaced: str = ""
) -> list[IssuedCertificate]:
    """The enrolment's list with a new entry: one per template, what it replaces goes (certificates.md 6)."""
    kept = [
        one
        for one in entries
        if one.identifier != replaced
        and (one.templateId != entry.templateId if one.templateId else one.name.casefold() != entry.name.casefold())
    ]
    return [*kept, entry]


def issued_audit(entry: IssuedCertificate, key: EnrolmentKey, now_ms: int, channel: str) -> bytes:
    """AUDIT of an issued certificate (certificates.md 6); one identity per certificate."""
    event: Mapping[str, Any] = {
        "eid": "AUDIT",
        "ver": "3.0",
        "ets": now_ms,
        "syncts": now_ms,
        "mid": f"LP.AUDIT.{now_ms}.{entry.identifier}",
        "actor": {"id": key.userid, "type": "User"},
        "context": {
            "channel": channel,
            "env": "Course",
            "sid": entry.identifier,
            "did": entry.identifier,
            "pdata": {"ver": "1.0", "id": "org.sunbird.learning.platform", "pid": "course-certificate-generator"},
            "cdata": [{"type": "CourseBatch", "id": key.batchid}],
        },
        "object": {"id": entry.identifier, "type": "Certificate", "rollup": {"l1": key.courseid}},
        "edata": {"props": ["certificates"], "type": "certificate-issued-svg"},
        "tags": [],
    }
    return _encode(event)


def _issued_on(ms: int) -> str:
    """``2023-03-23T12:38:05.981+0000``, the form of the contract."""
    moment = datetime.fromtimestamp(ms // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}+0000"
