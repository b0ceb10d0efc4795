"""The tutorial is followed to the letter; ids that differ from run to run are put in."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tutorial" / "first-course.md"
PORT = "9000"
_BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COMMAND = re.compile(r"(?:lernline |curl |BATCH=|NOW=|MEERA=)")


def blocks() -> list[tuple[str, str]]:
    return [(kind, text) for kind, text in _BLOCK.findall(PAGE.read_text()) if "pip install" not in text]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in which the service runs, with the files that the page asks for."""
    trees = [text for kind, text in blocks() if kind == "json"]
    (tmp_path / "course.json").write_text(trees[0])
    (tmp_path / "template.json").write_text(trees[1])
    users = next(text for _, text in blocks() if text.startswith("userid,"))
    (tmp_path / "users.csv").write_text(users)
    with (tmp_path / "up.log").open("wb") as log:
        service = subprocess.Popen(["lernline", "up"], cwd=tmp_path, env=surroundings(tmp_path), stdout=log, stderr=log)
        try:
            wait_for(tmp_path / "up.log", "Lernline is ready")
            yield tmp_path
        finally:
            service.send_signal(signal.SIGTERM)
            service.wait(30)


def surroundings(folder: Path) -> dict[str, str]:
    port_file = folder / "port"
    if not port_file.exists():
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port_file.write_text(str(listener.getsockname()[1]))
    mine = {name: value for name, value in os.environ.items() if not name.startswith("LERNLINE_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), mine["PATH"]])
    return mine | {"LERNLINE_PORT": port_file.read_text(), "PATH": path}


def wait_for(file: Path, text: str) -> None:
    deadline = time.monotonic() + 60
    while text not in file.read_text():
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.1)


def run(folder: Path, command: str, known: dict[str, str]) -> str:
    """One block of commands, with what is known by now in place of the page's ids."""
    around = surroundings(folder)
    for name, value in known.items():
        command = re.sub(rf"^{name}=\S+$", f"{name}={value}", command, flags=re.MULTILINE)
    command = command.replace(PORT, around["LERNLINE_PORT"])
    if "certificate" in known:
        command = _UUID.sub(known["certificate"], command)
    done = subprocess.run(
        ["bash", "-eu", "-c", command], cwd=folder, env=around | known, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial uses curl")
def test_the_tutorial_ends_with_a_certificate_that_is_valid_and_a_report(folder: Path) -> None:
    known: dict[str, str] = {"API": f"http://127.0.0.1:{surroundings(folder)['LERNLINE_PORT']}/api"}
    told: list[str] = []
    for kind, text in blocks():
        if kind or not _COMMAND.match(text) or text.strip() == "lernline up":
            continue
        if text.startswith("MEERA="):
            for name, token in re.findall(r"^(\w+)=\$\((lernline token .+)\)$", text, re.MULTILINE):
                known[name] = run(folder, token, known).strip()
            continue
        if text.startswith("lernline certificate"):
            known["certificate"] = wait_for_certificate(folder, known)
        told.append(run(folder, text, known))
        batch = re.search(r'"batchId":"(\d+)"', told[-1])
        if batch:
            known["BATCH"] = batch[1]
    everything = "\n".join(told)
    assert "4 lessons, 3 of them required, 1 assessments, 2 units" in everything
    assert "2 profiles are in the directory." in everything
    assert "2 of 3 required lessons are complete; missing: do_quiz 'Quiz'" in everything
    assert "asha.json is valid." in everything
    assert "<svg" in (folder / "asha.svg").read_text()
    assert "Asha Rao,Karnataka,Mysuru" in wait_for_report(folder)


def wait_for_certificate(folder: Path, known: dict[str, str]) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = _UUID.search(run(folder, "lernline explain --user asha --batch $BATCH", known))
        if found:
            return found[0]
    raise AssertionError("no certificate was issued")


def wait_for_report(folder: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        files = list((folder / "lernline-data" / "files").rglob("*.csv"))
        if files:
            return files[0].read_text()
        time.sleep(0.2)
    raise AssertionError("no report was made")
