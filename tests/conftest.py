"""A running line for every test that asks for one, in a folder of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lernline.clock import FixedClock, SystemClock
from lernline.settings import Settings
from lernline.wiring import Line
from support.worlds import NOW


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def line(tmp_path: Path, clock: FixedClock) -> Iterator[Line]:
    """A line whose clock stands still until the test moves it."""
    line = Line(Settings(data=tmp_path), clock)
    yield line
    line.close()


@pytest.fixture
def live_line(tmp_path: Path) -> Iterator[Line]:
    """A line on the machine's own clock, for tests with threads and processes."""
    line = Line(Settings(data=tmp_path), SystemClock())
    yield line
    line.close()


@pytest.fixture(scope="module")
def shared_line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """One line for many examples of a property; every example brings learners of its own."""
    line = Line(Settings(data=tmp_path_factory.mktemp("line")), FixedClock(NOW))
    yield line
    line.close()
