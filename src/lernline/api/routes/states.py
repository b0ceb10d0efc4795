"""Lesson states: the hot path of updates, reads, and the recomputing of one enrolment (rest-api.md 3, 8)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from lernline.api import access
from lernline.api.call import Call, Route
from lernline.api.face import Face, Refused, decode_typed
from lernline.errors import CATALOGUE, BadRequest, Forbidden, catalogued
from lernline.record.state_view import parse_read, shape
from lernline.record.update_rules import LessonItem, Sender, UpdateBody, UpdateRequest, parse_update
from lernline.record.updates import NOT_ONGOING, UNKNOWN_BATCH, StateQuery, UpdateOutcome

SUCCESS = {"response": "SUCCESS"}
_MARKERS = frozenset({UNKNOWN_BATCH, NOT_ONGOING})
_update_decoder = msgspec.json.Decoder(UpdateBody)


class AggregateRequest(msgspec.Struct):
    """``request`` of the activity aggregate: an enrolment, and lessons to be counted in; none = recompute."""

    userId: str | None = None  # noqa: N815  the wire's spelling
    courseId: str | None = None  # noqa: N815
    collectionId: str | None = None  # noqa: N815
    batchId: str | None = None  # noqa: N815
    contents: list[dict[str, Any]] | None = None


class AggregateBody(msgspec.Struct):
    """The whole body of the activity aggregate."""

    request: AggregateRequest


_aggregate_decoder = msgspec.json.Decoder(AggregateBody)


async def update(face: Face, call: Call) -> dict[str, Any]:
    """Record lessons and assessments, or ask for one enrolment to be recomputed."""
    body = decode_typed(_update_decoder, call.body)
    if body.request is UNSET:
        raise catalogued("MANDATORY_PARAMETER_MISSING", "request")
    if not access.may_update(call.principal, body.request.userId, body.request.assessments):
        raise catalogued("FORBIDDEN", kind=Forbidden)
    return await _apply(face, call, body.request)


async def _apply(face: Face, call: Call, request: UpdateRequest) -> dict[str, Any]:
    principal = call.principal
    key = call.headers.get(b"idempotency-key")
    parsed = parse_update(
        request,
        Sender(principal.id, principal.managed, any_user=principal.kind == "service"),
        now_ms=face.line.clock.now_ms(),
        skew_ms=face.line.settings.clock_skew_seconds * 1000,
        trace=call.trace,
        idempotency_key=key.decode("latin-1") if key else None,
    )
    return told(await face.updates.ask(parsed))


def told(outcome: UpdateOutcome) -> dict[str, Any]:
    """The result map: a code per item, lists of batches under two of the codes, and each refusal in full (ruling 27).

    Raises:
        LernlineError: nothing at all was accepted.
    """
    if outcome.error is not None:
        raise outcome.error
    if outcome.synced:
        return SUCCESS
    result: dict[str, Any] = {}
    if outcome.refused:
        for refusal in outcome.refused:
            result.setdefault(refusal.contentid, refusal.code)
            if refusal.code in _MARKERS and refusal.batchid not in result.setdefault(refusal.code, []):
                result[refusal.code].append(refusal.batchid)
        result["errors"] = [
            {"contentId": one.contentid, "batchId": one.batchid, "code": one.code, "message": one.message}
            for one in outcome.refused
        ]
    if not outcome.accepted:
        first = outcome.refused[0]
        raise Refused(CATALOGUE.get(first.whole, first.message), first.whole or first.code, result)
    for lesson in outcome.lessons:
        result[lesson.contentid] = "SUCCESS"
    for attempt in outcome.attempts:
        result[attempt.contentid] = result[attempt.batchid] = "SUCCESS"
    if outcome.warnings:
        result["warnings"] = outcome.warnings
    return result


async def read(face: Face, call: Call) -> dict[str, Any]:
    """Lessons of one enrolment."""
    key, contentids, scores = parse_read(call.request, call.principal.userid)
    views = await face.reads.ask(StateQuery(key, contentids, scores))
    zone = face.line.zone
    return {"contentList": [shape(view.state, view.attempts if scores else None, zone) for view in views]}


async def aggregate(face: Face, call: Call) -> dict[str, Any]:
    """Recompute one enrolment ("force sync"), or count lessons in first."""
    request = decode_typed(_aggregate_decoder, call.body).request
    for name, value in (
        ("userId", request.userId),
        ("courseId", request.courseId or request.collectionId),
        ("batchId", request.batchId),
    ):
        if not value or not value.strip():
            raise BadRequest(f"{name} is mandatory", code="MANDATORY_PARAMETER_MISSING")
    if not access.may_update(call.principal, request.userId, None):
        raise catalogued("FORBIDDEN", kind=Forbidden)
    asked = UpdateRequest(request.userId, request.courseId or request.collectionId, None, request.batchId)
    if request.contents is not None:
        counted = [_counted(item, asked) for item in request.contents]
        asked.contents = [item for item in counted if item.status]  # a lesson not begun leaves no row here
        if not asked.contents:
            return SUCCESS
    await _apply(face, call, asked)
    return SUCCESS


def _counted(item: dict[str, Any], asked: UpdateRequest) -> LessonItem:
    contentid, status = item.get("contentId"), item.get("status")
    if not isinstance(contentid, str) or not contentid.strip():
        raise BadRequest("contentId is mandatory", code="MANDATORY_PARAMETER_MISSING")
    if isinstance(status, bool) or not isinstance(status, int | float):
        raise BadRequest("status must be a number", code="INVALID_REQUESTED_DATA")
    if status not in {0, 1, 2}:
        raise BadRequest("status must be 0, 1, or 2", code="INVALID_REQUESTED_DATA")
    return LessonItem(contentid, asked.courseId, None, asked.batchId, asked.userId, int(status))


ROUTES = (
    Route(
        "PATCH",
        "/v1/content/state/update",
        access.STATE_UPDATE,
        update,
        "Record lessons and assessments",
        public=("/course/v1/content/state/update",),
        aliases=("/v1/user/content/state",),
        body=UpdateBody,
        judges_itself=True,
    ),
    Route(
        "POST",
        "/v1/content/state/read",
        access.STATE_READ,
        read,
        "Read the lessons of one enrolment",
        public=("/course/v1/content/state/read",),
        aliases=("/private/v1/content/state/read",),
    ),
    Route(
        "POST",
        "/v1/activity/agg",
        access.STATE_READ,
        aggregate,
        "Recompute one enrolment from what is stored",
        public=("/user/v1/activity/agg",),
        body=AggregateBody,
        judges_itself=True,
    ),
)
