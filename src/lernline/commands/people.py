"""``users import`` and ``token``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lernline.commands.options import Data, Json, Sets
from lernline.commands.session import open_line, progress_bar, settings_from, show, show_json
from lernline.errors import BadRequest


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="The user directory.", no_args_is_help=True)
    group.command("import")(import_profiles)
    app.add_typer(group, name="users")
    app.command()(token)


def import_profiles(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="CSV with a header, or JSON lines; fields are named as in the platform's user cache."
        ),
    ],
    data: Data = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Bring in users' profiles; learners whose certificate waited for their name get it now."""
    settings = settings_from(data, sets)
    if not file.is_file():
        raise BadRequest(f"{file}: there is no such file")
    with open_line(settings) as line, progress_bar("importing users") as bar:
        from lernline.people.service import import_users  # noqa: PLC0415

        done = import_users(line.store, line.clock, file, bar)
    if as_json:
        show_json(done)
        return
    show(f"{done.profiles} profiles are in the directory.")
    if done.certificate_requests:
        show(f"{done.certificate_requests} finished enrolments without a certificate are looked at again.")


def token(
    user: Annotated[str, typer.Option("--user", help="Id of the user that the token is for.")],
    role: Annotated[
        list[str] | None,
        typer.Option("--role", help="A role such as COURSE_MENTOR; may be given several times.", show_default=False),
    ] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", help="The user's channel (tenant).", show_default=False)
    ] = None,
    hours: Annotated[float, typer.Option("--hours", min=0.01, help="How long the token is good for.")] = 1.0,
    data: Data = None,
    sets: Sets = None,
) -> None:
    """Mint a user token for this installation and print it; send it as x-authenticated-user-token."""
    settings = settings_from(data, sets)
    if not user.strip():
        raise BadRequest("--user: the id is empty")
    from lernline.api.tokens import mint_token  # noqa: PLC0415

    folder = settings.token_keys or settings.keys / "tokens"
    try:
        show(mint_token(folder, user.strip(), role or (), channel, hours * 3600))
    except OSError as problem:
        raise BadRequest(f"the key folder {folder} cannot be used: {problem.strerror}") from problem
