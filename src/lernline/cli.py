"""``lernline``, the command line. Commands live in ``lernline.commands``; this puts them together.

Exit codes: 0 done · 1 refused or failed, with one sentence on standard error · 2 wrong usage · 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

import lernline
from lernline.commands import catalog, certificates, dead_letters, demonstration, explaining, people, reports, running
from lernline.errors import LernlineError

app = typer.Typer(
    name="lernline",
    help="One line for learning platforms: lesson events recorded, rolled up into progress, certified and reported.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (running, catalog, people, reports, explaining, certificates, dead_letters, demonstration):
    group.register(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lernline {lernline.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """One line for learning platforms: lesson events recorded, rolled up into progress, certified and reported."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code; an error is one sentence, never a traceback."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="lernline")
    except LernlineError as problem:
        typer.echo(f"lernline: {problem.message}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        # whoever read the output has gone; there is nobody to tell, and Python must not try at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
