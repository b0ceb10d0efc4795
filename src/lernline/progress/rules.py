"""What a learner's lessons amount to. Pure.

Percent is the floor of 100 × completed required leaves ÷ required leaves (ruling 2); a course without required
leaves is never complete (P-D27); completion is sticky (ruling 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from lernline.catalog.relations import Relations
from lernline.model import Enrolment, EnrolmentProgress, LessonState

COMPLETED = 2


class Completion(msgspec.Struct, frozen=True):
    """How many of the required leaves are complete."""

    completed: int
    required: int

    @property
    def complete(self) -> bool:
        """Whether every required leaf is; never where there is none."""
        return self.required > 0 and self.completed >= self.required

    @property
    def percent(self) -> int:
        """0 to 100, rounded down; 0 where nothing is required."""
        return 100 * self.completed // self.required if self.required else 0


def completion(statuses: Mapping[str, int], required: frozenset[str]) -> Completion:
    """Count the required leaves whose status is 2."""
    done = sum(1 for contentid, status in statuses.items() if status == COMPLETED and contentid in required)
    return Completion(done, len(required))


def touched_units(contentids: Iterable[str], course: Relations) -> list[str]:
    """Nested collections that hold any of these contents, in a stable order."""
    units = {unit for contentid in contentids for unit in course.ancestors.get(contentid, ())}
    units.discard(course.course_id)
    return sorted(units)


def required_of(unit: str, course: Relations) -> frozenset[str]:
    """Required leaves of a nested collection; none where an older relation cache names it without its leaves."""
    relations = course.units.get(unit)
    return frozenset() if relations is None else relations.required


def completed_on(lessons: Iterable[LessonState], required: frozenset[str]) -> int | None:
    """The latest of the first completions of the required leaves (ruling 3), epoch ms; None when none is known.

    A completion that somebody else stored without a time says nothing about when.
    """
    firsts = (one.completed_first_at for one in lessons if one.status == COMPLETED and one.contentid in required)
    return max((first for first in firsts if first is not None), default=None)


def enrolment_status(statuses: Mapping[str, int], stored: int, *, complete: bool) -> int:
    """0, 1 with the first activity (ruling 21), 2 once complete and for ever after."""
    if complete or stored == COMPLETED:
        return COMPLETED
    return 1 if stored or any(statuses.values()) else 0


def last_read(enrolment: Enrolment, accesses: Iterable[tuple[int, str]]) -> tuple[int | None, str | None]:
    """The newest access and its lesson, out of the stored one and those of new updates."""
    known = enrolment.lastcontentaccesstime, enrolment.lastreadcontentid
    candidates = [(known[0], known[1])] if known[0] is not None and known[1] is not None else []
    best = max([*candidates, *accesses], default=None)
    return known if best is None else best


def progress_of(
    enrolment: Enrolment,
    statuses: dict[str, int],
    course: Relations,
    accesses: Iterable[tuple[int, str]],
    now_ms: int,
) -> tuple[EnrolmentProgress, Completion]:
    """The progress columns of an enrolment as they follow from the statuses of its lessons.

    ``completedon`` stays as stored: when it has to change is told by ``completed_on``.
    """
    counted = completion(statuses, course.required)
    was_complete = enrolment.status == COMPLETED
    accessed, contentid = last_read(enrolment, accesses)
    done = counted.complete or was_complete
    return (
        EnrolmentProgress(
            key=enrolment.key,
            status=enrolment_status(statuses, enrolment.status, complete=counted.complete),
            progress=enrolment.progress if was_complete else counted.completed,
            completionpercentage=100 if done else counted.percent,
            contentstatus=statuses,
            completedon=enrolment.completedon,
            datetime=now_ms,
            lastreadcontentid=contentid,
            lastreadcontentstatus=None if contentid is None else statuses.get(contentid),
            lastcontentaccesstime=accessed,
            rollup=course.version,
        ),
        counted,
    )
