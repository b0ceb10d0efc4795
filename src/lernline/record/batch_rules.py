"""Rules of course batches: what a new one needs, what may change, what follows from its dates (rest-api.md 5.1, 5.2).

Pure. Days are calendar days in the platform's time zone; checks stand in the contract's order, and every refusal is a
catalogued ``BadRequest``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, tzinfo
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from lernline.errors import BadRequest, Forbidden, catalogued
from lernline.model import Batch, Content
from lernline.times import day_of, end_of_day, parse_date, start_of_day

OPEN, INVITE_ONLY = "open", "invite-only"
NOT_STARTED, ONGOING, ENDED = 0, 1, 2
COURSE_FIELD = "courseId/collectionId"

_ACTIVE_COURSE = frozenset({"Live", "Unlisted"})


class BatchDates(msgspec.Struct, frozen=True):
    """First day, last day and last day to enrol; None = begun, without end, open."""

    start: date | None = None
    end: date | None = None
    enrolment_end: date | None = None


class NewBatch(msgspec.Struct, frozen=True):
    """A valid request to create a batch."""

    courseid: str
    name: str
    enrollmenttype: str
    dates: BatchDates
    description: str | None = None
    createdby: str | None = None
    createdfor: list[str] | None = None
    mentors: list[str] | None = None
    tandc: bool | None = None
    issuecertificate: bool | None = None


class BatchPatch(msgspec.Struct, frozen=True):
    """What an update names; UNSET stays as stored, None is cleared."""

    courseid: str
    batchid: str
    name: str | UnsetType = UNSET
    enrollmenttype: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    start: date | UnsetType = UNSET
    end: date | UnsetType | None = UNSET
    enrolment_end: date | UnsetType | None = UNSET
    createdfor: list[str] | UnsetType = UNSET
    mentors: list[str] | UnsetType = UNSET
    tandc: bool | UnsetType = UNSET
    issuecertificate: bool | UnsetType = UNSET


def dates_of(batch: Batch, zone: tzinfo) -> BatchDates:
    """The batch's days in ``zone``."""

    def day(instant: int | None) -> date | None:
        return None if instant is None else day_of(instant, zone)

    return BatchDates(day(batch.start_date), day(batch.end_date), day(batch.enrollment_enddate))


def status_on(dates: BatchDates, today: date) -> int:
    """0 before the first day, 2 after the last, else 1 (ruling 7)."""
    if dates.start is not None and today < dates.start:
        return NOT_STARTED
    if dates.end is not None and today > dates.end:
        return ENDED
    return ONGOING


def current_status(batch: Batch, now_ms: int, zone: tzinfo) -> int:
    """The status that follows from the batch's dates; the stored one is never believed (ruling 7)."""
    return status_on(dates_of(batch, zone), day_of(now_ms, zone))


def parse_create(request: Mapping[str, Any], today: date) -> NewBatch:
    """Check a request to create a batch (rest-api.md 5.1).

    Raises:
        BadRequest: the first thing that is wrong, in the contract's order.
    """
    courseid = _course(request)
    name = _needed(request, "name")
    enrollmenttype = _enrolment_type(_needed(request, "enrollmentType"))
    start = _day(_needed(request, "startDate"))
    if start < today:
        raise catalogued("COURSE_BATCH_START_DATE_INVALID")
    end = _optional_day(request, "endDate")
    if end is not None and end <= start:
        raise catalogued("END_DATE_ERROR")
    enrolment_end = _optional_day(request, "enrollmentEndDate")
    if enrolment_end is not None:
        if enrolment_end < start:
            raise catalogued("ENROLLMENT_END_DATE_START_ERROR")
        if end is not None and enrolment_end > end:
            raise catalogued("ENROLLMENT_END_DATE_END_ERROR")
    createdfor, mentors = _names(request, "createdFor"), _names(request, "mentors")
    _no_participants(request)
    return NewBatch(
        courseid=courseid,
        name=name,
        enrollmenttype=enrollmenttype,
        dates=BatchDates(start, end, enrolment_end),
        description=text_of(request, "description") or None,
        createdby=text_of(request, "createdBy") or None,
        createdfor=createdfor,
        mentors=mentors,
        tandc=_flag(request, "tandc"),
        issuecertificate=_flag(request, "issueCertificate"),
    )


def new_batch(asked: NewBatch, batchid: str, createdby: str | None, now_ms: int, zone: tzinfo) -> Batch:
    """The row of a batch that was just asked for."""
    dates = asked.dates
    return Batch(
        courseid=asked.courseid,
        batchid=batchid,
        name=asked.name,
        description=asked.description,
        enrollmenttype=asked.enrollmenttype,
        status=status_on(dates, day_of(now_ms, zone)),
        start_date=None if dates.start is None else start_of_day(dates.start, zone),
        end_date=None if dates.end is None else end_of_day(dates.end, zone),
        enrollment_enddate=None if dates.enrolment_end is None else end_of_day(dates.enrolment_end, zone),
        createdby=createdby,
        createdfor=asked.createdfor,
        mentors=asked.mentors,
        created_date=now_ms,
        updated_date=now_ms,
        tandc=asked.tandc,
        issuecertificate=asked.issuecertificate,
    )


def parse_update(request: Mapping[str, Any], stored: Batch | None, today: date, zone: tzinfo) -> BatchPatch:
    """Check the request's own form (the HTTP checks of rest-api.md 5.2, with A-17: a partial patch).

    ``stored`` lends the start date when the request names none. ``endDate``, ``enrollmentEndDate`` and ``description``
    are cleared by null or ``""``; null elsewhere changes nothing.

    Raises:
        BadRequest: the first thing that is wrong, in the contract's order.
    """
    courseid = _course(request)
    if request.get("status") is not None and str(request["status"]) not in {"0", "1", "2"}:
        raise catalogued("INVALID_PROGRESS_STATUS")
    name = UNSET if request.get("name") is None else text_of(request, "name")
    if name is not UNSET and not name:
        raise catalogued("INVALID_PARAMETER_VALUE", request["name"], "name")
    kind = UNSET if request.get("enrollmentType") is None else _enrolment_type(text_of(request, "enrollmentType"))
    batchid = _needed(request, "id") if "id" in request else _needed(request, "batchId", called="id")
    start = UNSET if not request.get("startDate") else _day(text_of(request, "startDate"))
    end = _patched_day(request, "endDate")
    if isinstance(end, date):
        first = start if start is not UNSET else (dates_of(stored, zone).start if stored else None)
        if isinstance(first, date) and end <= first:
            raise catalogued("END_DATE_ERROR")
        if end < today:
            raise catalogued("INVALID_BATCH_END_DATE_ERROR")
    createdfor, mentors = _names(request, "createdFor"), _names(request, "mentors")
    _no_participants(request)
    tandc, certificate = _flag(request, "tandc"), _flag(request, "issueCertificate")
    return BatchPatch(
        courseid=courseid,
        batchid=batchid,
        name=name,
        enrollmenttype=kind,
        description=(text_of(request, "description") or None) if "description" in request else UNSET,
        start=start,
        end=end,
        enrolment_end=_patched_day(request, "enrollmentEndDate"),
        createdfor=UNSET if createdfor is None else createdfor,
        mentors=UNSET if mentors is None else mentors,
        tandc=UNSET if tandc is None else tandc,
        issuecertificate=UNSET if certificate is None else certificate,
    )


def patched(stored: Batch, patch: BatchPatch, now_ms: int, zone: tzinfo) -> Batch:
    """The row after an update (the core checks of rest-api.md 5.2; the status follows from the dates).

    Raises:
        BadRequest: the dates do not go together or change what has begun.
    """
    today = day_of(now_ms, zone)
    before = dates_of(stored, zone)
    start = before.start if patch.start is UNSET else patch.start
    end = before.end if patch.end is UNSET else patch.end
    enrolment_end = before.enrolment_end if patch.enrolment_end is UNSET else patch.enrolment_end
    _check_start(before, start, end, today)
    if before.end is not None and before.end < today and end is not None and end < before.end:
        raise catalogued("COURSE_BATCH_END_DATE_ERROR")
    if enrolment_end is not None:
        if start is not None and enrolment_end < start:
            raise catalogued("ENROLLMENT_END_DATE_START_ERROR")
        if end is not None and enrolment_end > end:
            raise catalogued("ENROLLMENT_END_DATE_END_ERROR")
        if enrolment_end != before.enrolment_end and enrolment_end < today:
            raise catalogued("ENROLLMENT_END_DATE_UPDATE_ERROR")
    return msgspec.structs.replace(
        stored,
        name=_kept(patch.name, stored.name),
        description=_kept(patch.description, stored.description),
        enrollmenttype=_kept(patch.enrollmenttype, stored.enrollmenttype),
        status=status_on(BatchDates(start, end, enrolment_end), today),
        start_date=stored.start_date if start == before.start or start is None else start_of_day(start, zone),
        end_date=None if end is None else end_of_day(end, zone),
        enrollment_enddate=None if enrolment_end is None else end_of_day(enrolment_end, zone),
        createdfor=_kept(patch.createdfor, stored.createdfor),
        mentors=_kept(patch.mentors, stored.mentors),
        updated_date=now_ms,
        tandc=_kept(patch.tandc, stored.tandc),
        issuecertificate=_kept(patch.issuecertificate, stored.issuecertificate),
    )


def _check_start(before: BatchDates, start: date | None, end: date | None, today: date) -> None:
    if start != before.start and start is not None:
        begun = before.start is not None and before.start <= today
        if begun or start < today:
            raise catalogued("INVALID_BATCH_START_DATE_ERROR")
    if start is not None and end is not None and start > end:
        raise catalogued("INVALID_BATCH_END_DATE_ERROR")


def may_lead(batch: Batch, userid: str) -> bool:
    """Whether somebody is the stored batch's creator or a mentor; without a creator anybody with the role is."""
    return batch.createdby is None or userid == batch.createdby or userid in (batch.mentors or ())


def check_leader(batch: Batch, userid: str) -> None:
    """Refuse who is neither creator nor mentor of the *stored* batch (A-17).

    Raises:
        Forbidden: they may not change it.
    """
    if not may_lead(batch, userid):
        raise catalogued("UNAUTHORIZED_USER", kind=Forbidden)


def check_course(course: Content | None) -> None:
    """Refuse a course that cannot have batches.

    Raises:
        BadRequest: unknown, neither Live nor Unlisted, or without a leaf.
    """
    if course is None or course.status not in _ACTIVE_COURSE or course.leaf_nodes_count <= 0:
        raise catalogued("INVALID_COURSE_ID")


def text_of(request: Mapping[str, Any], name: str) -> str:
    """A text without blanks around it; nothing when it is absent or null.

    Raises:
        BadRequest: it is no text.
    """
    value = request.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise catalogued("DATA_TYPE_ERROR", name, "String")
    return value.strip()


def _kept(value: Any, stored: Any) -> Any:
    return stored if value is UNSET else value


def _needed(request: Mapping[str, Any], name: str, called: str | None = None) -> str:
    value = text_of(request, name)
    if not value:
        raise catalogued("MANDATORY_PARAMETER_MISSING", called or name)
    return value


def _course(request: Mapping[str, Any]) -> str:
    courseid = text_of(request, "courseId") or text_of(request, "collectionId")
    if not courseid:
        raise catalogued("MANDATORY_PARAMETER_MISSING", COURSE_FIELD)
    return courseid


def _enrolment_type(value: str) -> str:
    if value not in {OPEN, INVITE_ONLY}:
        raise catalogued("INVALID_PARAMETER_VALUE", value, "enrollmentType")
    return value


def _day(text: str) -> date:
    try:
        return parse_date(text)
    except ValueError:
        raise catalogued("DATE_FORMAT_ERRROR") from None


def _optional_day(request: Mapping[str, Any], name: str) -> date | None:
    text = text_of(request, name)
    return _day(text) if text else None


def _patched_day(request: Mapping[str, Any], name: str) -> date | UnsetType | None:
    return _optional_day(request, name) if name in request else UNSET


def _names(request: Mapping[str, Any], name: str) -> list[str] | None:
    value = request.get(name)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise catalogued("DATA_TYPE_ERROR", name, "Arrays")
    return value


def _flag(request: Mapping[str, Any], name: str) -> bool | None:
    value = request.get(name)
    if value is None or isinstance(value, bool):
        return value
    if value in {"Yes", "yes", "true"}:
        return True
    if value in {"No", "no", "false", ""}:
        return False
    raise BadRequest(f"Data type of {name} should be Boolean.", code="DATA_TYPE_ERROR")


def _no_participants(request: Mapping[str, Any]) -> None:
    if request.get("participants") is not None:
        raise catalogued("INVALID_REQUEST_PARAMETER", "participants")
