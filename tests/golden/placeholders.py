"""Placeholders, ``{{…}}`` and ``<…>``: filled in inputs, understood in expectations."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta, timezone, tzinfo
from typing import Any, Final

from .instants import day_in, instant

_BRACES: Final = re.compile(r"\{\{(.*?)\}\}")
_ANGLES: Final = re.compile(r"<([a-z][^<>]*)>")
_DAY_EXPRESSION: Final = re.compile(r"(today|now)\s*(?:([+-])\s*(\d+))?")
_TOLERANCE: Final = re.compile(r"(-?[\d.]+)\s*\+-\s*([\d.]+)")
_CALL: Final = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_INDIA: Final = timezone(timedelta(hours=5, minutes=30))
SLACK_MS: Final = 5_000
GIVEN_TIME: Final = "2023-06-01T00:00:00.000Z"
GIVEN_CIPHERTEXT: Final = "Zm9yIHRoZSBydW5uZXIncyBvd24gdXNl"


@dataclass(frozen=True)
class Moment:
    """When a case runs: its window in epoch milliseconds and the service's time zone."""

    started: int
    ended: int
    zone: tzinfo

    @property
    def today(self) -> date:
        """The service's calendar day."""
        return day_in(self.started, self.zone)

    def holds(self, ms: int | None) -> bool:
        """Whether an instant lies within the run, five seconds allowed on either side."""
        return ms is not None and self.started - SLACK_MS <= ms <= self.ended + SLACK_MS


@dataclass(frozen=True)
class Credentials:
    """How the system under test is asked for credentials."""

    mint: Callable[[str, tuple[str, ...]], str]
    service: Callable[[], str]


def fill(value: Any, moment: Moment, credentials: Credentials | None = None) -> Any:
    """A copy of an input with its placeholders replaced by what they stand for."""
    if isinstance(value, str):
        whole = _ANGLES.fullmatch(value)
        if whole is not None:
            return _given_text(whole[1], moment, value)
        return _BRACES.sub(lambda found: _known(found[1].strip(), moment, credentials, found[0]), value)
    if isinstance(value, list):
        return [fill(item, moment, credentials) for item in value]
    if isinstance(value, Mapping):
        return {key: fill(item, moment, credentials) for key, item in value.items()}
    return value


def fill_run_date(value: Any, ms: int) -> Any:
    """A copy with ``{yyyymmdd}`` replaced by the day at the fixed offset +05:30."""
    if isinstance(value, str):
        return value.replace("{yyyymmdd}", f"{day_in(ms, _INDIA):%Y%m%d}")
    if isinstance(value, list):
        return [fill_run_date(item, ms) for item in value]
    if isinstance(value, Mapping):
        return {key: fill_run_date(item, ms) for key, item in value.items()}
    return value


def tokens_in(value: Any) -> dict[str, tuple[str, ...]]:
    """User id → roles of every ``{{token:…}}`` in a document."""
    found: dict[str, tuple[str, ...]] = {}
    if isinstance(value, str):
        for inner in _BRACES.findall(value):
            if inner.startswith("token:"):
                uid, roles = _token(inner)
                found[uid] = roles
    elif isinstance(value, Mapping):
        for item in value.values():
            found |= tokens_in(item)
    elif isinstance(value, list):
        for item in value:
            found |= tokens_in(item)
    return found


def has_placeholder(text: str) -> bool:
    """Whether an expected text holds a placeholder of either kind."""
    return _BRACES.search(text) is not None or _ANGLES.search(text) is not None


def resolve(text: str, moment: Moment) -> str:
    """An expected text with those placeholders replaced that stand for one text (dates, request ids)."""
    return _BRACES.sub(lambda found: _known(found[1].strip(), moment, None, found[0]), text)


def fits(expected: str, actual: Any, moment: Moment) -> bool:
    """Whether a value is what an expected text with placeholders stands for."""
    braces = _BRACES.fullmatch(expected)
    if braces is not None:
        verdict = _fits_braces(braces[1].strip(), actual, moment)
        if verdict is not None:
            return verdict
    angles = _ANGLES.fullmatch(expected)
    if angles is not None:
        return _fits_angles(angles[1], actual, moment)
    if not isinstance(actual, str):
        return False
    known = resolve(expected, moment)
    return known == actual or _pattern(known, moment, actual)


def _fits_braces(inner: str, actual: Any, moment: Moment) -> bool | None:
    if inner == "any-string":
        return isinstance(actual, str)
    if inner == "any-number":
        return isinstance(actual, int | float) and not isinstance(actual, bool)
    if inner == "not-null":
        return actual is not None
    if inner == "now":
        return moment.holds(instant(actual))
    near = _TOLERANCE.fullmatch(inner)
    if near is not None:
        number = isinstance(actual, int | float) and not isinstance(actual, bool)
        return number and abs(actual - float(near[1])) <= float(near[2])
    return None


def _fits_angles(inner: str, actual: Any, moment: Moment) -> bool:
    if inner == "now":
        return moment.holds(instant(actual))
    if inner == "now-ms":
        return moment.holds(_digits(actual))
    if inner == "ms":
        return _digits(actual) is not None
    if inner in {"uuid", "uuid4"}:
        return isinstance(actual, str) and bool(actual.strip())
    return actual is not None and actual != ""


def _pattern(expected: str, moment: Moment, actual: str) -> bool:
    """A text around placeholders: what ``<now-ms>`` stands for is checked, the others may be any text."""
    parts: list[str] = []
    names: list[str] = []
    at = 0
    for found in _ANGLES.finditer(expected):
        parts.append(re.escape(expected[at : found.start()]))
        parts.append(r"(\d+)" if found[1] in {"now-ms", "ms"} else r"(.+?)")
        names.append(found[1])
        at = found.end()
    parts.append(re.escape(expected[at:]))
    whole = re.fullmatch("".join(parts), actual, re.DOTALL)
    if whole is None or not names:
        return False
    pairs = zip(names, whole.groups(), strict=True)
    return all(name not in {"now", "now-ms"} or _fits_angles(name, text, moment) for name, text in pairs)


def _digits(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value)
    return int(value) if isinstance(value, str) and value.isdigit() else None


def _given_text(name: str, moment: Moment, whole: str) -> Any:
    if name == "a timestamp":
        return GIVEN_TIME
    if name == "encrypted":
        return GIVEN_CIPHERTEXT
    if name == "now-ms":
        return moment.started
    if name == "now":
        return GIVEN_TIME
    return whole


def _known(inner: str, moment: Moment, credentials: Credentials | None, whole: str) -> str:
    """The text that a placeholder stands for, or the placeholder itself where it stands for no one text."""
    if inner.startswith("token:") and credentials is not None:
        uid, roles = _token(inner)
        return credentials.mint(uid, roles)
    if inner == "service" and credentials is not None:
        return credentials.service()
    call = _CALL.fullmatch(inner)
    if call is not None and call[1] == "yyyymmdd":
        return f"{_day(call[2], moment):%Y%m%d}"
    if call is not None and call[1] == "requestId":
        parts = [_argument(part.strip(), moment) for part in call[2].split(",")]
        return hashlib.md5("|".join(parts).encode(), usedforsecurity=False).hexdigest().upper()
    if inner.startswith("today"):
        return f"{_day(inner, moment):%Y-%m-%d}"
    return whole


def _argument(text: str, moment: Moment) -> str:
    return f"{_day(text, moment):%Y-%m-%d}" if _DAY_EXPRESSION.fullmatch(text) else text


def _day(expression: str, moment: Moment) -> date:
    found = _DAY_EXPRESSION.fullmatch(expression.strip())
    if found is None:
        return date.fromisoformat(expression.strip())
    days = int(found[3] or 0)
    return moment.today + timedelta(days=-days if found[2] == "-" else days)


def _token(inner: str) -> tuple[str, tuple[str, ...]]:
    uid, _, rest = inner.removeprefix("token:").partition(":roles=")
    return uid, tuple(role.strip() for role in rest.split(",") if role.strip())
