"""Rows that other systems wrote into the contract's tables are read for what they mean."""

from __future__ import annotations

from typing import Any

import pytest

from lernline.model import EnrolmentKey
from lernline.times import parse_time
from lernline.wiring import Line

KEY = EnrolmentKey("u", "c", "b")
IDS = {"userid": "u", "courseid": "c", "batchid": "b"}


def lesson(line: Line, **columns: Any) -> Any:
    line.store.import_rows("user_content_consumption", [IDS | {"contentid": "L1"} | columns])
    (state,) = line.store.lessons_of([KEY])[KEY]
    return state


def enrolment(line: Line, **columns: Any) -> Any:
    line.store.import_rows("user_enrolments", [IDS | columns])
    return line.store.enrolments([KEY])[KEY]


def batch(line: Line, **columns: Any) -> Any:
    line.store.import_rows("course_batch", [{"courseid": "c", "batchid": "b"} | columns])
    return line.store.batches(["b"])["b"]


def test_a_lesson_without_a_status_was_started(line: Line) -> None:
    state = lesson(line, status=None, viewcount=None, progress=None)
    assert (state.status, state.viewcount, state.completedcount, state.progress) == (1, 0, 0, 0)


@pytest.mark.parametrize(("stored", "meant"), [(-1, 0), (0, 0), (2, 2), (3, 2)])
def test_a_status_out_of_range_is_brought_into_it(line: Line, stored: int, meant: int) -> None:
    assert lesson(line, status=stored).status == meant


def test_legacy_text_times_are_read_and_timestamps_win_over_them(line: Line) -> None:
    state = lesson(
        line,
        status=2,
        lastaccesstime="2020-01-01 00:00:00:500+0000",
        lastcompletedtime="2020-01-01 05:30:00:000+0530",
        last_completed_time=77,
    )
    assert state.last_access_time == 1_577_836_800_500
    assert (state.last_completed_time, state.completed_first_at) == (77, 77)


def test_a_legacy_time_that_cannot_be_read_is_none(line: Line) -> None:
    assert lesson(line, lastaccesstime="yesterday").last_access_time is None


def test_an_enrolment_without_an_active_flag_is_active(line: Line) -> None:
    row = enrolment(line)
    assert (row.active, row.status, row.progress, row.contentstatus, row.rollup) == (True, 0, 0, {}, None)
    assert line.store.learners_of_batch("b") == ["u"]


def test_the_date_of_an_enrolment_wins_over_its_text_twin(line: Line) -> None:
    text = "2020-01-01 00:00:00:000+0000"
    assert enrolment(line, enrolleddate=text).enrolled_date == parse_time(text)
    assert enrolment(line, enrolleddate=text, enrolled_date=5).enrolled_date == 5


def test_days_of_a_batch_begin_and_end_in_the_platforms_zone(line: Line) -> None:
    found = batch(line, startdate="2020-01-01", enddate="2020-01-31", enrollmentenddate="2020-01-15")
    assert found.start_date == parse_time("2020-01-01 00:00:00:000+0530")
    assert found.end_date == parse_time("2020-01-31 23:59:59:999+0530")
    assert found.enrollment_enddate == parse_time("2020-01-15 23:59:59:999+0530")


def test_maps_and_lists_of_an_imported_row_are_read(line: Line) -> None:
    found = batch(line, mentors=["m"], cert_templates={"t": {"name": "Merit"}})
    assert (found.mentors, found.cert_templates) == (["m"], {"t": {"name": "Merit"}})
    row = enrolment(line, contentstatus={"L1": 2}, certificates=[{"id": "x", "name": "Merit"}])
    assert (row.contentstatus, row.certificates) == ({"L1": 2}, [{"id": "x", "name": "Merit"}])


def test_the_obsolete_map_of_an_aggregate_counts_where_the_newer_lacks_a_key(line: Line) -> None:
    ids = {"activity_type": "Course", "activity_id": "c", "user_id": "u", "context_id": "cb:b"}
    newer = {"completedCount": 3.0}
    line.store.import_rows(
        "user_activity_agg", [ids | {"agg": {"completedCount": 1, "score:A": 2}, "aggregates": newer}]
    )
    assert line.store.aggregates("c", "b", ["u"]) == {"u": {"completedCount": 3.0, "score:A": 2.0}}


def test_importing_again_replaces_and_unknown_columns_are_left_out(line: Line) -> None:
    lesson(line, status=1)
    assert lesson(line, status=2, colour="blue").status == 2
    with pytest.raises(KeyError):
        line.store.import_rows("no_such_table", [])
