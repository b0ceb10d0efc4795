"""Reads over the log's tail: what was acknowledged and has not reached the tables yet (design 3.1).

Where the log is a table the tail is laid over the stored rows with the stage's own rules; where it is not, the
stream adapter has waited until the owner passed the log's end, and the tail is empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from lernline.errors import LernlineError
from lernline.model import Attempt, Enrolment, EnrolmentKey, Identity, LessonState, LessonUpdate
from lernline.record.attempt_rules import latest_questions, read_assessment, score, wins
from lernline.record.progress_events import ACCEPTED, read_update
from lernline.record.rules import merge
from lernline.store.port import LearningStore
from lernline.stream import topics
from lernline.stream.port import Stream


class PendingTail:
    """A learner's state with the pending tail of the log laid over it."""

    def __init__(self, store: LearningStore, stream: Stream) -> None:
        self._store = store
        self._stream = stream

    def lessons(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, list[LessonState]]:
        """All lessons of each enrolment, ordered by content id."""
        wanted = set(keys)
        tail = {key: updates for key, updates in self._updates({key.userid for key in wanted}).items() if key in wanted}
        if not tail:
            return self._store.lessons_of(wanted)
        names = {Identity(key.userid, one.identity) for key, some in tail.items() for one in some}
        seen = self._store.seen(names)
        # what the owner merges between two reads would be missed or counted twice: read until nothing moved
        while True:
            stored = self._store.lessons_of(wanted)
            now_seen = self._store.seen(names)
            if now_seen == seen:
                break
            seen = now_seen
        for key, updates in tail.items():
            states = {state.contentid: state for state in stored[key]}
            for update in updates:
                name = Identity(key.userid, update.identity)
                state = states.get(update.contentid) or LessonState(*key, update.contentid)
                states[update.contentid] = merge(state, update, counts=name not in seen)
                seen.add(name)
            stored[key] = sorted(states.values(), key=lambda state: state.contentid)
        return stored

    def enrolments(self, userid: str) -> list[Enrolment]:
        """A learner's enrolments with the statuses and the last read lesson of the tail."""
        tail = self._updates({userid})
        return [_overlaid(one, tail.get(one.key, [])) for one in self._store.enrolments_of_user(userid)]

    def attempts(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, list[Attempt]]:
        """All attempts of each enrolment, those of the tail included."""
        wanted = set(keys)
        tail = self._stream.pending(topics.ASSESSMENT_GROUP, (topics.ASSESSMENT,), {key.userid for key in wanted})
        stored = self._store.attempts(wanted)
        for record in tail:
            if ACCEPTED not in record.headers:
                continue
            try:
                update = read_assessment(record.value, accepted=True)
            except LernlineError:  # the stage will set it aside with its reason
                continue
            if update.key not in wanted or not (update.events or update.summary is not None):
                continue
            attempt = score(update, latest_questions(update.events), update.assessment_ts)
            some = {(one.content_id, one.attempt_id): one for one in stored.get(update.key, [])}
            existing = some.get((attempt.content_id, attempt.attempt_id))
            if existing is None or wins(attempt, existing):
                some[attempt.content_id, attempt.attempt_id] = attempt
                stored[update.key] = list(some.values())
        return stored

    def _updates(self, userids: Collection[str]) -> dict[EnrolmentKey, list[LessonUpdate]]:
        """Pending lesson updates that were accepted here; those from elsewhere are judged at the merge."""
        found: dict[EnrolmentKey, list[LessonUpdate]] = {}
        for record in self._stream.pending(topics.PROGRESS_GROUP, (topics.PROGRESS_UPDATE,), userids):
            if ACCEPTED not in record.headers:
                continue
            try:
                update = read_update(record)
            except LernlineError:  # the stage will set it aside with its reason
                continue
            if update is not None:
                found.setdefault(update.key, []).extend(update.lessons)
        return found


def _overlaid(enrolment: Enrolment, updates: list[LessonUpdate]) -> Enrolment:
    if not updates:
        return enrolment
    statuses = dict(enrolment.contentstatus)
    for update in updates:
        statuses[update.contentid] = max(update.status, statuses.get(update.contentid, 0))
    known = enrolment.lastcontentaccesstime or 0, enrolment.lastreadcontentid or ""
    newest = max(
        (
            known,
            *(
                (update.received if update.accessed is None else update.accessed, update.contentid)
                for update in updates
            ),
        )
    )
    return msgspec.structs.replace(
        enrolment,
        contentstatus=statuses,
        lastcontentaccesstime=newest[0],
        lastreadcontentid=newest[1],
        lastreadcontentstatus=statuses.get(newest[1]),
    )
