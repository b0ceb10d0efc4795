from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.streams import STREAMS, StreamWorld


@pytest.fixture(params=STREAMS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StreamWorld]:
    yield from request.param(tmp_path)
