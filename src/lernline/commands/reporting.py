"""The parts of the report station, put together for the commands that ask for reports and that run them."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable

import structlog

from lernline.blob.links import LinkSigner
from lernline.errors import Unavailable
from lernline.report.keyring import Keyring
from lernline.report.runner import Runner, Sources
from lernline.report.service import RequestDesk
from lernline.store.requests import JobRequest
from lernline.store.sql.requests import RequestTable
from lernline.wiring import Line

_log = structlog.get_logger()
_LOOK_SECONDS = 0.1
_LONGEST_PAUSE = 5.0


def desk_of(line: Line) -> RequestDesk:
    """Where reports are asked for."""
    signer = LinkSigner(line.settings.keys / "links", line.clock)
    return RequestDesk(
        RequestTable(line.store),
        _keyring(line),
        line.clock,
        line.settings,
        link=lambda key, until: f"{line.public_url}/files/{signer.sign(key, until)}",
        zone=line.zone,
        log_end=line.stream.end,
    )


def runner_of(line: Line, on_progress: Callable[[JobRequest], None] = lambda _: None) -> Runner:
    """What makes reports; its name in leases tells machine, process and runner."""
    return Runner(
        RequestTable(line.store),
        Sources(line.store, line.courses, line.search, line.stream),
        line.blob,
        _keyring(line),
        line.clock,
        line.settings,
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}",
        on_progress=on_progress,
    )


def run_reports(line: Line, stop: threading.Event) -> None:
    """Take up requests as they come until ``stop`` is set; the one in hand is finished first."""
    runner = runner_of(line)
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


def _keyring(line: Line) -> Keyring:
    return Keyring(line.settings.keys / "reports")
