import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lernline.errors import BadRequest
from lernline.load.columns import TYPES
from lernline.load.csv_dialects import CsvRows, Dialect, sniff
from lernline.load.registry import TABLES, table_named
from lernline.load.tables import read_dump

# The machine may be busy: no example is judged by its time.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

CONTROL = re.compile(r"[\x00-\x1f\x7f-\xa0]")


def formatted(text: str) -> str:
    """Text as cqlsh formats it before the CSV writer sees it."""
    return CONTROL.sub(lambda found: repr(found[0])[1:-1], text.replace("\\", "\\\\"))


def twice(rows: list[list[str]]) -> str:
    """cqlsh on a recent Python: the CSV writer escapes the backslashes again."""
    out = io.StringIO()
    csv.writer(out, doublequote=False, escapechar="\\", lineterminator="\n").writerows(
        [[formatted(field) for field in row] for row in rows]
    )
    return out.getvalue()


def once(rows: list[list[str]]) -> str:
    """cqlsh on an older Python: the CSV writer escapes nothing but quotes."""

    def field(text: str) -> str:
        text = formatted(text)
        quoted = "," in text or "\\" in text
        text = text.replace('"', '\\"')
        return f'"{text}"' if quoted else text

    return "".join(",".join(map(field, row)) + "\n" for row in rows)


def rfc(rows: list[list[str]]) -> str:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


WRITERS = {Dialect.CQLSH: once, Dialect.CQLSH_TWICE: twice, Dialect.RFC4180: rfc}


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows_of(path: Path, **options: Any) -> list[dict[str, object]]:
    return [row for chunk in read_dump(path, **options) for row in chunk]


@unhurried
@given(
    st.lists(st.tuples(st.text("ab\\\"',\n\r\t\x00n{}x0ü \x9f", max_size=8), st.text('\\"n,', max_size=6)), max_size=5),
    st.sampled_from(Dialect),
)
def test_every_text_survives_in_every_dialect(
    tmp_path_factory: Any, cells: list[tuple[str, str]], dialect: Dialect
) -> None:
    rows = [[a, b, "end"] for a, b in cells]
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(WRITERS[dialect]([["a", "b", "c"], *rows]).encode())
    assert list(CsvRows(path, dialect)) == rows


JSON_TEXT = json.dumps({"text": 'A "quoted" word', "lines": "a\nb", "formula": "x \\ y", "plain": [1, 2]})


@pytest.mark.parametrize("dialect", list(Dialect))
@pytest.mark.parametrize("cell", [JSON_TEXT, '{"lines":"a\\nb"}', '{"a": "say \\"hi\\""}', '{"path": "C:\\\\temp"}'])
def test_json_in_a_cell_arrives_intact_whatever_the_dialect(tmp_path: Path, dialect: Dialect, cell: str) -> None:
    others = [["do_2", json.dumps({"description": 'the "second"\none'})], ["do_3", '{"x": "\\u00e9"}']]
    content = WRITERS[dialect]([["identifier", "hierarchy"], ["do_1", cell], *others])
    assert sniff(content.encode()) is dialect
    rows = rows_of(write(tmp_path, "dev_hierarchy_store.content_hierarchy.csv", content))
    assert [row["hierarchy"] for row in rows] == [cell, *(other[1] for other in others)]


def test_an_enrolment_dump_of_cqlsh_is_typed_by_the_contract(tmp_path: Path) -> None:
    header = (
        "userid,courseid,batchid,active,completedon,contentstatus,issued_certificates,progress,enrolleddate,delta\n"
    )
    line = (
        "u1,do_1,b1,True,2023-06-01 10:00:00.000000+0000,\"{'do_2': 2, 'do_3': 1}\","
        "\"[{'identifier': 'c1', 'name': 'Mary''s'}]\",2,2019-11-13 05:41:50:382+0000,old\n"
    )
    told: list[tuple[str, ...]] = []
    path = write(tmp_path, "user_enrolments.csv", header + line + "u2,do_1,b1,False,,,,,,\n")
    assert rows_of(path, unknown=lambda _, names: told.append(names)) == [
        {
            "userid": "u1",
            "courseid": "do_1",
            "batchid": "b1",
            "active": True,
            "completedon": 1685613600000,
            "contentstatus": {"do_2": 2, "do_3": 1},
            "issued_certificates": [{"identifier": "c1", "name": "Mary's"}],
            "progress": 2,
            "enrolleddate": "2019-11-13 05:41:50:382+0000",
        },
        {
            "userid": "u2",
            "courseid": "do_1",
            "batchid": "b1",
            "active": False,
            "completedon": None,
            "contentstatus": None,
            "issued_certificates": None,
            "progress": None,
            "enrolleddate": None,
        },
    ]
    assert told == [("delta",)]


QUESTION = {
    "id": "q1",
    "assess_ts": 1592504156490,
    "max_score": 1.0,
    "score": 0.33,
    "type": "mtf",
    "title": None,
    "resvalues": [{"1": '{"text":"A=\\\\pi r^2\\n"}'}],
    "params": [],
    "description": "it's, all",
    "duration": 4.5,
}


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_questions_of_an_attempt_are_read_out_of_their_udt(tmp_path: Path, dialect: Dialect) -> None:
    cell = (
        "[{id: 'q1', assess_ts: '2020-06-18 18:15:56.490000+0000', max_score: 1, score: 0.33, type: 'mtf', title: , "
        "resvalues: [{'1': '{\"text\":\"A=\\\\pi r^2\\n\"}'}], params: [], description: 'it''s, all', duration: 4.5}]"
    )
    row = ["u", "c", "b", "q", "a1", cell, "2.0"]
    header = ["user_id", "course_id", "batch_id", "content_id", "attempt_id", "question", "total_score"]
    content = WRITERS[dialect]([header, row, [*row[:4], "a2", '[{id: \'say "x" \\"y\\"\'}]', ""]])
    first, second = rows_of(write(tmp_path, "assessment_aggregator.csv", content))
    assert first["question"] == [QUESTION]
    assert first["total_score"] == 2.0
    assert second["question"] == [dict.fromkeys(QUESTION) | {"id": 'say "x" \\"y\\"'}]


def test_aggregates_and_templates_are_typed_maps(tmp_path: Path) -> None:
    aggregates = write(
        tmp_path,
        "sunbird_courses.user_activity_agg.csv",
        "activity_type,activity_id,user_id,context_id,aggregates,agg_last_updated,agg_details\n"
        "Course,c,u,cb:b,\"{'completedCount': 2, 'score:q': 1.5}\",{'completedCount': '2023-06-01 10:00:00+0000'},"
        '"[\'{\\"attempt_id\\":\\"a\\"}\']"\n',
    )
    assert rows_of(aggregates) == [
        {
            "activity_type": "Course",
            "activity_id": "c",
            "user_id": "u",
            "context_id": "cb:b",
            "aggregates": {"completedCount": 2.0, "score:q": 1.5},
            "agg_last_updated": {"completedCount": 1685613600000},
            "agg_details": ['{"attempt_id":"a"}'],
        }
    ]
    batch = write(
        tmp_path,
        "course_batch.csv",
        "courseid,batchid,cert_templates,createdfor,mentors\n"
        "c,b,\"{'t': {'criteria': '{\\\"enrollment\\\":{\\\"status\\\":2}}', 'name': 'Merit'}}\",\"{'o1', 'o2'}\",{}\n",
    )
    assert rows_of(batch) == [
        {
            "courseid": "c",
            "batchid": "b",
            "cert_templates": {"t": {"criteria": '{"enrollment":{"status":2}}', "name": "Merit"}},
            "createdfor": ["o1", "o2"],
            "mentors": [],
        }
    ]


def test_json_lines_give_the_same_rows(tmp_path: Path) -> None:
    lines = [
        {
            "userid": "u",
            "courseid": "c",
            "batchid": "b",
            "contentstatus": {"x": 2},
            "completedon": "2023-06-01T10:00:00Z",
        },
        {"userid": "v", "courseid": "c", "batchid": "b", "contentstatus": None, "novel": 1},
        {"userid": "w", "courseid": "c", "batchid": "b", "completedon": 5, "novel": 2, "other": 3},
    ]
    told: list[tuple[str, ...]] = []
    path = write(tmp_path, "user_enrolments.jsonl", "\n\n".join(map(json.dumps, lines)))
    chunks = list(read_dump(path, chunk_rows=2, unknown=lambda _, names: told.append(names)))
    assert [len(chunk) for chunk in chunks] == [2, 1]
    assert chunks[0][0]["contentstatus"] == {"x": 2}
    assert [row["completedon"] for chunk in chunks for row in chunk] == [1685613600000, None, 5]
    assert told == [("novel",), ("other",)]


def test_a_json_document_in_a_text_column_stays_json_text(tmp_path: Path) -> None:
    path = write(
        tmp_path, "content_hierarchy.json", '{"identifier": "c", "hierarchy": {"identifier": "c", "n": [1]}}\n'
    )
    assert json.loads(str(rows_of(path)[0]["hierarchy"])) == {"identifier": "c", "n": [1]}


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    path = tmp_path / "user_enrolments.parquet"
    table = pa.table(
        {
            "userid": ["u", "v", "w"],
            "courseid": ["c"] * 3,
            "batchid": ["b"] * 3,
            "active": [True, False, None],
            "completedon": pa.array([1685613600000, None, None], pa.timestamp("ms")),
            "contentstatus": pa.array([[("x", 2)], [], None], pa.map_(pa.string(), pa.int32())),
            "issued_certificates": pa.array(
                [[[("name", "n")]], None, None], pa.list_(pa.map_(pa.string(), pa.string()))
            ),
            "novel": [1, 2, 3],
        }
    )
    pq.write_table(table, path)
    told: list[tuple[str, ...]] = []
    chunks = list(read_dump(path, chunk_rows=2, unknown=lambda _, names: told.append(names)))
    assert [len(chunk) for chunk in chunks] == [2, 1]
    rows = [row for chunk in chunks for row in chunk]
    assert [row["completedon"] for row in rows] == [1685613600000, None, None]
    assert [row["contentstatus"] for row in rows] == [{"x": 2}, {}, None]
    assert rows[0]["issued_certificates"] == [{"name": "n"}]
    assert [row["active"] for row in rows] == [True, False, None]
    assert told == [("novel",)]


KEYS = "userid,courseid,batchid"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("user_enrolments.csv", "", "line 1: there is no header"),
        (
            "user_enrolments.csv",
            "userid,courseid,active\nu,c,True\n",
            "line 1, column 'batchid': the header does not name it",
        ),
        ("user_enrolments.csv", f"{KEYS},userid\n", "line 1, column 'userid': the header names it twice"),
        ("user_enrolments.csv", f"{KEYS},status\nu,c,b,1\nu,c,b\n", "line 3, column 'status': the line has 3 fields"),
        (
            "user_enrolments.csv",
            f"{KEYS},status\nu,c,b,1\n\nu,c,b,1,9\n",
            "line 4, column 'status': the line has 5 fields",
        ),
        (
            "user_enrolments.csv",
            f"{KEYS},status\nu,c,b,1\nu,c,b,done\n",
            "line 3, column 'status': the value is not a number",
        ),
        (
            "user_enrolments.csv",
            f"{KEYS},completedon\nu,c,b,soon\n",
            "line 2, column 'completedon': the value is not a time",
        ),
        (
            "user_enrolments.csv",
            f"{KEYS},contentstatus\nu,c,b,\"{{'x': 2\"\n",
            "line 2, column 'contentstatus': the value has a form",
        ),
        (
            "user_enrolments.csv",
            f"{KEYS},contentstatus\nu,c,b,['x']\n",
            "line 2, column 'contentstatus': the value is not a map",
        ),
        ("user_enrolments.csv", f"{KEYS}\nu,c,\n", "line 2, column 'batchid': the value is missing"),
        ("user_enrolments.csv", f'{KEYS}\nu,c,b\nu,"c,b\n', "line 3: the line is not CSV"),
        ("user_enrolments.csv", f"{KEYS}\nu,c,b\nu,c,".encode() + b"\xff\n", "line 3: the line is not UTF-8"),
        (
            "user_enrolments.jsonl",
            '{"userid": "u", "courseid": "c", "batchid": "b"}\n{"userid": \n',
            "line 2: the line is not a JSON object",
        ),
        ("user_enrolments.jsonl", "[]\n", "line 1: the line is not a JSON object"),
        (
            "user_enrolments.jsonl",
            '{"userid": "u", "courseid": "c"}\n',
            "line 1, column 'batchid': the value is missing",
        ),
        (
            "user_enrolments.jsonl",
            '{"userid": "u", "courseid": "c", "batchid": "b", "contentstatus": 5}\n',
            "column 'contentstatus': the value is not a map",
        ),
        ("user_enrolments.parquet", "no parquet", "not Parquet"),
        ("unheard_of.csv", KEYS, "no table has that name"),
        ("user_enrolments.txt", KEYS, "a dump ends in one of"),
    ],
)
def test_a_broken_dump_is_refused_naming_file_line_and_column(
    tmp_path: Path, name: str, content: str | bytes, says: str
) -> None:
    with pytest.raises(BadRequest) as refusal:
        rows_of(write(tmp_path, name, content))
    assert refusal.value.message.startswith(name)
    assert says in refusal.value.message


def test_a_refusal_does_not_repeat_personal_data(tmp_path: Path) -> None:
    path = write(tmp_path, "user.csv", "id,email,isdeleted\nu,mary@example.org,mary@example.org\n")
    with pytest.raises(BadRequest) as refusal:
        rows_of(path)
    assert "mary" not in refusal.value.message


def test_line_numbers_count_the_lines_of_the_file_not_the_records(tmp_path: Path) -> None:
    content = f'{KEYS},addedby,status\nu,c,b,"a ""quoted""\nline",1\nu,c,b,x,one\n'
    with pytest.raises(BadRequest, match="line 4, column 'status'"):
        rows_of(write(tmp_path, "user_enrolments.csv", content))


def test_a_byte_order_mark_crlf_and_capital_headers_are_no_obstacle(tmp_path: Path) -> None:
    path = write(tmp_path, "location.csv", b"\xef\xbb\xbfID,Name,Type\r\nl1,Kerala,state\r\n")
    assert rows_of(path) == [{"id": "l1", "name": "Kerala", "type": "state"}]


def test_a_large_dump_comes_in_chunks(tmp_path: Path) -> None:
    content = f"{KEYS},status\n" + "".join(f"u{n},c,b,1\n" for n in range(12_000))
    chunks = list(read_dump(write(tmp_path, "report_user_enrolments.csv", content)))
    assert [len(chunk) for chunk in chunks] == [5_000, 5_000, 2_000]
    assert chunks[2][-1]["userid"] == "u11999"


def test_a_table_is_known_with_keyspace_and_environment_prefix() -> None:
    names = {
        "sunbird.user": "user",
        "dev_job_request": "job_request",
        "dev_hierarchy_store.content_hierarchy": "content_hierarchy",
    }
    assert {stem: found.name for stem in names if (found := table_named(stem)) is not None} == names
    assert table_named("managed_user") is None


def test_every_column_of_the_registry_has_a_type_that_is_read() -> None:
    for table in TABLES.values():
        assert set(table.columns.values()) <= TYPES.keys()
        assert set(table.key) <= table.columns.keys()
