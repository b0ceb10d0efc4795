"""A desk and a runner over a real line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from lernline.wiring import Line
from report_worlds import Office


@pytest.fixture
def office(line: Line) -> Office:
    """Everything that reports need, on a line whose clock stands still."""
    return Office(line)


@pytest.fixture
def open_office(tmp_path: Path) -> Callable[..., Office]:
    """Offices with settings of their own."""

    def opened(**settings: Any) -> Office:
        return Office.on(tmp_path, **settings)

    return opened
