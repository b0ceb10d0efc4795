"""The progress station, event by event: what it takes, what it refuses, what it says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.clock import FixedClock
from lernline.errors import BadRequest
from lernline.model import Changes, Content, Enrolment, Event
from lernline.record.progress_events import read_update
from lernline.stream import topics
from lernline.stream.port import Record
from lernline.wiring import Line
from support.rows import aggregates, events_of, table
from support.updates import asking_for_sync, from_elsewhere, lesson, saying
from support.worlds import (
    BATCH,
    COURSE,
    DAY,
    NOW,
    REQUIRED,
    course_tree,
    enrol,
    import_tree,
    key_of,
    leaf,
    open_batch,
    set_up,
    unit,
)

DONE = {"status": 2}


def say(line: Line, userid: str, *contents: str, status: int = 2, **more: Any) -> None:
    line.updates.accept([saying(userid, *(lesson(userid, one, status, **more) for one in contents))])
    line.drain()


def row(line: Line, userid: str = "u") -> Enrolment:
    return line.store.enrolments([key_of(userid)])[key_of(userid)]


def letters(line: Line) -> list[str]:
    return [letter.code for letter in line.store.dead_letters()]


def test_the_first_activity_starts_the_enrolment(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    say(line, "u", "L1", status=0)
    assert (row(line).status, row(line).contentstatus) == (0, {"L1": 0})
    say(line, "u", "L1", status=1)
    assert (row(line).status, row(line).progress, row(line).contentstatus) == (1, 0, {"L1": 1})


def test_percent_is_rounded_down_over_the_required_leaves(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    found = []
    for content in ("L1", "L2", "L5", "L3", "L4", "A1", "A2"):
        say(line, "u", content)
        found.append((row(line).progress, row(line).completionpercentage, row(line).status))
    assert found == [(1, 16, 1), (2, 33, 1), (2, 33, 1), (3, 50, 1), (4, 66, 1), (5, 83, 1), (6, 100, 2)]


def test_units_are_counted_where_a_lesson_touched_them(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    say(line, "u", "L2")
    say(line, "u", "L5")
    counts = {name: values["completedCount"] for name, values in aggregates(line, "u").items()}
    assert counts == {COURSE: 1.0, "do_u1": 1.0, "do_u2": 1.0, "do_u3": 0.0}


def test_a_course_is_completed_on_the_latest_first_completion(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    times = {"L1": NOW - 50, "L2": NOW - 10, "L3": NOW - 60, "L4": NOW - 20, "A1": NOW - 30, "A2": NOW - 40}
    for content, at in times.items():
        say(line, "u", content, completed=at)
    assert row(line).completedon == NOW - 10
    say(line, "u", "L2", completed=NOW, accessed=NOW)
    assert row(line).completedon == NOW - 10, "a later completion of the same lesson is not the first"
    say(line, "u", "L2", completed=NOW - 99, accessed=NOW - 99)
    assert row(line).completedon == NOW - 20, "an earlier one that was offline is"
    assert len(events_of(line, topics.CERTIFICATE_REQUEST)) == 1


def test_completion_is_sticky_when_the_course_grows(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    say(line, "u", *REQUIRED)
    before = row(line)
    tree = course_tree()
    tree["children"].append(unit("do_u9", leaf("L9"), leaf("L8")))
    import_tree(line, tree)
    say(line, "u", "L9")
    after = row(line)
    assert (after.status, after.progress, after.completionpercentage) == (2, 6, 100)
    assert (after.completedon, after.contentstatus["L9"]) == (before.completedon, 2)
    assert aggregates(line, "u")["do_u9"] == {"completedCount": 1.0}
    assert len(events_of(line, topics.CERTIFICATE_REQUEST)) == 1


def test_a_course_that_shrinks_completes_learners_when_they_are_looked_at(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    say(line, "u", "L1", "L2")
    import_tree(line, unit(COURSE, unit("do_u1", leaf("L1"), leaf("L2"))))
    line.updates.accept([asking_for_sync("u")])
    line.drain()
    assert (row(line).status, row(line).progress) == (2, 2)


def test_a_course_without_required_leaves_is_never_complete(line: Line) -> None:
    import_tree(line, unit(COURSE, leaf("L1", optional=True)))
    line.store.commit(Changes(batches=[open_batch()]))
    enrol(line, "u")
    say(line, "u", "L1")
    assert (row(line).status, row(line).completionpercentage, row(line).completedon) == (1, 0, None)


def test_a_lesson_that_is_no_leaf_is_kept_and_counts_nothing(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    say(line, "u", "elsewhere")
    assert (row(line).progress, row(line).contentstatus) == (0, {"elsewhere": 2})
    assert aggregates(line, "u") == {COURSE: {"completedCount": 0.0}}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (from_elsewhere("u", {"contentId": "L1", **DONE}, batchid="other"), "INVALID_COURSE_BATCH_ID"),
        (from_elsewhere("u", {"contentId": "L1", **DONE}, courseid="other"), "BATCH_NOT_OF_COURSE"),
        (from_elsewhere("stranger", {"contentId": "L1", **DONE}), "USER_NOT_ENROLLED_COURSE"),
        (from_elsewhere("left", {"contentId": "L1", **DONE}), "USER_NOT_ENROLLED_COURSE"),
        (from_elsewhere("", {"contentId": "L1", **DONE}), "MANDATORY_PARAMETER_MISSING"),
        (from_elsewhere("u", {"contentId": " ", **DONE}), "CONTENT_ID_REQUIRED_ERROR"),
        (from_elsewhere("u", {"contentId": "L1"}), "CONTENT_STATUS_MISSING_ERROR"),
        (from_elsewhere("u", {"contentId": "L1", "status": "2"}), "EVENT_UNREADABLE"),
        (from_elsewhere("u", {"contentId": "L1", **DONE, "lastAccessTime": "soon"}), "DATE_FORMAT_ERRROR"),
        (from_elsewhere("u", {"contentId": "L1", **DONE, "lastAccessTime": 10**30}), "DATE_FORMAT_ERRROR"),
        (from_elsewhere("u", {"contentId": "L1", **DONE, "lastAccessTime": "inf"}), "DATE_FORMAT_ERRROR"),
        (Event(topics.PROGRESS_UPDATE, "u", b"{"), "EVENT_UNREADABLE"),
    ],
)
def test_what_cannot_be_applied_is_set_aside_with_its_reason_and_creates_nothing(
    line: Line, event: Event, code: str
) -> None:
    set_up(line)
    enrol(line, "u")
    enrol(line, "left", active=False)
    line.stream.append([event])
    line.drain()
    (letter,) = line.store.dead_letters()
    assert (letter.code, letter.stage, letter.value) == (code, "progress", event.value)
    assert letter.reason
    assert table(line, "SELECT * FROM user_content_consumption") == []
    assert table(line, "SELECT * FROM event_identity") == []
    assert len(table(line, "SELECT * FROM user_enrolments")) == 2


def test_an_update_that_names_no_content_is_skipped_and_counted(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    line.stream.append([from_elsewhere("u")])
    counted: dict[str, int] = {}
    line.drain(lambda _, counts: counted.update(counts))
    assert (counted["skipped-events-count"], letters(line), row(line).contentstatus) == (1, [], {})


def test_a_content_without_id_or_status_does_not_cost_the_others_theirs(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    line.stream.append(
        [from_elsewhere("u", {"contentId": "", **DONE}, {"contentId": "L2"}, {"contentId": "L1", **DONE})]
    )
    line.drain()
    assert (letters(line), row(line).contentstatus) == ([], {"L1": 2})


def test_an_update_of_a_retired_course_without_a_tree_is_set_aside_and_counted_apart(line: Line) -> None:
    line.store.commit(Changes(batches=[open_batch()], contents=[Content(COURSE, status="Retired")]))
    enrol(line, "u")
    line.stream.append([from_elsewhere("u", {"contentId": "L1", **DONE})])
    counted: dict[str, int] = {}
    line.drain(lambda _, counts: counted.update(counts))
    assert letters(line) == ["COURSE_RETIRED"]
    assert (counted.get("retired-consumption-events-count"), counted.get("failed-events-count")) == (1, None)


def test_a_sync_of_an_enrolment_without_lessons_writes_nothing(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    before = row(line)
    line.updates.accept([asking_for_sync("u")])
    line.drain()
    assert (row(line), aggregates(line, "u")) == (before, {})


def test_a_refused_update_is_told_to_operators_in_plain_json(line: Line) -> None:
    set_up(line)
    line.stream.append([from_elsewhere("stranger", {"contentId": "L1", **DONE})])
    line.drain()
    (told,) = events_of(line, topics.PROGRESS_FAILED)
    assert (told["userId"], told["batchId"], told["courseId"]) == ("stranger", BATCH, COURSE)
    assert told["contents"]["L1"]["status"] == 2
    assert told["reason"]["code"] == "USER_NOT_ENROLLED_COURSE"


def test_an_update_of_a_course_without_a_tree_waits_and_is_whole_after_the_replay(line: Line) -> None:
    line.store.commit(Changes(batches=[open_batch()]))
    enrol(line, "u")
    say(line, "u", "L1")
    (letter,) = line.store.dead_letters()
    assert (letter.code, row(line).contentstatus) == ("COURSE_TREE_UNKNOWN", {})
    import_tree(line, course_tree())
    line.stream.append([Event(letter.topic, letter.key, letter.value, letter.headers)])
    line.drain()
    assert (row(line).contentstatus, row(line).progress) == ({"L1": 2}, 1)


@pytest.mark.parametrize("action", ["user-enrolment-sync", "BATCH-enrolment-delete", ""])
def test_another_jobs_action_is_skipped_and_not_half_applied(line: Line, action: str) -> None:
    set_up(line)
    enrol(line, "u")
    line.stream.append([from_elsewhere("u", {"contentId": "L1", **DONE}, action=action)])
    counted: list[dict[str, int]] = []
    line.drain(lambda station, counts: counted.append(counts) if station == "progress" else None)
    assert counted[0]["skipped-events-count"] == 1
    assert (letters(line), row(line).contentstatus) == ([], {})


def test_the_case_of_an_action_does_not_matter(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    line.stream.append([from_elsewhere("u", {"contentId": "L1", **DONE}, action="Batch-Enrolment-UPDATE")])
    line.drain()
    assert row(line).contentstatus == {"L1": 2}


def test_producers_may_reuse_a_message_id_for_other_learners_and_lessons(line: Line) -> None:
    set_up(line)
    enrol(line, "u", "v")
    line.stream.append([from_elsewhere(one, {"contentId": "L1", **DONE}, mid="same") for one in ("u", "v")])
    line.stream.append([from_elsewhere("u", {"contentId": "L2", **DONE}, mid="same")])
    line.drain()
    assert (row(line).contentstatus, row(line, "v").contentstatus) == ({"L1": 2, "L2": 2}, {"L1": 2})


def test_a_replayed_event_changes_nothing_and_says_nothing(line: Line, clock: FixedClock) -> None:
    set_up(line)
    enrol(line, "u")
    events = [from_elsewhere("u", {"contentId": one, **DONE}, mid=one) for one in sorted(REQUIRED)]
    line.stream.append(events)
    line.drain()
    tables = ("user_content_consumption", "user_enrolments", "user_activity_agg", "event_identity")
    before = {name: table(line, f"SELECT * FROM {name}") for name in tables}
    told = len(table(line, "SELECT * FROM event_log"))
    clock.at_ms += DAY
    line.stream.append(events)
    line.drain()
    assert {name: table(line, f"SELECT * FROM {name}") for name in tables} == before
    assert len(table(line, "SELECT * FROM event_log")) == told + len(events)


def test_rows_of_the_older_system_are_taken_up_on_the_first_update(line: Line) -> None:
    """The worked example of pipeline.md 5: four rows of status 2 that nobody has counted."""
    set_up(line)
    ids = {"userid": "u", "courseid": COURSE, "batchid": BATCH}
    line.store.import_rows("user_enrolments", [ids | {"status": 1, "active": True}])
    done = ("L1", "L2", "L3", "L4", "A1")
    line.store.import_rows(
        "user_content_consumption", [ids | {"contentid": one, "status": 2, "viewcount": 1} for one in done]
    )
    line.stream.append([from_elsewhere("u", {"contentId": "L1", **DONE}, mid="m")])
    line.drain()
    assert (row(line).status, row(line).progress, row(line).contentstatus) == (1, 5, dict.fromkeys(done, 2))
    (first,) = table(line, "SELECT viewcount, completedcount FROM user_content_consumption WHERE contentid = 'L1'")
    assert first == {"viewcount": 2, "completedcount": 1}
    assert [one["edata"]["type"] for one in events_of(line, topics.TELEMETRY)] == ["complete"]
    assert aggregates(line, "u")["do_u2"] == {"completedCount": 3.0}


def test_a_sync_counts_all_stored_lessons_whatever_comes_beside_it(line: Line) -> None:
    set_up(line)
    enrol(line, "u", "v")
    for userid in ("u", "v"):
        say(line, userid, "L1")
        ids = {"userid": userid, "courseid": COURSE, "batchid": BATCH}
        line.store.import_rows("user_content_consumption", [ids | {"contentid": "L2", "status": 2}])
    line.updates.accept([asking_for_sync("u"), asking_for_sync("v"), saying("v", lesson("v", "L3"))])
    line.drain()
    assert row(line, "u").contentstatus == {"L1": 2, "L2": 2}
    assert row(line, "v").contentstatus == {"L1": 2, "L2": 2, "L3": 2}


def test_an_audit_carries_the_channel_of_the_course(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    say(line, "u", "L1")
    assert {one["context"]["channel"] for one in events_of(line, topics.TELEMETRY)} == {"channel-1"}


def test_counters_tell_records_and_not_batches(line: Line) -> None:
    set_up(line)
    enrol(line, "u", "v")
    events = [from_elsewhere(one, {"contentId": "L1", **DONE}, mid="m") for one in ("u", "v", "u", "stranger")]
    line.stream.append(events)
    counted: list[dict[str, int]] = []
    line.drain(lambda station, counts: counted.append(counts) if station == "progress" else None)
    assert counted == [
        {
            "total-events-count": 4,
            "batch-enrolment-update-count": 4,
            "failed-events-count": 1,
            "repeated-updates-count": 1,
            "processed-enrolment-count": 2,
        }
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = ["contentId", "status", "progress", "lastAccessTime", "lastCompletedTime", "progressdetails", "identity"]


@given(
    st.dictionaries(st.sampled_from(["edata", "mid", "ets"]), json_values, max_size=2),
    st.dictionaries(st.sampled_from(["action", "userId", "courseId", "batchId", "contents"]), json_values, max_size=2),
    st.dictionaries(st.sampled_from(_FIELDS), json_values, max_size=4),
)
def test_whatever_an_event_holds_it_is_read_or_refused(
    top: dict[str, Any], edata: dict[str, Any], content: dict[str, Any]
) -> None:
    value = json.loads(from_elsewhere("u", {"contentId": "L1", "status": 2} | content, mid="m").value)
    value["edata"] |= edata
    record = Record(topics.PROGRESS_UPDATE, "u", json.dumps(value | top).encode(), 1, NOW, {})
    try:
        update = read_update(record)
    except BadRequest:
        return
    if update is not None:
        for one in update.lessons:
            assert 0 <= one.status <= 2
            assert 0 <= one.progress <= 100
            assert all(abs(at) < 2**53 for at in (one.received, one.accessed, one.completed) if at is not None)
