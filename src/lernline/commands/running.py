"""Processes that keep running: ``up``, ``serve``, ``work``, ``schedule``; and ``migrate``."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from lernline.commands.options import Data, Host, Port, Sets
from lernline.commands.session import Refused, note, open_line, patient_line, settings_from, show
from lernline.errors import BadRequest, LernlineError

if TYPE_CHECKING:
    from lernline.settings import Settings
    from lernline.wiring import Line

_LOADED_AT = time.monotonic()
_PARTS = ("progress", "assessments", "certify", "catalog", "reports", "schedule")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(up)
    app.command()(serve)
    app.command()(work)
    app.command()(schedule)
    app.command()(migrate)


def up(data: Data = None, host: Host = None, port: Port = None, sets: Sets = None) -> None:
    """Start everything: the API, the workers, the report runner and the scheduler. Ctrl-C stops them."""
    from lernline.commands.supervisor import Supervisor, free_port  # noqa: PLC0415

    settings = settings_from(data, sets, host=host, port=port)
    if settings.port == 0:
        # everybody has to know it: links and QR codes carry the address
        settings = settings_from(data, sets, host=host, port=free_port(settings.host))
    import_module("lernline.wiring")  # what every part needs, loaded once, before they part

    supervisor = Supervisor(settings.host, settings.port, str(settings.data), _LOADED_AT)
    supervisor.add("API", lambda: _serve(settings, with_parent=True))
    supervisor.add("workers", lambda: _work(settings, _PARTS, with_parent=True))
    raise typer.Exit(supervisor.run())


def serve(data: Data = None, host: Host = None, port: Port = None, sets: Sets = None) -> None:
    """Start the API alone. Several may share one data folder."""
    from lernline.commands.supervisor import free_port, refuse_taken  # noqa: PLC0415

    settings = settings_from(data, sets, host=host, port=port)
    if settings.port == 0:
        settings = settings_from(data, sets, host=host, port=free_port(settings.host))
    refuse_taken(settings.host, settings.port)
    note(f"the API listens on http://{settings.host}:{settings.port} (data in {settings.data})")
    _serve(settings, with_parent=False)


def work(
    data: Data = None,
    stations: Annotated[
        str,
        typer.Option(
            "--stations",
            metavar="NAME,…",
            help=f"Which parts to run, of: {', '.join(_PARTS)}. Each has its own thread.",
        ),
    ] = ",".join(_PARTS),
    sets: Sets = None,
) -> None:
    """Start workers alone: the stations of the line, the report runner and the scheduler."""
    names = tuple(dict.fromkeys(name.strip() for name in stations.split(",") if name.strip()))
    unknown = [name for name in names if name not in _PARTS]
    if unknown or not names:
        raise BadRequest(f"--stations {stations!r}: choose among {', '.join(_PARTS)}")
    settings = settings_from(data, sets)
    note(f"at work: {', '.join(names)} (data in {settings.data})")
    _work(settings, names, with_parent=False)


def schedule(data: Data = None, sets: Sets = None) -> None:
    """Start the scheduler alone: it prunes the log hourly and rechecks certificates daily."""
    work(data, "schedule", sets)


def migrate(data: Data = None, sets: Sets = None) -> None:
    """Bring the database to this release's schema. Every other command does this by itself."""
    settings = settings_from(data, sets)
    with open_line(settings):
        from lernline.store.sql.schema import HEAD  # noqa: PLC0415

        show(f"{settings.database} has schema {HEAD}.")


def _serve(settings: Settings, *, with_parent: bool) -> None:
    stop = _stop_on_signals(with_parent=with_parent)
    from lernline.commands.server import run_server  # noqa: PLC0415
    from lernline.stream.worker import tune_collector  # noqa: PLC0415

    with patient_line(settings, stop) as line:
        if line is not None:
            _configure_telemetry(settings)
            tune_collector()
            run_server(line, stop)


def _work(settings: Settings, names: tuple[str, ...], *, with_parent: bool) -> None:
    stop = _stop_on_signals(with_parent=with_parent)
    with patient_line(settings, stop) as line:
        if line is not None:
            _configure_telemetry(settings)
            _run_parts(line, names, stop)


def _run_parts(line: Line, names: tuple[str, ...], stop: threading.Event) -> None:
    """One thread per part until ``stop``; a part that ends with an error ends the process, and so the others."""
    import structlog  # noqa: PLC0415

    from lernline.stream.worker import tune_collector  # noqa: PLC0415

    log = structlog.get_logger()
    failed: list[str] = []

    def run(name: str) -> None:
        try:
            _part(line, name)(stop)
        except LernlineError as problem:
            log.error("a part of the line cannot go on", part=name, reason=problem.message)  # noqa: TRY400  the sentence says it
        except Exception:
            log.exception("a part of the line failed", part=name)
        else:
            return
        failed.append(name)
        stop.set()

    threads = [threading.Thread(target=run, args=(name,), name=name) for name in names]
    for thread in threads:
        thread.start()
    tune_collector()
    for thread in threads:
        thread.join()
    if failed:
        raise Refused(f"{', '.join(failed)} failed; see the log above")


def _part(line: Line, name: str) -> Callable[[threading.Event], object]:
    if name == "reports":
        from lernline.commands.reporting import run_reports  # noqa: PLC0415

        return lambda stop: run_reports(line, stop)
    if name == "schedule":
        from lernline.scheduler import Scheduler, standing_jobs  # noqa: PLC0415

        jobs = standing_jobs(line.store, line.stream, line.clock, line.settings.log_retention_hours)
        return Scheduler(line.clock, jobs).run
    return line.worker(name).run


def _configure_telemetry(settings: Settings) -> None:
    from lernline.telemetry import configure_logging, share_metrics  # noqa: PLC0415

    configure_logging(settings.log_level, settings.log_format)
    share_metrics(settings.metrics)


def _stop_on_signals(*, with_parent: bool) -> threading.Event:
    """An event that SIGTERM, SIGINT and, where asked for, the end of standard input set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    if with_parent:

        def wait_for_parent() -> None:
            # not through sys.stdin: its lock would be held while the interpreter ends
            while os.read(sys.stdin.fileno(), 1024):
                pass
            stop.set()

        threading.Thread(target=wait_for_parent, daemon=True).start()
    return stop
