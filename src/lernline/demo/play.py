"""The demo's scenes, one after the other, with the time that each takes."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lernline.demo.cast import CERTIFICATE, CERTIFIED, LEARNERS, LESSONS, MATHEW, OPTIONAL, QUIZZES, STRANGER, Learner
from lernline.demo.client import Client, DemoFailed, wait_for

_PROPS = Path(__file__).parent
_MARK = ".lernline-demo"
_SHOWN = (
    "Batch Id",
    "User Name",
    "State",
    "District",
    "Completion Date",
    "Progress",
    "Certificate Status",
    "Total Score",
)


def play(folder: Path) -> int:
    """Everything from an empty folder to the report; gives the exit code.

    Raises:
        DemoFailed: something did not happen; the service's log in the folder may tell more.
    """
    console = Console() if sys.stdout.isatty() else Console(width=150, highlight=False)
    _make(folder)
    scenes: list[tuple[str, float]] = []

    @contextmanager
    def scene(title: str) -> Iterator[None]:
        console.print(Text(f"\n▸ {title}", style="bold"))
        begun = time.monotonic()
        yield
        scenes.append((title, time.monotonic() - begun))

    begun = time.monotonic()
    data = folder / "data"
    log = (folder / "service.log").open("wb")
    with scene("Start the service"):
        service = subprocess.Popen(  # noqa: S603  our own interpreter and arguments
            _lernline("up", "--data", str(data), "--port", "0"), stdout=subprocess.PIPE, stderr=log
        )
    try:
        with scene("Wait until it is ready"):
            address = _address(service)
            console.print(f"  {address}, data in {data}")
        client = Client(address, data / "keys" / "tokens")
        _acts(console, scene, client, folder, data)
        client.close()
        with scene("Stop the service"):
            service.terminate()
            service.wait(20)
    finally:
        if service.poll() is None:
            service.terminate()
            service.wait(20)
        log.close()
    _close(console, scenes, time.monotonic() - begun, folder)
    return 0


def _acts(console: Console, scene: Any, client: Client, folder: Path, data: Path) -> None:
    def command(*arguments: str) -> str:
        done = subprocess.run(  # noqa: S603  our own interpreter and arguments
            _lernline(*arguments, "--data", str(data)), capture_output=True, text=True, check=False
        )
        console.print(Text(f"  $ lernline {' '.join(arguments)}", style="dim"))
        if done.returncode:
            raise DemoFailed(f"lernline {arguments[0]}: {done.stderr.strip()}")
        for line in done.stdout.splitlines():
            console.print(Text(f"  {line}"))
        return done.stdout

    with scene("Import the course, the certificate template and the users"):
        command("course", "import", str(_PROPS / "course.json"), str(_PROPS / "certificate-template.json"))
        command("users", "import", str(_PROPS / "users.csv"))
    with scene("Create a batch with a certificate template"):
        today = datetime.now(ZoneInfo("Asia/Kolkata")).date().isoformat()
        batchid = client.create_batch("Science Batch 1", today)
        client.attach(batchid, CERTIFICATE)
        console.print(f"  batch {batchid}, begins {today}; certificate for completion and a best score of 60 % or more")
    with scene("Enrol the learners and play their lessons"):
        before = client.calls
        for learner in LEARNERS:
            client.enrol(learner, batchid)
            _learn(client, learner, batchid)
        console.print(f"  {len(LEARNERS)} learners, {client.calls - before} requests")
    with scene("Wait for the line: rolled up, completed, certified"):
        issued = {learner.name: _certificate(client, learner, batchid) for learner in CERTIFIED}
        for name, identifier in issued.items():
            console.print(f"  {name}: certificate {identifier}")
    with scene("Verify a certificate offline and draw it"):
        credential, picture = folder / "certificate.json", folder / "certificate.svg"
        drawing = str(_PROPS / "certificate.svg")
        command(
            "certificate", issued[MATHEW.name], "--out", str(credential), "--svg", str(picture), "--template", drawing
        )
        command("verify", str(credential))
    with scene("Ask why a learner has no certificate"):
        command("explain", "--user", STRANGER.userid, "--batch", batchid)
    with scene("Ask for the progress report and download it"):
        job = client.ask_for_report(batchid)
        done = wait_for("the report", lambda: _ended(client.report(job)))
        if done["status"] != "SUCCESS":
            raise DemoFailed(f"the report failed: {done.get('statusMessage')}")
        report = folder / "progress.csv"
        report.write_bytes(client.download(done["downloadUrls"][0]))
        rows = list(csv.DictReader(io.StringIO(report.read_text("utf-8"))))
        _show(console, rows)
        detail = done.get("detail", {})
        missing = detail.get("missingProfiles", sum(not row["User Name"] for row in rows))
        console.print(f"  {len(rows)} rows; {missing} of a learner whom the user directory does not know")


def _learn(client: Client, learner: Learner, batchid: str) -> None:
    for contentid in LESSONS[: learner.lessons]:
        client.open_and_finish(learner, batchid, contentid)
    if learner.optional:
        client.open_and_finish(learner, batchid, OPTIONAL)
    for contentid, points in zip(QUIZZES, learner.points, strict=False):
        client.take(learner, batchid, contentid, points)


def _certificate(client: Client, learner: Learner, batchid: str) -> str:
    found = wait_for(
        f"the certificate of {learner.name}", lambda: client.enrolment(learner, batchid).get("issuedCertificates")
    )
    return str(found[0]["identifier"])


def _ended(job: dict[str, Any]) -> dict[str, Any] | None:
    return job if job["status"] in {"SUCCESS", "FAILED"} else None


def _show(console: Console, rows: list[dict[str, str]]) -> None:
    table = Table()
    for name in _SHOWN:
        table.add_column(name, justify="right" if name in {"Progress", "Total Score"} else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[name]) for name in _SHOWN))
    console.print(table)


def _close(console: Console, scenes: list[tuple[str, float]], total: float, folder: Path) -> None:
    table = Table(title="\nTime of each step", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for title, seconds in scenes:
        table.add_row(title, f"{seconds:.2f}")
    table.add_row("All of it", f"{total:.2f}", style="bold")
    console.print(table)
    console.print("\nFiles:")
    for name in ("progress.csv", "certificate.json", "certificate.svg", "service.log", "data"):
        console.print(f"  {folder / name}")


def _make(folder: Path) -> None:
    """An empty folder; one that an earlier demo left is made anew, one of somebody else is refused."""
    if folder.exists():
        if not (folder / _MARK).exists() and any(folder.iterdir()):
            raise DemoFailed(f"{folder} exists and is no demo's; name another folder with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()


def _address(service: subprocess.Popen[bytes]) -> str:
    assert service.stdout is not None
    found = re.search(r"http://\S+", service.stdout.readline().decode())
    if found is None:
        raise DemoFailed("the service did not start; service.log in the demo's folder says why")
    return found[0]


def _lernline(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lernline.cli", *arguments]
