"""The command line on a data folder of its own."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lernline.settings import Settings
from lernline.wiring import Line
from support.terminal import Running, Start, Terminal


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def lernline(data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "200")
    return Terminal(data, capsys)


@pytest.fixture
def opened(data: Path) -> Iterator[Line]:
    """The line behind the commands' data folder, for looking and for setting up."""
    line = Line(Settings(data=data))
    yield line
    line.close()


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Running] = []

    def begin(*arguments: str) -> Running:
        running.append(Running(*arguments))
        return running[-1]

    yield begin
    for one in running:
        one.stop(signal.SIGTERM)
