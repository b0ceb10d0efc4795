"""Streams that the conformance suite runs against: put another adapter's maker beside ``embedded``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from lernline.clock import FixedClock
from lernline.model import Changes, Position
from lernline.settings import Settings
from lernline.stream.port import Stream
from lernline.wiring import Line

from .worlds import NOW


class StreamWorld:
    """A stream, the clock that dates its records, and a way to commit a group's position."""

    def __init__(self, stream: Stream, clock: FixedClock, commit: Callable[[str, int, int], None]) -> None:
        self.stream = stream
        self.clock = clock
        self.commit = commit


def embedded(folder: Path) -> Iterator[StreamWorld]:
    clock = FixedClock(NOW)
    line = Line(Settings(data=folder), clock)

    def commit(group: str, start: int, end: int) -> None:
        line.store.commit(Changes(), Position(group, start, end))

    yield StreamWorld(line.stream, clock, commit)
    line.close()


STREAMS = (embedded,)
