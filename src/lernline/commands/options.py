"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder of the database, files, keys and reports (setting `data`; default ./lernline-data).",
        show_default=False,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting by its name, for this run: --set time_zone=UTC. May be given several times.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program instead of text for a person.")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on (setting `host`).", show_default=False)]
Port = Annotated[
    int | None,
    typer.Option("--port", help="Port to listen on; 0 takes a free one (setting `port`).", show_default=False),
]
