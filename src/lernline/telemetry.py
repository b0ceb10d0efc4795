"""Logs and metrics. Neither ever holds a secret, a name, an e-mail address or a phone number.

The processes of an installation keep their counters in files that all of them read, so that whichever is asked tells
the sums. A process takes a place among them and goes on with the files of whoever had it before: sums never fall while
somebody runs, and there are never more files than processes at one time.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

_KINDS: Final = ("counter", "histogram", "gauge_mostrecent")
# for some thousand series; written through a mapping, where a full disk would end the process, so it is reserved before
_FILE_BYTES: Final = 1 << 19
_log = structlog.get_logger()
_held: list[IO[str]] = []

stage_counts = Counter(
    "lernline_stage_events", "Counters of the stages, under the contract's names.", ["stage", "name"]
)
requests_answered = Counter("lernline_http_requests", "Requests answered, by route and status.", ["route", "status"])
request_seconds = Histogram("lernline_http_request_seconds", "Time to answer, by route.", ["route"])
stage_lag = Gauge(
    "lernline_stage_lag", "Records that a stage has not handled yet.", ["stage"], multiprocess_mode="mostrecent"
)
report_rows = Counter("lernline_report_rows", "Rows written to reports.", ["dataset"])
report_missing_profiles = Counter(
    "lernline_report_missing_profiles", "Rows whose learner the directory does not know.", ["dataset"]
)


def count_stage(stage: str, counts: dict[str, int]) -> None:
    """Add the counters of one committed unit of work."""
    for name, by in counts.items():
        stage_counts.labels(stage, name).inc(by)


def share_metrics(folder: Path) -> None:
    """Keep this process's metrics in ``folder`` with those of the others, until it ends; call it before any counts.

    The first process to come begins at nothing. Without room for the files the process keeps its metrics to itself.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        place, lock = _taken_place(folder)
        for kind in _KINDS:
            _reserve(folder / f"{kind}_{place}.db")
    except OSError as problem:
        _log.warning("this process keeps its metrics to itself", reason=problem.strerror or str(problem))
        return
    _held.append(lock)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
    values.ValueClass = values.MultiProcessValue(process_identifier=lambda: place)  # type: ignore[no-untyped-call]


def exposition(lags: Mapping[str, int | None]) -> bytes:
    """All metrics in the Prometheus text format; ``lags`` are the stages' backlogs now, None where one is unknown."""
    for stage, lag in lags.items():
        stage_lag.labels(stage).set(float("nan") if lag is None else lag)
    if not _held:
        return generate_latest()
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _taken_place(folder: Path) -> tuple[int, IO[str]]:
    """A number that no other process has while its lock is held; where nobody has any, what is left goes first."""
    with (folder / "door").open("w") as door:
        fcntl.flock(door, fcntl.LOCK_EX)
        known = [folder / f"place-{number}" for number in range(len(list(folder.glob("place-*"))))]
        free = [(number, lock) for number, path in enumerate(known) if (lock := _locked(path)) is not None]
        if len(free) == len(known):
            for left in folder.glob("*.db"):
                left.unlink()
        if not free:
            lock = _locked(folder / f"place-{len(known)}")
            assert lock is not None
            return len(known), lock
        for _, other in free[1:]:
            other.close()
        return free[0]


def _locked(path: Path) -> IO[str] | None:
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _reserve(path: Path) -> None:
    """Room for a file of metrics; one that a crash of the machine left unreadable is begun anew."""
    with contextlib.suppress(FileNotFoundError):
        try:
            for _ in MmapedDict.read_all_values_from_file(path):  # type: ignore[no-untyped-call]
                pass
        except (ValueError, RuntimeError, UnicodeDecodeError, struct.error):
            path.unlink()
    with path.open("ab") as file:
        os.posix_fallocate(file.fileno(), 0, _FILE_BYTES)


def configure_logging(level: str, form: str) -> None:
    """Send log lines to standard error, as text for people or as JSON for machines."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
