"""State updates and reads: validate → append → answer (design 3.1), and reads that show what was acknowledged.

An accepted update is one event per learner and batch that carries the whole of it; the progress stage merges it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import tzinfo
from typing import Any

import msgspec

from lernline import events
from lernline.clock import Clock
from lernline.errors import CATALOGUE, BadRequest, LernlineError
from lernline.model import Attempt, Batch, Enrolment, EnrolmentKey, Event, LessonState, LessonUpdate
from lernline.record.batch_rules import ONGOING, current_status
from lernline.record.pending import PendingTail
from lernline.record.progress_events import ACCEPTED
from lernline.record.rules import COMPLETED, fold, identity
from lernline.record.update_rules import AssessmentInput, LessonInput, Refusal, StateUpdate
from lernline.store.port import LearningStore
from lernline.stream import topics
from lernline.stream.port import Stream

UNKNOWN_BATCH = "BATCH_NOT_EXISTS"
NOT_ONGOING = "NOT_A_ON_GOING_BATCH"
_encode = msgspec.json.Encoder().encode


class UpdateOutcome(msgspec.Struct):
    """What became of one state update.

    ``lessons`` and ``attempts`` are the items that are now durable; ``refused`` names the others. ``error`` is set
    when the sync form found no enrolment.
    """

    lessons: list[LessonInput] = []
    attempts: list[AssessmentInput] = []
    refused: list[Refusal] = []
    warnings: list[str] = []
    synced: bool = False
    error: LernlineError | None = None

    @property
    def accepted(self) -> bool:
        """Whether anything at all was taken."""
        return bool(self.lessons or self.attempts or self.synced)


class StateQuery(msgspec.Struct, frozen=True):
    """A state read: which lessons (none named: all) of which enrolment, with their attempts or without."""

    key: EnrolmentKey
    contentids: tuple[str, ...] = ()
    scores: bool = False


class LessonView(msgspec.Struct, frozen=True):
    """A lesson as it stands with everything acknowledged, and its newest attempts."""

    state: LessonState
    attempts: list[Attempt]


class Updates:
    """Accepts and reads learners' state; every call takes many requests and costs a handful of queries."""

    def __init__(
        self, store: LearningStore, stream: Stream, clock: Clock, zone: tzinfo, *, attempts_limit: int
    ) -> None:
        self._store = store
        self._stream = stream
        self._clock = clock
        self._zone = zone
        self._attempts_limit = attempts_limit
        self._tail = PendingTail(store, stream)

    def accept(self, updates: Sequence[StateUpdate]) -> list[UpdateOutcome]:
        """Judge updates and append what may be taken; it is durable when this returns. Outcomes in order.

        Raises:
            Unavailable: the store or the log is away; nothing was appended.
        """
        wanted = [_keys(update) for update in updates]
        keys = {key for some in wanted for key in some}
        judge = _Judge(
            self._store.memberships(keys),
            self._store.batches(key.batchid for key in keys),
            self._clock.now_ms(),
            self._zone,
        )
        outcomes: list[UpdateOutcome] = []
        appended: list[Event] = []
        for update in updates:
            outcome = UpdateOutcome(refused=list(update.refused), warnings=update.warnings)
            outcomes.append(outcome)
            if update.sync is not None:
                _sync(update, update.sync, judge, outcome, appended)
            else:
                _take(update, judge, outcome, appended)
        if appended:
            self._stream.append(appended)
        return outcomes

    def read(self, queries: Sequence[StateQuery]) -> list[list[LessonView]]:
        """Lessons of each query ordered by content id, everything acknowledged before included (design 3.1)."""
        keys = {query.key for query in queries}
        lessons = self._tail.lessons(keys)
        attempts = self._attempts({query.key for query in queries if query.scores})
        return [
            [
                LessonView(state, attempts.get((query.key, state.contentid), []))
                for state in lessons[query.key]
                if not query.contentids or state.contentid in query.contentids
            ]
            for query in queries
        ]

    def enrolments(self, userid: str) -> list[Enrolment]:
        """A learner's enrolments, their lesson statuses and last read lesson as acknowledged."""
        return self._tail.enrolments(userid)

    def _attempts(self, keys: Iterable[EnrolmentKey]) -> dict[tuple[EnrolmentKey, str], list[Attempt]]:
        """Newest attempts per lesson, newest first (ruling 33)."""
        wanted = set(keys)
        by_lesson: dict[tuple[EnrolmentKey, str], list[Attempt]] = {}
        for key, some in (self._tail.attempts(wanted) if wanted else {}).items():
            for attempt in sorted(some, key=lambda one: (-one.last_attempted_on, one.attempt_id)):
                by_lesson.setdefault((key, attempt.content_id), []).append(attempt)
        return {lesson: some[: self._attempts_limit] for lesson, some in by_lesson.items()}


class _Judge:
    """Whether an update of an enrolment may be taken now, looked up once per enrolment."""

    def __init__(
        self,
        members: dict[EnrolmentKey, bool],
        batches: dict[str, Batch],
        now_ms: int,
        zone: tzinfo,
    ) -> None:
        self.members = members
        self._batches = batches
        self._statuses = {batchid: current_status(batch, now_ms, zone) for batchid, batch in batches.items()}

    def refusal(self, key: EnrolmentKey) -> Refusal | None:
        """Why an enrolment's items are refused; None when updates may be taken (A-1, A-8, rulings 7 and 8)."""
        batch = self._batches.get(key.batchid)
        if batch is None:
            return Refusal(
                "", key.batchid, UNKNOWN_BATCH, f"Batch {key.batchid} does not exist.", "INVALID_COURSE_BATCH_ID"
            )
        if batch.courseid != key.courseid:
            message = f"Batch {key.batchid} belongs to another course than {key.courseid}."
            return Refusal("", key.batchid, "BATCH_NOT_OF_COURSE", message)
        status = self._statuses[key.batchid]
        if status < ONGOING:
            message = f"Batch {key.batchid} has not begun."
            return Refusal("", key.batchid, NOT_ONGOING, message, "COURSE_BATCH_NOT_STARTED")
        if status > ONGOING:
            message = f"Batch {key.batchid} has ended."
            return Refusal("", key.batchid, NOT_ONGOING, message, "COURSE_BATCH_ALREADY_COMPLETED")
        if not self.members.get(key, False):
            message = CATALOGUE["USER_NOT_ENROLLED_COURSE"]
            return Refusal("", key.batchid, "NOT_ENROLLED", message, "USER_NOT_ENROLLED_COURSE")
        return None


def _keys(update: StateUpdate) -> set[EnrolmentKey]:
    if update.sync is not None:
        return {update.sync}
    items: list[LessonInput | AssessmentInput] = [*update.contents, *update.assessments]
    return {EnrolmentKey(one.userid, one.courseid, one.batchid) for one in items}


def _sync(update: StateUpdate, key: EnrolmentKey, judge: _Judge, outcome: UpdateOutcome, appended: list[Event]) -> None:
    if key not in judge.members:
        message = f"No Enrolment found for userId: {key.userid}, batchId: {key.batchid}, courseId: {key.courseid}"
        outcome.error = BadRequest(message, code="USER_NOT_ENROLLED_COURSE")
        return
    mid = events.message_id(update.received_ms, "sync", *key, update.trace)
    value = events.enrolment_sync(*key, update.received_ms, mid)
    appended.append(Event(topics.ENROLMENT_SYNC, key.userid, value, _headers(update)))
    outcome.synced = True


def _take(update: StateUpdate, judge: _Judge, outcome: UpdateOutcome, appended: list[Event]) -> None:
    lessons: dict[EnrolmentKey, list[LessonUpdate]] = {}
    refusals: dict[EnrolmentKey, Refusal | None] = {}
    items: list[LessonInput | AssessmentInput] = [*update.contents, *update.assessments]
    for item in items:
        key = EnrolmentKey(item.userid, item.courseid, item.batchid)
        if key not in refusals:
            refusals[key] = judge.refusal(key)
        refusal = refusals[key]
        if refusal is not None:
            outcome.refused.append(msgspec.structs.replace(refusal, contentid=item.contentid))
        elif isinstance(item, LessonInput):
            outcome.lessons.append(item)
            lessons.setdefault(key, []).append(_lesson(key, item, update))
        else:
            outcome.attempts.append(item)
            lessons.setdefault(key, []).append(_implied(key, item, update))
    headers = _headers(update)
    for key, some in lessons.items():
        contents = [_content(one) for one in fold(some)]
        cause = [one["identity"] for one in contents]
        mid = events.message_id(update.received_ms, *key, *cause)
        value = events.progress_update(*key, contents, update.received_ms, mid)
        appended.append(Event(topics.PROGRESS_UPDATE, key.userid, value, headers))
    appended.extend(Event(topics.ASSESSMENT, one.userid, _encode(one.raw), headers) for one in outcome.attempts)
    foreign = [one.item for one in update.refused if one.item is not None]
    if foreign:
        valid = sorted({update.user_id, update.actor_id})
        value = _encode({"validUserIds": valid, "invalidContents": foreign, "ets": update.received_ms})
        appended.append(Event(topics.INVALID_UPDATES, update.user_id, value, headers))


def _lesson(key: EnrolmentKey, item: LessonInput, update: StateUpdate) -> LessonUpdate:
    """A lesson update with the identity of ruling 5."""
    apart: tuple[Any, ...] = (
        (item.status, item.accessed) if update.idempotency_key is None else ("key", update.idempotency_key)
    )
    return LessonUpdate(
        contentid=item.contentid,
        status=item.status,
        received=update.received_ms,
        identity=identity(key.userid, key.batchid, item.contentid, *apart),
        progress=item.progress or 0,
        accessed=item.accessed,
        completed=item.completed,
        details=item.details,
    )


def _implied(key: EnrolmentKey, item: AssessmentInput, update: StateUpdate) -> LessonUpdate:
    """An assessment completes its content; a resent attempt is the same update (ruling 5)."""
    return LessonUpdate(
        contentid=item.contentid,
        status=COMPLETED,
        received=update.received_ms,
        identity=identity(key.userid, key.batchid, item.contentid, "attempt", item.attempt_id),
        progress=100,
    )


def _content(update: LessonUpdate) -> dict[str, Any]:
    """A member of ``edata.contents``: the contract's two fields, and ours beside them."""
    content: dict[str, Any] = {
        "contentId": update.contentid,
        "status": update.status,
        "identity": update.identity,
    }
    optional = {
        "progress": update.progress or None,
        "lastAccessTime": update.accessed,
        "lastCompletedTime": update.completed,
        "progressdetails": update.details,
    }
    return content | {name: value for name, value in optional.items() if value is not None}


def _headers(update: StateUpdate) -> dict[str, str]:
    return {ACCEPTED: "1", "trace": update.trace} if update.trace else {ACCEPTED: "1"}
