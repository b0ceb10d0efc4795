"""The contract's time forms."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.times import (
    DAY_MS,
    EARLIEST,
    LATEST,
    day_of,
    end_of_day,
    format_iso,
    format_time,
    parse_date,
    parse_time,
    start_of_day,
    to_ms,
    zone_named,
)

ZONES = ["UTC", "Asia/Kolkata", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe", "Asia/Kathmandu"]
instants = st.integers(EARLIEST, LATEST)
modern = st.integers(0, 4_102_444_800_000)
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(1971, 1, 1), date(2199, 12, 31))


@given(modern, zones)
def test_what_is_written_is_read_back_in_every_zone(ms: int, zone: ZoneInfo) -> None:
    assert parse_time(format_time(ms, zone)) == ms
    assert parse_time(format_iso(ms)) == ms


@given(instants)
def test_every_instant_that_is_let_in_can_be_written_in_every_zone(ms: int) -> None:
    assert parse_time(format_time(ms)) == ms == parse_time(format_iso(ms))
    for name in ZONES:
        format_time(ms, ZoneInfo(name))


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2021-03-04 05:06:07:089+0000", "2021-03-04T05:06:07.089Z"),
        ("2021-03-04 05:06:07:089Z", "2021-03-04T05:06:07.089Z"),
        ("2021-03-04 05:06:07:089+0530", "2021-03-03T23:36:07.089Z"),
        ("2021-03-04 05:06:07:089+05:30", "2021-03-03T23:36:07.089Z"),
        ("2021-03-04 05:06:07:089-0800", "2021-03-04T13:06:07.089Z"),
        ("2021-03-04T05:06:07Z", "2021-03-04T05:06:07.000Z"),
        ("2021-03-04T05:06:07.123456+05:30", "2021-03-03T23:36:07.123Z"),
        ("2021-03-04 05:06:07.5+00:00", "2021-03-04T05:06:07.500Z"),
        ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
    ],
)
def test_the_contracts_form_and_iso_are_read(text: str, iso: str) -> None:
    assert format_iso(parse_time(text)) == iso


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2021-03-04",
        "2021-03-04T05:06:07",
        "2021-03-04 05:06:07:089",
        "2021-02-30 05:06:07:089+0000",
        "2021-03-04 25:06:07:089+0000",
        "2021-03-04 05:06:07:089+9999",
        " 2021-03-04 05:06:07:089+0000",
        "2021-03-04 05:06:07:089+0000\n",
        "1614834367089",
    ],
)
def test_a_text_that_is_no_time_with_a_zone_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the sentence is the standard library's for most of them
        parse_time(text)


@given(st.text(max_size=30))
def test_whatever_is_given_is_a_time_or_refused(text: str) -> None:
    try:
        parse_time(text)
    except ValueError:
        return


@given(st.datetimes(datetime(1900, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  zone beside it
def test_milliseconds_are_exact(moment: datetime) -> None:
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=to_ms(moment)) <= moment
    assert moment - datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=to_ms(moment)) < timedelta(milliseconds=1)


@given(days, zones)
def test_days_follow_each_other_without_a_gap(day: date, zone: ZoneInfo) -> None:
    assert end_of_day(day, zone) + 1 == start_of_day(day + timedelta(days=1), zone)
    assert start_of_day(day, zone) < end_of_day(day, zone) + 1


@given(days)
def test_a_day_in_kolkata_holds_its_first_and_last_millisecond_and_no_other(day: date) -> None:
    zone = ZoneInfo("Asia/Kolkata")
    start, end = start_of_day(day, zone), end_of_day(day, zone)
    assert end - start + 1 == DAY_MS
    assert {day_of(start, zone), day_of(end, zone)} == {day}
    assert day_of(start - 1, zone) == day - timedelta(days=1)
    assert day_of(end + 1, zone) == day + timedelta(days=1)


def test_the_end_of_a_day_is_the_contracts() -> None:
    zone = zone_named("Asia/Kolkata")
    assert format_time(end_of_day(date(2021, 3, 4), zone), zone) == "2021-03-04 23:59:59:999+0530"


@given(days)
def test_a_date_is_read_back(day: date) -> None:
    assert parse_date(day.isoformat()) == day


@pytest.mark.parametrize("text", ["", "2021-3-4", "20210304", "2021-02-30", "2021-03-04T00:00", "2021-W01-1"])
def test_another_form_of_a_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  as above
        parse_date(text)


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd", "Asia/Kolkata\x00"])
def test_an_unknown_zone_is_named_with_an_example(name: str) -> None:
    with pytest.raises(ValueError, match="IANA"):
        zone_named(name)
