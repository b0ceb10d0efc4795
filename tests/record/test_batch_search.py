"""Filters, order and paging of the batch list (rest-api.md 5.3, clients.md ruling 3)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.errors import BadRequest
from lernline.record.batch_search import fits, parse_query, select

DOCUMENTS = [
    {
        "batchId": "1",
        "name": "Alpha",
        "status": 1,
        "mentors": ["m1", "m2"],
        "startDate": "2026-01-01",
        "createdDate": "b",
    },
    {"batchId": "2", "name": "beta", "status": 2, "mentors": [], "startDate": "2026-02-01", "createdDate": "c"},
    {"batchId": "3", "name": "Gamma", "status": 0, "startDate": None, "createdDate": None},
]


def found(**request: Any) -> list[str]:
    _, page = select(DOCUMENTS, parse_query(request))
    return [one["batchId"] for one in page]


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, ["2", "1", "3"]),
        (None, ["2", "1", "3"]),
        ({"status": "1"}, ["1"]),
        ({"status": 1}, ["1"]),
        ({"status": ["0", 2]}, ["2", "3"]),
        ({"name": "ALPHA"}, ["1"]),
        ({"mentors": ["M2"]}, ["1"]),
        ({"mentors": "m3"}, []),
        ({"startDate": {">=": "2026-01-15"}}, ["2"]),
        ({"status": {">": 0, "<": 2}}, ["1"]),
        ({"name": {"startsWith": "ga"}}, ["3"]),
        ({"name": {"endsWith": "TA"}}, ["2"]),
        ({"unknown": "x"}, []),
        ({"status": None}, ["2", "1", "3"]),
    ],
)
def test_a_filter_finds(filters: Any, ids: list[str]) -> None:
    assert found(filters=filters) == ids


def test_the_count_is_of_all_that_fit_and_the_page_is_cut_after_sorting() -> None:
    query = parse_query(
        {"filters": {}, "sort_by": {"name": "asc"}, "limit": 1, "offset": 1, "fields": ["name", "none"]}
    )
    assert select(DOCUMENTS, query) == (3, [{"name": "beta"}])


def test_an_unknown_operator_is_refused_by_name() -> None:
    with pytest.raises(BadRequest, match="between"):
        found(filters={"status": {"between": 1}})


values = st.integers(-3, 3) | st.sampled_from(["a", "B", "1", "2"])


@given(values, st.lists(values, max_size=4))
def test_a_list_of_values_is_any_of_them(value: Any, wanted: list[Any]) -> None:
    document = {"batchId": "1", "x": value}
    whole = fits(document, parse_query({"filters": {"x": wanted}}))
    assert whole == any(fits(document, parse_query({"filters": {"x": one}})) for one in wanted)
