"""Attempts: which version of one wins, how it is scored, what all of them amount to."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.errors import BadRequest
from lernline.model import Attempt
from lernline.record.attempt_rules import amount_to, latest_questions, read_assessment, score, wins
from support.updates import answer, attempt_item
from support.worlds import NOW

points = st.integers(0, 400).map(lambda number: number / 100)


def scored(item: dict[str, Any], at: int = NOW) -> Attempt:
    update = read_assessment(json.dumps(item).encode(), accepted=True)
    return score(update, latest_questions(update.events), at)


def attempt(content: str, name: str, total: float, maximum: float = 10.0, at: int = NOW) -> Attempt:
    return Attempt("u", "c", "b", content, name, at, total, maximum, "")


@given(st.lists(st.tuples(points, points), min_size=1, max_size=20))
def test_sums_are_exact_to_a_hundredth(answers: list[tuple[float, float]]) -> None:
    item = attempt_item("u", answers=[answer(f"q{n}", got, most) for n, (got, most) in enumerate(answers)])
    found = scored(item)
    got, most = (round(sum(pair[side] for pair in answers), 2) for side in (0, 1))
    assert (found.total_score, found.total_max_score) == (got, most)
    left, right = found.grand_total.split("/")
    assert (float(left), float(right)) == (got, most)
    assert all(1 <= len(part.split(".")[1]) <= 2 for part in (left, right))


@pytest.mark.parametrize(
    ("total", "shown"),
    [(2, "2.0"), (1.33, "1.33"), (0.5, "0.5"), (1.005, "1.0"), (1.015, "1.02"), (0, "0.0"), (-1.25, "-1.25")],
)
def test_a_grand_total_has_one_or_two_decimals_half_to_even(total: float, shown: str) -> None:
    assert scored(attempt_item("u", answers=[answer("q", total, 3)])).grand_total == f"{shown}/3.0"


@given(
    st.lists(st.tuples(st.sampled_from("pqr"), st.integers(0, 3), points), min_size=1, max_size=8),
    st.randoms(use_true_random=False),
)
def test_the_newest_answer_to_a_question_counts(said: list[tuple[str, int, float]], chance: random.Random) -> None:
    events = [answer(name, got, 5, ets=NOW + at) for name, at, got in said]
    found = {question.id: question.score for question in latest_questions(events)}
    for name in {name for name, _, _ in said}:
        newest = max(at for other, at, _ in said if other == name)
        assert found[name] == next(got for other, at, got in said if other == name and at == newest)
    assert len(latest_questions(events)) == len(found)


def test_one_broken_question_does_not_reject_the_others() -> None:
    events: list[dict[str, Any]] = [
        answer("good", 1),
        {"edata": {"item": {}}},
        {"edata": None},
        {"edata": {"item": {"id": "bare"}}},
        {},
    ]
    found = {question.id: question for question in latest_questions(events)}
    assert found.keys() == {"good", "bare"}
    assert (found["bare"].score, found["bare"].duration, found["bare"].title) == (0.0, 0.0, None)
    assert (found["bare"].params, found["bare"].resvalues) == ([], [])


def test_texts_stay_and_other_values_become_compact_json() -> None:
    event = answer("q", 1)
    event["edata"]["resvalues"] = [{"1": '{"text":"a"}', "2": {"b": [1, None]}}, "no map"]
    event["edata"]["item"]["params"] = "no list"
    (question,) = latest_questions([event])
    assert question.resvalues == [{"1": '{"text":"a"}', "2": '{"b":[1,null]}'}]
    assert question.params == []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=6), st.randoms())
def test_whichever_version_comes_first_the_same_one_stays(
    versions: list[tuple[int, int]], chance: random.Random
) -> None:
    attempts = [scored(attempt_item("u", ts=NOW + at, answers=[answer("q", got)])) for at, got in versions]

    def settle(some: list[Attempt]) -> Attempt:
        stays = some[0]
        for one in some[1:]:
            stays = one if wins(one, stays) else stays
        return stays

    shuffled = attempts + attempts
    chance.shuffle(shuffled)
    assert settle(shuffled) == settle(attempts)
    assert settle(attempts).last_attempted_on == NOW + max(at for at, _ in versions)


def test_versions_of_one_time_that_differ_only_in_their_summary_are_told_apart() -> None:
    one, other = (scored(attempt_item("u", summary=[{"totalscore": got}])) for got in (1, 2))
    assert wins(one, other) != wins(other, one)


@given(
    st.lists(
        st.tuples(st.sampled_from(["A1", "A2"]), st.sampled_from("xyz"), points, st.integers(0, 3)),
        max_size=6,
        unique_by=lambda one: one[:2],
    ),
    st.randoms(),
)
def test_attempts_amount_to_the_best_of_each_content(
    tries: list[tuple[str, str, float, int]], chance: random.Random
) -> None:
    attempts = [attempt(content, name, got, 5 + at, NOW + at) for content, name, got, at in tries]
    shuffled = list(attempts)
    chance.shuffle(shuffled)
    found = amount_to(shuffled, 25)
    assert found == amount_to(attempts, 25)
    if not tries:
        assert found is None
        return
    assert found is not None
    for content in {one[0] for one in tries}:
        mine = [one for one in tries if one[0] == content]
        best = max(got for _, _, got, _ in mine)
        first_best = min((name, at) for _, name, got, at in mine if got == best)
        assert found.values[f"score:{content}"] == best
        assert found.values[f"max_score:{content}"] == 5 + first_best[1]
        assert found.values[f"attempts_count:{content}"] == len(mine)
    places = [(detail["content_id"], detail["attempt_id"]) for detail in map(json.loads, found.details)]
    assert places == sorted(one[:2] for one in tries)
    newest = max(tries, key=lambda one: (one[3], one[1]))[1]
    assert found.latest_attempt == (newest if len({one[0] for one in tries}) == 1 else "")


def test_details_hold_the_newest_attempts_of_each_content_with_iso_times() -> None:
    attempts = [attempt("A1", f"t{number}", 1, at=NOW + number) for number in range(5)] + [attempt("A2", "t0", 2)]
    found = amount_to(attempts, 2)
    assert found is not None
    details = [json.loads(detail) for detail in found.details]
    assert [(one["content_id"], one["attempt_id"]) for one in details] == [("A1", "t3"), ("A1", "t4"), ("A2", "t0")]
    assert details[2] == {
        "attempt_id": "t0",
        "last_attempted_on": "2026-03-01T21:20:00.000Z",
        "score": 2.0,
        "content_id": "A2",
        "max_score": 10.0,
        "type": "attempt_metrics",
    }
    assert found.values["attempts_count:A1"] == 5


@pytest.mark.parametrize("name", ["userId", "courseId", "batchId", "contentId", "attemptId", "assessmentTs"])
@pytest.mark.parametrize("value", [None, "", "  ", True, [], {}])
def test_a_missing_or_wrong_id_is_named(name: str, value: object) -> None:
    item = attempt_item("u", answers=[answer("q", 1)]) | {name: value}
    with pytest.raises(BadRequest, match=name):
        read_assessment(json.dumps(item).encode(), accepted=False)


@pytest.mark.parametrize("ts", [1e300, -1e300, 10**30, -(10**30), 1e18])
def test_a_time_that_no_calendar_holds_is_refused(ts: float) -> None:
    with pytest.raises(BadRequest, match="assessmentTs"):
        read_assessment(json.dumps(attempt_item("u", ts=ts)).encode(), accepted=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("events", [1, "abc", {"0": {}}, True])
def test_answers_that_are_no_list_are_refused(events: object) -> None:
    with pytest.raises(BadRequest, match="events is not a list"):
        read_assessment(json.dumps(attempt_item("u") | {"events": events}).encode(), accepted=False)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(list(attempt_item("u"))), json_values, max_size=4),
    st.dictionaries(st.sampled_from(["ets", "edata"]), json_values),
    st.dictionaries(st.sampled_from(["item", "score", "duration", "resvalues"]), json_values),
    st.dictionaries(st.sampled_from(["id", "maxscore", "type", "title", "desc", "params"]), json_values),
)
def test_whatever_an_event_holds_it_is_scored_or_refused(
    top: dict[str, Any], event: dict[str, Any], edata: dict[str, Any], item: dict[str, Any]
) -> None:
    base = answer("q", 1)
    base["edata"]["item"] |= item
    base["edata"] |= edata
    base |= event
    value = json.dumps(attempt_item("u", answers=[base]) | top).encode()
    try:
        update = read_assessment(value, accepted=False)
    except BadRequest:
        return
    found = score(update, latest_questions(update.events), NOW)
    msgspec.json.encode(found)
    assert amount_to([found], 25) is not None
