from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import pytest

from lernline.model import UserProfile
from lernline.wiring import Line
from support.terminal import Terminal
from support.worlds import BATCH, enrol, set_up


def test_a_report_is_asked_for_run_and_shown(lernline: Terminal, opened: Line) -> None:
    set_up(opened)
    enrol(opened, "u1", "u2")
    asked = lernline("exhaust", "request", "progress", "--batch", BATCH, "--json").json
    assert (asked["status"], asked["dataset"], asked["files"]) == ("SUBMITTED", "progress-exhaust", [])
    assert [row["request"] for row in lernline("exhaust", "list", "--json").json] == [asked["request"]]
    assert lernline("exhaust", "run").code == 0
    shown = lernline("exhaust", "show", asked["request"].lower(), "--json").json
    assert (shown["status"], shown["percent"], shown["rows"]) == ("SUCCESS", 100, 2)
    assert len(Path(shown["files"][0]).read_text().splitlines()) == 3
    assert "SUCCESS" in lernline("exhaust", "list").out
    assert lernline("exhaust", "list", "--status", "failed", "--json").json == []


def test_asking_again_gives_the_finished_request_and_force_a_new_file(lernline: Terminal, opened: Line) -> None:
    set_up(opened)
    enrol(opened, "u1")
    ask = ("exhaust", "request", "progress", "--batch", BATCH, "--wait", "--json")
    first = lernline(*ask).json
    assert lernline(*ask).json["submitted"] == first["submitted"]
    assert lernline(*ask, "--force").json["submitted"] > first["submitted"]


def test_a_password_seals_the_file(lernline: Terminal, opened: Line) -> None:
    set_up(opened)
    enrol(opened, "u1")
    done = lernline(
        "exhaust", "request", "progress", "--batch", BATCH, "--password", "correct horse", "--wait", "--json"
    )
    assert done.code == 0, done.err
    assert done.json["files"][0].endswith(".zip")
    with zipfile.ZipFile(done.json["files"][0]) as sealed:
        assert all(one.flag_bits & 1 for one in sealed.infolist())


def test_a_file_for_excel_is_one_that_excel_reads(lernline: Terminal, opened: Line) -> None:
    set_up(opened)
    enrol(opened, "u1")
    opened.store.save_profiles([UserProfile(userid="u1", firstname="=Zoë", lastname="कुमार")])
    done = lernline("exhaust", "request", "progress", "--batch", BATCH, "--for", "excel", "--wait", "--json")
    content = Path(done.json["files"][0]).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == content.count(b"\n") == 2
    (row,) = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert row["User Name"] == "'=Zoë कुमार"


def test_nothing_waits_is_said_in_words(lernline: Terminal) -> None:
    assert lernline("exhaust", "run").out == "No request waits.\n"
    assert lernline("exhaust", "list").out == "No report has been asked for.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("progress", "--batch", "nowhere"), "--batch nowhere: there is no such batch"),
        (("grades", "--batch", BATCH), "there is no report 'grades'"),
        (("progress", "--batch", BATCH, "--layout", "v9"), "layout"),
        (("progress", "--batch", BATCH, "--for", "lotus"), "excel"),
        (("progress", "--batch", BATCH, "--password", "abc123"), "8"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(
    lernline: Terminal, opened: Line, arguments: tuple[str, ...], said: str
) -> None:
    set_up(opened)
    outcome = lernline("exhaust", "request", *arguments)
    assert outcome.code == 1
    assert said in outcome.err
    assert "abc123" not in outcome.err
    assert lernline("exhaust", "list", "--json").json == []


def test_a_request_that_does_not_exist_is_named(lernline: Terminal) -> None:
    outcome = lernline("exhaust", "show", "ABC")
    assert outcome.code == 1
    assert "ABC" in outcome.err
