"""How long `lernline --help` takes, whole process, against an empty Python as peer."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from harness import report

RUNS = 15


def milliseconds(*command: str | Path) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    program = Path(sys.executable).parent / "lernline"
    milliseconds(program, "--help")
    values = [milliseconds(program, "--help") for _ in range(RUNS)]
    empty = sorted(milliseconds(sys.executable, "-c", "pass") for _ in range(RUNS))[RUNS // 2]
    report(
        "cli-start",
        "lernline --help, whole process",
        values,
        "ms",
        at_most=300,
        peer={"name": "python -c pass", "value": round(empty, 1), "unit": "ms"},
    )


if __name__ == "__main__":
    main()
