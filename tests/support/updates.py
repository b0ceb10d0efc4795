"""What learners' clients say, in the forms in which the line takes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lernline import events
from lernline.model import Event
from lernline.record.update_rules import AssessmentInput, LessonInput, StateUpdate
from lernline.stream import topics

from .worlds import BATCH, COURSE, NOW, key_of


def lesson(
    userid: str, contentid: str, status: int = 2, *, batchid: str = BATCH, courseid: str = COURSE, **more: Any
) -> LessonInput:
    return LessonInput(contentid, courseid, batchid, userid, status, **more)


def saying(userid: str, *lessons: LessonInput, at: int = NOW, **more: Any) -> StateUpdate:
    """One request with lesson updates."""
    return StateUpdate(userid, userid, "trace", at, list(lessons), **more)


def answer(question: str, score: float, maximum: float = 1.0, ets: int = NOW) -> dict[str, Any]:
    """One ASSESS event of an attempt."""
    item = {"id": question, "maxscore": maximum, "type": "mcq", "title": question, "desc": "", "params": []}
    return {"eid": "ASSESS", "ets": ets, "edata": {"item": item, "score": score, "duration": 3, "resvalues": []}}


def attempt_item(
    userid: str,
    contentid: str = "A1",
    attempt_id: str = "try-1",
    *,
    ts: int = NOW,
    answers: Sequence[Mapping[str, Any]] = (),
    batchid: str = BATCH,
    courseid: str = COURSE,
    **more: Any,
) -> dict[str, Any]:
    """An item of ``assessments``, and of the topic."""
    return {
        "assessmentTs": ts,
        "userId": userid,
        "courseId": courseid,
        "batchId": batchid,
        "contentId": contentid,
        "attemptId": attempt_id,
        "events": list(answers),
        **more,
    }


def trying(userid: str, *items: dict[str, Any], at: int = NOW) -> StateUpdate:
    """One request with attempts."""
    inputs = [
        AssessmentInput(
            one["courseId"], one["batchId"], one["contentId"], userid, one["attemptId"], one["assessmentTs"], one
        )
        for one in items
    ]
    return StateUpdate(userid, userid, "trace", at, [], inputs)


def asking_for_sync(userid: str, at: int = NOW) -> StateUpdate:
    return StateUpdate(userid, userid, "trace", at, sync=key_of(userid))


def from_elsewhere(
    userid: str,
    *contents: Mapping[str, Any],
    mid: str | None = None,
    ets: int = NOW,
    batchid: str = BATCH,
    courseid: str = COURSE,
    action: str = "batch-enrolment-update",
) -> Event:
    """A progress update of another producer, which nobody has judged yet."""
    value = json.loads(events.progress_update(userid, courseid, batchid, list(contents), ets, mid or ""))
    value["edata"]["action"] = action
    if mid is None:
        del value["mid"]
    return Event(topics.PROGRESS_UPDATE, userid, json.dumps(value).encode())


def attempt_from_elsewhere(item: Mapping[str, Any]) -> Event:
    return Event(topics.ASSESSMENT, item["userId"], json.dumps(item).encode())
