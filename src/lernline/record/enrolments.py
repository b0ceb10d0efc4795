"""Commands and reads of enrolments: enrol, unenrol, a learner's list (rest-api.md 4.1 and 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from lernline import events
from lernline.errors import Forbidden, catalogued
from lernline.model import Batch, Changes, Content, Enrolment, EnrolmentKey, Event, UserProfile
from lernline.record import batch_search
from lernline.record import enrolment_rules as rules
from lernline.record.desk import Actor, Desk
from lernline.record.rules import COMPLETED
from lernline.stream.topics import TELEMETRY
from lernline.times import zone_named

CurrentEnrolments = Callable[[str], Sequence[Enrolment]]
"""Gives a learner's rows with everything that was acknowledged before, newest first."""


def enrol(desk: Desk, key: EnrolmentKey, actor: Actor) -> None:
    """Enrol a learner, or take back one who left; progress is kept.

    Raises:
        BadRequest: see ``check_enrol``.
        Forbidden: somebody else's enrolment without the right to it (ruling 36).
    """
    now = desk.clock.now_ms()
    batch, row = _state(desk, key)
    rules.check_enrol(key, batch, row, _acting(actor), now, zone_named(desk.settings.time_zone))
    _commit(desk, rules.enrolled(key, row, actor.name, now), "enrol", actor, now)


def unenrol(desk: Desk, key: EnrolmentKey, actor: Actor, current: CurrentEnrolments) -> None:
    """End an enrolment; the row and its progress are kept.

    Raises:
        BadRequest: see ``check_unenrol``.
        Forbidden: somebody else's enrolment without the right to it (ruling 36).
    """
    now = desk.clock.now_ms()
    batch, row = _state(desk, key)
    overlaid = next((one for one in current(key.userid) if one.key == key), row) if row is not None else None
    complete = overlaid is not None and _status(desk, overlaid) == COMPLETED
    rules.check_unenrol(
        key, batch, overlaid, _acting(actor), now, zone_named(desk.settings.time_zone), complete=complete
    )
    assert row is not None
    _commit(desk, msgspec.structs.replace(row, active=False), "unenrol", actor, now)


def list_enrolments(
    desk: Desk, userid: str, query: rules.ListQuery, actor: Actor, current: CurrentEnrolments
) -> list[dict[str, Any]]:
    """A learner's active enrolments, last accessed first (rest-api.md 4.2 with A-11).

    The learner sees all of them; an administrator of their tenant too; others see those that clients.md ruling 9 gives
    them: a mentor those of their own batches, an administrator those in courses of their tenant, or of nobody's where
    the learner too is nobody's.

    Raises:
        Forbidden: there is none that the user may see.
    """
    rows = [row for row in current(userid) if row.active]
    rows.sort(key=lambda row: (row.enrolled_date is None, -(row.enrolled_date or 0)))
    rows = [row for row in rows if _asked(row, query)]
    batches = desk.store.batches({row.batchid for row in rows})
    contents = desk.store.contents({row.courseid for row in rows})
    if not (actor.service or actor.userid == userid):
        rows = _visible(desk, userid, rows, batches, contents, actor)
    rows = [row for row in rows if rules.is_listed(contents.get(row.courseid), retired=query.retired)]
    rows = rows[: desk.settings.enrollment_list_size]
    relations = desk.courses.get({row.courseid for row in rows})
    zone = zone_named(desk.settings.time_zone)
    now = desk.clock.now_ms()
    shown = {
        batchid: batch_search.shape(batch, now, zone) | {"certTemplates": None} for batchid, batch in batches.items()
    }
    about = _documents(query)
    courses = [
        rules.shape(
            row,
            contents.get(row.courseid),
            relations.get(row.courseid),
            _batch_fields(shown.get(row.batchid), query),
            zone,
            about,
        )
        for row in rows
    ]
    if query.statuses:
        courses = [course for course in courses if course["status"] in query.statuses]
    courses.sort(key=lambda course: (course["lastContentAccessTime"] is None, -(course["lastContentAccessTime"] or 0)))
    end = None if query.limit is None else query.offset + query.limit
    return courses[query.offset : end]


def _asked(row: Enrolment, query: rules.ListQuery) -> bool:
    return (not query.course_ids or row.courseid in query.course_ids) and (
        not query.batch_ids or row.batchid in query.batch_ids
    )


def _visible(
    desk: Desk,
    userid: str,
    rows: Sequence[Enrolment],
    batches: Mapping[str, Batch],
    contents: Mapping[str, Content],
    actor: Actor,
) -> list[Enrolment]:
    """The rows of another learner that a user may see (clients.md ruling 9)."""
    profiles = desk.store.profiles({userid, actor.userid or ""})
    own = _tenants(profiles.get(actor.userid or "")) | ({actor.tenant} if actor.tenant else set())
    learners = _tenants(profiles.get(userid))
    if actor.administrator and not own.isdisjoint(learners):
        return list(rows)

    def may_see(row: Enrolment) -> bool:
        batch, content = batches.get(row.batchid), contents.get(row.courseid)
        leads = batch is not None and actor.userid is not None and rules.may_lead_stored(batch, actor.userid)
        # what names no tenant is the installation's own: its courses, its learners and its administrators alike
        home = desk.settings.default_channel
        channel = (content.channel if content is not None else None) or home
        return leads or (actor.administrator and channel in (own or {home}))

    visible = [row for row in rows if may_see(row)]
    if not visible:
        raise catalogued("FORBIDDEN", kind=Forbidden)
    return visible


def _tenants(profile: UserProfile | None) -> set[str]:
    """A user's tenant, by its organisation and by its channel; empty where the directory does not say."""
    named = {profile.rootorgid, profile.userchannel} if profile is not None else set()
    return {tenant for tenant in named if tenant}


def _documents(query: rules.ListQuery) -> Callable[[Content], dict[str, Any]]:
    """The content's own metadata without its tree, cut to the fields asked for."""
    decoded: dict[str, dict[str, Any]] = {}

    def document(content: Content) -> dict[str, Any]:
        found = decoded.get(content.identifier)
        if found is None:
            whole = msgspec.json.decode(content.document) if content.document else {}
            whole = whole if isinstance(whole, dict) else {}
            whole.pop("children", None)
            whole |= {
                "identifier": content.identifier,
                "name": content.name,
                "status": content.status,
                "leafNodesCount": content.leaf_nodes_count,
            }
            wanted = {*query.fields, "identifier"}
            found = {name: value for name, value in whole.items() if name in wanted} if query.fields else whole
            found |= {name: whole[name] for name in ("name", "description", "appIcon") if name in whole}
            decoded[content.identifier] = found
        return found

    return document


def _batch_fields(batch: dict[str, Any] | None, query: rules.ListQuery) -> dict[str, Any] | None:
    """Id and dates always, since pages read them unasked (clients.md); further fields as asked."""
    if batch is None:
        return None
    wanted = {"identifier", "batchId", "name", "startDate", "endDate", "status", "enrollmentType", *query.batch_fields}
    return {name: value for name, value in batch.items() if name in wanted}


def _state(desk: Desk, key: EnrolmentKey) -> tuple[Batch | None, Enrolment | None]:
    return desk.store.batches([key.batchid]).get(key.batchid), desk.store.enrolments([key]).get(key)


def _status(desk: Desk, row: Enrolment) -> int:
    """The status that follows from what is stored of an enrolment (ruling 38)."""
    relations = desk.courses.get([row.courseid]).get(row.courseid)
    return rules.judged(row, relations, desk.store.contents([row.courseid]).get(row.courseid))[0]


def _acting(actor: Actor) -> rules.Acting:
    return rules.Acting(actor.userid, everybody=actor.administrator)


def _commit(desk: Desk, row: Enrolment, kind: Any, actor: Actor, now: int) -> None:
    course = desk.store.contents([row.courseid]).get(row.courseid)
    channel = (course.channel if course is not None else None) or desk.settings.default_channel
    audit = events.enrolment_audit(
        kind, row.userid, row.courseid, row.batchid, now, actor=actor.name, trace=actor.trace, channel=channel
    )
    desk.store.commit(Changes(enrolments=[row], events=[Event(TELEMETRY, row.userid, audit)]))
