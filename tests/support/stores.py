"""Stores that the conformance suite runs against: put another adapter's maker beside ``sqlite``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lernline.clock import FixedClock
from lernline.settings import Settings
from lernline.store.port import Store
from lernline.wiring import Line

from .worlds import NOW


def sqlite(folder: Path) -> Iterator[Store]:
    line = Line(Settings(data=folder), FixedClock(NOW))
    yield line.store
    line.close()


STORES = (sqlite,)
