"""Commands and reads of course batches: create, update, read, list, participants (rest-api.md 4.3 and 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lernline import events
from lernline.errors import Forbidden, NotFound, catalogued
from lernline.model import Batch, Changes, Content, Event
from lernline.record import batch_rules as rules
from lernline.record import batch_search as search
from lernline.record.batch_ids import BatchIds
from lernline.record.desk import Actor, Desk
from lernline.stream.topics import TELEMETRY
from lernline.times import day_of, zone_named

_ids = BatchIds()


def create(desk: Desk, request: Mapping[str, Any], actor: Actor) -> str:
    """Create a batch; gives its id. The row and its announcement are written at once.

    A user is always the creator themselves; a service may name one.

    Raises:
        BadRequest: see rest-api.md 5.1; the course must be published and have a leaf.
    """
    now = desk.clock.now_ms()
    zone = zone_named(desk.settings.time_zone)
    asked = rules.parse_create(request, day_of(now, zone))
    course = desk.store.contents([asked.courseid]).get(asked.courseid)
    rules.check_course(course)
    creator = (asked.createdby if actor.service else None) or actor.userid or actor.name
    _check_mentors(desk, creator, asked.mentors or ())
    batch = rules.new_batch(asked, _ids.next(now), creator, now, zone)
    audit = events.batch_audit(
        "create",
        batch.batchid,
        batch.courseid,
        ["name", "startDate", "endDate", "enrollmentEndDate", "enrollmentType", "status"],
        now,
        actor=actor.name,
        trace=actor.trace,
        channel=_channel(desk, course),
    )
    desk.store.commit(Changes(batches=[batch], events=[Event(TELEMETRY, batch.batchid, audit)]))
    return batch.batchid


def update(desk: Desk, request: Mapping[str, Any], actor: Actor) -> None:
    """Change what a request names of a batch; the rest stays (A-17).

    Raises:
        BadRequest: see rest-api.md 5.2.
        Forbidden: the user is neither creator nor mentor of the stored batch.
    """
    now = desk.clock.now_ms()
    zone = zone_named(desk.settings.time_zone)
    named = request.get("id", request.get("batchId"))
    stored = desk.store.batches([named]).get(named) if isinstance(named, str) else None
    patch = rules.parse_update(request, stored, day_of(now, zone), zone)
    if stored is None or stored.courseid != patch.courseid:
        raise catalogued("INVALID_COURSE_BATCH_ID")
    changed = rules.patched(stored, patch, now, zone)
    course = desk.store.contents([stored.courseid]).get(stored.courseid)
    rules.check_course(course)
    if not actor.service:
        rules.check_leader(stored, actor.userid or "")
    added = [name for name in changed.mentors or () if name not in (stored.mentors or ())]
    _check_mentors(desk, stored.createdby, added)
    before, after = search.shape(stored, now, zone), search.shape(changed, now, zone)
    props = [name for name in after if name not in {"updatedDate", "certTemplates"} and after[name] != before.get(name)]
    audit = events.batch_audit(
        "update",
        stored.batchid,
        stored.courseid,
        props,
        now,
        actor=actor.name,
        trace=actor.trace,
        channel=_channel(desk, course),
    )
    desk.store.commit(Changes(batches=[changed], events=[Event(TELEMETRY, stored.batchid, audit)]))


def read(desk: Desk, batchid: str) -> dict[str, Any]:
    """One batch as clients see it.

    Raises:
        NotFound: there is none of that id (A-16).
    """
    batch = desk.store.batches([batchid]).get(batchid)
    if batch is None:
        raise NotFound(f"There is no batch with the id {batchid[:64]}.")
    return search.shape(batch, desk.clock.now_ms(), zone_named(desk.settings.time_zone))


def find(desk: Desk, request: Mapping[str, Any]) -> dict[str, Any]:
    """The list: ``{"count", "content"}`` (rest-api.md 5.3)."""
    query = search.parse_query(request)
    now = desk.clock.now_ms()
    zone = zone_named(desk.settings.time_zone)
    count, page = search.select((search.shape(batch, now, zone) for batch in _candidates(desk, query)), query)
    return {"count": count, "content": page}


def participants(desk: Desk, request: Mapping[str, Any], actor: Actor) -> dict[str, Any]:
    """User ids in a batch: ``{"count", "participants"}`` (rest-api.md 4.3 with A-15).

    Raises:
        BadRequest: ``batch`` or ``batch.batchId`` is missing, or there is no such batch.
        Forbidden: the user neither leads the batch nor administers.
    """
    about = request.get("batch")
    batchid = about.get("batchId") if isinstance(about, dict) else None
    if not isinstance(about, dict) or not isinstance(batchid, str) or not batchid.strip():
        raise catalogued("INVALID_REQUESTED_DATA")
    active = about.get("active")
    if active is not None and not isinstance(active, bool):
        raise catalogued("DATA_TYPE_ERROR", "batch.active", "Boolean")
    batch = desk.store.batches([batchid]).get(batchid)
    if batch is None:
        raise catalogued("INVALID_COURSE_BATCH_ID")
    if not actor.administrator and not rules.may_lead(batch, actor.userid or ""):
        raise catalogued("FORBIDDEN", kind=Forbidden)
    learners = desk.store.learners_of_batch(batchid, active=True if active is None else active)
    return {"count": len(learners), "participants": learners}


def hierarchy(desk: Desk, courseid: str) -> msgspec.Raw:
    """The published tree of a course, as stored.

    Raises:
        NotFound: the catalog has no tree of that id.
    """
    tree = desk.store.hierarchies([courseid]).get(courseid)
    if tree is None:
        raise NotFound(f"There is no course with the id {courseid[:64]}; import it first.")
    return msgspec.Raw(tree)


def _candidates(desk: Desk, query: search.BatchQuery) -> Sequence[Batch]:
    """The narrowest set that the store can give; the rules judge each of them."""
    if query.batch_ids:
        return list(desk.store.batches(query.batch_ids).values())
    creators, mentors = query.texts("createdBy"), query.texts("mentors")
    return desk.store.search_batches(
        course_ids=query.course_ids,
        created_by=creators[0] if len(creators) == 1 else None,
        mentor=mentors[0] if len(mentors) == 1 else None,
    )


def _check_mentors(desk: Desk, creator: str | None, mentors: Sequence[str]) -> None:
    """Mentors exist and belong to the creator's organisation, wherever the directory knows the latter."""
    if not mentors or creator is None:
        return
    profiles = desk.store.profiles([creator, *mentors])
    known = profiles.get(creator)
    if known is None or not known.rootorgid:
        return
    for mentor in mentors:
        profile = profiles.get(mentor)
        if profile is None:
            raise catalogued("INVALID_USER_ID")
        if profile.rootorgid != known.rootorgid:
            raise catalogued("USER_NOT_ASSOCIATED_TO_ROOT_ORG", mentor)


def _channel(desk: Desk, course: Content | None) -> str:
    return (course.channel if course is not None else None) or desk.settings.default_channel
