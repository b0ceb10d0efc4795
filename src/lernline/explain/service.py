"""Gathers what is known of one learner in one batch and lets the rules say what it means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Any, Protocol

from lernline.catalog.courses import Courses
from lernline.catalog.relations import Relations
from lernline.certify.facts import Files, read_files
from lernline.certify.requests import IssueRequest, LineSettings, judge
from lernline.certify.template import judge_template
from lernline.clock import Clock
from lernline.explain.rules import Explanation, Facts, Letter, TemplateFacts, explain
from lernline.model import Attempt, Batch, Credential, EnrolmentKey, IssuedCertificate
from lernline.record.batch_rules import current_status
from lernline.store.port import Store
from lernline.stream import topics
from lernline.stream.port import Stream

_MOST_LETTERS = 10_000
_TAILS = {
    "progress": (topics.PROGRESS_GROUP, (topics.PROGRESS_UPDATE, topics.ENROLMENT_SYNC)),
    "assessments": (topics.ASSESSMENT_GROUP, (topics.ASSESSMENT,)),
    "certify": (topics.CERTIFICATE_GROUP, (topics.CERTIFICATE_REQUEST, topics.CERTIFICATE_GENERATE)),
}


class Workplace(Protocol):
    """What an explanation is made from: a running line has it all."""

    @property
    def store(self) -> Store: ...  # noqa: D102
    @property
    def stream(self) -> Stream: ...  # noqa: D102
    @property
    def courses(self) -> Courses: ...  # noqa: D102
    @property
    def clock(self) -> Clock: ...  # noqa: D102
    @property
    def zone(self) -> tzinfo: ...  # noqa: D102
    @property
    def certificate_settings(self) -> LineSettings: ...  # noqa: D102


def explain_learner(line: Workplace, userid: str, batchid: str) -> Explanation:
    """What happened to a learner in a batch, and what is missing (promise 7).

    Raises:
        Unavailable: the store is away.
    """
    batch = line.store.batches([batchid]).get(batchid)
    rows = line.store.enrolments_of_user(userid)
    row = next(
        (one for one in rows if one.batchid == batchid and (batch is None or one.courseid == batch.courseid)), None
    )
    courseid = batch.courseid if batch is not None else row.courseid if row is not None else ""
    key = EnrolmentKey(userid, courseid, batchid)
    files = read_files(line.store, line.courses, [key])
    relations = line.courses.get([courseid]).get(courseid)
    lessons = line.store.lessons_of([key])[key]
    statuses = dict(row.contentstatus) if row is not None else {}
    for lesson in lessons:
        statuses[lesson.contentid] = max(lesson.status, statuses.get(lesson.contentid, 0))
    required = relations.required if relations is not None and relations.leaves else None
    contents = line.courses.contents([courseid, *(required or ())])
    profile = files.profiles.get(userid)
    facts = Facts(
        userid=userid,
        batchid=batchid,
        courseid=courseid,
        batch=batch,
        batch_status=None if batch is None else current_status(batch, line.clock.now_ms(), line.zone),
        course_name=contents[courseid].name if courseid in contents else "",
        enrolment=row,
        required=required,
        required_order=_ordered(relations),
        statuses=statuses,
        names={one.identifier: one.name for one in contents.values()},
        scores=_best(line.store.attempts([key]).get(key, ()), files.aggregates.get(key, {}), relations),
        pending=_pending(line.stream, userid, batchid),
        letters=_letters(line.store, userid, batchid),
        templates=_templates(batch, key, files, line.certificate_settings),
        elsewhere=tuple(one.batchid for one in rows if one.active),
        known=profile is not None,
        named=profile is not None and bool(profile.name),
        zone=line.zone,
    )
    return explain(facts)


def _ordered(relations: Relations | None) -> tuple[str, ...]:
    if relations is None:
        return ()
    return tuple(leaf for leaf in relations.leaves if leaf in relations.required)


def _best(
    attempts: Iterable[Attempt], aggregates: dict[str, float], relations: Relations | None
) -> dict[str, tuple[float, float]]:
    """Best points and possible points per assessment: of the aggregates, else of the attempts, as a report has them."""
    best: dict[str, tuple[float, float]] = {}
    for one in attempts:
        if one.total_score >= best.get(one.content_id, (0.0, 0.0))[0]:
            best[one.content_id] = one.total_score, one.total_max_score
    for name, points in aggregates.items():
        content = name.removeprefix("score:")
        if content != name:
            best[content] = points, aggregates.get(f"max_score:{content}", 0.0)
    counted = {one.identifier for one in relations.assessments} if relations is not None else set()
    return {content: score for content, score in best.items() if content in counted or not counted}


def _pending(stream: Stream, userid: str, batchid: str) -> dict[str, int]:
    """Records of the learner in this batch that a station has not handled, by station; none where all are."""
    name = batchid.encode()
    counts = {
        station: sum(1 for record in stream.pending(group, names, (userid,)) if name in record.value)
        for station, (group, names) in _TAILS.items()
    }
    return {station: count for station, count in counts.items() if count}


def _letters(store: Store, userid: str, batchid: str) -> tuple[Letter, ...]:
    user, batch = userid.encode(), batchid.encode()
    return tuple(
        Letter(one.id, one.stage, one.code, one.reason)
        for one in store.dead_letters(limit=_MOST_LETTERS)
        if (one.key == userid or user in one.value) and batch in one.value
    )


def _templates(
    batch: Batch | None, key: EnrolmentKey, files: Files, settings: LineSettings
) -> tuple[TemplateFacts, ...]:
    if batch is None:
        return ()
    learner = files.learner(key)
    credentials = files.credentials.get(key, [])
    found: list[TemplateFacts] = []
    for identifier, raw in batch.cert_templates.items():
        values: dict[str, Any] = {"identifier": identifier} | raw
        name = str(raw.get("name") or identifier)
        issued = _issued(identifier, name, files.issued.get(key, ()), credentials)
        template, problems = judge_template(values)
        if issued is not None:
            found.append(TemplateFacts(name, issued=issued))
        elif template is None:
            found.append(TemplateFacts(name, needs=tuple(problem.message for problem in problems)))
        elif problems:
            found.append(TemplateFacts(name, needs=tuple(problem.field for problem in problems)))
        else:
            judgement = judge(IssueRequest(*key), template, learner, settings)
            found.append(TemplateFacts(name, (), judgement.verdict.reasons, judgement.wait_for))
    return tuple(found)


def _issued(
    identifier: str, name: str, entries: Iterable[IssuedCertificate], credentials: Sequence[Credential]
) -> tuple[str, int | None] | None:
    """Id and time of the certificate held from a template; entries without one are matched by name (ruling 18)."""
    dates = {one.id: one.issued_on for one in credentials}
    for one in entries:
        same = one.templateId == identifier if one.templateId else one.name.casefold() == name.casefold()
        if same:
            return one.identifier, dates.get(one.identifier)
    return None
