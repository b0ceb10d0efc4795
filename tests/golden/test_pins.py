"""Each form of a pin's path works, and a path that leads nowhere is an error."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from .cases import Case
from .matching import Context, match
from .pins import NOTHING, PinError, apply_pins, parse_path, value_at
from .placeholders import Moment
from .tables import check_rows

CONTEXT = Context(Moment(0, 0, ZoneInfo("Asia/Kolkata")))


def pinned(case: dict[str, Any], *pins: tuple[str, Any]) -> dict[str, Any]:
    return apply_pins({**case, "pins": [{"path": path, "defect": "A-1", "instead": value} for path, value in pins]})


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("then.metrics.db-read-count", ["then", "metrics", "db-read-count"]),
        ("derived.events[0].key", ["derived", "events", 0, "key"]),
        ('derived.emitted["issue.certificate.request"]', ["derived", "emitted", "issue.certificate.request"]),
        ('derived.tables["sunbird.user_organisation"][1]', ["derived", "tables", "sunbird.user_organisation", 1]),
        ("derived.files[0].rows[3][18]", ["derived", "files", 0, "rows", 3, 18]),
        ('then.files[0].equals["Question Options"]', ["then", "files", 0, "equals", "Question Options"]),
        ("request.headers.x-service-token", ["request", "headers", "x-service-token"]),
        ("then", ["then"]),
    ],
)
def test_a_path_is_read_step_by_step(path: str, steps: list[str | int]) -> None:
    assert parse_path(path) == steps


@pytest.mark.parametrize("path", ["", ".then", "then.", "then..x", "then[", "then[x]", "then.[0]", "a[0]b"])
def test_a_path_that_cannot_be_read_is_an_error(path: str) -> None:
    with pytest.raises(PinError):
        parse_path(path)


def test_a_pin_replaces_the_value_at_its_path() -> None:
    case = pinned({"then": {"tables": {"t": [{"a": 1}, {"a": 2}]}}}, ("then.tables.t[1].a", {"$ne": 2}))
    assert case["then"]["tables"]["t"] == [{"a": 1}, {"a": {"$ne": 2}}]


def test_a_pin_to_null_drops_the_key() -> None:
    case = pinned({"then": {"index": 1, "event": 2}}, ("then.index", None))
    assert case["then"] == {"event": 2}


def test_a_pin_replaces_a_whole_part() -> None:
    case = pinned({"then": {"a": 1}}, ("then", {"user_enrolments": []}))
    assert case["then"] == {"user_enrolments": []}


def test_a_pin_reaches_below_a_matcher() -> None:
    case = pinned({"then": {"rows": {"unordered": [1, 2]}}}, ("then.rows.unordered[0]", 3))
    assert case["then"]["rows"] == {"unordered": [3, 2]}


def test_a_pin_changes_an_input() -> None:
    case = pinned({"request": {"body": {"request": {"status": "2"}}}}, ("request.body.request.status", 2))
    assert case["request"]["body"]["request"]["status"] == 2


def test_places_of_lists_are_those_recorded_before_any_pin() -> None:
    case = pinned({"then": {"list": ["a", "b", "c"]}}, ("then.list[0]", None), ("then.list[2]", "d"))
    assert case["then"]["list"] == [NOTHING, "b", "d"]


def test_a_dropped_place_of_a_list_claims_nothing() -> None:
    expected = [NOTHING, "b"]
    assert match(expected, ["a", "b"], CONTEXT) == []
    assert match(expected, ["b"], CONTEXT) == []
    assert match(expected, ["a"], CONTEXT) != []
    assert match({"unordered": expected}, ["b", "a"], CONTEXT) == []
    assert match({"unordered": expected}, ["x", "y", "b"], CONTEXT) != []


def test_a_dropped_row_of_a_table_claims_nothing() -> None:
    rows = [{"id": "1", "name": "a"}]
    assert check_rows("sunbird.user", [{"id": "1", "name": "a"}, NOTHING], rows, CONTEXT, loose=False) == []


def test_null_inside_a_list_of_values_stays_a_value() -> None:
    case = pinned({"then": {"values": ["100"]}}, ("then.values", [None]))
    assert case["then"]["values"] == [None]


def test_a_name_that_holds_dots_is_found() -> None:
    case = pinned({"then": {"audit": {"edata.type": {"x": 1}}}}, ("then.audit.edata.type.x", 2))
    assert case["then"]["audit"] == {"edata.type": {"x": 2}}


def test_the_recorded_case_is_left_as_it_is() -> None:
    case = {"then": {"a": 1}, "pins": [{"path": "then.a", "defect": "A-1", "instead": 2}]}
    assert apply_pins(case)["then"] == {"a": 2}
    assert case["then"] == {"a": 1}


@pytest.mark.parametrize("path", ["then.a.b", "then.list[7]", "then[0]", "nowhere.at.all", "then.list.x"])
def test_a_path_that_leads_nowhere_is_an_error(path: str) -> None:
    with pytest.raises(PinError):
        pinned({"then": {"a": 1, "list": []}}, (path, 1))


def test_a_reference_in_when_is_resolved_after_the_pins() -> None:
    recorded = {
        "kind": "rule",
        "given": {"tables": {"user_enrolments": [{"a": 1}]}},
        "when": {"operation": "o", "inputs": {"rows": {"$ref": "given.tables.user_enrolments"}}},
        "pins": [{"path": "given.tables.user_enrolments[0].a", "defect": "X-1", "instead": 2}],
    }
    assert Case("exhaust", "f", None, recorded).pinned()["when"]["inputs"]["rows"] == [{"a": 2}]


def test_a_reference_to_nothing_is_an_error() -> None:
    with pytest.raises(PinError):
        value_at({"given": {}}, "given.tables.t")
