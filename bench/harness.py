"""What every measurement shares: a place for its result, and the line that it prints."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def report(
    name: str,
    what: str,
    values: Sequence[float],
    unit: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    peer: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    """Write ``results/<name>.json`` and print one line; the figure is the median of the runs."""
    value = statistics.median(values)
    met = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    result = {
        "name": name,
        "what": what,
        "value": round(value, 3),
        "unit": unit,
        "at_least": at_least,
        "at_most": at_most,
        "met": met,
        "spread": [round(min(values), 3), round(max(values), 3)],
        "machine": machine(),
        "commit": commit(),
        "peer": peer,
        **more,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    goal = f"at least {at_least:g}" if at_least is not None else f"at most {at_most:g}"
    sign = "met" if met else "MISSED"
    print(f"{name:24} {value:12,.1f} {unit:12} ({goal}: {sign}; {min(values):,.1f} … {max(values):,.1f})", flush=True)


def machine() -> str:
    """Processor, cores and Python of this machine."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def commit() -> str:
    """The commit that was measured."""
    found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return found.stdout.strip()
