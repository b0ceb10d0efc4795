"""The progress stage: lesson updates and recompute requests in, lesson rows, aggregates and completion out.

It alone writes lesson rows, counts and the progress columns of an enrolment (design 3.1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from lernline import events
from lernline.catalog.courses import Courses
from lernline.catalog.relations import Relations
from lernline.clock import Clock
from lernline.errors import LernlineError
from lernline.model import (
    ActivityKey,
    AggregateUpdate,
    Batch,
    Changes,
    Enrolment,
    EnrolmentKey,
    EnrolmentProgress,
    Event,
    Identity,
    LessonKey,
    LessonState,
    LessonUpdate,
)
from lernline.progress import rules
from lernline.record.progress_events import ProgressUpdate, read_update
from lernline.record.rules import merge
from lernline.store.port import LearningStore
from lernline.stream import topics
from lernline.stream.port import Record

RETIRED = "Retired"
_encode = msgspec.json.Encoder().encode
_Judged = tuple[Record, ProgressUpdate]
_Update = tuple[LessonUpdate, bool]  # and whether it counts


class ProgressStage:
    """Folds batches of progress events into the state they amount to."""

    name = "progress"
    group = topics.PROGRESS_GROUP
    topics = (topics.PROGRESS_UPDATE, topics.ENROLMENT_SYNC)

    def __init__(self, store: LearningStore, courses: Courses, clock: Clock, default_channel: str) -> None:
        self._store = store
        self._courses = courses
        self._clock = clock
        self._default_channel = default_channel

    def process(self, records: Sequence[Record]) -> Changes:
        """What a batch of records changes; records that cannot be applied become dead letters with their reason."""
        changes = Changes()
        changes.count("total-events-count", len(records))
        readable = self._read(records, changes)
        batches = self._store.batches(update.key.batchid for _, update in readable)
        enrolments = self._store.enrolments({update.key for _, update in readable})
        courses = self._courses.get(update.key.courseid for _, update in readable)
        judged = [one for one in readable if self._judge(one, batches, enrolments, courses, changes)]
        updates = self._updates(judged, changes)
        keys = list(dict.fromkeys(update.key for _, update in judged))
        asked = {update.key for _, update in judged if update.sync}
        work = _Work(self._store, keys, enrolments, updates, asked)
        now_ms = self._clock.now_ms()
        channels = self._channels(key.courseid for key in keys)
        for key in keys:
            self._roll_up(key, work, courses[key.courseid], channels, now_ms, changes)
        self._complete(work, enrolments, courses, channels, now_ms, changes)
        changes.count("processed-enrolment-count", len(keys))
        return changes

    def _read(self, records: Sequence[Record], changes: Changes) -> list[_Judged]:
        readable: list[_Judged] = []
        for record in records:
            try:
                update = read_update(record)
            except LernlineError as problem:
                self._refuse(record, problem.code, problem.message, changes)
                continue
            if update is None:
                changes.count("skipped-events-count")
                continue
            if not update.sync:
                changes.count("batch-enrolment-update-count")
            readable.append((record, update))
        return readable

    def _judge(
        self,
        judged: _Judged,
        batches: dict[str, Batch],
        enrolments: dict[EnrolmentKey, Enrolment],
        courses: dict[str, Relations],
        changes: Changes,
    ) -> bool:
        """Whether an update may be applied. What HTTP accepted was judged there, unless its row is missing."""
        record, update = judged
        key = update.key
        batch = batches.get(key.batchid)
        enrolment = enrolments.get(key)
        if batch is None:
            problem = "INVALID_COURSE_BATCH_ID", f"batch {key.batchid} does not exist"
        elif batch.courseid != key.courseid:
            problem = "BATCH_NOT_OF_COURSE", f"batch {key.batchid} belongs to {batch.courseid}, not to {key.courseid}"
        elif enrolment is None or not (enrolment.active or update.accepted):
            problem = "USER_NOT_ENROLLED_COURSE", f"learner {key.userid} is not enrolled in batch {key.batchid}"
        elif key.courseid not in courses or not courses[key.courseid].leaves:
            return self._without_tree(record, update, changes)
        else:
            return True
        self._refuse(record, *problem, changes, update)
        return False

    def _without_tree(self, record: Record, update: ProgressUpdate, changes: Changes) -> Literal[False]:
        """Set aside an update of a course whose lessons nobody knows; retired ones are counted apart (ruling 46)."""
        courseid = update.key.courseid
        content = self._courses.contents([courseid]).get(courseid)
        if content is not None and content.status == RETIRED:
            code, counter = "COURSE_RETIRED", "retired-consumption-events-count"
            reason = f"course {courseid} is retired and the catalog knows no lessons of it"
        else:
            code, counter = "COURSE_TREE_UNKNOWN", "failed-events-count"
            reason = f"the catalog knows no lessons of course {courseid}"
        reason = f"{reason}; import it, then replay this letter"
        self._refuse(record, code, reason, changes, update, counter=counter)
        return False

    def _refuse(
        self,
        record: Record,
        code: str,
        reason: str,
        changes: Changes,
        update: ProgressUpdate | None = None,
        *,
        counter: str = "failed-events-count",
    ) -> None:
        changes.count(counter)
        changes.dead_letters.append(record.set_aside(self.name, code, reason, self._clock.now_ms()))
        if update is not None:
            changes.events.append(Event(topics.PROGRESS_FAILED, update.key.userid, _failed(update, code, reason)))

    def _updates(self, judged: Iterable[_Judged], changes: Changes) -> dict[EnrolmentKey, list[_Update]]:
        """Updates in order, each with whether it counts: one whose identity was counted before does not."""
        named = [
            (update.key, lesson, Identity(update.key.userid, lesson.identity))
            for _, update in judged
            for lesson in update.lessons
        ]
        seen = self._store.seen({name for _, _, name in named}) if named else set()
        updates: dict[EnrolmentKey, list[_Update]] = defaultdict(list)
        for key, lesson, name in named:
            updates[key].append((lesson, name not in seen))
            if name in seen:
                changes.count("repeated-updates-count")
            else:
                seen.add(name)
                changes.identities.append(name)
        return updates

    def _roll_up(
        self,
        key: EnrolmentKey,
        work: _Work,
        course: Relations,
        channels: dict[str, str],
        now_ms: int,
        changes: Changes,
    ) -> None:
        """Merge one enrolment's updates and recompute what follows from its lessons."""
        enrolment = work.enrolments[key]
        before = work.states(key)
        if not (before or enrolment.contentstatus or key in work.updates):
            return
        after = dict(before)
        accesses: list[tuple[int, str]] = []
        for update, counts in work.updates.get(key, ()):
            contentid = update.contentid
            after[contentid] = merge(after.get(contentid) or LessonState(*key, contentid), update, counts=counts)
            accesses.append((update.received if update.accessed is None else update.accessed, contentid))
        changed = {contentid: state for contentid, state in after.items() if state != before.get(contentid)}
        statuses = dict(enrolment.contentstatus)
        for contentid, state in after.items():
            statuses[contentid] = max(state.status, statuses.get(contentid, 0))
        if not changed and statuses == enrolment.contentstatus and enrolment.rollup == course.version:
            return
        changes.lesson_states.extend(changed.values())
        self._announce_lessons(key, before, changed, channels, now_ms, changes)
        progress, counted = rules.progress_of(enrolment, statuses, course, accesses, now_ms)
        moved = changed if enrolment.rollup == course.version else statuses
        changes.aggregates.append(_count(key, key.courseid, counted.completed, now_ms))
        for unit in rules.touched_units(moved, course):
            done = rules.completion(statuses, rules.required_of(unit, course))
            changes.aggregates.append(_count(key, unit, done.completed, now_ms))
        dated = enrolment.completedon is not None and not course.required.intersection(changed)
        work.rolled_up(progress, changed, date=counted.complete and not dated)

    def _complete(
        self,
        work: _Work,
        enrolments: dict[EnrolmentKey, Enrolment],
        courses: dict[str, Relations],
        channels: dict[str, str],
        now_ms: int,
        changes: Changes,
    ) -> None:
        """Date completions by the lessons that finished them, and announce those that are new."""
        lessons = work.lessons_to_date_by()
        for progress in work.progress:
            key = progress.key
            dated = progress
            if key in lessons:
                instant = rules.completed_on(lessons[key], courses[key.courseid].required)
                dated = msgspec.structs.replace(progress, completedon=instant or progress.completedon or now_ms)
            changes.enrolment_progress.append(dated)
            if dated.status == rules.COMPLETED and enrolments[key].status != rules.COMPLETED:
                changes.count("enrolment-complete-count")
                changes.count("cert-issue-events-count")
                request = events.certificate_request(*key, now_ms, "completed")
                audit = events.enrol_complete_audit(*key, now_ms, channel=channels[key.courseid])
                changes.events.append(Event(topics.CERTIFICATE_REQUEST, key.userid, request))
                changes.events.append(Event(topics.TELEMETRY, key.userid, audit))

    def _announce_lessons(
        self,
        key: EnrolmentKey,
        before: dict[str, LessonState],
        changed: dict[str, LessonState],
        channels: dict[str, str],
        now_ms: int,
        changes: Changes,
    ) -> None:
        """AUDIT events for first views and first completions (pipeline.md 1.5)."""
        kinds: tuple[Literal["start", "complete"], ...] = ("start", "complete")
        for contentid, state in changed.items():
            earlier = before.get(contentid)
            first = (
                state.viewcount > 0 and not (earlier and earlier.viewcount),
                state.completedcount > 0 and not (earlier and earlier.completedcount),
            )
            for kind, due in zip(kinds, first, strict=True):
                if due:
                    audit = events.content_audit(kind, *key, contentid, now_ms, channel=channels[key.courseid])
                    changes.events.append(Event(topics.TELEMETRY, key.userid, audit))

    def _channels(self, course_ids: Iterable[str]) -> dict[str, str]:
        """The channel that each course's audit events carry (ruling 39)."""
        wanted = set(course_ids)
        known = self._courses.contents(wanted)
        return {one: (known[one].channel if one in known else None) or self._default_channel for one in wanted}


class _Work:
    """The state that one batch of records touches, read in a handful of queries."""

    def __init__(
        self,
        store: LearningStore,
        keys: Sequence[EnrolmentKey],
        enrolments: dict[EnrolmentKey, Enrolment],
        updates: dict[EnrolmentKey, list[_Update]],
        asked: set[EnrolmentKey],
    ) -> None:
        self._store = store
        self.enrolments = enrolments
        self.updates = updates
        self.progress: list[EnrolmentProgress] = []
        self._dated: list[EnrolmentKey] = []
        self._changed: dict[EnrolmentKey, dict[str, LessonState]] = {}
        # rows that somebody else wrote are no projection of ours: all their lessons decide, and so they do when asked
        whole = [key for key in keys if enrolments[key].rollup is None or key in asked]
        self._whole = store.lessons_of(whole) if whole else {}
        part = [
            LessonKey(*key, update.contentid)
            for key, some in updates.items()
            if key not in self._whole
            for update, _ in some
        ]
        self._part: dict[EnrolmentKey, dict[str, LessonState]] = defaultdict(dict)
        for lesson, state in (store.lesson_states(part) if part else {}).items():
            self._part[lesson.enrolment][lesson.contentid] = state

    def states(self, key: EnrolmentKey) -> dict[str, LessonState]:
        """The stored lesson rows of an enrolment that were read."""
        whole = self._whole.get(key)
        return self._part.get(key, {}) if whole is None else {state.contentid: state for state in whole}

    def rolled_up(self, progress: EnrolmentProgress, changed: dict[str, LessonState], *, date: bool) -> None:
        """Keep a result; ``date`` asks for the date of its completion once all are known."""
        self.progress.append(progress)
        self._changed[progress.key] = changed
        if date:
            self._dated.append(progress.key)

    def lessons_to_date_by(self) -> dict[EnrolmentKey, list[LessonState]]:
        """All lesson rows, as they are after this batch, of the enrolments that are complete."""
        if not self._dated:
            return {}
        missing = [key for key in self._dated if key not in self._whole]
        stored = self._whole | (self._store.lessons_of(missing) if missing else {})
        return {
            key: list(({state.contentid: state for state in stored[key]} | self._changed[key]).values())
            for key in self._dated
        }


def _count(key: EnrolmentKey, activity: str, completed: int, now_ms: int) -> AggregateUpdate:
    activity_key = ActivityKey(activity, key.userid, f"cb:{key.batchid}")
    return AggregateUpdate(activity_key, {"completedCount": float(completed)}, now_ms)


def _failed(update: ProgressUpdate, code: str, reason: str) -> bytes:
    """The message for operators on ``activity.agg.failed``: plain JSON (P-D28)."""
    key = update.key
    contents = {
        one.contentid: {
            "contentId": one.contentid,
            "status": one.status,
            "completedCount": int(one.status == rules.COMPLETED),
            "viewCount": int(one.status > 0),
            "fromInput": True,
            "eventsFor": [],
        }
        for one in update.lessons
    }
    return _encode(
        {
            "userId": key.userid,
            "batchId": key.batchid,
            "courseId": key.courseid,
            "contents": contents,
            "reason": {"code": code, "message": reason},
        }
    )
