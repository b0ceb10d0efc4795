"""Who may be enrolled when, and what an enrolment looks like in the list (rest-api.md 4.1, 4.2). Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

import msgspec

from lernline.catalog.relations import Relations
from lernline.errors import BadRequest, Forbidden, catalogued
from lernline.model import Batch, Content, Enrolment, EnrolmentKey
from lernline.record.batch_rules import (
    COURSE_FIELD,
    ENDED,
    INVITE_ONLY,
    OPEN,
    current_status,
    may_lead,
    text_of,
)
from lernline.times import format_time

COLLECTION_MIME_TYPE = "application/vnd.ekstep.content-collection"
LISTED_STATUSES = frozenset({"Live", "Unlisted"})


class Acting(msgspec.Struct, frozen=True):
    """Who enrols or asks: ``userid`` is the effective user (None for a service or consumer).

    ``everybody`` is true for those who may act for any learner: administrators and services.
    """

    userid: str | None
    everybody: bool = False

    def is_self(self, userid: str) -> bool:
        """Whether the learner acts for themselves."""
        return userid == self.userid


def parse_key(request: Mapping[str, Any], default_user: str | None) -> EnrolmentKey:
    """The enrolment that a request names; the learner defaults to who asks.

    Raises:
        BadRequest: an id is missing or no text, in the order course, batch, user.
    """
    courseid = text_of(request, "courseId") or text_of(request, "collectionId")
    batchid = text_of(request, "batchId")
    userid = text_of(request, "userId") or default_user
    for name, value in ((COURSE_FIELD, courseid), ("batchId", batchid), ("userId", userid)):
        if not value:
            raise catalogued("MANDATORY_PARAMETER_MISSING", name)
    return EnrolmentKey(userid or "", courseid, batchid)


def check_enrol(
    key: EnrolmentKey, batch: Batch | None, row: Enrolment | None, acting: Acting, now_ms: int, zone: tzinfo
) -> None:
    """Refuse what may not be enrolled (rest-api.md 4.1 with A-8 and A-14, ruling 36).

    Raises:
        BadRequest: the batch, its kind or its dates do not allow it, or the learner is enrolled.
        Forbidden: somebody else's enrolment, by neither a mentor of the batch nor an administrator.
    """
    batch = _batch_for(key, batch, acting)
    invited = acting.everybody or (acting.userid is not None and may_lead_stored(batch, acting.userid))
    enrolled = row is not None and row.active
    if batch.enrollmenttype == INVITE_ONLY and not invited and not enrolled:
        raise BadRequest(
            "This batch is by invitation only. Ask its mentor to enrol you.", code="ENROLLMENT_TYPE_VALIDATION"
        )
    if current_status(batch, now_ms, zone) == ENDED:
        raise catalogued("COURSE_BATCH_ALREADY_COMPLETED")
    if batch.enrollment_enddate is not None and now_ms > batch.enrollment_enddate:
        raise catalogued("COURSE_BATCH_ENROLLMENT_DATE_ENDED")
    if enrolled:
        raise catalogued("USER_ALREADY_ENROLLED_COURSE")


def check_unenrol(
    key: EnrolmentKey,
    batch: Batch | None,
    row: Enrolment | None,
    acting: Acting,
    now_ms: int,
    zone: tzinfo,
    *,
    complete: bool,
) -> None:
    """Refuse what may not be ended (rest-api.md 4.1 with A-13); ``complete`` follows from the stored state.

    Raises:
        BadRequest: the batch has ended, the learner is not enrolled, or the course is complete.
        Forbidden: as for enrolling.
    """
    batch = _batch_for(key, batch, acting)
    if current_status(batch, now_ms, zone) == ENDED:
        raise catalogued("COURSE_BATCH_ALREADY_COMPLETED")
    if row is None or not row.active:
        raise catalogued("USER_NOT_ENROLLED_COURSE")
    if complete or row.status == 2:
        raise catalogued("COURSE_BATCH_ALREADY_COMPLETED")


def may_lead_stored(batch: Batch, userid: str) -> bool:
    """Whether somebody is named as creator or mentor; a batch without a creator makes nobody its leader."""
    return (batch.createdby is not None and may_lead(batch, userid)) or userid in (batch.mentors or ())


def _batch_for(key: EnrolmentKey, batch: Batch | None, acting: Acting) -> Batch:
    if batch is None or batch.courseid != key.courseid:
        raise catalogued("INVALID_COURSE_BATCH_ID")
    leads = acting.userid is not None and may_lead_stored(batch, acting.userid)
    if not (acting.is_self(key.userid) or acting.everybody or leads):
        raise catalogued("FORBIDDEN", kind=Forbidden)
    if batch.enrollmenttype not in {OPEN, INVITE_ONLY}:
        raise catalogued("ENROLLMENT_TYPE_VALIDATION")
    return batch


def enrolled(key: EnrolmentKey, row: Enrolment | None, addedby: str, now_ms: int) -> Enrolment:
    """The row of a learner who enrols: a new one, or the old one active again with all its progress."""
    if row is not None:
        return msgspec.structs.replace(row, active=True)
    return Enrolment(
        userid=key.userid,
        courseid=key.courseid,
        batchid=key.batchid,
        active=True,
        addedby=addedby,
        enrolled_date=now_ms,
        datetime=now_ms,
    )


class ListQuery(msgspec.Struct, frozen=True):
    """What an enrolment list asks for; an empty tuple of fields means all, an empty one of courses means any."""

    fields: tuple[str, ...] = ()
    batch_fields: tuple[str, ...] = ()
    course_ids: tuple[str, ...] = ()
    batch_ids: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    retired: bool = False
    limit: int | None = None
    offset: int = 0


def judged(row: Enrolment, relations: Relations | None, content: Content | None) -> tuple[int, int, int, int]:
    """``(status, percent, progress, leafNodesCount)`` as they follow from the stored state (ruling 38).

    Counts are over the required leaves (clients.md ruling 5). Without a tree the catalog's leaf count stands in.
    Completion is sticky (ruling 3); activity alone makes status 1 (ruling 21).
    """
    if relations is not None and relations.leaves:
        needed = len(relations.required)
        done = sum(1 for leaf, status in row.contentstatus.items() if status == 2 and leaf in relations.required)
        if row.contentstatus == {} and row.rollup is None:
            done = min(row.progress, needed)
    else:
        needed = content.leaf_nodes_count if content is not None else 0
        done = row.progress if needed == 0 else min(row.progress, needed)
    if row.completedon is not None or (needed > 0 and done >= needed):
        return 2, 100, needed or done, needed
    begun = done > 0 or row.status > 0 or any(status > 0 for status in row.contentstatus.values())
    return int(begun), (100 * done // needed if needed else 0), done, needed


def shape(
    row: Enrolment,
    content: Content | None,
    relations: Relations | None,
    batch: dict[str, Any] | None,
    zone: tzinfo,
    document: Callable[[Content], dict[str, Any]],
) -> dict[str, Any]:
    """One of ``result.courses``; ``batch`` is the batch as its list shows it."""
    status, percent, progress, leaves = judged(row, relations, content)
    about = document(content) if content is not None else {}
    return {
        "userId": row.userid,
        "courseId": row.courseid,
        "collectionId": row.courseid,
        "contentId": row.courseid,
        "batchId": row.batchid,
        "active": row.active,
        "addedBy": row.addedby,
        "enrolledDate": None if row.enrolled_date is None else format_time(row.enrolled_date, zone),
        "dateTime": row.datetime,
        "status": status,
        "progress": progress,
        "completionPercentage": percent,
        "completedOn": row.completedon,
        "contentStatus": row.contentstatus,
        "lastReadContentId": row.lastreadcontentid,
        "lastReadContentStatus": row.lastreadcontentstatus,
        "lastContentAccessTime": row.lastcontentaccesstime,
        "certificates": row.certificates,
        "issuedCertificates": [msgspec.to_builtins(one) for one in row.issued_certificates],
        "courseName": about.get("name") or (content.name if content is not None else ""),
        "courseStatus": content.status if content is not None else "Unknown",
        "description": about.get("description"),
        "courseLogoUrl": about.get("appIcon"),
        "leafNodesCount": leaves,
        "content": about,
        "batch": batch or {},
    }


def is_listed(content: Content | None, *, retired: bool) -> bool:
    """Whether the list shows enrolments of this course: published ones, others on request (A-11, ruling 36).

    A course that the catalog does not know at all is shown; nothing says that it has gone.
    """
    return content is None or retired or content.status in LISTED_STATUSES


def parse_list_query(query: Mapping[str, str]) -> ListQuery:
    """The query of a list: ``fields``, ``batchDetails`` (names joined by commas), ``retired``, ``limit``, ``offset``.

    Raises:
        BadRequest: ``limit`` or ``offset`` is no whole number.
    """

    def names(name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in query.get(name, "").split(",") if part.strip())

    return ListQuery(
        fields=names("fields"),
        batch_fields=names("batchDetails"),
        course_ids=names("courseIds"),
        retired=query.get("retired", "").casefold() in {"true", "yes", "1"},
        limit=_whole("limit", query.get("limit")),
        offset=_whole("offset", query.get("offset")) or 0,
    )


def parse_list(request: Mapping[str, Any]) -> ListQuery:
    """The body of a list: ``courseIds``, ``fields``, ``filters{courseId, batchId, status, retired}``, paging.

    Raises:
        BadRequest: a part has the wrong type; the message names it.
    """
    filters = request.get("filters")
    if filters is None:
        filters = {}
    if not isinstance(filters, dict):
        raise catalogued("DATA_TYPE_ERROR", "filters", "Map")
    statuses = _texts("filters.status", filters.get("status"))
    if not {"0", "1", "2"}.issuperset(statuses):
        raise catalogued("INVALID_PROGRESS_STATUS")
    return ListQuery(
        fields=_texts("fields", request.get("fields")),
        course_ids=_texts("courseIds", request.get("courseIds")) + _texts("filters.courseId", filters.get("courseId")),
        batch_ids=_texts("filters.batchId", filters.get("batchId")),
        statuses=tuple(int(status) for status in statuses),
        retired=filters.get("retired") is True,
        limit=_whole("limit", request.get("limit")),
        offset=_whole("offset", request.get("offset")) or 0,
    )


def _texts(name: str, value: object) -> tuple[str, ...]:
    """One text or number, or a list of them, as texts."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    if any(isinstance(item, bool) or not isinstance(item, str | int) for item in values):
        raise catalogued("DATA_TYPE_ERROR", name, "Array")
    return tuple(str(item) for item in values)


def _whole(name: str, value: object) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not str(value).isdecimal():
        raise catalogued("DATA_TYPE_ERROR", name, "Integer")
    return int(str(value))
