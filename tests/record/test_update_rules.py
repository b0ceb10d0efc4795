"""Parsing of state updates, as a rule (rest-api.md 3.1, rulings 9, 20 and 33)."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.errors import LernlineError
from lernline.record.update_rules import Sender, StateUpdate, UpdateRequest, parse_update
from lernline.times import format_time

NOW = 1_800_000_000_000
SKEW = 300_000
LEARNER = Sender("u1")


def parse(request: dict[str, Any], sender: Sender = LEARNER) -> StateUpdate:
    return parse_update(msgspec.convert(request, UpdateRequest), sender, now_ms=NOW, skew_ms=SKEW)


def lesson(**fields: Any) -> dict[str, Any]:
    return {"contentId": "l", "courseId": "c", "batchId": "b", "status": 1, **fields}


@given(st.integers(0, NOW + SKEW))
def test_a_stated_time_is_read_to_the_millisecond_in_both_forms(at: int) -> None:
    legacy = parse({"contents": [lesson(lastAccessTime=format_time(at))]}).contents[0]
    text = format_time(at)
    iso = parse({"contents": [lesson(lastAccessTime=f"{text[:10]}T{text[11:19]}.{text[20:23]}+00:00")]}).contents[0]
    assert legacy.accessed == iso.accessed == at


@given(st.integers(1, 10**11))
def test_a_time_beyond_the_clock_skew_is_refused(beyond: int) -> None:
    with pytest.raises(LernlineError, match="lastAccessTime"):
        parse({"contents": [lesson(lastAccessTime=format_time(NOW + SKEW + beyond))]})


@given(st.integers(-(10**9), 10**9), st.floats(-1e9, 1e9))
def test_status_and_progress_are_clamped_and_each_clamp_is_told(status: int, progress: float) -> None:
    update = parse({"contents": [lesson(status=status, progress=progress)]})
    item = update.contents[0]
    assert item.status in {0, 1, 2}
    assert 0 <= (item.progress or 0) <= 100
    assert len(update.warnings) == (not 0 <= status <= 2) + (not 0 <= progress <= 100)


def test_a_completion_time_below_status_2_is_ignored() -> None:
    late = format_time(NOW + 10 * SKEW)
    assert parse({"contents": [lesson(lastCompletedTime=late)]}).contents[0].completed is None
    with pytest.raises(LernlineError, match="lastCompletedTime"):
        parse({"contents": [lesson(status=2, lastCompletedTime=late)]})


def test_items_of_the_managed_user_and_of_the_parent_are_both_taken() -> None:
    contents = [lesson(), lesson(userId="u1"), lesson(userId="other")]
    update = parse({"contents": contents}, Sender("u1", managed_id="child"))
    assert [one.userid for one in update.contents] == ["child", "u1"]
    assert [one.code for one in update.refused] == ["UNAUTHORIZED_USER"]


def test_an_attempt_with_no_events_is_taken_as_it_is() -> None:
    raw = {
        "assessmentTs": NOW,
        "collectionId": "c",
        "contentId": "q",
        "batchId": "b",
        "userId": "u1",
        "attemptId": "a",
        "events": None,
        "totalScore": 3,
    }
    (attempt,) = parse({"assessments": [raw]}).assessments
    assert attempt.raw["events"] == []
    assert (attempt.raw["courseId"], attempt.raw["totalScore"], "collectionId" in attempt.raw) == ("c", 3, False)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["assessmentTs", "courseId", "contentId", "batchId", "userId", "attemptId", "events", "collectionId"]


@given(st.dictionaries(st.sampled_from(NAMES), json))
def test_no_assessment_whatever_it_holds_breaks_the_rules(raw: dict[str, Any]) -> None:
    code = None
    try:
        taken = parse({"assessments": [raw]}).assessments
    except LernlineError as refused:
        taken, code = [], refused.code
    assert bool(taken) == (code is None)
