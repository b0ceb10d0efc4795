"""The worker loop: poll a batch, let the stage say what it changes, commit state, events and position together.

A batch closes by size or by time (P-D7). A batch that a stage cannot handle is bisected until the one record that
is to blame stands alone; that record becomes a dead letter and the others go on (P-D5).
"""

from __future__ import annotations

import gc
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from lernline.clock import Clock
from lernline.errors import LernlineError, Unavailable
from lernline.model import Changes, DeadLetter, Position
from lernline.store.port import Fenced, LearningStore
from lernline.stream.port import Record, Stream

_log = structlog.get_logger()
_LONGEST_PAUSE = 5.0


class Stage(Protocol):
    """What a worker drives. ``process`` reads what it needs and writes nothing itself."""

    @property
    def name(self) -> str:
        """The stage's name in logs, metrics and dead letters."""
        ...

    @property
    def group(self) -> str:
        """Its consumer group."""
        ...

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it reads, without the environment's prefix."""
        ...

    def process(self, records: Sequence[Record]) -> Changes:
        """What these records change, those that are refused among the dead letters."""
        ...


def tune_collector() -> None:
    """Let the cyclic collector run far less often: batches and requests make many objects and hardly a cycle."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class Worker:
    """Drives one stage until told to stop.

    Args:
        stage: what to do with a batch.
        stream: where batches come from.
        store: where changes go.
        clock: dates dead letters.
        size: records after which a batch closes.
        wait: seconds after which it closes anyway, counted from the batch before it: an idle line is served at once,
            a busy one in batches that are worth their sync of the disk.
        committed: called with the stage's name and the counters of each committed unit of work.
    """

    def __init__(
        self,
        stage: Stage,
        stream: Stream,
        store: LearningStore,
        clock: Clock,
        *,
        size: int,
        wait: float,
        committed: Callable[[str, dict[str, int]], None],
    ) -> None:
        self.stage = stage
        self._stream = stream
        self._store = store
        self._clock = clock
        self._size = size
        self._wait = wait
        self._committed = committed
        self._opened = 0.0

    def run(self, stop: threading.Event) -> None:
        """Handle batches until ``stop`` is set; the batch in hand is finished first.

        While a part is away nothing is lost and nothing is set aside: the same batch is tried again, ever slower.
        """
        pause = 0.05
        while not stop.is_set():
            try:
                self.run_once(max_wait=0.25)
                pause = 0.05
            except Unavailable as problem:
                _log.warning("the line waits", stage=self.stage.name, reason=problem.message, seconds=pause)
                stop.wait(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Fenced as problem:
                _log.info("another worker went on with this batch", stage=self.stage.name, reason=str(problem))

    def run_once(self, max_wait: float = 0.0) -> int:
        """Handle one batch, if there is one within ``max_wait`` seconds; gives the number of records.

        Raises:
            Unavailable: a part is away; nothing of the records in hand was written.
            Fenced: another owner has gone on with them.
        """
        batch = self._stream.poll(self.stage.group, self.stage.topics, self._size, max_wait)
        fills = self._opened + self._wait - time.monotonic()
        if fills > 0 and 0 < len(batch.records) < self._size:
            time.sleep(fills)
            batch = self._stream.poll(self.stage.group, self.stage.topics, self._size, 0.0)
        if batch.records:
            self._opened = time.monotonic()
            self._handle(batch.records, batch.start)
        return len(batch.records)

    def _handle(self, records: Sequence[Record], start: int) -> None:
        position = Position(self.stage.group, start, records[-1].offset)
        try:
            changes = self.stage.process(records)
            self._store.commit(changes, position)
        except (Unavailable, Fenced):
            raise
        except Exception as problem:  # noqa: BLE001  whatever a record does to a stage or the store, the line goes on
            if len(records) > 1:
                half = len(records) // 2
                self._handle(records[:half], start)
                self._handle(records[half:], records[half - 1].offset)
                return
            _log.error("a record was set aside", stage=self.stage.name, offset=records[0].offset, kind=_kind(problem))
            changes = Changes(dead_letters=[self._dead(records[0], problem)], counts={"failed-events-count": 1})
            self._store.commit(changes, position)
        self._committed(self.stage.name, changes.counts)

    def _dead(self, record: Record, problem: Exception) -> DeadLetter:
        code = problem.code if isinstance(problem, LernlineError) else "UNEXPECTED"
        stack = "".join(traceback.format_exception(problem))
        return record.set_aside(self.stage.name, code, f"{_kind(problem)}: {problem}", self._clock.now_ms(), stack)


def _kind(problem: Exception) -> str:
    return type(problem).__name__
