"""Whole folders of dumps, loaded into a real store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lernline.catalog.relations import AssessmentKinds
from lernline.errors import BadRequest
from lernline.load.service import Loaded, dump_files, load_folder
from lernline.model import Enrolment, EnrolmentKey
from lernline.wiring import Line
from support.updates import lesson, saying
from support.worlds import BATCH, COURSE, REQUIRED, course_tree, enrol, key_of, set_up


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    folder = tmp_path / "dump"
    folder.mkdir()
    return folder


def rows_into(folder: Path, table: str, *rows: dict[str, Any]) -> None:
    (folder / f"{table}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def load(line: Line, folder: Path) -> list[Loaded]:
    return load_folder(line.store, line.kinds, folder)


def test_every_format_is_loaded(line: Line, dump: Path) -> None:
    (dump / "course_batch.csv").write_text(
        f"courseid,batchid,name,start_date,mentors\n{COURSE},{BATCH},First,2026-01-01 00:00:00.000+0000,['m1']\n"
    )
    rows_into(dump, "user_enrolments", {"userid": "u1", "courseid": COURSE, "batchid": BATCH, "active": True})
    table = pa.table({"user_id": ["u1"], "course_id": [COURSE], "batch_id": [BATCH], "content_id": ["A1"]})
    table = table.append_column("attempt_id", [["t"]]).append_column("total_score", [[3.5]])
    pq.write_table(table.append_column("last_attempted_on", [[5]]), dump / "assessment_aggregator.parquet")
    assert [(one.table, one.rows) for one in load(line, dump)] == [
        ("assessment_aggregator", 1),
        ("course_batch", 1),
        ("user_enrolments", 1),
    ]
    batch = line.store.batches([BATCH])[BATCH]
    assert (batch.name, batch.mentors, batch.start_date) == ("First", ["m1"], 1_767_225_600_000)
    assert line.store.enrolments([key_of("u1")])[key_of("u1")].active
    assert line.store.attempts([key_of("u1")])[key_of("u1")][0].total_score == 3.5


def test_a_tree_brings_relations_and_titles_along(line: Line, dump: Path) -> None:
    rows_into(dump, "content_hierarchy", {"identifier": COURSE, "hierarchy": json.dumps(course_tree())})
    load(line, dump)
    assert line.courses.get([COURSE])[COURSE].required == REQUIRED
    assert line.store.contents(["L1"])["L1"].name == "L1"
    assert line.store.contents([COURSE])[COURSE].leaf_nodes_count == 7


def test_relations_alone_make_a_course_known(line: Line, dump: Path) -> None:
    assert line.courses.get(["do_9"]) == {}
    rows_into(
        dump,
        "hierarchy_relations",
        {"relationship_key": "do_9:do_9:leafnodes", "node_ids": ["a", "b"]},
        {"relationship_key": "do_9:do_9:optionalnodes", "node_ids": ["b"]},
    )
    load(line, dump)
    assert line.courses.get(["do_9"])["do_9"].required == {"a"}
    assert line.store.contents(["do_9"])["do_9"].leaf_nodes_count == 2


def test_a_loaded_row_is_believed_over_what_was_computed_before(line: Line, dump: Path) -> None:
    set_up(line)
    enrol(line, "u1")
    line.updates.accept([saying("u1", lesson("u1", "L1"))])
    line.drain()
    rows_into(
        dump,
        "user_enrolments",
        {"userid": "u1", "courseid": COURSE, "batchid": BATCH, "active": True, "contentstatus": {"L2": 2, "L3": None}},
    )
    rows_into(
        dump,
        "user_content_consumption",
        {
            "userid": "u1",
            "courseid": COURSE,
            "batchid": BATCH,
            "contentid": "L1",
            "status": 1,
            "last_access_time": 7,
            "last_completed_time": None,
        },
    )
    load(line, dump)
    row = line.store.enrolments([key_of("u1")])[key_of("u1")]
    assert (row.contentstatus, row.rollup) == ({"L2": 2}, None)
    state = line.store.lessons_of([key_of("u1")])[key_of("u1")][0]
    assert (state.status, state.last_access_time, state.completed_first_at) == (1, 7, None)


def test_the_copy_for_reports_is_an_enrolment_and_yields_to_the_original(line: Line, dump: Path) -> None:
    key = {"courseid": COURSE, "batchid": BATCH, "active": True}
    rows_into(dump, "report_user_enrolments", {"userid": "u1", **key}, {"userid": "u2", **key, "progress": 1})
    rows_into(dump, "user_enrolments", {"userid": "u2", **key, "progress": 2})
    load(line, dump)
    assert line.store.learners_of_batch(BATCH) == ["u1", "u2"]
    assert line.store.enrolments([key_of("u2")])[key_of("u2")].progress == 2


def test_users_get_places_types_and_roles_from_the_other_tables(line: Line, dump: Path) -> None:
    rows_into(dump, "system_settings", {"id": "custodianOrgId", "field": "custodianOrgId", "value": "cust"})
    rows_into(
        dump,
        "location",
        {"id": "s", "name": "Kerala", "type": "state"},
        {"id": "d", "name": "Idukki", "type": "district", "parentid": "s"},
        {"id": "s2", "name": "Goa", "type": "state"},
    )
    rows_into(
        dump,
        "organisation",
        {"id": "root", "orgname": "Root", "isrootorg": True},
        {"id": "school", "orgname": "School", "rootorgid": "root", "orglocation": '[{"id":"d","type":"district"}]'},
    )
    rows_into(dump, "user_organisation", {"userid": "u1", "organisationid": "school"})
    rows_into(dump, "user_roles", {"userid": "u1", "role": "COURSE_MENTOR"})
    rows_into(
        dump,
        "user",
        {
            "id": "u1",
            "firstname": "Mathew",
            "rootorgid": "root",
            "profileusertypes": '[{"type":"teacher","subType":"hm"},{"type":"teacher"}]',
            "framework": {"board": ["CBSE"], "gradeLevel": ["5"], "id": ["f"]},
        },
        {"id": "u2", "rootorgid": "cust", "profilelocation": '[{"id":"s2","type":"state"}]'},
        {"id": "u3", "state": "Punjab", "district": "Moga"},
    )
    loaded = {one.table: one.kept for one in load(line, dump)}
    assert (loaded["user"], loaded["user_roles"]) == (True, False)
    people = line.store.profiles(["u1", "u2", "u3"])
    first = people["u1"]
    assert (first.state, first.district, first.orgname) == ("Kerala", "Idukki", "Root")
    assert (first.usertype, first.usersubtype, first.usersignintype) == ("teacher", "hm", "Validated")
    assert (first.board, first.grade, first.framework, first.roles) == ("CBSE", '["5"]', "f", ["COURSE_MENTOR"])
    assert (people["u2"].state, people["u2"].usersignintype) == ("Goa", "Self-Signed-In")
    assert (people["u3"].state, people["u3"].district) == ("Punjab", "Moga")


def test_loading_twice_changes_nothing(line: Line, dump: Path) -> None:
    rows_into(dump, "user_enrolments", {"userid": "u1", "courseid": COURSE, "batchid": BATCH, "active": True})
    rows_into(dump, "content_hierarchy", {"identifier": COURSE, "hierarchy": json.dumps(course_tree())})
    load(line, dump)
    before = line.store.enrolments_of_user("u1"), line.courses.get([COURSE])
    load(line, dump)
    assert (line.store.enrolments_of_user("u1"), line.courses.get([COURSE])) == before


def test_a_broken_tree_names_file_and_course_and_nothing_is_loaded(line: Line, dump: Path) -> None:
    rows_into(dump, "user_enrolments", {"userid": "u1", "courseid": COURSE, "batchid": BATCH, "active": True})
    rows_into(dump, "content_hierarchy", {"identifier": "do_bad", "hierarchy": "{not json"})
    with pytest.raises(BadRequest, match=r"content_hierarchy.jsonl, row do_bad, column 'hierarchy'"):
        load(line, dump)
    assert line.store.enrolments_of_user("u1") == []


def test_a_row_without_a_tree_is_passed_over(line: Line, dump: Path) -> None:
    rows_into(dump, "content_hierarchy", {"identifier": "do_none", "hierarchy": None})
    load(line, dump)
    assert line.courses.get(["do_none"]) == {}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no dump in it"),
        (["user_enrolment.csv"], "no table has that name"),
        (["user.csv", "user.jsonl"], "user.csv holds the table user already"),
    ],
)
def test_a_folder_that_cannot_be_meant_is_refused(dump: Path, names: list[str], said: str) -> None:
    for name in names:
        (dump / name).write_text("id\n")
    with pytest.raises(BadRequest, match=said):
        dump_files(dump)


def test_files_of_other_kinds_are_no_dumps(line: Line, dump: Path) -> None:
    (dump / "README.txt").write_text("hello")
    rows_into(dump, "location", {"id": "l", "name": "Goa", "type": "state"})
    assert [one.table for one in load(line, dump)] == ["location"]


def test_progress_is_told_with_the_total(line: Line, dump: Path) -> None:
    rows_into(dump, "location", *({"id": str(number), "name": "n", "type": "state"} for number in range(5_001)))
    told: list[tuple[str, int, int | None]] = []
    load_folder(line.store, AssessmentKinds(), dump, lambda *step: told.append(step))
    assert told == [
        ("reading location", 5_000, None),
        ("reading location", 5_001, None),
        ("loading location", 5_000, 5_001),
        ("loading location", 5_001, 5_001),
    ]


def test_a_loaded_learner_goes_on_where_they_were(line: Line, dump: Path) -> None:
    set_up(line)
    done = dict.fromkeys(sorted(REQUIRED)[:-1], 2)
    row = {"userid": "u1", "courseid": COURSE, "batchid": BATCH, "active": True, "contentstatus": done, "status": 1}
    rows_into(dump, "user_enrolments", row)
    rows_into(
        dump,
        "user_content_consumption",
        *(
            {
                "userid": "u1",
                "courseid": COURSE,
                "batchid": BATCH,
                "contentid": one,
                "status": 2,
                "last_completed_time": 5,
            }
            for one in done
        ),
    )
    load(line, dump)
    (missing,) = REQUIRED - done.keys()
    line.updates.accept([saying("u1", lesson("u1", missing))])
    line.drain()
    finished: Enrolment = line.store.enrolments([EnrolmentKey("u1", COURSE, BATCH)])[key_of("u1")]
    assert (finished.status, finished.completionpercentage) == (2, 100)
