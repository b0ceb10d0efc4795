"""The assessment stage: attempts in, best scores out.

It alone writes attempts and the ``score:``, ``max_score:`` and ``attempts_count:`` keys of the aggregates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from lernline import events
from lernline.catalog.courses import Courses
from lernline.clock import Clock
from lernline.errors import LernlineError
from lernline.model import (
    ActivityKey,
    AggregateUpdate,
    Attempt,
    Batch,
    Changes,
    Enrolment,
    EnrolmentKey,
    Event,
)
from lernline.record import attempt_rules as rules
from lernline.record.progress_events import ACCEPTED
from lernline.store.port import LearningStore
from lernline.stream import topics
from lernline.stream.port import Record


class _AttemptKey(NamedTuple):
    enrolment: EnrolmentKey
    contentid: str
    attempt_id: str


class AssessmentStage:
    """Scores attempts and keeps each learner's best."""

    name = "assessments"
    group = topics.ASSESSMENT_GROUP
    topics = (topics.ASSESSMENT,)

    def __init__(
        self,
        store: LearningStore,
        courses: Courses,
        clock: Clock,
        *,
        attempts_limit: int,
        guard_question_count: bool,
    ) -> None:
        self._store = store
        self._courses = courses
        self._clock = clock
        self._attempts_limit = attempts_limit
        self._guard_question_count = guard_question_count

    def process(self, records: Sequence[Record]) -> Changes:
        """What a batch of attempts changes; those that are refused become dead letters and failed messages."""
        changes = Changes()
        readable: list[tuple[Record, rules.AssessmentUpdate]] = []
        for record in records:
            try:
                readable.append((record, rules.read_assessment(record.value, accepted=ACCEPTED in record.headers)))
            except LernlineError as problem:
                self._refuse(record, "failed-event-count", problem.code, problem.message, changes)
        enrolments = self._store.enrolments({update.key for _, update in readable})
        batches = self._store.batches(update.key.batchid for _, update in readable)
        courses = self._courses.get(update.key.courseid for _, update in readable)
        contents = self._courses.contents(update.contentid for _, update in readable)
        leaves = {course_id: frozenset(course.leaves) for course_id, course in courses.items()}
        stored = self._store.attempts(enrolments)
        attempts = {
            _AttemptKey(key, one.content_id, one.attempt_id): one for key, some in stored.items() for one in some
        }
        touched: dict[EnrolmentKey, None] = {}
        written: dict[_AttemptKey, Attempt] = {}
        for record, update in readable:
            refusal = _refusal(update, enrolments, batches, leaves)
            if refusal is not None:
                self._refuse(record, "failed-event-count", *refusal, changes)
                continue
            key = _AttemptKey(update.key, update.contentid, update.attempt_id)
            answered = key in attempts and not rules.summed_up(attempts[key])
            if not update.events and (update.summary is None or answered or not update.attempt_id):
                changes.count("recompute-agg-event-count")
                touched[update.key] = None
                continue
            questions = rules.latest_questions(update.events)
            known = contents.get(update.contentid)
            most = known.total_questions if known is not None and self._guard_question_count else None
            if most is not None and len(questions) > most:
                reason = f"the attempt has {len(questions)} questions, content {update.contentid} only {most}"
                self._refuse(record, "ignored-event-count", "TOO_MANY_QUESTIONS", reason, changes)
                continue
            if self._take(key, rules.score(update, questions, self._clock.now_ms()), attempts, written, changes):
                touched[update.key] = None
        changes.attempts.extend(written.values())
        self._aggregate(touched, attempts, changes)
        return changes

    def _take(
        self,
        key: _AttemptKey,
        attempt: Attempt,
        attempts: dict[_AttemptKey, Attempt],
        written: dict[_AttemptKey, Attempt],
        changes: Changes,
    ) -> bool:
        """Keep an attempt that wins over the stored one; gives whether what follows from it is to be redone.

        An attempt of the same time is a replay: its effects downstream may be missing (P-D4).
        """
        existing = attempts.get(key)
        if existing is not None and not rules.wins(attempt, existing):
            changes.count("skipped-event-count")
            return attempt.last_attempted_on == existing.last_attempted_on
        if existing is not None:
            attempt = msgspec.structs.replace(attempt, created_on=existing.created_on)
        attempts[key] = written[key] = attempt
        changes.count("batch-success-event-count")
        return True

    def _aggregate(
        self, touched: dict[EnrolmentKey, None], attempts: dict[_AttemptKey, Attempt], changes: Changes
    ) -> None:
        of_enrolment: dict[EnrolmentKey, list[Attempt]] = {}
        for key, attempt in attempts.items():
            of_enrolment.setdefault(key.enrolment, []).append(attempt)
        now_ms = self._clock.now_ms()
        for enrolment in touched:
            scores = rules.amount_to(of_enrolment.get(enrolment, ()), self._attempts_limit)
            if scores is None:
                continue
            userid, courseid, batchid = enrolment
            changes.aggregates.append(
                AggregateUpdate(ActivityKey(courseid, userid, f"cb:{batchid}"), scores.values, now_ms, scores.details)
            )
            changes.count("cert-issue-events-count")
            cause = msgspec.json.encode(scores.values).decode()
            request = events.certificate_request(*enrolment, now_ms, cause, scores.latest_attempt)
            changes.events.append(Event(topics.CERTIFICATE_REQUEST, userid, request))

    def _refuse(self, record: Record, counter: str, code: str, reason: str, changes: Changes) -> None:
        changes.count(counter)
        changes.dead_letters.append(record.set_aside(self.name, code, reason, self._clock.now_ms()))
        changes.events.append(Event(topics.ASSESSMENT_FAILED, record.key, _with_reason(record.value, reason)))


def _refusal(
    update: rules.AssessmentUpdate,
    enrolments: dict[EnrolmentKey, Enrolment],
    batches: dict[str, Batch],
    leaves: dict[str, frozenset[str]],
) -> tuple[str, str] | None:
    """Why an attempt may not be applied; None when it may. A course without a tree takes every content."""
    key = update.key
    batch = batches.get(key.batchid)
    enrolment = enrolments.get(key)
    if batch is None:
        return "INVALID_COURSE_BATCH_ID", f"batch {key.batchid} does not exist"
    if batch.courseid != key.courseid:
        return "BATCH_NOT_OF_COURSE", f"batch {key.batchid} belongs to {batch.courseid}, not to {key.courseid}"
    if enrolment is None or not (enrolment.active or update.accepted):
        return "USER_NOT_ENROLLED_COURSE", f"learner {key.userid} is not enrolled in batch {key.batchid}"
    if leaves.get(key.courseid) and update.contentid not in leaves[key.courseid]:
        return "CONTENT_NOT_OF_COURSE", f"content {update.contentid} is no leaf of course {key.courseid}"
    return None


def _with_reason(value: bytes, reason: str) -> bytes:
    """The rejected event with its reason beside it (pipeline.md 1.6); what is no JSON object goes as it came."""
    try:
        message = msgspec.json.decode(value, type=dict[str, Any])
    except msgspec.MsgspecError:
        return value
    message.setdefault("flags", {})
    message["metadata"] = {"validation_error": reason, "src": "AssessmentAggregator"}
    return msgspec.json.encode(message)
