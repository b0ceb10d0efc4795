from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lernline.store.port import Store
from support.stores import STORES


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    yield from request.param(tmp_path)
