"""The two requests of the certificate line: the issue event read, the generate event built and checked, the decision.

Events are plain JSON objects here, because their form is the contract's (certificates.md 1.2, 2.6, 3); everything else
is typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from lernline.certify.criteria import EnrolmentFacts, ScoreFact, Verdict, evaluate
from lernline.certify.template import Template
from lernline.errors import BadRequest, NotFound
from lernline.times import day_of

ACTION = "issue-certificate"
_BAD_TAG = re.compile(r"""[!@#$%^&*()+=,.?/":;'{}|<>\s]""")


class IssueRequest(Struct, frozen=True):
    """One learner to look at (an event with several learners becomes several of these, C-1)."""

    user_id: str
    course_id: str
    batch_id: str
    reissue: bool = False


class IssuedEntry(Struct, frozen=True):
    """One element of ``user_enrolments.issued_certificates``; older entries carry no template (ruling 18)."""

    name: str
    identifier: str
    template_id: str = ""
    template_version: str = ""

    @classmethod
    def read(cls, entry: Mapping[str, str]) -> IssuedEntry:
        """An element of the column, as the store gives it."""
        return cls(
            name=entry.get("name") or "",
            identifier=entry.get("identifier") or "",
            template_id=entry.get("templateId") or "",
            template_version=entry.get("templateVersion") or "",
        )


class LearnerFacts(Struct, frozen=True):
    """What the stores know of one learner in one batch.

    Attributes:
        enrolment: None without a row.
        issued: the row's certificates.
        enrolment_columns: the row's values by the names that templates use (dates as epoch milliseconds).
        scores: the course's assessments.
        user: profile fields, or None when the directory does not know the learner.
        course_name: title of the course, "" when unknown.
    """

    enrolment: EnrolmentFacts | None
    issued: tuple[IssuedEntry, ...]
    enrolment_columns: dict[str, Any]
    scores: tuple[ScoreFact, ...]
    user: dict[str, Any] | None
    course_name: str


class LineSettings(Struct, frozen=True):
    """Settings under which the line runs; original names in certificates.md 2.

    Attributes:
        base_path: ``<cert_domain_url>/certs``.
        storage_placeholder, storage_base: text in template URLs and what takes its place.
        supported_types: ``assessment.metrics.supported.contenttype``.
        zone: zone of ``issuedDate``.
    """

    base_path: str
    storage_placeholder: str = "CLOUD_BASE_PATH"
    storage_base: str = "CLOUD_BASE_PATH"
    supported_types: tuple[str, ...] = ("SelfAssess",)
    zone: tzinfo = UTC


class Judgement(Struct, frozen=True):
    """Whether a template's certificate is due.

    Attributes:
        verdict: the criteria's outcome.
        already: id of the certificate that the learner holds from this very template version, or "".
        old_id: the certificate that a re-issue replaces, or "".
        wait_for: what is awaited before the certificate can be written (ruling 25), or "".
    """

    verdict: Verdict
    already: str
    old_id: str
    wait_for: str

    @property
    def due(self) -> bool:
        """Whether to issue now."""
        return self.verdict.passed and not self.already and not self.wait_for

    def reasons(self) -> list[str]:
        """Why it is not due, in plain words; empty when it is."""
        reasons = list(self.verdict.reasons)
        if self.already:
            reasons.append(f"the certificate {self.already} is already issued")
        if self.wait_for:
            reasons.append(self.wait_for)
        return reasons


def parse_issue_event(event: Mapping[str, Any]) -> tuple[IssueRequest, ...]:
    """The learners that an issue event asks about; empty when the event is another job's (ruling 45).

    Raises:
        BadRequest: the action fits and an id is missing.
    """
    edata = event.get("edata")
    if not isinstance(edata, Mapping) or str(edata.get("action", "")).lower() != ACTION:
        return ()
    batch_id, course_id, user_ids = edata.get("batchId"), edata.get("courseId"), edata.get("userIds")
    for name, value in (("batchId", batch_id), ("courseId", course_id)):
        if not isinstance(value, str) or not value:
            raise _missing(f"edata.{name}")
    if not isinstance(user_ids, list) or not user_ids:
        raise _missing("edata.userIds")
    if not all(isinstance(user_id, str) and user_id for user_id in user_ids):
        raise BadRequest("edata.userIds must be a list of non-empty texts.", code="INVALID_PARAM_VALUE")
    reissue = edata.get("reIssue") is True
    return tuple(IssueRequest(user_id, str(course_id), str(batch_id), reissue) for user_id in dict.fromkeys(user_ids))


def judge(request: IssueRequest, template: Template, facts: LearnerFacts, settings: LineSettings) -> Judgement:
    """Whether ``template``'s certificate is due to this learner now (certificates.md 2.2-2.4)."""
    verdict = evaluate(template.criteria, facts.enrolment, facts.scores, facts.user, settings.supported_types)
    held = held_certificate(facts.issued, template.identifier, template.version, template.name)
    older = held_certificate(facts.issued, template.identifier, "", template.name)
    wait_for = ""
    if facts.user is None:
        wait_for = "the learner's name is awaited: the user directory does not know the learner yet"
    elif not recipient_name(facts.user):
        wait_for = "the learner's name is awaited: first and last name are both empty"
    return Judgement(
        verdict=verdict,
        already="" if held is None or request.reissue else held.identifier,
        old_id=older.identifier if older is not None and request.reissue else "",
        wait_for=wait_for,
    )


def evaluate_template(
    request: IssueRequest,
    template: Template,
    facts: LearnerFacts,
    settings: LineSettings,
    *,
    now_ms: int,
    message_id: str,
) -> dict[str, Any] | None:
    """The generate event of certificates.md 2.6, or None when no certificate is due.

    Args:
        request: who is looked at.
        template: a template that passed ``check_template``.
        facts: what is known of the learner.
        settings: the line's settings.
        now_ms: ``ets``, and the date when neither completion nor score has one (C-3).
        message_id: ``mid``; derive it from the cause so that a replay makes the same event.

    Raises:
        BadRequest: ``additionalProps`` names an enrolment column that does not exist.
    """
    judgement = judge(request, template, facts, settings)
    if not judgement.due or facts.user is None:
        return None
    completed = facts.enrolment.completed_on_ms if facts.enrolment is not None else None
    return {
        "eid": "BE_JOB_REQUEST",
        "ets": now_ms,
        "mid": message_id,
        "actor": {"id": "Certificate Generator", "type": "System"},
        "context": {"pdata": {"ver": "1.0", "id": "org.sunbird.learning.platform"}},
        "object": {"id": request.user_id, "type": "GenerateCertificate"},
        "edata": {
            "issuedDate": day_of(now_ms if completed is None else completed, settings.zone).isoformat(),
            "data": [{"recipientName": recipient_name(facts.user), "recipientId": request.user_id}],
            "criteria": {"narrative": template.name},
            "svgTemplate": template.url.replace(settings.storage_placeholder, settings.storage_base),
            "oldId": judgement.old_id,
            "templateId": template.identifier,
            "templateVersion": template.version,
            "userId": request.user_id,
            "orgId": str(facts.user.get("rootOrgId") or ""),
            "issuer": _issuer(template),
            "signatoryList": [
                {"image": who.image, "name": who.name, "id": who.id, "designation": who.designation}
                for who in template.signatories
            ],
            "courseName": facts.course_name,
            "basePath": settings.base_path,
            "related": _related(request, template, facts, judgement.verdict),
            "name": template.name,
            "tag": request.batch_id,
        },
    }


def validate_generate_request(event: Mapping[str, Any]) -> None:
    """The generator's checks in their order (certificates.md 3, rows 1-8); the first failure stops.

    A blank text and null count as missing. No setting softens a row (C-8), and a tag may hold hyphens.

    Raises:
        BadRequest: with the contract's code and message.
    """
    edata = event.get("edata")
    if not isinstance(edata, Mapping) or not edata:
        raise _missing("edata")
    _need(edata, "edata", "name", "svgTemplate")
    _need_each(edata.get("data"), "edata.data", "recipientName")
    issuer = _need_object(edata.get("issuer"), "edata.issuer", "name", "url")
    _need_each(edata.get("signatoryList"), "edata.signatoryList", "name", "id", "designation", "image")
    _need_object(edata.get("criteria"), "edata.criteria", "narrative")
    tag = edata.get("tag")
    if not _blank(tag) and (not isinstance(tag, str) or _BAD_TAG.search(tag)):
        raise _invalid(f"Invalid value {tag} for parameter tag.")
    base_path = edata.get("basePath")
    if not _blank(base_path) and not _is_url(base_path):
        raise _invalid(f"Invalid value {base_path} for parameter certificate.basePath.")
    keys = edata.get("keys")
    if keys:
        _need_object(keys, "edata.keys", "id")
        listed = issuer.get("publicKey")
        if listed and keys["id"] not in listed:
            raise _invalid(
                f"Invalid value {listed} for parameter edata.issuer.publicKey."
                " ,public key attribute must contain keys.id value"
            )


def decide_issue(event: Mapping[str, Any], issued: Sequence[IssuedEntry] | None) -> bool:
    """Whether a generate event's certificate is still to be issued (certificates.md 3, ruling 18).

    Args:
        event: a generate event that passed ``validate_generate_request``.
        issued: the enrolment's certificates; None when there is no enrolment row.

    Raises:
        NotFound: there is no enrolment to record it on (C-25).
    """
    edata = event["edata"]
    if issued is None:
        raise NotFound("The learner of this certificate request is not enrolled in its batch; nothing is issued.")
    if not _blank(edata.get("oldId")):
        return True
    held = held_certificate(
        issued, str(edata.get("templateId") or ""), str(edata.get("templateVersion") or ""), str(edata["name"])
    )
    return held is None


def held_certificate(issued: Sequence[IssuedEntry], template_id: str, version: str, name: str) -> IssuedEntry | None:
    """The entry that a template's certificate already has; an empty ``version`` means any (ruling 18)."""
    for entry in issued:
        if not (entry.template_id and template_id):
            if entry.name.casefold() == name.casefold():
                return entry
        elif entry.template_id == template_id and (
            not version or not entry.template_version or entry.template_version == version
        ):
            return entry
    return None


def recipient_name(user: Mapping[str, Any]) -> str:
    """First and last name, each trimmed; null, blank and the text ``null`` are left out (certificates.md 2.5)."""
    parts = (str(user.get(field) or "").strip() for field in ("firstName", "lastName"))
    return " ".join(part for part in parts if part and part != "null")


def _issuer(template: Template) -> dict[str, Any]:
    issuer: dict[str, Any] = {"name": template.issuer.name, "url": template.issuer.url}
    if template.issuer.public_key:
        issuer["publicKey"] = list(template.issuer.public_key)
    return issuer


def _related(request: IssueRequest, template: Template, facts: LearnerFacts, verdict: Verdict) -> dict[str, Any]:
    related: dict[str, Any] = {
        "batchId": request.batch_id,
        "courseId": request.course_id,
        "type": template.name,
    }
    props = template.additional_props
    user = facts.user or {}
    if columns := props.get("enrollment"):
        lower = {name.lower(): value for name, value in facts.enrolment_columns.items()}
        unknown = [column for column in columns if column.lower() not in lower]
        if unknown:
            raise BadRequest(f"The template's additionalProps.enrollment names the unknown column {unknown[0]}.")
        related["enrollment"] = {column: lower[column.lower()] for column in columns}
    if "score" in props.get("assessment", ()) and template.criteria.score:
        related["assessment"] = {"score": verdict.percents}
    if fields := props.get("user"):
        related |= {field: user.get(field) for field in fields if field not in related}
    if kinds := props.get("location"):
        places = {place.get("type"): place.get("name") for place in user.get("userLocations") or ()}
        found = {kind: places[kind] for kind in kinds if kind in places}
        if found:
            related["location"] = found
    if "course" in props:
        related["course"] = {"name": facts.course_name}
    return related


def _need(values: Mapping[str, Any], path: str, *fields: str) -> None:
    for field in fields:
        if _blank(values.get(field)):
            raise _missing(f"{path}.{field}")


def _need_object(value: object, path: str, *fields: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not value:
        raise _missing(path)
    _need(value, path, *fields)
    return value


def _need_each(value: object, path: str, *fields: str) -> None:
    if not isinstance(value, list) or not value:
        raise _missing(path)
    for item in value:
        _need_object(item, path, *fields)


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _is_url(value: object) -> bool:
    if not isinstance(value, str) or re.search(r"\s", value):
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https", "ftp"} and bool(parts.netloc)


def _missing(path: str) -> BadRequest:
    return BadRequest(f"Mandatory parameter {path} is missing.", code="MANDATORY_PARAMETER_MISSING")


def _invalid(message: str) -> BadRequest:
    return BadRequest(message, code="INVALID_PARAM_VALUE")
