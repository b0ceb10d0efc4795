"""The sealed progress report of a 1,000,000-learner batch: seconds from asking to SUCCESS, and peak memory.

The report runs in a process of its own; the world is built, exported and handed to the peer in others, so that the
peak is the report's. With PySpark and Java at hand the peer reports the same world in the same run: PySpark of this
environment, or of the Python that PEER_PYTHON names. LEARNERS sets a smaller world.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness import report

NAME = "exhaust-1m-sealed"
LEARNERS = int(os.environ.get("LEARNERS", "1000000"))
RUNS = 3
PEAK_AT_MOST_MIB = 2048
PASSWORD = "correct horse battery"
PEER = Path(__file__).parent / "peers" / "progress_on_spark.py"


def build_world(folder: Path) -> dict[str, Any]:
    from report_worlds import build, need_disk  # noqa: PLC0415  in this process alone

    need_disk(folder, 16)
    world = build(folder / "data", learners=LEARNERS, batches=1, population=LEARNERS)
    return {"learners": world.learners, "enrolments": world.enrolments, "missing": world.missing}


def make_report(folder: Path, world: dict[str, Any]) -> dict[str, Any]:
    from lernline.settings import Settings  # noqa: PLC0415  in this process alone
    from lernline.wiring import Line  # noqa: PLC0415  in this process alone
    from report_worlds import World, quiet, run_report  # noqa: PLC0415  in this process alone

    quiet()
    line = Line(Settings(data=folder / "data"))
    seconds, path = run_report(line, World(folder / "data", **world), password=PASSWORD)
    line.close()
    return {"seconds": seconds, "file": str(path), "mib": round(path.stat().st_size / 2**20, 1)}


def check_file(file: Path) -> dict[str, Any]:
    """The zip opens with its password alone, and has a line per learner and a header."""
    import pyzipper  # noqa: PLC0415  in this process alone

    with pyzipper.AESZipFile(file) as archive:
        (entry,) = archive.infolist()
        try:
            archive.open(entry, pwd=b"another one").read(1)
        except RuntimeError:
            pass
        else:
            raise SystemExit("the report opens with a wrong password")
        with archive.open(entry, pwd=PASSWORD.encode()) as content:
            rows = sum(piece.count(b"\n") for piece in iter(lambda: content.read(1 << 20), b""))
    if rows != LEARNERS + 1:
        raise SystemExit(f"the report has {rows:,} lines and should have {LEARNERS + 1:,}")
    return {"csv_mib": round(entry.file_size / 2**20, 1)}


def export(folder: Path) -> dict[str, Any]:
    """The world as the peer reads it, as Parquet with the contract's types."""
    sys.path.insert(0, str(PEER.parent))
    from world_as_parquet import export_world  # noqa: PLC0415  in this process alone

    export_world(folder / "data" / "lernline.db", folder / "parquet")
    return {}


def child(*arguments: str) -> tuple[dict[str, Any], resource.struct_rusage]:
    """What this script answers in another process, and what that process and its children used."""
    with tempfile.TemporaryFile("w+") as answer:
        process = subprocess.Popen([sys.executable, __file__, *arguments], stdout=answer)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{arguments[0]} ended with code {process.returncode}")
        answer.seek(0)
        return json.load(answer), usage


def peer_python() -> str | None:
    """A Python that has PySpark, when there is Java as well."""
    named = os.environ.get("PEER_PYTHON")
    if shutil.which("java") is None or (named is None and importlib.util.find_spec("pyspark") is None):
        return None
    return named or sys.executable


def run_peer(folder: Path, seconds: float) -> dict[str, Any] | None:
    python = peer_python()
    if python is None:
        print(f"{'':24} peer skipped: it needs Java and PySpark (install the extra `bench`, or set PEER_PYTHON)")
        return None
    child("export", str(folder))
    done = subprocess.run(
        [python, PEER, folder / "parquet", folder / "spark"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        print(f"{'':24} peer skipped: it ended with code {done.returncode}")
        return None
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    ratio = found["seconds"] / seconds
    print(
        f"{'':24} {found['seconds']:12.1f} s            on Spark, without a seal: {ratio:.1f} times as long"
        f" ({found['rows']:,} rows; starting Spark took {found['start_seconds']:.1f} s more)"
    )
    return {
        "name": found["name"],
        "value": round(found["seconds"], 3),
        "unit": "s",
        "ratio": round(ratio, 2),
        "rows": found["rows"],
        "start_s": round(found["start_seconds"], 3),
        "sealed": False,
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        world, _ = child("build", parent)
        made = [child("report", parent, json.dumps(world)) for _ in range(RUNS)]
        seconds = [answer["seconds"] for answer, _ in made]
        checked, _ = child("check", made[-1][0]["file"])
        peak = max(usage.ru_maxrss for _, usage in made) / 1024
        busy = statistics.median(usage.ru_utime + usage.ru_stime for _, usage in made)
        peer = run_peer(folder, statistics.median(seconds))
    report(
        NAME,
        f"progress report of {LEARNERS:,} learners as a sealed zip, asked to SUCCESS, first report of its process",
        seconds,
        "s",
        at_most=12,
        peer=peer,
        learners=LEARNERS,
        processor_s=round(busy, 1),  # of the whole process; on two idle cores half of it is the least it can take
        peak_mib=round(peak),
        peak_at_most_mib=PEAK_AT_MOST_MIB,
        peak_met=peak < PEAK_AT_MOST_MIB,
        zip_mib=made[-1][0]["mib"],
        **checked,
    )
    sign = "met" if peak < PEAK_AT_MOST_MIB else "MISSED"
    print(f"{'':24} {peak:12,.0f} MiB          peak (at most {PEAK_AT_MOST_MIB:,}: {sign})")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["build", folder]:
            print(json.dumps(build_world(Path(folder))))
        case ["report", folder, world]:
            print(json.dumps(make_report(Path(folder), json.loads(world))))
        case ["check", file]:
            print(json.dumps(check_file(Path(file))))
        case ["export", folder]:
            print(json.dumps(export(Path(folder))))
        case _:
            main()
