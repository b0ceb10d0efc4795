"""How events move: the port that the embedded log and Kafka stand behind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from lernline.model import DeadLetter, Event


class Record(msgspec.Struct, frozen=True, gc=False):
    """An event as it lies in the log. ``offset`` grows within its log; ``appended_at`` is epoch ms."""

    topic: str
    key: str | None
    value: bytes
    offset: int
    appended_at: int
    headers: dict[str, str]

    def set_aside(self, stage: str, code: str, reason: str, at: int, stack: str = "") -> DeadLetter:
        """The record as a dead letter of a stage, dated ``at`` (epoch ms)."""
        return DeadLetter(self.topic, self.key, self.value, stage, code, reason, at, stack, self.headers)


class Poll(msgspec.Struct, frozen=True):
    """Records to be handled and where the group stands before and after them."""

    records: list[Record]
    start: int
    end: int


class Stream(Protocol):
    """An ordered, durable log with consumer groups. Every method may raise ``Unavailable``."""

    def append(self, events: Sequence[Event]) -> int:
        """Put events on their topics; they are durable when this returns. Gives the offset of the last."""
        ...

    def poll(self, group: str, topics: Sequence[str], limit: int, max_wait: float) -> Poll:
        """Up to ``limit`` records of ``topics`` that the group has not committed, in order.

        Waits up to ``max_wait`` seconds for the first; fewer than ``limit`` records come back when the time is up.
        """
        ...

    def pending(self, group: str, topics: Sequence[str], keys: Collection[str]) -> list[Record]:
        """Records of these keys that are durable but not yet committed by the group, in order.

        Where the log is a table this is the tail itself. Where it is not, the adapter waits (bounded) until the
        group has passed the log's end and gives nothing.
        """
        ...

    def end(self) -> int:
        """Offset of the newest record (0 when the log is empty)."""
        ...

    def lag(self, group: str, topics: Sequence[str]) -> int:
        """Records of ``topics`` that the group has not committed."""
        ...
