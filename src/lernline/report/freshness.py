"""Waits until the line has worked off what came before a report was asked for (design, decision 1)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from lernline.model import Event
from lernline.stream import topics

_PAUSE_SECONDS = 0.05
_OWNERS = (topics.PROGRESS_GROUP, topics.ASSESSMENT_GROUP)


class Backlog(Protocol):
    """What a report asks of the log, and where its metric event goes."""

    def append(self, events: Sequence[Event]) -> int:
        """Put events on their topics."""
        ...

    def end(self) -> int:
        """Offset of the newest record."""
        ...

    def committed(self, group: str) -> int:
        """Offset of the last record that the group has handled."""
        ...

    def lag(self, group: str, topics: Sequence[str]) -> int:
        """Records of ``topics`` that the group has not handled."""
        ...


def behind(log: Backlog, mark: int) -> int:
    """Updates that still wait for an owner who has not passed ``mark``; later ones may be among them."""
    return sum(log.lag(group, topics.READERS[group]) for group in _OWNERS if log.committed(group) < mark)


def wait(log: Backlog, mark: int | None, seconds: float) -> int:
    """Wait at most ``seconds`` until nothing is behind ``mark`` (None: the log's end now); gives what still is."""
    mark = log.end() if mark is None else mark
    deadline = time.monotonic() + seconds
    while (left := behind(log, mark)) and time.monotonic() < deadline:
        time.sleep(_PAUSE_SECONDS)
    return left
