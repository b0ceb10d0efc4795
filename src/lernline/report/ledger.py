"""A request while it is run: what is known of its progress, written about once a second, and its lease kept alive."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import msgspec

from lernline.clock import Clock
from lernline.errors import Unavailable
from lernline.report.engine import Count
from lernline.store.requests import JobRequest, LeaseLost, RequestStore

_BEAT_SECONDS = 1.0

Progress = Callable[[JobRequest], None]


class Ledger:
    """The runner's hold on a request. A thread of its own renews the lease and writes percent, rows and ETA.

    Args:
        requests: the table.
        request: as claimed.
        clock: of the installation.
        lease_ms: how long the request stays the runner's without a sign of life.
        on_progress: told after each write, for progress bars.
    """

    def __init__(
        self, requests: RequestStore, request: JobRequest, clock: Clock, lease_ms: int, on_progress: Progress
    ) -> None:
        self._requests = requests
        self._clock = clock
        self._lease_ms = lease_ms
        self._on_progress = on_progress
        self._lock = threading.RLock()
        self._done = threading.Event()
        self._lost = False
        self._count = Count()
        self._share = (0, 1)
        self._began_ms = clock.now_ms()
        self.request = request
        self._thread = threading.Thread(target=self._beat, name="lernline-lease", daemon=True)

    def __enter__(self) -> Self:
        """Begin the sign of life."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it; nothing is written afterwards."""
        self._done.set()
        self._thread.join()

    def update(self, **fields: Any) -> None:
        """Change the request and write it.

        Raises:
            LeaseLost: it is somebody else's now.
        """
        with self._lock:
            self.check()
            self.request = msgspec.structs.replace(self.request, **fields)
            self._write()

    def note(self, **fields: Any) -> None:
        """Change the request's detail without writing yet."""
        with self._lock:
            self.request = msgspec.structs.replace(
                self.request, detail=msgspec.structs.replace(self.request.detail, **fields)
            )

    def follow(self, count: Count, finished: int, batches: int, batch: str) -> None:
        """From now on ``count`` tells how far the batch in hand is, after ``finished`` of ``batches``."""
        with self._lock:
            self._count, self._share = count, (finished, batches)
            self.note(batch=batch)

    def check(self) -> None:
        """Whether the request is still the runner's.

        Raises:
            LeaseLost: it is not.
        """
        if self._lost:
            raise LeaseLost(f"request {self.request.request_id} is somebody else's now")

    def _beat(self) -> None:
        while not self._done.wait(_BEAT_SECONDS):
            with self._lock:
                try:
                    self._write()
                except LeaseLost:
                    self._lost = True
                    return
                except Unavailable:
                    continue  # the next beat tries again; the lease outlasts many

    def _write(self) -> None:
        now = self._clock.now_ms()
        finished, batches = self._share
        count = self._count
        fraction = count.seen / count.expected if count.expected else 0.0
        done = min((finished + min(fraction, 1.0)) / max(batches, 1), 1.0)
        made = sum(one.rows for one in self.request.detail.batches)
        elapsed = now - self._began_ms
        self.note(
            percent=int(100 * done),
            done_rows=made + count.rows,
            total_rows=made + max(count.expected, count.rows),
            eta_ms=int(elapsed * (1 - done) / done) if done > 0 else None,
        )
        self.request = msgspec.structs.replace(self.request, lease_until=now + self._lease_ms)
        self._requests.keep(self.request)
        self._on_progress(self.request)
