"""Rows of the database to typed values and back. JSON columns are text; every older shape of a row is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from lernline.model import (
    Attempt,
    Batch,
    Enrolment,
    IssuedCertificate,
    LessonState,
    Question,
    UserProfile,
)
from lernline.times import parse_date, parse_time, start_of_day, zone_named

_encoder = msgspec.json.Encoder()
_statuses = msgspec.json.Decoder(dict[str, int])
_issued = msgspec.json.Decoder(list[IssuedCertificate])
_objects = msgspec.json.Decoder(list[dict[str, Any]])
_texts = msgspec.json.Decoder(list[str])
_templates = msgspec.json.Decoder(dict[str, dict[str, str]])
_numbers = msgspec.json.Decoder(dict[str, float])

LESSON_COLUMNS = (
    "userid",
    "courseid",
    "batchid",
    "contentid",
    "status",
    "progress",
    "viewcount",
    "completedcount",
    "accessed",
    "accessed_received",
    "completed",
    "completed_received",
    "first_completed",
    "first_completed_received",
    "last_updated_time",
    "progressdetails",
    "details_received",
    "last_access_time",
    "last_completed_time",
)
LEGACY_LESSON_COLUMNS = ("lastaccesstime", "lastcompletedtime")
ENROLMENT_COLUMNS = (
    "userid",
    "courseid",
    "batchid",
    "active",
    "addedby",
    "enrolled_date",
    "enrolleddate",
    "datetime",
    "status",
    "progress",
    "completionpercentage",
    "contentstatus",
    "completedon",
    "lastreadcontentid",
    "lastreadcontentstatus",
    "lastcontentaccesstime",
    "issued_certificates",
    "certificates",
    "rollup",
)
ATTEMPT_COLUMNS = (
    "user_id",
    "course_id",
    "batch_id",
    "content_id",
    "attempt_id",
    "last_attempted_on",
    "total_score",
    "total_max_score",
    "grand_total",
    "created_on",
    "updated_on",
    "digest",
)
BATCH_COLUMNS = (
    "courseid",
    "batchid",
    "name",
    "description",
    "enrollmenttype",
    "status",
    "start_date",
    "end_date",
    "enrollment_enddate",
    "createdby",
    "createdfor",
    "mentors",
    "created_date",
    "updated_date",
    "cert_templates",
    "tandc",
    "issuecertificate",
)
LEGACY_BATCH_COLUMNS = ("startdate", "enddate", "enrollmentenddate", "createddate", "updateddate")
PROFILE_COLUMNS = tuple(name for name in UserProfile.__struct_fields__ if name != "userid")


def to_json(value: object) -> str:
    """A JSON column's text."""
    return _encoder.encode(value).decode()


def to_json_or_null(value: object) -> str | None:
    """A JSON column's text, NULL for None."""
    return None if value is None else to_json(value)


def numbers(text: str | None) -> dict[str, float]:
    """A map<text,double> column."""
    return _numbers.decode(text) if text else {}


def lesson_to_row(state: LessonState) -> tuple[Any, ...]:
    """In the order of ``LESSON_COLUMNS``."""
    return (
        state.userid,
        state.courseid,
        state.batchid,
        state.contentid,
        state.status,
        state.progress,
        state.viewcount,
        state.completedcount,
        state.accessed,
        state.accessed_received,
        state.completed,
        state.completed_received,
        state.first_completed,
        state.first_completed_received,
        state.last_updated_time,
        state.progressdetails,
        state.details_received,
        state.last_access_time,
        state.last_completed_time,
    )


def lesson_from_row(row: Sequence[Any]) -> LessonState:
    """From ``LESSON_COLUMNS`` + ``LEGACY_LESSON_COLUMNS``; a null status is 1, as older readers had it (P-D15)."""
    accessed, completed, first = row[8], row[10], row[12]
    if accessed is None and row[9] is None:  # written by somebody else: its times are stated times
        accessed = row[17] if row[17] is not None else _legacy(row[19])
    if completed is None and row[11] is None:
        completed = row[18] if row[18] is not None else _legacy(row[20])
        first = completed if first is None and row[13] is None else first
    status = 1 if row[4] is None else row[4]
    return LessonState(
        userid=row[0],
        courseid=row[1],
        batchid=row[2],
        contentid=row[3],
        status=min(max(status, 0), 2),
        progress=row[5] or 0,
        viewcount=row[6] or 0,
        completedcount=row[7] or 0,
        accessed=accessed,
        accessed_received=row[9],
        completed=completed,
        completed_received=row[11],
        first_completed=first,
        first_completed_received=row[13],
        last_updated_time=row[14],
        progressdetails=row[15],
        details_received=row[16],
    )


def _legacy(text: str | None) -> int | None:
    """A legacy text time; one that cannot be read is none."""
    if not text:
        return None
    try:
        return parse_time(text)
    except ValueError:
        return None


def enrolment_from_row(row: Sequence[Any]) -> Enrolment:
    """From ``ENROLMENT_COLUMNS``; a null ``active`` is active, ``enrolled_date`` wins over ``enrolleddate``."""
    return Enrolment(
        userid=row[0],
        courseid=row[1],
        batchid=row[2],
        active=row[3] is None or bool(row[3]),
        addedby=row[4],
        enrolled_date=row[5] if row[5] is not None else _legacy(row[6]),
        datetime=row[7],
        status=row[8] or 0,
        progress=row[9] or 0,
        completionpercentage=row[10],
        contentstatus=_statuses.decode(row[11]) if row[11] else {},
        completedon=row[12],
        lastreadcontentid=row[13],
        lastreadcontentstatus=row[14],
        lastcontentaccesstime=row[15],
        issued_certificates=_issued.decode(row[16]) if row[16] else [],
        certificates=_objects.decode(row[17]) if row[17] else [],
        rollup=row[18],
    )


def attempt_from_row(row: Sequence[Any]) -> Attempt:
    """From ``ATTEMPT_COLUMNS``."""
    return Attempt(
        user_id=row[0],
        course_id=row[1],
        batch_id=row[2],
        content_id=row[3],
        attempt_id=row[4],
        last_attempted_on=row[5] or 0,
        total_score=row[6] or 0.0,
        total_max_score=row[7] or 0.0,
        grand_total=row[8] or "",
        created_on=row[9],
        updated_on=row[10],
        digest=row[11] or "",
    )


def attempt_to_row(attempt: Attempt) -> tuple[Any, ...]:
    """In the order of ``ATTEMPT_COLUMNS`` + ``question``."""
    return (
        attempt.user_id,
        attempt.course_id,
        attempt.batch_id,
        attempt.content_id,
        attempt.attempt_id,
        attempt.last_attempted_on,
        attempt.total_score,
        attempt.total_max_score,
        attempt.grand_total,
        attempt.created_on,
        attempt.updated_on,
        attempt.digest,
        to_json(attempt.question),
    )


def questions(text: str | None) -> list[Question]:
    """The ``question`` column."""
    return msgspec.json.decode(text, type=list[Question]) if text else []


def batch_to_row(batch: Batch) -> tuple[Any, ...]:
    """In the order of ``BATCH_COLUMNS``."""
    return (
        batch.courseid,
        batch.batchid,
        batch.name,
        batch.description,
        batch.enrollmenttype,
        batch.status,
        batch.start_date,
        batch.end_date,
        batch.enrollment_enddate,
        batch.createdby,
        to_json_or_null(batch.createdfor),
        to_json_or_null(batch.mentors),
        batch.created_date,
        batch.updated_date,
        to_json(batch.cert_templates),
        batch.tandc,
        batch.issuecertificate,
    )


def batch_from_row(row: Sequence[Any], zone_name: str) -> Batch:
    """From ``BATCH_COLUMNS`` + ``LEGACY_BATCH_COLUMNS``; a timestamp wins over its text twin (rest-api.md 9.1)."""
    start, end, enrollment_end, created, updated = row[17:22]
    return Batch(
        courseid=row[0],
        batchid=row[1],
        name=row[2] or "",
        description=row[3],
        enrollmenttype=row[4],
        status=row[5] or 0,
        start_date=row[6] if row[6] is not None else _legacy_day(start, zone_name, last=False),
        end_date=row[7] if row[7] is not None else _legacy_day(end, zone_name, last=True),
        enrollment_enddate=row[8] if row[8] is not None else _legacy_day(enrollment_end, zone_name, last=True),
        createdby=row[9],
        createdfor=_texts.decode(row[10]) if row[10] else None,
        mentors=_texts.decode(row[11]) if row[11] else None,
        created_date=row[12] if row[12] is not None else _legacy(created),
        updated_date=row[13] if row[13] is not None else _legacy(updated),
        cert_templates=_templates.decode(row[14]) if row[14] else {},
        tandc=None if row[15] is None else bool(row[15]),
        issuecertificate=None if row[16] is None else bool(row[16]),
    )


def _legacy_day(text: str | None, zone_name: str, *, last: bool) -> int | None:
    """A legacy text date: its first or last millisecond in the platform's zone."""
    if not text:
        return None
    try:
        day = start_of_day(parse_date(text[:10]), zone_named(zone_name))
    except ValueError:
        return None
    return day + 86_399_999 if last else day


def profile_to_row(profile: UserProfile) -> tuple[Any, ...]:
    """``id`` and ``PROFILE_COLUMNS``."""
    values = [getattr(profile, name) for name in PROFILE_COLUMNS[:-1]]
    return (profile.userid, *values, to_json(profile.roles))


def profile_from_row(row: Sequence[Any]) -> UserProfile:
    """From ``id`` and ``PROFILE_COLUMNS``."""
    values = dict(zip(PROFILE_COLUMNS[:-1], row[1:-1], strict=True))
    return UserProfile(userid=row[0], roles=_texts.decode(row[-1]) if row[-1] else [], **values)
