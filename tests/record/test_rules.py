"""How updates of one lesson merge: the maximum, minimum or count over the set of updates, whatever the order."""

from __future__ import annotations

import itertools
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.model import LessonState, LessonUpdate
from lernline.record.rules import earlier, fold, identity, later, merge

EMPTY = LessonState("u", "c", "b", "L1")
moments = st.integers(1_000, 1_020)


@st.composite
def updates(draw: st.DrawFn, contents: tuple[str, ...] = ("L1",)) -> LessonUpdate:
    status = draw(st.integers(0, 2))
    contentid = draw(st.sampled_from(contents))
    accessed = draw(st.none() | moments)
    return LessonUpdate(
        contentid=contentid,
        status=status,
        received=draw(moments),
        identity=identity(contentid, status, accessed),
        progress=draw(st.integers(0, 100)),
        accessed=accessed,
        completed=draw(st.none() | moments) if status == 2 else None,
        details=draw(st.none() | st.sampled_from(["a", "b"])),
    )


def merged(some: list[LessonUpdate], state: LessonState = EMPTY) -> LessonState:
    """All of them, each identity counted once."""
    seen: set[str] = set()
    for update in some:
        state = merge(state, update, counts=update.identity not in seen)
        seen.add(update.identity)
    return state


@given(st.lists(updates(), min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_change_the_row(some: list[LessonUpdate], chance: random.Random) -> None:
    again = some + [chance.choice(some) for _ in range(3)]
    chance.shuffle(again)
    assert merged(again) == merged(some)


@given(st.lists(updates(), min_size=1, max_size=7))
def test_the_row_is_what_its_definition_says(some: list[LessonUpdate]) -> None:
    row = merged(some)
    done = [one for one in some if one.status == 2]
    assert row.status == max(one.status for one in some)
    assert row.progress == (100 if done else max(one.progress for one in some))
    assert row.viewcount == len({one.identity for one in some if one.status > 0})
    assert row.completedcount == len({one.identity for one in done})
    stated = [one.accessed for one in some if one.accessed is not None]
    assert row.last_access_time == (max(stated) if stated else max(one.received for one in some))
    finished = [one.completed for one in done if one.completed is not None]
    if finished:
        assert (row.last_completed_time, row.completed_first_at) == (max(finished), min(finished))
    elif done:
        received = [one.received for one in done]
        assert (row.last_completed_time, row.completed_first_at) == (max(received), min(received))
    else:
        assert (row.last_completed_time, row.completed_first_at) == (None, None)
    assert row.last_updated_time == max(one.received for one in some)
    told = [(one.received, one.details) for one in some if one.details is not None]
    assert row.progressdetails == (max(told)[1] if told else None)


@given(st.lists(updates(), min_size=2, max_size=6))
def test_a_status_never_goes_down_and_counts_never_shrink(some: list[LessonUpdate]) -> None:
    rows = [merged(some[:length]) for length in range(1, len(some) + 1)]
    for before, after in itertools.pairwise(rows):
        assert after.status >= before.status
        assert after.progress >= before.progress
        assert after.viewcount >= before.viewcount
        assert after.completedcount >= before.completedcount


def test_a_stated_time_beats_a_later_time_of_receipt() -> None:
    row = merged(
        [
            LessonUpdate("L1", 2, received=50, identity="a", accessed=10, completed=11),
            LessonUpdate("L1", 2, received=90, identity="b"),
        ]
    )
    assert (row.last_access_time, row.last_completed_time, row.completed_first_at) == (10, 11, 11)
    assert (row.viewcount, row.completedcount) == (2, 2)


def test_status_nought_makes_a_row_and_counts_nothing() -> None:
    row = merge(EMPTY, LessonUpdate("L1", 0, 50, "a"))
    assert (row.status, row.viewcount, row.completedcount, row.last_access_time) == (0, 0, 0, 50)


def test_a_time_of_completion_below_status_two_is_not_one() -> None:
    assert merge(EMPTY, LessonUpdate("L1", 1, 50, "a", completed=40)).last_completed_time is None


@given(st.lists(updates(contents=("L1", "L2")), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_folding_a_request_does_not_depend_on_the_order_of_its_items(
    some: list[LessonUpdate], chance: random.Random
) -> None:
    shuffled = list(some)
    chance.shuffle(shuffled)
    assert {one.contentid: one for one in fold(shuffled)} == {one.contentid: one for one in fold(some)}


@given(st.lists(updates(contents=("L1", "L2")), max_size=6))
def test_folding_leaves_one_update_per_lesson_that_goes_as_far_as_any(some: list[LessonUpdate]) -> None:
    folded = fold(some)
    assert [one.contentid for one in folded] == list(dict.fromkeys(one.contentid for one in some))
    for one in folded:
        every = [other for other in some if other.contentid == one.contentid]
        assert one.status == max(other.status for other in every)
        assert one.identity in {other.identity for other in every if other.status == one.status}
        assert one.accessed == max((other.accessed for other in every if other.accessed is not None), default=None)


@given(st.none() | moments, st.none() | moments)
def test_an_unknown_time_gives_way_to_a_known_one(left: int | None, right: int | None) -> None:
    known = [one for one in (left, right) if one is not None]
    assert later(left, right) == max(known, default=None)
    assert earlier(left, right) == min(known, default=None)


@pytest.mark.parametrize(
    ("left", "right"),
    [(("a", "bc"), ("ab", "c")), (("1",), (1,)), (("a",), ("a", None)), ((None,), ("null",)), (("a,b",), ("a", "b"))],
)
def test_identities_of_different_causes_differ(left: tuple[object, ...], right: tuple[object, ...]) -> None:
    assert identity(*left) != identity(*right)
    assert identity(*left) == identity(*left)


def test_merging_keeps_what_it_does_not_know_about() -> None:
    """Every member of a row takes part in the merge: a new one must be thought of here."""
    row = merged([LessonUpdate("L1", 2, 50, "a", 5, 40, 45, "{}")])
    empty = [name for name in LessonState.__struct_fields__ if getattr(row, name) is None]
    assert empty == []
    assert merge(row, LessonUpdate("L1", 0, 1, "b")) == msgspec.structs.replace(row)
