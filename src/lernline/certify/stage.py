"""The certify stage: a hint that a certificate may be due, the criteria's decision, one signed credential.

It alone writes ``issued_certificates`` and the credentials. A hint that is repeated, late or early changes nothing:
what counts is the stored state when the hint is read (certificates.md 1.2, C-29).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from lernline.catalog.courses import Courses
from lernline.certify.credential import ScoreShown
from lernline.certify.facts import CertifyStore, Files, entry_of, read_files
from lernline.certify.issuing import Certifier, Due, issued_audit, with_entry
from lernline.certify.requests import (
    IssueRequest,
    LineSettings,
    decide_issue,
    judge,
    parse_issue_event,
    recipient_name,
    validate_generate_request,
)
from lernline.certify.template import Signatory, Template, judge_template
from lernline.clock import Clock
from lernline.errors import BadRequest, LernlineError
from lernline.model import Batch, Changes, EnrolmentKey, Event
from lernline.stream import topics
from lernline.stream.port import Record
from lernline.times import parse_date, start_of_day, zone_named

_log = structlog.get_logger()


class CertifyStage:
    """Issues what is due, once per learner and template version."""

    name = "certify"
    group = topics.CERTIFICATE_GROUP
    topics = (topics.CERTIFICATE_REQUEST, topics.CERTIFICATE_GENERATE)

    def __init__(
        self,
        store: CertifyStore,
        courses: Courses,
        certifier: Certifier,
        clock: Clock,
        settings: LineSettings,
        default_channel: str,
    ) -> None:
        self._store = store
        self._courses = courses
        self._certifier = certifier
        self._clock = clock
        self._settings = settings
        self._default_channel = default_channel

    def process(self, records: Sequence[Record]) -> Changes:
        """Certificates that are due after these hints; a hint that cannot be read becomes a dead letter."""
        changes = Changes()
        changes.count("total-events-count", len(records))
        hints: list[tuple[Record, IssueRequest | dict[str, Any]]] = []
        for record in records:
            try:
                hints += [(record, one) for one in _read(record, changes)]
            except LernlineError as problem:
                self._refuse(record, problem, changes)
        files = read_files(self._store, self._courses, {_key(one) for _, one in hints})
        looked_at: set[IssueRequest] = set()
        for record, one in hints:
            try:
                if isinstance(one, dict):
                    self._generate(one, files, changes)
                elif one not in looked_at:
                    looked_at.add(one)
                    self._look(one, files, changes)
            except LernlineError as problem:
                self._refuse(record, problem, changes)
        return changes

    def _look(self, request: IssueRequest, files: Files, changes: Changes) -> None:
        """Every template of the batch on its own: one that is broken does not stop the others (C-13)."""
        key = _key(request)
        batch = files.batches.get(key.batchid)
        templates = _usable(batch, key) if batch is not None else []
        issued = 0
        for template in templates:
            facts = files.learner(key)
            judgement = judge(request, template, facts, self._settings)
            if not judgement.due or facts.user is None or facts.enrolment is None:
                continue
            names = {one.identifier: one.name for one in files.contents.values()}
            due = Due(
                key=key,
                recipient_name=recipient_name(facts.user),
                course_name=facts.course_name,
                template_id=template.identifier,
                template_version=template.version,
                template_name=template.name,
                template_url=template.url.replace(self._settings.storage_placeholder, self._settings.storage_base),
                issuer_name=template.issuer.name,
                issuer_url=template.issuer.url,
                signatories=template.signatories,
                criteria=template.criteria.describe(),
                completed_ms=facts.enrolment.completed_on_ms or self._clock.now_ms(),
                scores=tuple(
                    ScoreShown(contentid, names.get(contentid, ""), percent)
                    for contentid, percent in judgement.verdict.percents.items()
                ),
                sequence=1 + sum(one.template_id == template.identifier for one in files.credentials.get(key, ())),
            )
            self._issue(due, judgement.old_id, files, changes)
            issued += 1
        changes.count("success-events-count" if issued else "skipped-event-count")

    def _generate(self, event: dict[str, Any], files: Files, changes: Changes) -> None:
        """A generate event of an older pre-processor: judged there, checked and issued here."""
        key = _key(event)
        edata = event["edata"]
        entries = files.issued.get(key)
        known = None if entries is None else [entry_of(one) for one in entries]
        # what is issued already needs nothing more, however incomplete the request for it is
        if isinstance(edata.get("name"), str) and not decide_issue(event, known):
            changes.count("skipped-event-count")
            return
        validate_generate_request(event)
        day = str(edata.get("issuedDate") or "")[:10]
        completed = start_of_day(parse_date(day), zone_named("UTC")) if day else self._clock.now_ms()
        template_id = str(edata.get("templateId") or edata["name"])
        due = Due(
            key=key,
            recipient_name=edata["data"][0]["recipientName"].strip(),
            course_name=str(edata.get("courseName") or ""),
            template_id=template_id,
            template_version=str(edata.get("templateVersion") or ""),
            template_name=edata["name"],
            template_url=edata["svgTemplate"],
            issuer_name=edata["issuer"]["name"],
            issuer_url=edata["issuer"]["url"],
            signatories=tuple(
                Signatory(one["name"], one["id"], one["designation"], one["image"]) for one in edata["signatoryList"]
            ),
            criteria=edata["criteria"]["narrative"],
            completed_ms=completed,
            sequence=1 + sum(one.template_id == template_id for one in files.credentials.get(key, ())),
        )
        self._issue(due, str(edata.get("oldId") or ""), files, changes)
        changes.count("success-events-count")

    def _issue(self, due: Due, replaced: str, files: Files, changes: Changes) -> None:
        now_ms = self._clock.now_ms()
        credential, entry = self._certifier.issue(due, now_ms)
        files.credentials.setdefault(due.key, []).append(credential)
        files.issued[due.key] = with_entry(files.issued.get(due.key, []), entry, replaced)
        changes.credentials.append(credential)
        changes.issued.append((due.key, files.issued[due.key]))
        course = files.contents.get(due.key.courseid)
        channel = (course.channel if course is not None else None) or self._default_channel
        audit = issued_audit(entry, due.key, now_ms, channel)
        changes.events.append(Event(topics.TELEMETRY, due.key.userid, audit))

    def _refuse(self, record: Record, problem: LernlineError, changes: Changes) -> None:
        changes.count("failed-events-count")
        letter = record.set_aside(self.name, problem.code, problem.message, self._clock.now_ms())
        changes.dead_letters.append(letter)
        changes.events.append(Event(topics.CERTIFICATE_FAILED, record.key, record.value))


def _read(record: Record, changes: Changes) -> list[IssueRequest | dict[str, Any]]:
    """The hints of a record: learners to look at, or one generate event. Another job's event is skipped."""
    try:
        event = msgspec.json.decode(record.value)
    except msgspec.MsgspecError as problem:
        raise BadRequest(f"the event cannot be read: {problem}", code="EVENT_UNREADABLE") from problem
    if not isinstance(event, dict):
        raise BadRequest("the event is not a JSON object", code="EVENT_UNREADABLE")
    if record.topic == topics.CERTIFICATE_GENERATE:
        related = (event.get("edata") or {}).get("related") or {}
        ids = ((event.get("edata") or {}).get("userId"), related.get("courseId"), related.get("batchId"))
        if not all(isinstance(one, str) and one for one in ids):
            raise BadRequest(
                "edata.userId, edata.related.courseId or edata.related.batchId is missing",
                code="MANDATORY_PARAMETER_MISSING",
            )
        return [event]
    requests = parse_issue_event(event)
    if not requests:
        changes.count("skipped-event-count")
    return list(requests)


def _key(hint: IssueRequest | dict[str, Any]) -> EnrolmentKey:
    if isinstance(hint, IssueRequest):
        return EnrolmentKey(hint.user_id, hint.course_id, hint.batch_id)
    related = hint["edata"]["related"]
    return EnrolmentKey(hint["edata"]["userId"], related["courseId"], related["batchId"])


def _usable(batch: Batch, key: EnrolmentKey) -> list[Template]:
    """The batch's templates that pass the checks; those that do not are logged, and ``explain`` says why."""
    if batch.courseid != key.courseid:
        return []
    usable: list[Template] = []
    for identifier, raw in batch.cert_templates.items():
        template, problems = judge_template({"identifier": identifier} | raw)
        if template is None or problems:
            fields = [problem.field for problem in problems]
            _log.warning("a template cannot be used", batch=batch.batchid, template=identifier, fields=fields)
        else:
            usable.append(template)
    return usable
