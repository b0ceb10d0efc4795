from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lernline.model import Changes, Enrolment
from lernline.stream import topics
from lernline.wiring import Line
from support.terminal import Terminal
from support.worlds import COURSE, REQUIRED, course_tree, leaf, set_up, unit


def write(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_a_course_is_imported_with_what_follows_from_its_tree(lernline: Terminal, opened: Line, tmp_path: Path) -> None:
    outcome = lernline("course", "import", write(tmp_path / "course.json", course_tree()))
    assert outcome.code == 0
    assert "7 lessons, 6 of them required, 2 assessments, 4 units" in outcome.out
    assert opened.courses.get([COURSE])[COURSE].required == REQUIRED


def test_a_template_asset_is_imported_into_the_catalog(lernline: Terminal, opened: Line, tmp_path: Path) -> None:
    asset = {"identifier": "do_t", "name": "Merit", "primaryCategory": "Certificate Template", "artifactUrl": "x.svg"}
    outcome = lernline("course", "import", write(tmp_path / "asset.json", asset), "--json")
    assert outcome.json == [{"template": "do_t", "name": "Merit"}]
    assert json.loads(opened.store.contents(["do_t"])["do_t"].document)["artifactUrl"] == "x.svg"


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (unit("do_1", unit("do_2", unit("do_1", leaf("a")))), "do_1 contains itself"),
        (unit("do_1", leaf("a"), leaf("a")), "a"),
        (unit("do_1"), "no lesson"),
        ([], "not a JSON object"),
    ],
    ids=["cycle", "repeated", "empty", "list"],
)
def test_a_broken_tree_is_refused_and_nothing_of_the_call_is_kept(
    lernline: Terminal, opened: Line, tmp_path: Path, tree: Any, said: str
) -> None:
    good = write(tmp_path / "good.json", course_tree())
    outcome = lernline("course", "import", good, write(tmp_path / "bad.json", tree))
    assert outcome.code == 1
    assert outcome.err.startswith("lernline: bad.json: ")
    assert said in outcome.err
    assert opened.courses.get([COURSE]) == {}


def test_a_file_that_is_not_there_is_named(lernline: Terminal, tmp_path: Path) -> None:
    for command in (("course", "import"), ("users", "import"), ("load",), ("verify",)):
        outcome = lernline(*command, tmp_path / "nowhere")
        assert outcome.code == 1
        assert "nowhere" in outcome.err


def test_users_are_imported_and_those_who_waited_get_their_certificate(
    lernline: Terminal, opened: Line, tmp_path: Path
) -> None:
    set_up(opened, templates=True)
    rows = [Enrolment("u1", COURSE, "batch-1", status=2), Enrolment("u2", COURSE, "batch-1")]
    opened.store.commit(Changes(enrolments=rows))
    users = tmp_path / "users.csv"
    users.write_text("userid,firstname,lastname,state,district\nu1,Mathew,Pallan,Kerala,Idukki\nu2,Krishna,Jampana,,\n")
    outcome = lernline("users", "import", users, "--json")
    assert outcome.json == {"profiles": 2, "certificate_requests": 1}
    assert opened.store.profiles(["u1"])["u1"].district == "Idukki"
    requests = opened.stream.poll("test", [topics.CERTIFICATE_REQUEST], 10, 0).records
    assert [record.key for record in requests] == ["u1"]


def test_a_broken_line_of_users_is_named_and_nothing_is_written(
    lernline: Terminal, opened: Line, tmp_path: Path
) -> None:
    users = tmp_path / "users.csv"
    users.write_text("userid,firstname\nu1,A\nu2,B,C\n")
    outcome = lernline("users", "import", users)
    assert outcome.code == 1
    assert "users.csv, line 3" in outcome.err
    assert opened.store.profiles(["u1"]) == {}


def test_a_broken_line_of_a_dump_is_named_and_no_file_of_the_folder_is_loaded(
    lernline: Terminal, opened: Line, tmp_path: Path
) -> None:
    dump = tmp_path / "dump"
    dump.mkdir()
    (dump / "course_batch.csv").write_text("courseid,batchid,name\nc,b,Name\n")
    (dump / "user_enrolments.csv").write_text("userid,courseid,batchid,active\nu1,c,b,True\nu2,c,b,perhaps\n")
    outcome = lernline("load", dump)
    assert outcome.code == 1
    assert "user_enrolments.csv, line 3, column 'active'" in outcome.err
    assert "perhaps" not in outcome.err
    assert opened.store.batches(["b"]) == {}


def test_a_dump_is_loaded_and_its_batch_reported(lernline: Terminal, opened: Line, tmp_path: Path) -> None:
    dump = tmp_path / "dump"
    dump.mkdir()
    tree = json.dumps(course_tree())
    (dump / "content_hierarchy.jsonl").write_text(json.dumps({"identifier": COURSE, "hierarchy": tree}) + "\n")
    (dump / "course_batch.csv").write_text(f"courseid,batchid,name\n{COURSE},0130000000000000001,First\n")
    (dump / "user_enrolments.csv").write_text(
        "batchid,courseid,userid,active,contentstatus,status,issued_certificates\n"
        f"0130000000000000001,{COURSE},u1,True,\"{{'L1': 2, 'L2': 2, 'L3': 1}}\",1,\n"
        f"0130000000000000001,{COURSE},u2,True,,0,\"[{{'identifier': 'x', 'name': 'Merit', 'token': null}}]\"\n"
        f"0130000000000000001,{COURSE},u3,False,,0,\n"
    )
    outcome = lernline("load", dump)
    assert outcome.code == 0, outcome.err
    assert "user_enrolments.csv: 3 rows" in outcome.out
    reported = lernline("exhaust", "request", "progress", "--batch", "0130000000000000001", "--wait", "--json")
    assert reported.code == 0, reported.err
    assert (reported.json["status"], reported.json["rows"], reported.json["missing profiles"]) == ("SUCCESS", 2, 2)
    header, first, second = Path(reported.json["files"][0]).read_text().splitlines()
    row = dict(zip(header.split(","), first.split(","), strict=True))
    assert (row["Batch Id"], row["User UUID"], row["Progress"]) == ("0130000000000000001", "u1", "33")
    assert dict(zip(header.split(","), second.split(","), strict=True))["Certificate Status"] == "Issued"
    told = lernline("explain", "--user", "u1", "--batch", "0130000000000000001")
    assert "2 of 6 required lessons are complete" in told.out
