"""The progress report of a 20,000-learner batch, from asking to SUCCESS, in a small store and in a large one.

Usage: exhaust_20k.py exhaust-20k-in-100k | exhaust-20k-in-5m. The second builds both stores and measures them in
turn, so that their ratio comes from one run.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from harness import report
from lernline.settings import Settings
from lernline.wiring import Line
from report_worlds import World, build, need_disk, quiet, run_report

LEARNERS, RUNS = 20_000, 7
RATIO_AT_MOST = 1.2
SMALL, LARGE = "exhaust-20k-in-100k", "exhaust-20k-in-5m"


def small(folder: Path) -> World:
    return build(folder / "small", learners=LEARNERS, batches=5, population=2 * LEARNERS)


def large(folder: Path) -> World:
    return build(folder / "large", learners=LEARNERS, batches=250, population=20 * LEARNERS)


def opened(world: World) -> Line:
    return Line(Settings(data=world.folder, exhaust_batches_limit_per_channel=1_000))


def once(line: Line, world: World) -> float:
    seconds, path = run_report(line, world)
    if path.read_bytes().count(b"\n") != world.learners + 1:
        raise SystemExit(f"{path.name} does not have a line per learner and a header")
    return seconds


def from_disk(world: World) -> float:
    """A report in a newly opened store whose pages the system has been asked to forget."""
    line = opened(world)
    handle = os.open(line.settings.database, os.O_RDONLY)
    os.fsync(handle)
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(handle)
    seconds = once(line, world)
    line.close()
    return seconds


def measure(worlds: list[World]) -> list[tuple[float, float, list[float]]]:
    """Per store: the first report after opening it, the first one from a cold disk, and the runs, taken in turn."""
    firsts, lines = [], []
    for world in worlds:
        lines.append(opened(world))
        firsts.append(once(lines[-1], world))
    runs = [[once(line, world) for line, world in zip(lines, worlds, strict=True)] for _ in range(RUNS)]
    for line in lines:
        line.close()
    colds = [from_disk(world) for world in worlds]
    return list(zip(firsts, colds, map(list, zip(*runs, strict=True)), strict=True))


def main(name: str) -> None:
    quiet()
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        need_disk(folder, 12 if name == LARGE else 1)
        worlds = [small(folder), large(folder)] if name == LARGE else [small(folder)]
        measured = measure(worlds)
    first, cold, values = measured[-1]
    more = {
        "first_of_process_s": round(measured[0][0], 3),
        "first_of_store_s": round(first, 3),
        "from_disk_s": round(cold, 3),
        "enrolments": worlds[-1].enrolments,
    }
    what = f"progress report of 20,000 learners in a store of {worlds[-1].enrolments:,} enrolments, asked to SUCCESS"
    if name == SMALL:
        report(name, what, values, "s", at_most=1, **more)
        return
    other = statistics.median(measured[0][2])
    ratio = statistics.median(values) / other
    peer = {
        "name": SMALL,
        "value": round(other, 3),
        "unit": "s",
        "ratio": round(ratio, 3),
        "ratio_at_most": RATIO_AT_MOST,
        "ratio_met": ratio <= RATIO_AT_MOST,
        "spread": [round(min(measured[0][2]), 3), round(max(measured[0][2]), 3)],
    }
    report(name, what, values, "s", at_most=1, peer=peer, **more)
    sign = "met" if ratio <= RATIO_AT_MOST else "MISSED"
    print(f"{'':24} {ratio:12.2f} times the store of {worlds[0].enrolments:,} (at most {RATIO_AT_MOST:g}: {sign})")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else LARGE)
