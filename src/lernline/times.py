"""The contract's time forms, to and from epoch milliseconds.

Inside Lernline an instant is an ``int`` of milliseconds since 1970-01-01 UTC. On the wire the contract writes
``yyyy-MM-dd HH:mm:ss:SSSZ`` (colon before the millis, rest-api.md 1.1); ISO 8601 is accepted beside it (ruling 33).
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

_WIRE = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d):(\d{3})(Z|[+-]\d\d:?\d\d)")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
DAY_MS = 86_400_000
EARLIEST, LATEST = (
    -2_208_988_800_000,
    253_370_764_800_000,
)  # 1900 and 9999: every zone's calendar can show what lies between


def parse_time(text: str) -> int:
    """Milliseconds of a time in the contract's form or ISO 8601 with a zone.

    Raises:
        ValueError: the text is neither, or names no zone.
    """
    found = _WIRE.fullmatch(text)
    if found is not None:
        year, month, day, hour, minute, second, millis = (int(part) for part in found.groups()[:7])
        moment = datetime(year, month, day, hour, minute, second, millis * 1000, _offset(found[8]))
    else:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError(f"{text!r} names no time zone")
    return to_ms(moment)


@lru_cache(maxsize=64)
def _offset(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    sign = -1 if text[0] == "-" else 1
    digits = text[1:].replace(":", "")
    return timezone(sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:])))


def to_ms(moment: datetime) -> int:
    """Milliseconds of an aware datetime, without passing through a float."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def format_time(ms: int, zone: tzinfo = UTC) -> str:
    """``yyyy-MM-dd HH:mm:ss:SSS+0000`` in ``zone``."""
    moment = datetime.fromtimestamp(ms // 1000, tz=UTC).astimezone(zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}:{ms % 1000:03d}{moment:%z}"


def format_iso(ms: int) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``."""
    moment = datetime.fromtimestamp(ms // 1000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def parse_date(text: str) -> date:
    """A day written ``yyyy-MM-dd``.

    Raises:
        ValueError: another form, or no such day.
    """
    if _DATE.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a date of the form yyyy-MM-dd")
    return date.fromisoformat(text)


def day_of(ms: int, zone: tzinfo) -> date:
    """The calendar day of an instant in ``zone``."""
    return datetime.fromtimestamp(ms / 1000, tz=zone).date()


def start_of_day(day: date, zone: tzinfo) -> int:
    """The first millisecond of a day in ``zone``."""
    return to_ms(datetime.combine(day, time.min, tzinfo=zone))


def end_of_day(day: date, zone: tzinfo) -> int:
    """The last millisecond of a day in ``zone`` (the contract's 23:59:59.999)."""
    return start_of_day(day + timedelta(days=1), zone) - 1


@lru_cache(maxsize=16)
def zone_named(name: str) -> ZoneInfo:
    """The IANA time zone of that name.

    Raises:
        ValueError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as problem:
        raise ValueError(f"{name!r} is not a time zone; use an IANA name such as Asia/Kolkata") from problem
