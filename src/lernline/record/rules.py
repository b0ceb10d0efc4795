"""How updates of a lesson merge into its row. Pure, and indifferent to order and repetition.

Every member of the row is the maximum, minimum or count over the *set* of updates; a stated time beats a time of
receipt (ruling 20), so the two are kept apart until somebody reads the row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from lernline.model import LessonState, LessonUpdate

NOT_STARTED, STARTED, COMPLETED = 0, 1, 2
_canonical = msgspec.json.Encoder(order="sorted")


def merge(state: LessonState, update: LessonUpdate, *, counts: bool = True) -> LessonState:
    """The row after one more update (rest-api.md 3.1, rulings 3, 4 and 20).

    ``counts`` is False for an update whose identity was merged before: all members but the two counts are maxima and
    minima, which take a repetition without harm, and what a repetition says beyond the first time is kept.
    """
    completes = update.status == COMPLETED
    status = max(state.status, update.status)
    newer = update.details is not None and (update.received, update.details) > (
        state.details_received or 0,
        state.progressdetails or "",
    )
    return LessonState(
        userid=state.userid,
        courseid=state.courseid,
        batchid=state.batchid,
        contentid=state.contentid,
        status=status,
        progress=100 if status == COMPLETED else max(state.progress, update.progress),
        viewcount=state.viewcount + (counts and update.status > NOT_STARTED),
        completedcount=state.completedcount + (counts and completes),
        accessed=later(state.accessed, update.accessed),
        accessed_received=later(state.accessed_received, update.received),
        completed=later(state.completed, update.completed) if completes else state.completed,
        completed_received=later(state.completed_received, update.received) if completes else state.completed_received,
        first_completed=earlier(state.first_completed, update.completed) if completes else state.first_completed,
        first_completed_received=(
            earlier(state.first_completed_received, update.received) if completes else state.first_completed_received
        ),
        last_updated_time=later(state.last_updated_time, update.received),
        progressdetails=update.details if newer else state.progressdetails,
        details_received=update.received if newer else state.details_received,
    )


def fold(updates: Iterable[LessonUpdate]) -> list[LessonUpdate]:
    """One update per lesson out of one request: the furthest status, the later times (A-24).

    The update that goes furthest lends its identity; between equals the greater one, so that order does not matter.
    """
    folded: dict[str, LessonUpdate] = {}
    for update in updates:
        other = folded.get(update.contentid)
        folded[update.contentid] = update if other is None else _fold_two(other, update)
    return list(folded.values())


def _fold_two(left: LessonUpdate, right: LessonUpdate) -> LessonUpdate:
    furthest = max(left, right, key=lambda one: (one.status, one.identity))
    details = max((left, right), key=lambda one: (one.details is not None, one.details or "")).details
    return msgspec.structs.replace(
        furthest,
        progress=max(left.progress, right.progress),
        accessed=later(left.accessed, right.accessed),
        completed=later(left.completed, right.completed),
        received=max(left.received, right.received),
        details=details,
    )


def later(left: int | None, right: int | None) -> int | None:
    """The later of two instants, either of which may be unknown."""
    if left is None or right is None:
        return right if left is None else left
    return max(left, right)


def earlier(left: int | None, right: int | None) -> int | None:
    """The earlier of two instants, either of which may be unknown."""
    if left is None or right is None:
        return right if left is None else left
    return min(left, right)


def identity(*parts: object) -> str:
    """The name under which an update is remembered: a digest of what makes it that update (ruling 5)."""
    return hashlib.blake2b(_canonical.encode(parts), digest_size=12).hexdigest()
