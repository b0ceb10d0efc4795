"""Times as the cases write them, to epoch milliseconds and days."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

_CONTRACT: Final = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d):(\d{3})(Z|[+-]\d\d:?\d\d)")
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS: Final = 10_000_000_000  # smaller numbers are counts, not epoch milliseconds


def is_day(text: Any) -> bool:
    """Whether this is a date without a time, ``yyyy-MM-dd``."""
    return isinstance(text, str) and _DAY.fullmatch(text) is not None


def is_contract_time(text: Any) -> bool:
    """Whether this is ``yyyy-MM-dd HH:mm:ss:SSSZ``."""
    return isinstance(text, str) and _CONTRACT.fullmatch(text) is not None


def instant(value: Any) -> int | None:
    """Epoch milliseconds of a number, a datetime or a text with a time (UTC where none is named); else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value) if value >= _FIRST_MS else None
    if isinstance(value, datetime):
        return _ms(value)
    if not isinstance(value, str):
        return None
    found = _CONTRACT.fullmatch(value)
    if found is not None:
        value = f"{found[1]}T{found[2]}.{found[3]}{found[4]}"
    if _ISO.fullmatch(value) is None:
        return None
    try:
        return _ms(datetime.fromisoformat(value))
    except ValueError:
        return None


def day_in(ms: int, zone: tzinfo) -> date:
    """The calendar day of an instant in a zone."""
    return datetime.fromtimestamp(ms / 1000, tz=zone).date()


def start_of(day: date, zone: tzinfo) -> int:
    """The first millisecond of a day."""
    return _ms(datetime.combine(day, time.min, tzinfo=zone))


def end_of(day: date, zone: tzinfo) -> int:
    """The last millisecond of a day."""
    return start_of(day + timedelta(days=1), zone) - 1


def _ms(moment: datetime) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(milliseconds=1)
