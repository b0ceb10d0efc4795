"""Each matcher, placeholder and rule of comparison holds where it should and fails where it should."""

import json
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from .instants import instant
from .matching import Context, UnknownMatcherError, match
from .placeholders import Credentials, Moment, fill, fill_run_date, fits, tokens_in
from .tables import check_rows, stored

ZONE = ZoneInfo("Asia/Kolkata")
NOON = instant("2023-06-19T12:00:00Z") or 0
MOMENT = Moment(NOON, NOON + 1_000, ZONE)
CONTEXT = Context(MOMENT)
EVENT = {"mid": "m", "edata": {"a": [1, 2]}}


def holds(expected: Any, actual: Any, context: Context = CONTEXT) -> bool:
    return match(expected, actual, context) == []


@pytest.mark.parametrize(
    ("expected", "fitting", "wrong"),
    [
        ({"$ne": None}, "x", None),
        ({"$ne": 4}, 5, 4),
        ({"$any_of": [4, 3]}, 3, 5),
        ({"$any_of": ["", None]}, None, "x"),
        ({"$absent": True}, None, 0),
        ({"$absent": False}, 0, None),
        ({"$contains": "bc"}, "abcd", "acbd"),
        ({"$contains": 2}, [1, 2], [1, 3]),
        ({"$contains_all": ["a", "d"]}, "abcd", "abc"),
        ({"$nonempty": True}, [0], []),
        ({"$nonempty": True}, "x", ""),
        ({"$length": 2}, [1, 2], [1]),
        ({"$length": 2}, "ab", "abc"),
        ({"length": 2}, [1, 2], [1, 2, 3]),
        ({"unordered": [1, 2]}, [2, 1], [2, 2]),
        ({"unordered": [1, {"$ne": None}]}, [1, 1], [2, 2]),
        ({"unordered": [1, 2]}, [1, 2], [1, 2, 3]),
        ({"$json": {"a": 1}}, '{"a": 1.0}', '{"a": 1, "b": 2}'),
        ({"$json": {"a": 1}}, '{"a":1}', "{'a':1}"),
        ({"$valid_json": True}, "[1]", "[{'1':'x'}]"),
        ({"$starts_with": "2019"}, "2019-08-21", "2020"),
        ({"$input": 0}, {**EVENT, "reason": "r"}, {"mid": "m", "edata": {"a": [1, 2], "b": 1}}),
        ({"$input": 0}, EVENT, {"mid": "m"}),
        ({"a": None}, {"b": 1}, {"a": 1}),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}),
        ([1, {"a": 1}], [1.0, {"a": 1, "b": 2}], [{"a": 1}, 1]),
        ([1], [1], [1, 2]),
        (2, 2.0, "2"),
        (1, 1, True),
        (True, True, 1),
        ("a", "a", "A"),
        (None, None, ""),
        ("2021-05-17 10:00:00:000+0530", "2021-05-17 04:30:00:000+0000", "2021-05-17 10:00:00:000+0000"),
    ],
)
def test_an_expectation_holds_for_one_value_and_not_for_another(expected: Any, fitting: Any, wrong: Any) -> None:
    context = replace(CONTEXT, inputs=[EVENT])
    assert holds(expected, fitting, context)
    assert not holds(expected, wrong, context)


@pytest.mark.parametrize(
    ("expected", "fitting", "wrong"),
    [
        ("<now>", "2023-06-19T12:00:03Z", "2023-06-19T13:00:00Z"),
        ("<now-ms>", NOON, NOON + 3_600_000),
        ("LP.<now-ms>.<uuid>", f"LP.{NOON}.5a-1", "LP.1.5a-1"),
        ("LP.AUDIT.<uuid>", "LP.AUDIT.5a-1", "LP.5a-1"),
        ("LP.<ms>.<uuid>", "LP.12.5a-1", "LP.x.5a-1"),
        ("<uuid>", "5a-1", ""),
        ("<a timestamp>", 5, None),
        ("<sha-256 of ..>", "ab", ""),
        ("http://h/<uuid4>", "http://h/5a", "http://h/"),
        ("{{today}}", "2023-06-19", "2023-06-20"),
        ("{{today+3}}", "2023-06-22", "2023-06-19"),
        ("{{today-1}}", "2023-06-18", "2023-06-19"),
        ("{{now}}", "2023-06-19 17:30:02:000+0530", "2023-06-19 17:31:02:000+0530"),
        ("{{any-string}}", "", 1),
        ("{{any-number}}", 0, "0"),
        ("{{not-null}}", 0, None),
        ("{{100 +- 5}}", 96, 94),
        ("f_{{yyyymmdd(today+1)}}.csv", "f_20230620.csv", "f_20230619.csv"),
    ],
)
def test_a_placeholder_stands_for_its_values_only(expected: str, fitting: Any, wrong: Any) -> None:
    assert holds(expected, fitting)
    assert not holds(expected, wrong)


def test_a_request_id_is_the_upper_case_md5_of_its_parts() -> None:
    vector = "{{requestId(assessment-score-report,client-2,test-1,test-channel-1,2023-06-20)}}"
    assert fits(vector, "C4D880D8A3445E70E64949FE7943E6CB", MOMENT)
    next_day = "{{requestId(assessment-score-report,client-2,test-1,test-channel-1,today+1)}}"
    assert fits(next_day, "C4D880D8A3445E70E64949FE7943E6CB", MOMENT)


def test_today_is_the_day_of_the_service_time_zone() -> None:
    late = Moment(instant("2023-06-19T18:30:00Z") or 0, 0, ZONE)
    assert fill("{{today}}", late) == "2023-06-20"
    assert fill_run_date("r/b_{yyyymmdd}.csv", late.started) == "r/b_20230620.csv"
    assert fill_run_date("r/b_{yyyymmdd}.csv", late.started - 1) == "r/b_20230619.csv"


def test_credentials_are_minted_for_the_users_that_a_request_names() -> None:
    credentials = Credentials(lambda uid, roles: f"token of {uid} as {','.join(roles)}", lambda: "secret")
    request = {"headers": {"t": "{{token:u1:roles=A,B}}", "s": "{{service}}"}, "path": "/x?to={{today}}"}
    filled = fill(request, MOMENT, credentials)
    assert filled["headers"] == {"t": "token of u1 as A,B", "s": "secret"}
    assert filled["path"] == "/x?to=2023-06-19"
    assert tokens_in(request) == {"u1": ("A", "B")}


def test_an_unknown_matcher_is_an_error() -> None:
    with pytest.raises(UnknownMatcherError):
        holds({"$nearly": 1}, 1)


def test_a_row_can_be_asked_to_have_the_value_of_another() -> None:
    rows = [{"id": "1", "name": "a"}, {"id": "2", "name": "a"}, {"id": "3", "name": "b"}]
    assert check_rows("sunbird.user", [{"id": "2", "name": {"$same_as": "1"}}], rows, CONTEXT, loose=False) == []
    assert check_rows("sunbird.user", [{"id": "3", "name": {"$same_as": "1"}}], rows, CONTEXT, loose=False) != []
    assert check_rows("sunbird.user", [{"id": "3", "name": {"$same_as": "9"}}], rows, CONTEXT, loose=False) != []


def test_pending_needs_a_fault_that_was_survived() -> None:
    assert holds({"$pending": True}, None, replace(CONTEXT, pending_kept=True))
    assert not holds({"$pending": True}, None, replace(CONTEXT, pending_kept=False))
    assert not holds({"$pending": True}, None)


def test_every_expected_message_needs_one_of_its_own() -> None:
    assert not holds({"unordered": [{"a": 1}, {"a": 1}]}, [{"a": 1}, {"a": 2}])
    assert holds({"unordered": [{"$ne": None}, {"a": 1}]}, [{"a": 1}, {"a": 2}])


def test_cells_of_a_csv_file_are_text() -> None:
    csv = replace(CONTEXT, cells="csv")
    assert holds(None, "", csv)
    assert holds("", None, csv)
    assert holds(1.0, "1", csv)
    assert not holds("1.0", "1", csv)
    assert not holds(None, "0", csv)


TABLE = "user_content_consumption"


def rows_hold(expected: Any, rows: list[dict[str, Any]], *, loose: bool = False, table: str = TABLE) -> bool:
    return check_rows(table, expected, rows, CONTEXT, loose=loose) == []


def test_a_listed_row_is_found_by_its_key_columns() -> None:
    rows = [{"userid": "u", "contentid": "a", "status": 1}, {"userid": "u", "contentid": "b", "status": 2}]
    assert rows_hold([{"userid": "u", "contentid": "b", "status": 2}], rows)
    assert not rows_hold([{"userid": "u", "contentid": "a", "status": 2}], rows)
    assert not rows_hold([{"userid": "u", "contentid": "c"}], rows)
    assert rows_hold([{"status": 2}], rows)
    assert not rows_hold([], rows)
    assert rows_hold([], [])


def test_names_of_columns_compare_without_case_and_underscores_and_mean_the_timestamp() -> None:
    ms = instant("2021-05-17T04:30:00Z")
    rows = [{"contentid": "a", "last_access_time": ms, "lastaccesstime": "old"}]
    assert rows_hold([{"contentId": "a", "lastAccessTime": "2021-05-17 10:00:00:000+0530"}], rows, loose=True)
    assert not rows_hold([{"contentId": "a", "lastAccessTime": "2021-05-17 10:00:00:000+0000"}], rows, loose=True)
    assert rows_hold([{"contentid": "a", "lastaccesstime": "old"}], rows)


def test_a_day_is_the_day_of_a_stored_instant() -> None:
    batch = stored("course_batch", {"batchId": "b", "endDate": "{{today+3}}"}, MOMENT, loose=True)
    assert batch == {"batchid": "b", "end_date": instant("2023-06-22T18:29:59.999Z")}
    assert rows_hold([{"endDate": "{{today+3}}"}], [batch], loose=True, table="course_batch")
    assert not rows_hold([{"endDate": "{{today+4}}"}], [batch], loose=True, table="course_batch")


def test_details_of_attempts_compare_by_instant_and_in_any_order_unless_asked() -> None:
    entries = [
        json.dumps({"attempt_id": "a", "last_attempted_on": NOON}),
        '{"attempt_id": "b", "last_attempted_on": 1}',
    ]
    rows = [{"user_id": "u", "agg_details": entries}]
    first = {"attempt_id": "a", "last_attempted_on_epoch_ms": NOON}
    agg = "user_activity_agg"
    assert rows_hold([{"user_id": "u", "agg_details": [{"attempt_id": "b"}, first]}], rows, table=agg)
    assert not rows_hold([{"user_id": "u", "agg_details_in_order": [{"attempt_id": "b"}, first]}], rows, table=agg)
    ordered = {"user_id": "u", "agg_details": [{"attempt_id": "b"}, first], "agg_details_in_order": True}
    assert not rows_hold([ordered], rows, table=agg)
    assert not rows_hold([{"user_id": "u", "agg_details": [first]}], rows, table=agg)
    assert rows_hold([{"agg_details_length": 2}], rows, table=agg)


def test_derived_names_of_columns_are_understood() -> None:
    rows = [
        {
            "batchid": "b",
            "cert_templates": {"t": {}},
            "processed_batches": '[{"batchId": "b", "fileSize": 4}]',
            "question": [{"id": "q2"}, {"id": "q1"}],
            "createdfor": ["o1", "o2"],
        }
    ]
    assert rows_hold([{"batchid": "b", "cert_templates_keys": ["t"]}], rows, table="course_batch")
    assert not rows_hold([{"batchid": "b", "cert_templates_keys": []}], rows, table="course_batch")
    assert rows_hold([{"createdfor[0]": "o1"}], rows, table="course_batch")
    assert not rows_hold([{"createdfor[2]": "o1"}], rows, table="course_batch")
    attempts = "assessment_aggregator"
    assert rows_hold([{"question_ids_any_order": ["q1", "q2"], "questions": 2}], rows, table=attempts)
    assert not rows_hold([{"question_ids_any_order": ["q1"]}], rows, table=attempts)
    jobs = "job_request"
    assert rows_hold([{"processed_batches_count": 1}], rows, table=jobs)
    assert not rows_hold([{"processed_batches_count": 2}], rows, table=jobs)
    assert rows_hold([{"processed_batches_values_include": {"batchId": ["b"]}}], rows, table=jobs)
    assert not rows_hold([{"processed_batches_values_include": {"batchId": ["c"]}}], rows, table=jobs)
    assert rows_hold([{"cert_templates_keys_include": ["t"]}], rows, table="course_batch")
    assert rows_hold([{"processed_batches": None}], [{"processed_batches": "[]"}], table=jobs)
    assert not rows_hold([{"processed_batches": {"$ne": None}}], [{}], table=jobs)


def test_profile_types_compare_as_json_without_the_backslashes_of_brackets() -> None:
    held = [{"id": "u", "profileusertypes": '\\[{"type":"teacher","subType":"hm"}\\]'}]
    wanted = '\\[{"subType":"hm","type":"teacher"}\\]'
    assert rows_hold([{"id": "u", "profileusertypes": wanted}], held, table="user")
    assert not rows_hold(
        [{"id": "u", "profileusertypes": '\\[{"type":"teacher"}]'.replace("teacher", "parent")}], held, table="user"
    )
