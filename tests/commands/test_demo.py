from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from support.terminal import Terminal


@pytest.mark.slow
def test_the_demo_shows_what_the_documented_sample_shows(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = subprocess.run(
        [sys.executable, "-m", "lernline.cli", "demo", "--folder", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = list(csv.DictReader((folder / "progress.csv").read_text(encoding="utf-8").splitlines()))
    by_name = {row["User Name"]: row for row in rows}
    shown = ("State", "Progress", "Certificate Status", "Total Score")
    assert [by_name["Mathew Pallan"][name] for name in shown] == ["Andhra Pradesh", "100", "Issued", "7"]
    assert [by_name["Krishna Jampana"][name] for name in shown] == ["Andhra Pradesh", "57", "", "6"]
    assert len(rows) == 6
    assert by_name[""]["State"] == ""
    batches = {row["Batch Id"] for row in rows}
    assert len(batches) == 1
    assert batches.pop() in done.stdout
    assert "certificate.json is valid." in done.stdout
    assert "Mathew Pallan" in (folder / "certificate.svg").read_text(encoding="utf-8")


def test_a_folder_of_somebody_else_is_left_alone(lernline: Terminal, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    outcome = lernline.bare("demo", "--folder", tmp_path)
    assert outcome.code == 1
    assert "is no demo's" in outcome.err
    assert (tmp_path / "thesis.txt").read_text() == "mine"
