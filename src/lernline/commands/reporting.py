"""The loop that takes report requests up as they come."""

from __future__ import annotations

import threading

import structlog

from lernline.errors import Unavailable
from lernline.wiring import Line

_log = structlog.get_logger()
_LOOK_SECONDS = 0.1
_LONGEST_PAUSE = 5.0


def run_reports(line: Line, stop: threading.Event) -> None:
    """Take up requests as they come until ``stop`` is set; the one in hand is finished first."""
    runner = line.runner()
    pause = _LOOK_SECONDS
    while not stop.is_set():
        try:
            found = runner.run_once()
            pause = _LOOK_SECONDS
        except Unavailable as problem:
            _log.warning("reports wait", reason=problem.message, seconds=pause)
            found, pause = None, min(pause * 2, _LONGEST_PAUSE)
        if found is None:
            stop.wait(pause)
