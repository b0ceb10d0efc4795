"""Criteria: one language, and judgements that say why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.certify.criteria import (
    SPELLINGS,
    EnrolmentFacts,
    ScoreFact,
    evaluate,
    parse_criteria,
    read_scores,
)
from lernline.errors import BadRequest

DONE = EnrolmentFacts(active=True, status=2, completed_on_ms=1)
USER = {"rootOrgId": "org1"}
percents = st.integers(min_value=0, max_value=100)


def _scored(*values: float | None, kind: str | None = "SelfAssess") -> list[ScoreFact]:
    return [ScoreFact(f"do_{number}", kind, value, 100.0) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("criteria", "said"),
    [
        ({}, "criteria is empty"),
        ([], "must be an object"),
        ({"enrollment": {"status": "2"}}, "status must be the number 0, 1 or 2 .* not '2'"),
        ({"enrollment": {"status": True}}, "not True"),
        ({"enrollment": {"status": 7}}, "not 7"),
        ({"enrollment": {"state": 2}}, "unknown key 'state'"),
        ({"assessment": {"score": 80}}, "must be an object of operators"),
        ({"assessment": {"score": {}}}, "must be an object of operators"),
        ({"assessment": {"score": {"=>": 80}}}, "unknown operator '=>'"),
        ({"assessment": {"score": {">=": "80"}}}, "must be a number from 0 to 100"),
        ({"assessment": {"score": {">=": 180}}}, "must be a number from 0 to 100"),
        ({"assessment": {"score": {">=": 80}, "mode": "worst"}}, "best, all or average"),
        ({"users": {"rootOrgId": "a"}}, r"write criteria\.user"),
        ({"user": {"rootOrgId": ["a"]}}, r"criteria\.user\.rootOrgId must be"),
        ({"enrolment": {"status": 2}}, "unknown key 'enrolment'"),
    ],
)
def test_criteria_that_would_never_match_are_refused_on_sight(criteria: Any, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        parse_criteria(criteria)


@given(st.sampled_from(sorted(SPELLINGS)), percents, percents)
def test_every_operator_means_what_it_says(spelling: str, threshold: int, percent: int) -> None:
    expected = {
        "=": percent == threshold,
        "!=": percent != threshold,
        ">": percent > threshold,
        "<": percent < threshold,
        ">=": percent >= threshold,
        "<=": percent <= threshold,
    }
    criteria = parse_criteria({"assessment": {"score": {spelling: threshold}}})
    assert evaluate(criteria, DONE, _scored(percent), USER).passed == expected[SPELLINGS[spelling]]


@given(percents, percents, percents)
def test_several_operators_must_all_hold(low: int, high: int, percent: int) -> None:
    criteria = parse_criteria({"assessment": {"score": {">=": low, "<": high}}})
    assert evaluate(criteria, DONE, _scored(percent), USER).passed == (low <= percent < high)


@given(st.lists(percents, min_size=1, max_size=6), percents)
def test_best_all_and_average_look_at_what_their_names_say(values: list[int], threshold: int) -> None:
    def passes(mode: str) -> bool:
        criteria = parse_criteria({"assessment": {"score": {">=": threshold}, "mode": mode}})
        return evaluate(criteria, DONE, _scored(*values), USER).passed

    assert passes("best") == (max(values) >= threshold)
    assert passes("all") == (min(values) >= threshold)
    assert passes("average") == (sum(values) / len(values) >= threshold)


@given(st.permutations([10, 40, 90]), percents)
def test_the_order_of_assessments_does_not_matter(values: list[int], threshold: int) -> None:
    criteria = parse_criteria({"assessment": {"score": {">=": threshold}}})
    expected = evaluate(criteria, DONE, _scored(10, 40, 90), USER).passed
    assert evaluate(criteria, DONE, _scored(*values), USER).passed == expected


def test_an_assessment_without_points_is_not_scored() -> None:
    criteria = parse_criteria({"assessment": {"score": {">=": 50}}})
    verdict = evaluate(criteria, DONE, [ScoreFact("do_1", "SelfAssess", 5.0, 0.0)], USER)
    assert verdict.reasons == ("no assessment has a score; >= 50 is needed",)


def test_an_assessment_never_attempted_fails_the_mode_all() -> None:
    criteria = parse_criteria({"assessment": {"score": {">=": 50}, "mode": "all"}})
    assert evaluate(criteria, DONE, _scored(90, None), USER).reasons == (
        "assessment do_1 has no attempt; >= 50 is needed",
    )


def test_content_types_are_compared_ignoring_case_and_others_do_not_count() -> None:
    criteria = parse_criteria({"assessment": {"score": {">=": 50}}})
    assert evaluate(criteria, DONE, _scored(90, kind="selfassess"), USER).passed
    assert not evaluate(criteria, DONE, _scored(90, kind="PracticeQuestionSet"), USER).passed
    assert evaluate(criteria, DONE, _scored(90, kind="Exam"), USER, ("exam",)).passed


def test_an_unknown_content_type_is_part_of_the_reason() -> None:
    criteria = parse_criteria({"assessment": {"score": {">=": 50}}})
    (reason,) = evaluate(criteria, DONE, _scored(90, kind=None), USER).reasons
    assert "does not know the type of do_0" in reason


@pytest.mark.parametrize(
    ("enrolment", "said"),
    [
        (None, "not enrolled"),
        (EnrolmentFacts(active=False, status=2, completed_on_ms=1), "not active"),
        (EnrolmentFacts(active=True, status=1), "enrolment status is 1, 2 is needed"),
        (EnrolmentFacts(active=True, status=2), "no completion date"),
    ],
)
def test_an_enrolment_that_does_not_fit_says_why(enrolment: EnrolmentFacts | None, said: str) -> None:
    (reason,) = evaluate(parse_criteria({"enrollment": {"status": 2}}), enrolment, [], USER).reasons
    assert said in reason


def test_a_score_alone_may_earn_a_certificate_before_completion() -> None:
    criteria = parse_criteria({"assessment": {"score": {">=": 50}}})
    assert evaluate(criteria, EnrolmentFacts(active=True, status=1), _scored(60), USER).passed
    assert not evaluate(criteria, EnrolmentFacts(active=False, status=1), _scored(60), USER).passed


def test_a_user_field_must_be_equal_and_its_value_is_not_told() -> None:
    criteria = parse_criteria({"user": {"rootOrgId": "org1"}})
    assert evaluate(criteria, DONE, [], {"rootOrgId": "org1"}).passed
    (reason,) = evaluate(criteria, DONE, [], {"rootOrgId": "secret-org"}).reasons
    assert "rootOrgId" in reason
    assert "secret-org" not in reason
    assert not evaluate(criteria, DONE, [], None).passed


def test_the_preference_all_organisations_restricts_nobody() -> None:
    criteria = parse_criteria({"enrollment": {"status": 2}, "user": {"rootOrgId": ""}})
    assert evaluate(criteria, DONE, [], {"rootOrgId": "any"}).passed


def test_all_reasons_are_given_together() -> None:
    criteria = parse_criteria(
        {"enrollment": {"status": 2}, "assessment": {"score": {">=": 50}}, "user": {"rootOrgId": "x"}}
    )
    assert len(evaluate(criteria, EnrolmentFacts(active=True, status=0), _scored(10), USER).reasons) == 3


def test_scores_are_read_from_both_maps_and_fractions_win() -> None:
    facts = read_scores(
        {"score:do_1": 3, "max_score:do_1": 10, "completedCount": 4},
        {"score:do_1": 4.5, "score:do_2": 1},
        {"do_1": "X"},
    )
    assert facts == (ScoreFact("do_1", "X", 4.5, 10.0), ScoreFact("do_2", None, 1.0, 1.0))


def test_criteria_describe_themselves_in_a_sentence() -> None:
    criteria = parse_criteria({"enrollment": {"status": 2}, "assessment": {"score": {">=": 50, "<": 80.5}}})
    assert criteria.describe() == "Complete all content; best assessment score >= 50 and < 80.5 percent"
