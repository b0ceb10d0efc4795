"""``demo``: a course played from the first lesson to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(demo)


def demo(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            help="Where to put everything; default ./demo-data, made anew each time.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Set up a service, play a course through it with a real client, show certificates and the report."""
    from lernline.demo.play import play  # noqa: PLC0415

    raise typer.Exit(play(folder or Path("demo-data")))
