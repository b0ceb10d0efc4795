"""Reading events of the progress topics into typed updates; what cannot be read is refused with a reason."""

from __future__ import annotations

from typing import Any

import msgspec

from lernline.errors import BadRequest
from lernline.model import EnrolmentKey, LessonUpdate
from lernline.record.rules import fold, identity
from lernline.stream.port import Record
from lernline.stream.topics import ENROLMENT_SYNC
from lernline.times import EARLIEST, LATEST, parse_time

ACCEPTED = "accepted"
_ACTIONS = {"batch-enrolment-update": False, "user-enrolment-sync": True}


class ProgressUpdate(msgspec.Struct, frozen=True):
    """One event: the lessons it updates, or a request to recompute an enrolment from what is stored."""

    key: EnrolmentKey
    lessons: list[LessonUpdate]
    received: int
    accepted: bool
    sync: bool


class _Content(msgspec.Struct):
    contentId: str | None = None  # noqa: N815  wire name
    status: float | None = None
    progress: float | None = None
    lastAccessTime: int | str | None = None  # noqa: N815
    lastCompletedTime: int | str | None = None  # noqa: N815
    progressdetails: str | None = None
    identity: str | None = None


class _Edata(msgspec.Struct):
    action: str = ""
    userId: str = ""  # noqa: N815
    courseId: str = ""  # noqa: N815
    batchId: str = ""  # noqa: N815
    contents: list[_Content] | None = None


class _Message(msgspec.Struct):
    edata: _Edata
    mid: str | None = None
    ets: float | str | None = None


_decoder = msgspec.json.Decoder(_Message)


def read_update(record: Record) -> ProgressUpdate | None:
    """The update that a record carries; None when it is not for this topic's job (ruling 45) or names no content.

    Contents without an id or a status say nothing and are left out while others say something.

    Raises:
        BadRequest: not JSON, the wrong shape, or an id is missing; the sentence names the field.
    """
    try:
        message = _decoder.decode(record.value)
    except msgspec.MsgspecError as problem:
        raise BadRequest(f"the event cannot be read: {problem}", code="EVENT_UNREADABLE") from problem
    edata = message.edata
    sync = _ACTIONS.get(edata.action.lower())
    if sync is None or sync != (record.topic == ENROLMENT_SYNC):
        return None
    for name, value in (("userId", edata.userId), ("courseId", edata.courseId), ("batchId", edata.batchId)):
        if not value.strip():
            raise BadRequest(f"edata.{name} is missing", code="MANDATORY_PARAMETER_MISSING")
        if "\0" in value:
            raise BadRequest(f"edata.{name} holds a NUL character", code="INVALID_PARAMETER_VALUE")
    key = EnrolmentKey(edata.userId, edata.courseId, edata.batchId)
    received = min(_instant("ets", message.ets) or record.appended_at, record.appended_at)
    if sync:
        return ProgressUpdate(key, [], received, ACCEPTED in record.headers, sync)
    if edata.contents == []:
        return None
    lessons = fold(_lesson(key, one, message.mid, received) for one in _stated(edata.contents))
    return ProgressUpdate(key, lessons, received, ACCEPTED in record.headers, sync)


def _stated(contents: list[_Content] | None) -> list[_Content]:
    """The contents that name a lesson and its status."""
    if contents is None:
        raise BadRequest("edata.contents is missing", code="MANDATORY_PARAMETER_MISSING")
    stated = [one for one in contents if (one.contentId or "").strip() and one.status is not None]
    if stated:
        return stated
    if any((one.contentId or "").strip() for one in contents):
        raise BadRequest("edata.contents[].status is missing", code="CONTENT_STATUS_MISSING_ERROR")
    raise BadRequest("edata.contents[].contentId is blank", code="CONTENT_ID_REQUIRED_ERROR")


def _lesson(key: EnrolmentKey, content: _Content, mid: str | None, received: int) -> LessonUpdate:
    contentid = content.contentId or ""
    if "\0" in contentid:
        raise BadRequest("edata.contents[].contentId holds a NUL character", code="INVALID_PARAMETER_VALUE")
    status = min(max(int(content.status or 0), 0), 2)
    accessed = _instant("lastAccessTime", content.lastAccessTime)
    told_apart: tuple[Any, ...] = (mid,) if mid else (key.courseid, key.batchid, status, accessed)
    return LessonUpdate(
        contentid=contentid,
        status=status,
        received=received,
        identity=content.identity or identity(key.userid, contentid, *told_apart),
        progress=min(max(int(content.progress or 0), 0), 100),
        accessed=accessed,
        completed=_instant("lastCompletedTime", content.lastCompletedTime) if status == 2 else None,
        details=content.progressdetails,
    )


def _instant(name: str, value: float | str | None) -> int | None:
    """Epoch ms from a number, the text of a number, or one of the contract's time forms."""
    if value is None or value == "":
        return None
    try:
        instant = int(float(value))
    except (ValueError, OverflowError):
        try:
            instant = parse_time(str(value))
        except ValueError as problem:
            raise BadRequest(f"{name} is not a time: {problem}", code="DATE_FORMAT_ERRROR") from problem
    if not EARLIEST <= instant <= LATEST:
        raise BadRequest(f"{name} lies outside the years 1900 to 9998", code="DATE_FORMAT_ERRROR")
    return instant
