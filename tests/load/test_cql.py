from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lernline.load.cql import boolean, decimal, instant, parse_literal, real, whole

# The machine may be busy: no example is judged by its time.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

values = st.recursive(
    st.text(st.characters(codec="utf-8"), max_size=12) | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=6), inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
)


def literal(value: Any) -> str:
    """A value as cqlsh writes it inside a collection."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return "{" + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + "}"


@unhurried
@given(values)
def test_whatever_cqlsh_writes_is_read_back(value: Any) -> None:
    assert parse_literal(literal(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{'a': 1, 'b': 2}", {"a": 1, "b": 2}),
        ("{'it''s': 1}", {"it's": "1"}),
        ("['x', 'y']", ["x", "y"]),
        ("{'x', 'y'}", ["x", "y"]),
        ("('x', 2)", ["x", "2"]),
        ("{}", {}),
        ("[]", []),
        ("null", None),
        ("", None),
        ("  ", None),
        ("{1: 'a', 2: 'b'}", {"1": "a", "2": "b"}),
        (
            "{id: 'q', max_score: 1.0, title: , type: null, flag: True}",
            {"id": "q", "max_score": "1.0", "title": None, "type": None, "flag": "True"},
        ),
        (
            "{id: 'q', resvalues: [{'1': '{\"text\":\"A, B\\n\"}'}], params: []}",
            {"id": "q", "resvalues": [{"1": '{"text":"A, B\\n"}'}], "params": []},
        ),
        (
            "{'completedCount': '2023-06-01 10:00:00.000000+0000'}",
            {"completedCount": "2023-06-01 10:00:00.000000+0000"},
        ),
        ("{'t': 2023-06-01 10:00:00.000000+0000}", {"t": "2023-06-01 10:00:00.000000+0000"}),
        ("{2023-06-01 10:00:00+0000, 2023-06-02T10:00Z}", ["2023-06-01 10:00:00+0000", "2023-06-02T10:00Z"]),
        ('["a \\"b\\"", "c"]', ['a "b"', "c"]),
        ('{"a": {"b": [1, 2.5, true, null]}}', {"a": {"b": [1, 2.5, True, None]}}),
    ],
)
def test_each_form_of_a_literal_has_its_shape(text: str, value: object) -> None:
    assert parse_literal(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "{'a': 1",
        "{'a' 1}",
        "['x'",
        "['x' 'y']",
        "{'a': 1} x",
        "'open",
        "{'a': 1,, 'b': 2}",
        "]",
        "{['x']: 1}",
        "[" * 40,
    ],
)
def test_a_broken_literal_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"form that a CQL literal|levels deep") as refusal:
        parse_literal(text)
    assert text not in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2023-06-01 10:00:00.000000+0000", 1685613600000),
        ("2023-06-01 10:00:00+0000", 1685613600000),
        ("2023-06-01 10:00:00.123+0530", 1685593800123),
        ("2023-06-01 10:00:00:123+0000", 1685613600123),
        ("2023-06-01T10:00:00Z", 1685613600000),
        ("2023-06-01T10:00:00.123456+00:00", 1685613600123),
        ("2023-06-01 10:00:00.666", 1685613600666),
        ("2023-06-01 10:00+0000", 1685613600000),
        ("2023-06-01", 1685577600000),
        ("1685613600000", 1685613600000),
        (" 1685613600000 ", 1685613600000),
        (1685613600000, 1685613600000),
        (1685613600000.0, 1685613600000),
        (datetime(2023, 6, 1, 10), 1685613600000),  # noqa: DTZ001 - Parquet without a zone
        (datetime(2023, 6, 1, 10, tzinfo=UTC), 1685613600000),
        (datetime(2023, 6, 1, tzinfo=UTC).date(), 1685577600000),
        ("1969-12-31 23:59:59.999+0000", -1),
    ],
)
def test_every_form_of_a_time_is_epoch_milliseconds(text: object, ms: int) -> None:
    assert instant(text) == ms


@pytest.mark.parametrize(
    "text", ["yesterday", "2023-13-01 10:00:00+0000", "2023-06-01 25:00:00+0000", "01/06/2023", "", True, 1.5]
)
def test_what_is_no_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        instant(text)


def test_numbers_and_truth_values_are_read_exactly() -> None:
    assert [whole(each) for each in ("5", " -3 ", "5.0", 7, 2.0)] == [5, -3, 5, 7, 2]
    assert [real(each) for each in ("0.33", "1E2", 4, 0.5)] == [0.33, 100.0, 4.0, 0.5]
    assert decimal("1.10") == Decimal("1.10")
    assert [boolean(each) for each in ("True", "FALSE", "t", True, 0)] == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (whole, "5.5"),
        (whole, "x"),
        (whole, True),
        (real, "NaN"),
        (real, "Infinity"),
        (real, float("nan")),
        (decimal, "1,5"),
        (boolean, "maybe"),
    ],
)
def test_what_is_no_number_or_truth_value_is_refused(read: Any, text: object) -> None:
    with pytest.raises(ValueError, match="is not"):
        read(text)
