from __future__ import annotations

import json
from pathlib import Path

import pytest

from lernline import cli
from lernline.settings import Settings
from lernline.wiring import Line
from support.worlds import BATCH, enrol, set_up


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    line = Line(Settings(data=tmp_path))
    set_up(line)
    enrol(line, "u1")
    line.close()
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = 0
    try:
        cli.main(["explain", *arguments])
    except SystemExit as end:
        code = int(end.code or 0)
    return code, capsys.readouterr().out


def test_every_station_is_shown_with_what_to_do(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out = run(capsys, "--user", "u1", "--batch", BATCH, "--data", str(folder))
    assert code == 0
    assert "○ recorded" in out
    assert "→ The learner has to finish these lessons." in out


def test_json_holds_the_same_for_a_program(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out = run(capsys, "--user", "u1", "--batch", BATCH, "--data", str(folder), "--json")
    assert code == 0
    assert [step["station"] for step in json.loads(out)["steps"]] == [
        "recorded",
        "rolled up",
        "completed",
        "certified",
        "reported",
    ]


def test_an_unknown_batch_is_an_exit_code_that_a_script_sees(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    code, out = run(capsys, "--user", "u1", "--batch", "nowhere", "--data", str(folder))
    assert code == 1
    assert "batch nowhere does not exist here" in out
