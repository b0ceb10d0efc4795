"""State reads on the wire: what a request asks for and how a lesson is shown (rest-api.md 3.3). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any

import msgspec

from lernline.errors import Unauthenticated, catalogued
from lernline.model import Attempt, EnrolmentKey, LessonState
from lernline.record.batch_rules import COURSE_FIELD, text_of
from lernline.times import format_time

_LISTS = ("courseIds", "contentIds", "fields")


def parse_read(request: Mapping[str, Any], userid: str | None) -> tuple[EnrolmentKey, tuple[str, ...], bool]:
    """Which enrolment, which lessons (none named: all) and whether with scores.

    ``userid`` is the caller; a service has none and names the learner in the body.

    Raises:
        BadRequest: a list is none, or course or batch is missing.
        Unauthenticated: nobody is named.
    """
    lists = {name: _names(request, name) for name in _LISTS}
    learner = userid or text_of(request, "userId")
    if not learner:
        raise catalogued("UNAUTHORIZED_USER", kind=Unauthenticated)
    courseid = text_of(request, "courseId") or text_of(request, "collectionId") or next(iter(lists["courseIds"]), "")
    if not courseid:
        raise catalogued("MANDATORY_PARAMETER_MISSING", COURSE_FIELD)
    batchid = text_of(request, "batchId")
    if not batchid:
        raise catalogued("MANDATORY_PARAMETER_MISSING", "batchId")
    return EnrolmentKey(learner, courseid, batchid), lists["contentIds"], "score" in lists["fields"]


def _names(request: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = request.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise catalogued("DATA_TYPE_ERROR", name, "List")
    return tuple(value)


def shape(state: LessonState, attempts: Sequence[Attempt] | None, zone: tzinfo) -> dict[str, Any]:
    """One of ``contentList``; ``attempts`` newest first, None when no scores were asked for."""
    shown: dict[str, Any] = {
        "contentId": state.contentid,
        "courseId": state.courseid,
        "collectionId": state.courseid,
        "batchId": state.batchid,
        "status": state.status,
        "progress": state.progress,
        "viewCount": state.viewcount,
        "completedCount": state.completedcount,
        "progressdetails": _details(state.progressdetails),
        "lastAccessTime": _time(state.last_access_time, zone),
        "lastCompletedTime": _time(state.last_completed_time, zone),
    }
    if attempts is not None:
        shown["score"] = [
            {
                "attemptId": attempt.attempt_id,
                "lastAttemptedOn": _time(attempt.last_attempted_on, zone),
                "totalMaxScore": attempt.total_max_score,
                "totalScore": attempt.total_score,
            }
            for attempt in attempts
        ]
    return shown


def _details(text: str | None) -> Any:
    if not text or not text.strip():
        return {}
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}


def _time(ms: int | None, zone: tzinfo) -> str | None:
    return None if ms is None else format_time(ms, zone)
