"""What a command needs to begin: settings from its options, the line behind them, and the terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lernline.errors import BadRequest, LernlineError, Unavailable

if TYPE_CHECKING:
    from rich.console import Console

    from lernline.settings import Settings
    from lernline.wiring import Line

_LONGEST_PAUSE = 5.0


class Refused(LernlineError):
    """A command cannot do what it was asked; trying again alone will not help."""

    default_code = "REFUSED"


def settings_from(data: Path | None = None, sets: Sequence[str] | None = None, **named: Any) -> Settings:
    """Settings from the environment, then ``--set``, then the options that a command names itself.

    Raises:
        BadRequest: a setting is unknown or its value is refused; the sentence names it, never the value.
    """
    from pydantic import ValidationError  # noqa: PLC0415  `--help` must not wait for it

    from lernline.settings import Settings  # noqa: PLC0415

    given: dict[str, Any] = {}
    for text in sets or ():
        name, equals, value = text.partition("=")
        name = name.strip().lower().replace("-", "_")
        if not equals or name not in Settings.model_fields:
            raise BadRequest(
                f"--set {name or text}: write NAME=VALUE with the name of a setting, see the list of settings"
            )
        given[name] = _parts(value) if _is_tuple(Settings, name) else value
    given |= {name: value for name, value in {"data": data, **named}.items() if value is not None}
    try:
        return Settings(**given)
    except ValidationError as problem:
        told = "; ".join(
            f"setting {'.'.join(str(part) for part in one['loc']) or '?'}: {one['msg']}"
            for one in problem.errors(include_url=False, include_input=False, include_context=False)
        )
        raise BadRequest(told, code="INVALID_SETTING") from None


def _is_tuple(settings: type[Settings], name: str) -> bool:
    return "tuple" in str(settings.model_fields[name].annotation)


def _parts(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


@contextmanager
def open_line(settings: Settings) -> Iterator[Line]:
    """The line of a data folder, closed at the end of the block.

    Raises:
        Unavailable: the database is locked or cannot be written.
        SchemaTooNew: a newer release wrote it.
    """
    line = _opened(settings)
    _log_quietly(settings)
    try:
        yield line
    finally:
        line.close()


def _log_quietly(settings: Settings) -> None:
    """Logs of a command that ends: warnings only, unless more was asked for, and never among its output."""
    import structlog  # noqa: PLC0415

    from lernline.telemetry import configure_logging  # noqa: PLC0415

    level = "WARNING" if settings.log_level == "INFO" else settings.log_level
    configure_logging(level, settings.log_format)
    # looked up at each line, since who calls a command from Python may exchange the stream between two calls
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr), cache_logger_on_first_use=False)


@contextmanager
def patient_line(settings: Settings, stop: threading.Event) -> Iterator[Line | None]:
    """As ``open_line``, for a service: while another process keeps the database it waits, ever longer, and says so.

    The block is given None when ``stop`` was set before the database was free.
    """
    pause, said, line = 0.25, False, None
    while line is None and not stop.is_set():
        try:
            line = _opened(settings)
        except Unavailable as problem:
            if not said:
                note(f"waiting until the database can be used: {problem.message}")
                said = True
            stop.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
    if said and line is not None:
        note("the database can be used again; going on")
    try:
        yield line
    finally:
        if line is not None:
            line.close()


def _opened(settings: Settings) -> Line:
    from lernline.wiring import Line  # noqa: PLC0415

    try:
        return Line(settings)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise Refused(f"the data folder {settings.data} cannot be used: {reason}") from problem
    except ValueError as problem:
        raise BadRequest(f"a setting is wrong: {problem}", code="INVALID_SETTING") from problem


def note(sentence: str) -> None:
    """One line for the person at the terminal, beside the command's output."""
    print(f"lernline: {sentence}", file=sys.stderr, flush=True)  # noqa: T201  the command line speaks


def show(text: str = "") -> None:
    """A line of the command's output."""
    print(text)  # noqa: T201  the command line speaks


def show_json(value: Any) -> None:
    """The command's output for a program."""
    import msgspec  # noqa: PLC0415

    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def console() -> Console:
    """The terminal, for tables and colours; a pipe gets plain text of full width."""
    from rich.console import Console  # noqa: PLC0415

    if sys.stdout.isatty():
        return Console()
    return Console(width=200, no_color=True, highlight=False)


def show_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table; cells are shown as they are, never as markup."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console().print(table)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on a terminal, nothing elsewhere. The block calls it with the amount done and the total (None: unknown)."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
