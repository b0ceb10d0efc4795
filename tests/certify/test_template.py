"""Templates: what is read, what is refused, and what makes a new version."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.certify.criteria import Comparison, Operator
from lernline.certify.template import (
    check_template,
    judge_template,
    parse_template,
    refuse_bad_template,
    stored_form,
    template_version,
)
from lernline.errors import BadRequest

SIGNATORY = {"name": "Asha", "id": "asha", "designation": "Director", "image": "https://edu.example/a.png"}
OBJECTS: dict[str, Any] = {
    "identifier": "do_tmpl",
    "name": "Completion",
    "url": "CLOUD_BASE_PATH/content/do_tmpl/cert.svg",
    "criteria": {"enrollment": {"status": 2}, "assessment": {"score": {">=": 50}}},
    "issuer": {"name": "Council", "url": "https://edu.example/"},
    "signatoryList": [SIGNATORY],
    "additionalProps": {"course": ["name"]},
    "notifyTemplate": {"subject": "Well done"},
    "previewUrl": "https://edu.example/p.svg",
}


def _with(**changes: Any) -> dict[str, Any]:
    return {**OBJECTS, **changes}


def test_json_text_and_objects_read_the_same() -> None:
    stored = stored_form(OBJECTS)
    assert all(isinstance(value, str) for value in stored.values())
    assert parse_template(stored) == parse_template(OBJECTS)


def test_a_whole_template_has_no_problems_and_typed_criteria() -> None:
    template = refuse_bad_template(stored_form(OBJECTS))
    assert check_template(template) == []
    assert template.criteria.status == 2
    assert template.criteria.score == (Comparison(Operator.GE, 50.0),)
    assert template.additional_props == {"course": ("name",)}


@pytest.mark.parametrize("field", ["name", "id", "designation", "image"])
@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_blank_field_of_a_signatory_is_named(field: str, blank: str | None) -> None:
    _, problems = judge_template(_with(signatoryList=[SIGNATORY, {**SIGNATORY, field: blank}]))
    assert [problem.field for problem in problems] == [f"signatoryList[1].{field}"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"issuer": {"url": "https://edu.example/"}}, "issuer.name"),
        ({"issuer": {"name": "Council", "url": " "}}, "issuer.url"),
        ({"signatoryList": []}, "signatoryList"),
        ({"url": ""}, "url"),
        ({"url": "https://edu.example/cert.png"}, "url"),
        ({"name": ""}, "name"),
    ],
)
def test_what_the_generator_would_miss_is_a_problem(changes: dict[str, Any], field: str) -> None:
    _, problems = judge_template(_with(**changes))
    assert [problem.field for problem in problems] == [field]


def test_every_problem_is_said_at_once() -> None:
    with pytest.raises(BadRequest, match=r"'Completion'.*issuer\.name.*issuer\.url.*signatory"):
        refuse_bad_template(_with(issuer={}, signatoryList=[]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"criteria": "{not json"}, "criteria does not hold valid JSON"),
        ({"criteria": ""}, "criteria is empty"),
        ({"issuer": json.dumps([SIGNATORY])}, "issuer should be Map"),
        ({"signatoryList": json.dumps({"name": "A"})}, "signatoryList should be List"),
        ({"signatoryList": ["A"]}, r"signatoryList\[0\] must be an object"),
        ({"name": 5}, "name must be a text"),
        ({"additionalProps": {"colour": ["red"]}}, "additionalProps.colour is not known"),
        ({"additionalProps": {"course": "name"}}, "must be a list of texts"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        parse_template(_with(**changes))


def test_preview_and_notification_do_not_make_a_new_version() -> None:
    assert template_version(OBJECTS) == template_version(_with(previewUrl="x", notifyTemplate={"subject": "y"}))


@given(st.sampled_from(["name", "url", "identifier"]), st.text(min_size=1))
def test_what_the_certificate_shows_makes_a_new_version(field: str, value: str) -> None:
    changed = _with(**{field: value})
    assert (template_version(changed) == template_version(OBJECTS)) == (value == OBJECTS[field])


def test_the_order_of_keys_does_not_make_a_new_version() -> None:
    assert template_version(dict(reversed(OBJECTS.items()))) == template_version(OBJECTS)
