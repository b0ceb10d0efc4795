"""Local time in an expression: a zone as the steps of its offset, so that every engine counts alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import narwhals as nw

_FROM = datetime(2000, 1, 1, tzinfo=UTC)
_TO = datetime(2050, 1, 1, tzinfo=UTC)
_STRIDE = timedelta(days=7)


class Step(NamedTuple):
    """From ``start`` (naive UTC; None for the beginning of time) on, local time is UTC plus ``offset``."""

    start: datetime | None
    offset: timedelta


@lru_cache(maxsize=16)
def steps(zone: tzinfo) -> tuple[Step, ...]:
    """The offsets of a zone from 2000 to 2049, oldest first; times outside take the nearest one's."""
    found = [Step(None, _offset(zone, _FROM))]
    moment = _FROM
    while moment < _TO:
        following = min(moment + _STRIDE, _TO)
        if _offset(zone, following) != found[-1].offset:
            change = _first_change(zone, moment, following)
            found.append(Step(change.replace(tzinfo=None), _offset(zone, change)))
            moment = change
        else:
            moment = following
    return tuple(found)


def _first_change(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """The first second in (before, after] whose offset differs from the one at ``before``."""
    old = _offset(zone, before)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


def offset_text(offset: timedelta) -> str:
    """``+0530``."""
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}{abs(minutes) % 60:02d}"


def local(column: nw.Expr, zone: tzinfo) -> nw.Expr:
    """A UTC timestamp as the wall clock of ``zone`` shows it."""
    return _by_step(column, zone, lambda offset: column + offset)


def suffix(column: nw.Expr, zone: tzinfo) -> nw.Expr:
    """The offset that holds at a UTC timestamp, as text."""
    import narwhals as nw  # noqa: PLC0415  heavy, and needed where an expression is built only

    return _by_step(column, zone, lambda offset: nw.lit(offset_text(offset)))


def _by_step(column: nw.Expr, zone: tzinfo, value: Any) -> nw.Expr:
    import narwhals as nw  # noqa: PLC0415  as above

    oldest, *later = steps(zone)
    chosen: nw.Expr = value(oldest.offset)
    for step in later:
        chosen = nw.when(column >= nw.lit(step.start)).then(value(step.offset)).otherwise(chosen)
    return chosen
