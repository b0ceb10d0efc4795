"""Which batches a request is about, and of which courses (exhaust.md 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from lernline.catalog.relations import Relations
from lernline.catalog.search import ContentSearch, CourseSummary
from lernline.errors import BadRequest
from lernline.model import Batch
from lernline.report.rules import searched_courses, selection
from lernline.store.port import CourseShape, LearningStore

NO_DATA = "No data found"
RETIRED = "The request is made for retired collection"


class Planned(msgspec.Struct, frozen=True):
    """One batch to report, and its course."""

    batch: Batch
    course: CourseSummary


class Plan(msgspec.Struct, frozen=True):
    """What is to be done, in order, and what is left out, by batch or course id with the reason (X-24)."""

    batches: tuple[Planned, ...]
    skipped: dict[str, str]


class CourseTrees(Protocol):
    """Where relations of courses come from."""

    def get(self, course_ids: list[str]) -> Mapping[str, Relations]:
        """Of those courses whose tree is known."""
        ...


def plan(store: LearningStore, search: ContentSearch, config: Mapping[str, Any], most_ids: int) -> Plan:
    """Resolve what ``request_data`` asks for.

    Raises:
        BadRequest: with the contract's message; trying again does not help.
        Unavailable: the store or the search is away.
    """
    wanted = selection(config, most_ids)
    if wanted.search is not None:
        course_ids = searched_courses(wanted.search)
        found = sorted(store.search_batches(course_ids=course_ids), key=lambda one: (one.courseid, one.batchid))
        skipped = {one: "no batch of this course" for one in course_ids if one not in {b.courseid for b in found}}
    else:
        known = store.batches(wanted.batch_ids)
        found = [known[one] for one in wanted.batch_ids if one in known]
        skipped = {one: "no such batch" for one in wanted.batch_ids if one not in known}
    if not found:
        raise BadRequest(NO_DATA)
    courses = {one.identifier: one for one in search.find(list(dict.fromkeys(batch.courseid for batch in found)))}
    planned = []
    for batch in found:
        course = courses.get(batch.courseid)
        if course is None:
            skipped[batch.batchid] = f"the content search does not know {batch.courseid}"
        elif course.status == "Retired":
            skipped[batch.batchid] = f"{batch.courseid} is retired"
        else:
            planned.append(Planned(batch, course))
    if not planned:
        unknown = all(batch.courseid not in courses for batch in found)
        raise BadRequest("The content search does not know the collection of the request" if unknown else RETIRED)
    return Plan(tuple(planned), skipped)


def shape_of(course_id: str, relations: Relations | None) -> CourseShape:
    """What a bulk read needs to know of a course."""
    if relations is None:
        return CourseShape(course_id, "", frozenset(), {}, (), tree_known=False)
    return CourseShape(
        course_id,
        relations.version,
        relations.required,
        {identifier: unit.required for identifier, unit in relations.units.items()},
        tuple(one.identifier for one in relations.assessments),
    )
