"""The HTTP server of one process: Granian around the application, stopped by an event."""

from __future__ import annotations

import asyncio
import threading

import uvloop
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from lernline.api.app import create_app
from lernline.wiring import Line

_LOOK_SECONDS = 0.05


def run_server(line: Line, stop: threading.Event) -> None:
    """Answer requests until ``stop`` is set; requests in hand are finished first."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(line, stop))


async def _serve(line: Line, stop: threading.Event) -> None:
    server = Server(
        create_app(line),
        address=line.settings.host,
        port=line.settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        backlog=1024,
        log_level=LogLevels.error,
    )
    serving = asyncio.ensure_future(server.serve())
    while not stop.is_set() and not serving.done():
        await asyncio.wait({serving}, timeout=_LOOK_SECONDS)
    if not serving.done():
        server.stop()  # type: ignore[no-untyped-call]
    await serving
