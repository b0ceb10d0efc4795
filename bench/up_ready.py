"""How long `lernline up` takes until /health answers, on a folder that exists."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from harness import report
from service import running

RUNS = 5


def seconds(folder: Path) -> float:
    started = time.perf_counter()
    with running(folder):
        return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "data"
        first = seconds(folder)
        report(
            "up-ready",
            "lernline up until /health answers 200",
            [seconds(folder) for _ in range(RUNS)],
            "s",
            at_most=2,
            first_start=round(first, 2),
        )


if __name__ == "__main__":
    main()
