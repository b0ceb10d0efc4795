"""Every command and option says what it does, and stands in the reference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lernline.cli import app

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"
SHARED = {"--data", "--set", "--json", "--help"}


def commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Every command that can be called, by its whole name."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
        return
    assert command.help, f"{' '.join(path) or 'lernline'} has no help"
    for name, one in inner.items():
        yield from commands(one, *path, name)


ALL = dict(commands(typer.main.get_command(app)))


def sections() -> dict[str, str]:
    """The reference's text by command."""
    found = re.split(r"^### `lernline ([^`]+)`$", REFERENCE.read_text(), flags=re.MULTILINE)[1:]
    return {
        " ".join(
            word for word in heading.split() if word.isascii() and word.islower() and not word.startswith("-")
        ): text
        for heading, text in zip(found[::2], found[1::2], strict=True)
    }


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")}


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_each_of_its_options_has_a_help_text(name: str) -> None:
    command = ALL[name]
    assert command.help
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []


def test_the_reference_has_exactly_the_commands_that_exist() -> None:
    assert set(sections()) == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_the_reference_names_every_option_of_a_command(name: str) -> None:
    text = sections()[name]
    assert {one for one in options(ALL[name]) - SHARED if not named(one, text, name)} == set()


@pytest.mark.parametrize("name", ALL)
def test_the_reference_names_no_option_that_a_command_has_not(name: str) -> None:
    written = set(re.findall(r"`(--[a-z-]+)", sections()[name]))
    assert written - options(ALL[name]) - SHARED == set()


def named(option: str, text: str, name: str) -> bool:
    """Whether the section or its heading names an option."""
    heading = next(line for line in REFERENCE.read_text().splitlines() if line.startswith(f"### `lernline {name}"))
    return f"`{option}" in text or option in heading
