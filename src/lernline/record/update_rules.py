"""What a state update must look like, and what is taken from it (rest-api.md 3.1, rulings 9 and 33).

Pure. ``UpdateRequest`` is the wire form (decoded by msgspec, so types are right and unknown keys are gone);
``parse_update`` checks it in the contract's order and gives a ``StateUpdate``, or raises a catalogued ``BadRequest``.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from lernline.errors import BadRequest, catalogued
from lernline.model import EnrolmentKey
from lernline.times import EARLIEST, parse_time

_encode = msgspec.json.Encoder().encode


class LessonItem(msgspec.Struct, gc=False, omit_defaults=True):
    """One of ``contents`` as a client sends it."""

    contentId: str | None = None  # noqa: N815  the wire's spelling, here and below
    courseId: str | None = None  # noqa: N815
    collectionId: str | None = None  # noqa: N815
    batchId: str | None = None  # noqa: N815
    userId: str | None = None  # noqa: N815
    status: int | None = None
    progress: int | float | None = None
    lastAccessTime: str | None = None  # noqa: N815
    lastCompletedTime: str | None = None  # noqa: N815
    lastUpdatedTime: str | None = None  # noqa: N815
    progressdetails: Any = None


class UpdateRequest(msgspec.Struct):
    """``request`` of a state update: lesson updates, assessments, or neither (the sync form)."""

    userId: str | None = None  # noqa: N815
    courseId: str | None = None  # noqa: N815
    collectionId: str | None = None  # noqa: N815
    batchId: str | None = None  # noqa: N815
    contents: list[LessonItem] | None = None
    assessments: list[dict[str, Any]] | None = None


class UpdateBody(msgspec.Struct):
    """The whole body of a state update."""

    request: UpdateRequest | UnsetType = UNSET


class LessonInput(msgspec.Struct, frozen=True, gc=False):
    """One lesson update that may be judged against the enrolment. Times are epoch ms, as the client stated them.

    ``status`` lies in 0..2, ``progress`` in 0..100; ``completed`` is None below status 2; ``details`` is JSON text.
    """

    contentid: str
    courseid: str
    batchid: str
    userid: str
    status: int
    progress: int | None = None
    accessed: int | None = None
    completed: int | None = None
    details: str | None = None


class AssessmentInput(msgspec.Struct, frozen=True):
    """One attempt; ``raw`` is the item as it will lie on ``telemetry.assess``, its user ids already rewritten."""

    courseid: str
    batchid: str
    contentid: str
    userid: str
    attempt_id: str
    assessment_ts: int
    raw: dict[str, Any]


class Refusal(msgspec.Struct, frozen=True):
    """An item that was not taken, and why (ruling 27).

    ``whole`` is the catalogue's code for a request of which nothing was taken, where it is another than the item's.
    ``item`` is the item itself where it belongs to somebody else; such items go to ``contentstate.invalid``.
    """

    contentid: str
    batchid: str
    code: str
    message: str
    whole: str = ""
    item: dict[str, Any] | None = None


class StateUpdate(msgspec.Struct, frozen=True):
    """A valid state update.

    ``user_id`` is the learner (the managed user where there is one), ``actor_id`` who holds the token. The content
    item that each assessment implies is *not* among ``contents``. ``sync`` is set for the sync form, and only then.
    """

    user_id: str
    actor_id: str
    trace: str
    received_ms: int
    contents: list[LessonInput] = []
    assessments: list[AssessmentInput] = []
    sync: EnrolmentKey | None = None
    idempotency_key: str | None = None
    warnings: list[str] = []
    refused: list[Refusal] = []


class Sender(msgspec.Struct, frozen=True):
    """Who sends an update: the token's user, the managed user that they act for, or a service for anybody.

    ``any_user`` lets the items name the learner (services).
    """

    actor_id: str
    managed_id: str | None = None
    any_user: bool = False


def parse_update(
    request: UpdateRequest,
    sender: Sender,
    *,
    now_ms: int,
    skew_ms: int,
    trace: str = "",
    idempotency_key: str | None = None,
) -> StateUpdate:
    """Check an update in the contract's order.

    A status or progress out of range is clamped, with a sentence in ``warnings``; an item without a batch or of
    another user is put into ``refused``.

    Raises:
        BadRequest: with the contract's code; the message names the field.
        Forbidden: the sync form names another learner.
    """
    user_id = sender.managed_id or sender.actor_id
    if sender.any_user and request.userId:
        user_id = request.userId
    if not request.contents and not request.assessments:
        return StateUpdate(
            user_id, sender.actor_id, trace, now_ms, sync=_sync_form(request, user_id), idempotency_key=idempotency_key
        )
    latest = now_ms + skew_ms
    warnings: list[str] = []
    refused: list[Refusal] = []
    known = {user_id, sender.actor_id}
    contents: list[LessonInput] = []
    for place, item in enumerate(request.contents or ()):
        lesson = _lesson(item, place, user_id, latest, warnings)
        if not lesson.batchid:
            message = f"Course batch Id required: contents[{place}].batchId is missing."
            refused.append(Refusal(lesson.contentid, "", "COURSE_BATCH_ID_MISSING", message))
        elif lesson.userid not in known and not sender.any_user:
            message = f"contents[{place}].userId is neither the caller nor the user they act for."
            sent = msgspec.to_builtins(item)
            refused.append(Refusal(lesson.contentid, lesson.batchid, "UNAUTHORIZED_USER", message, item=sent))
        else:
            contents.append(lesson)
    assessments = [
        _assessment(raw, place, user_id, latest, any_user=sender.any_user)
        for place, raw in enumerate(request.assessments or ())
    ]
    return StateUpdate(
        user_id, sender.actor_id, trace, now_ms, contents, assessments, None, idempotency_key, warnings, refused
    )


def _sync_form(request: UpdateRequest, user_id: str) -> EnrolmentKey:
    courseid = _text(request.courseId) or _text(request.collectionId)
    if not courseid:
        raise catalogued("MANDATORY_PARAMETER_MISSING", "courseId/collectionId")
    batchid = _text(request.batchId)
    if not batchid:
        raise catalogued("MANDATORY_PARAMETER_MISSING", "batchId")
    return EnrolmentKey(user_id, courseid, batchid)


def _lesson(item: LessonItem, place: int, user_id: str, latest: int, warnings: list[str]) -> LessonInput:
    if item.lastUpdatedTime is not None:
        _time(item.lastUpdatedTime)
    completed = None if item.lastCompletedTime is None else _time(item.lastCompletedTime)
    courseid = _text(item.courseId) or _text(item.collectionId)
    if not courseid:
        raise catalogued("COURSE_ID_REQUIRED_ERROR")
    contentid = _text(item.contentId)
    if not contentid:
        raise catalogued("CONTENT_ID_REQUIRED_ERROR")
    status = item.status
    if status is None:
        raise catalogued("CONTENT_STATUS_MISSING_ERROR")
    if not 0 <= status <= 2:
        clamped = min(max(status, 0), 2)
        warnings.append(f"contents[{place}].status {status} lies outside 0..2 and was taken as {clamped}.")
        status = clamped
    accessed = None
    if item.lastAccessTime is not None:
        accessed = _time(item.lastAccessTime)
        _not_after(accessed, latest, item.lastAccessTime, f"contents[{place}].lastAccessTime")
    if status < 2:
        completed = None
    elif completed is not None:
        _not_after(completed, latest, item.lastCompletedTime, f"contents[{place}].lastCompletedTime")
    details = item.progressdetails
    return LessonInput(
        contentid,
        courseid,
        _text(item.batchId),
        _text(item.userId) or user_id,
        status,
        None if item.progress is None else _progress(item.progress, place, warnings),
        accessed,
        completed,
        None if details is None else _encode(details).decode(),
    )


def _progress(stated: float, place: int, warnings: list[str]) -> int:
    if 0 <= stated <= 100:
        return int(stated)
    clamped = 0 if stated < 0 else 100
    warnings.append(f"contents[{place}].progress {stated} lies outside 0..100 and was taken as {clamped}.")
    return clamped


def _assessment(raw: dict[str, Any], place: int, user_id: str, latest: int, *, any_user: bool) -> AssessmentInput:
    where = f"assessments[{place}]"
    stated = raw.get("assessmentTs")
    if stated is None:
        raise catalogued("ATTEMPTED_DATE_REQUIRED")
    courseid = _field(raw, "courseId", where) or _field(raw, "collectionId", where)
    if not courseid:
        raise catalogued("COURSE_ID_REQUIRED_ERROR")
    contentid = _field(raw, "contentId", where)
    if not contentid:
        raise catalogued("CONTENT_ID_REQUIRED_ERROR")
    batchid = _field(raw, "batchId", where)
    if not batchid:
        raise catalogued("COURSE_BATCH_ID_MISSING")
    named = _field(raw, "userId", where)
    if not named:
        raise catalogued("USERID_MISSING")
    attempt_id = _field(raw, "attemptId", where)
    if not attempt_id:
        raise catalogued("ATTEMPT_ID_REQUIRED_ERROR")
    if "events" not in raw:
        raise catalogued("EVENTS_DATA_MISSING")
    assessment_ts = _milliseconds(stated, f"{where}.assessmentTs")
    _not_after(assessment_ts, latest, stated, f"{where}.assessmentTs")
    userid = named if any_user else user_id
    events = _events(raw["events"], userid, where, latest)
    item = {key: value for key, value in raw.items() if key != "collectionId"}
    item |= {"courseId": courseid, "userId": userid, "assessmentTs": assessment_ts, "events": events}
    return AssessmentInput(courseid, batchid, contentid, userid, attempt_id, assessment_ts, item)


def _events(events: object, userid: str, where: str, latest: int) -> list[dict[str, Any]]:
    """The events with their actor set to the learner; a null list is an empty one."""
    if events is None:
        return []
    if not isinstance(events, list):
        raise catalogued("DATA_TYPE_ERROR", f"{where}.events", "Array")
    return [_event(event, userid, f"{where}.events[{place}]", latest) for place, event in enumerate(events)]


def _event(event: object, userid: str, where: str, latest: int) -> dict[str, Any]:
    event = _object(event, where)
    ets = event.get("ets")
    if ets is not None:
        _not_after(_milliseconds(ets, f"{where}.ets"), latest, ets, f"{where}.ets")
    actor = _object(event.get("actor") or {"type": "User"}, f"{where}.actor")
    edata = _object(event.get("edata") or {}, f"{where}.edata")
    item = _object(edata.get("item") or {}, f"{where}.edata.item")
    _number(edata.get("score"), f"{where}.edata.score")
    _number(edata.get("duration"), f"{where}.edata.duration")
    _number(item.get("maxscore"), f"{where}.edata.item.maxscore")
    return {**event, "actor": {**actor, "id": userid}}


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise catalogued("DATA_TYPE_ERROR", where, "Object")
    return value


def _number(value: object, where: str) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise catalogued("DATA_TYPE_ERROR", where, "Number")


def _milliseconds(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise catalogued("DATA_TYPE_ERROR", where, "Number")
    if value < EARLIEST:
        raise catalogued("INVALID_PARAMETER_VALUE", value, where)
    return int(value)


def _field(raw: dict[str, Any], name: str, where: str) -> str:
    value = raw.get(name)
    if value is not None and not isinstance(value, str):
        raise catalogued("DATA_TYPE_ERROR", f"{where}.{name}", "String")
    return _text(value)


def _text(value: str | None) -> str:
    """The value without blanks around it; nothing for null.

    Raises:
        BadRequest: it holds a NUL, which no store keeps apart from the text's end.
    """
    if not value:
        return ""
    if "\0" in value:
        raise catalogued("INVALID_PARAMETER_VALUE", "with a NUL character", "id")
    return value.strip()


def _time(text: str) -> int:
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise catalogued("DATE_FORMAT_ERRROR") from None


def _not_after(at_ms: int, latest: int, stated: object, where: str) -> None:
    if at_ms > latest:
        raise BadRequest(
            f"Invalid value {stated} for parameter {where}. It lies in the future; check the device's clock.",
            code="INVALID_PARAMETER_VALUE",
        )
