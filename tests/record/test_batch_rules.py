"""Rules of batches (rest-api.md 5.1, 5.2 with A-17; ruling 7)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.errors import BadRequest, Forbidden
from lernline.model import Batch
from lernline.record import batch_rules as rules
from lernline.record.batch_ids import BatchIds
from lernline.times import end_of_day, start_of_day, to_ms, zone_named

ZONE = zone_named("Asia/Kolkata")
TODAY = date(2026, 5, 10)
NOW = to_ms(datetime(2026, 5, 10, 9, tzinfo=ZONE))


def day(offset: int) -> str:
    return str(TODAY + timedelta(days=offset))


def asked(**fields: Any) -> dict[str, Any]:
    whole = {"courseId": "c", "name": "n", "enrollmentType": "open", "startDate": day(0), **fields}
    return {name: value for name, value in whole.items() if value is not ...}


def stored(start: int | None = -4, end: int | None = 3, enrolment_end: int | None = 1, **fields: Any) -> Batch:
    def at(offset: int | None, place: Any) -> int | None:
        return None if offset is None else place(TODAY + timedelta(days=offset), ZONE)

    return Batch(
        "c",
        "b",
        **{
            "name": "n",
            "enrollmenttype": "open",
            "createdby": "c1",
            "start_date": at(start, start_of_day),
            "end_date": at(end, end_of_day),
            "enrollment_enddate": at(enrolment_end, end_of_day),
            **fields,
        },
    )


def patch(batch: Batch, **fields: Any) -> Batch:
    request = {"id": "b", "courseId": "c", **fields}
    return rules.patched(batch, rules.parse_update(request, batch, TODAY, ZONE), NOW, ZONE)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"courseId": ..., "name": ...}, "MANDATORY_PARAMETER_MISSING"),
        ({"name": " "}, "MANDATORY_PARAMETER_MISSING"),
        ({"enrollmentType": "join"}, "INVALID_PARAMETER_VALUE"),
        ({"startDate": ...}, "MANDATORY_PARAMETER_MISSING"),
        ({"startDate": "05/09/2023"}, "DATE_FORMAT_ERRROR"),
        ({"startDate": "2026-02-30"}, "DATE_FORMAT_ERRROR"),
        ({"startDate": day(-1)}, "COURSE_BATCH_START_DATE_INVALID"),
        ({"endDate": day(0)}, "END_DATE_ERROR"),
        ({"endDate": "soon"}, "DATE_FORMAT_ERRROR"),
        ({"startDate": day(2), "enrollmentEndDate": day(1)}, "ENROLLMENT_END_DATE_START_ERROR"),
        ({"endDate": day(3), "enrollmentEndDate": day(4)}, "ENROLLMENT_END_DATE_END_ERROR"),
        ({"mentors": "me"}, "DATA_TYPE_ERROR"),
        ({"createdFor": [1]}, "DATA_TYPE_ERROR"),
        ({"participants": []}, "INVALID_REQUEST_PARAMETER"),
        ({"name": 5}, "DATA_TYPE_ERROR"),
        ({"tandc": "maybe"}, "DATA_TYPE_ERROR"),
    ],
)
def test_a_wrong_new_batch_is_refused_with_its_code(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        rules.parse_create(asked(**fields), TODAY)
    assert refused.value.code == code


def test_the_first_fault_in_the_contracts_order_is_told() -> None:
    with pytest.raises(BadRequest) as refused:
        rules.parse_create({"startDate": "x", "enrollmentType": "join", "name": "n"}, TODAY)
    assert refused.value.message == "Mandatory parameter courseId/collectionId is missing."


def test_the_collection_id_stands_for_the_course_and_an_empty_end_date_for_none() -> None:
    batch = rules.parse_create(asked(courseId=..., collectionId="c", endDate="", enrollmentEndDate=""), TODAY)
    assert (batch.courseid, batch.dates.end, batch.dates.enrolment_end) == ("c", None, None)


@pytest.mark.parametrize(
    ("batch", "fields", "code"),
    [
        (stored(), {"startDate": day(-3)}, "INVALID_BATCH_START_DATE_ERROR"),
        (stored(2, 4, 3), {"startDate": day(-4)}, "INVALID_BATCH_START_DATE_ERROR"),
        (stored(2, 4, 3), {"startDate": day(5)}, "INVALID_BATCH_END_DATE_ERROR"),
        (stored(), {"endDate": day(-4)}, "END_DATE_ERROR"),
        (stored(), {"endDate": day(-1)}, "INVALID_BATCH_END_DATE_ERROR"),
        (stored(), {"enrollmentEndDate": day(-5)}, "ENROLLMENT_END_DATE_START_ERROR"),
        (stored(), {"enrollmentEndDate": day(9)}, "ENROLLMENT_END_DATE_END_ERROR"),
        (stored(), {"enrollmentEndDate": day(-1)}, "ENROLLMENT_END_DATE_UPDATE_ERROR"),
        (stored(), {"status": 5}, "INVALID_PROGRESS_STATUS"),
        (stored(), {"status": [1]}, "INVALID_PROGRESS_STATUS"),
        (stored(), {"name": ""}, "INVALID_PARAMETER_VALUE"),
        (stored(), {"id": ...}, "MANDATORY_PARAMETER_MISSING"),
    ],
)
def test_a_wrong_change_is_refused_with_its_code(batch: Batch, fields: dict[str, Any], code: str) -> None:
    with pytest.raises(BadRequest) as refused:
        patch(batch, **fields) if fields.get("id") is not ... else rules.parse_update(
            {"courseId": "c"}, batch, TODAY, ZONE
        )
    assert refused.value.code == code


def test_a_finished_batch_that_is_touched_without_a_date_stays_finished() -> None:
    ended = stored(-9, -2, None, status=1)
    assert patch(ended, name="new").status == rules.ENDED
    assert patch(ended, endDate=day(2)).status == rules.ONGOING


def test_the_last_day_counts_in_the_platforms_zone_and_not_in_utc() -> None:
    batch = stored(-4, 0, None)
    evening = to_ms(datetime(2026, 5, 10, 23, 59, 59, 999_000, tzinfo=ZONE))
    assert rules.current_status(batch, evening, ZONE) == rules.ONGOING
    assert rules.current_status(batch, evening + 1, ZONE) == rules.ENDED
    assert rules.current_status(batch, evening + 1, UTC) == rules.ONGOING


offsets = st.none() | st.integers(-20, 20)


@given(offsets, offsets, st.integers(0, 2))
def test_the_status_never_depends_on_what_was_stored(start: int | None, end: int | None, status: int) -> None:
    expected = 0 if start is not None and start > 0 else 2 if end is not None and end < 0 else 1
    assert rules.current_status(stored(start, end, None, status=status), NOW, ZONE) == expected


names = st.fixed_dictionaries({}, optional={"name": st.just("x"), "description": st.none(), "mentors": st.just(["m"])})


@given(names)
def test_a_patch_leaves_what_it_does_not_name(fields: dict[str, Any]) -> None:
    before = stored(description="d", mentors=["a"], createdfor=["o"], tandc=True)
    after = patch(before, **fields)
    for wire, column in (("name", "name"), ("description", "description"), ("mentors", "mentors")):
        assert getattr(after, column) == (fields[wire] if wire in fields else getattr(before, column))
    assert (after.start_date, after.end_date, after.createdfor, after.tandc) == (
        before.start_date,
        before.end_date,
        ["o"],
        True,
    )


def test_only_the_stored_creator_and_mentors_lead_a_batch() -> None:
    batch = stored(mentors=["m1"])
    rules.check_leader(batch, "c1")
    rules.check_leader(batch, "m1")
    rules.check_leader(stored(createdby=None), "anybody")
    with pytest.raises(Forbidden):
        rules.check_leader(batch, "u1")


@given(st.lists(st.integers(NOW - 5, NOW + 5), min_size=2, max_size=50))
def test_batch_ids_are_digits_grow_and_never_repeat(times: list[int]) -> None:
    ids = BatchIds()
    given_ = [ids.next(at) for at in times]
    assert all(one.isdigit() and len(one) == 22 for one in given_)
    assert given_ == sorted(set(given_))
