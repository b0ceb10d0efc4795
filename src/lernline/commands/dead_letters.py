"""``dead-letters``: records that a station set aside, to be looked at, replayed after a fix, or dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lernline.commands.options import Data, Json, Sets
from lernline.commands.session import open_line, settings_from, show, show_json, show_table
from lernline.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from lernline.model import DeadLetter
    from lernline.store.port import Store

_ALL = 1_000_000
_AT_ONCE = 500

Ids = Annotated[list[int] | None, typer.Argument(metavar="[N…]", help="Numbers of dead letters, as `list` shows them.")]
Stage = Annotated[
    str | None, typer.Option("--stage", help="Only those of one stage, such as progress.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="All that wait (with --stage: all of that stage).")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Records that were set aside, with their reasons.", no_args_is_help=True)
    group.command("list")(list_letters)
    group.command("show")(show_letter)
    group.command()(replay)
    group.command()(drop)
    app.add_typer(group, name="dead-letters")


def list_letters(
    stage: Stage = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most rows to show.")] = 50,
    data: Data = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """List the dead letters that wait, newest first."""
    with open_line(settings_from(data, sets)) as line:
        letters = line.store.dead_letters(stage=stage, limit=limit)
    if as_json:
        show_json([_summary(one) for one in letters])
        return
    if not letters:
        show("No dead letter waits.")
        return
    columns = ("id", "when", "stage", "topic", "learner", "code", "reason")
    show_table("", columns, [[_summary(one)[name] for name in columns] for one in letters])


def show_letter(
    number: Annotated[int, typer.Argument(metavar="N", help="Number of the dead letter.")],
    data: Data = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Show one dead letter: reason, the record itself, and the stack."""
    with open_line(settings_from(data, sets)) as line:
        letter = line.store.dead_letter(number)
    if letter is None:
        raise NotFound(f"there is no dead letter {number}; see `lernline dead-letters list`")
    if as_json:
        value = _decoded(letter.value)
        show_json(
            _summary(letter) | {"state": letter.state, "headers": letter.headers, "stack": letter.stack, "value": value}
        )
        return
    for name, value in (_summary(letter) | {"state": letter.state}).items():
        show(f"{name:8} {value}")
    for name, value in letter.headers.items():
        show(f"header   {name}: {value}")
    show("\nvalue")
    show(_pretty(letter.value))
    if letter.stack:
        show(f"\nstack\n{letter.stack.rstrip()}")


def replay(
    numbers: Ids = None, everything: All = False, stage: Stage = None, data: Data = None, sets: Sets = None
) -> None:
    """Put dead letters back on their topics. What was applied already is not counted twice."""
    with open_line(settings_from(data, sets)) as line:
        from lernline.model import Changes, Event  # noqa: PLC0415

        letters = _chosen(line.store, numbers, stage, everything=everything)
        for start in range(0, len(letters), _AT_ONCE):
            some = letters[start : start + _AT_ONCE]
            line.store.commit(
                Changes(
                    events=[Event(one.topic, one.key, one.value, one.headers) for one in some],
                    closed_letters=[(one.id, "replayed") for one in some],
                )
            )
    show(f"{len(letters)} {'record is' if len(letters) == 1 else 'records are'} back on the line.")


def drop(
    numbers: Ids = None, everything: All = False, stage: Stage = None, data: Data = None, sets: Sets = None
) -> None:
    """Give dead letters up. They are not replayed any more; their rows stay, marked as dropped."""
    with open_line(settings_from(data, sets)) as line:
        letters = _chosen(line.store, numbers, stage, everything=everything)
        for start in range(0, len(letters), _AT_ONCE):
            line.store.close_dead_letters([one.id for one in letters[start : start + _AT_ONCE]], "dropped")
    show(f"{len(letters)} {'record was' if len(letters) == 1 else 'records were'} dropped.")


def _chosen(store: Store, numbers: list[int] | None, stage: str | None, *, everything: bool) -> list[DeadLetter]:
    """The letters that are meant, oldest first.

    Raises:
        BadRequest: neither numbers nor --all, or both.
        NotFound: a number that does not wait; nothing is done then.
    """
    if everything == bool(numbers):
        raise BadRequest("name dead letters by their numbers, or give --all (with --stage for one stage)")
    if everything:
        return store.dead_letters(stage=stage, limit=_ALL)[::-1]
    if stage is not None:
        raise BadRequest("--stage goes with --all; numbers alone name dead letters already")
    letters = []
    for number in sorted(set(numbers or ())):
        letter = store.dead_letter(number)
        if letter is None:
            raise NotFound(f"there is no dead letter {number}; nothing was done")
        if letter.state != "waiting":
            raise NotFound(f"dead letter {number} was {letter.state} already; nothing was done")
        letters.append(letter)
    return letters


def _summary(letter: DeadLetter) -> dict[str, Any]:
    from lernline.times import format_iso  # noqa: PLC0415

    return {
        "id": letter.id,
        "when": format_iso(letter.at),
        "stage": letter.stage,
        "topic": letter.topic,
        "learner": letter.key,
        "code": letter.code,
        "reason": letter.reason,
    }


def _decoded(value: bytes) -> Any:
    import msgspec  # noqa: PLC0415

    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return value.decode("utf-8", "replace")


def _pretty(value: bytes) -> str:
    import msgspec  # noqa: PLC0415

    decoded = _decoded(value)
    if isinstance(decoded, str):
        return decoded
    return msgspec.json.format(msgspec.json.encode(decoded), indent=2).decode()
