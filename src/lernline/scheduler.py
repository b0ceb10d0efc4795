"""What happens by the clock: the log is pruned, and finished learners without a certificate are looked at again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Protocol

import msgspec
import structlog

from lernline.clock import Clock
from lernline.errors import Unavailable
from lernline.people.service import ask_for_certificates
from lernline.store.port import LearningStore

_log = structlog.get_logger()
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_PAGE = 5_000


class Log(Protocol):
    """A log that can forget."""

    def prune(self, before_ms: int) -> int:
        """Drop records that are older and that every group has read; gives how many."""
        ...


class Job(msgspec.Struct):
    """Something to do every ``every_ms``; ``run`` gives how much it did. ``due`` is epoch ms."""

    name: str
    every_ms: int
    run: Callable[[], int]
    due: int = 0


class Scheduler:
    """Runs jobs when they are due, one after the other, the first time at start."""

    def __init__(self, clock: Clock, jobs: Iterable[Job]) -> None:
        self._clock = clock
        self._jobs = list(jobs)

    def run(self, stop: threading.Event) -> None:
        """Run jobs until ``stop`` is set. While the store is away a job stays due."""
        while not stop.is_set():
            self.run_due()
            stop.wait(1.0)

    def run_due(self) -> dict[str, int]:
        """Run what is due now; gives how much each job did."""
        done: dict[str, int] = {}
        for job in self._jobs:
            now = self._clock.now_ms()
            if now < job.due:
                continue
            try:
                done[job.name] = job.run()
            except Unavailable as problem:
                _log.warning("a job waits", job=job.name, reason=problem.message)
                job.due = now + 10_000
                continue
            job.due = now + job.every_ms
            if done[job.name]:
                _log.info("job done", job=job.name, amount=done[job.name])
        return done


def standing_jobs(store: LearningStore, log: Log, clock: Clock, retention_hours: float) -> list[Job]:
    """The jobs of an installation: prune the log hourly, recheck certificates daily."""
    return [
        Job("prune-log", _HOUR_MS, lambda: log.prune(clock.now_ms() - int(retention_hours * _HOUR_MS))),
        Job("recheck-certificates", _DAY_MS, lambda: recheck(store, clock)),
    ]


def recheck(store: LearningStore, clock: Clock) -> int:
    """Ask for certificates of learners of running batches that have templates and are finished without one.

    Repairs what a lost hint or a template that was attached late left open; a hint that is not needed changes nothing.
    """
    now = clock.now_ms()
    asked = 0
    for batch in store.search_batches():
        if not batch.cert_templates or (batch.end_date is not None and now > batch.end_date + 7 * _DAY_MS):
            continue
        learners = store.learners_of_batch(batch.batchid)
        for start in range(0, len(learners), _PAGE):
            page = learners[start : start + _PAGE]
            asked += ask_for_certificates(store, clock, page, "recheck", batchid=batch.batchid)
    return asked
