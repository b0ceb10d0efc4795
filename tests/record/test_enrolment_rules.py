"""What an enrolment's list item follows from (rest-api.md 4.2, rulings 2, 3, 21 and 38)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lernline.catalog.relations import Relations
from lernline.model import Content, Enrolment
from lernline.record.enrolment_rules import judged

LEAVES = ("l1", "l2", "l3", "l4")
COURSE = Relations("c", LEAVES, frozenset({"l1", "l2", "l3"}), {}, {}, (), ())


def row(**fields: Any) -> Enrolment:
    return Enrolment("u", "c", "b", rollup="v", **fields)


statuses = st.dictionaries(st.sampled_from([*LEAVES, "gone"]), st.integers(0, 2))


@given(statuses, st.integers(0, 9), st.integers(0, 2))
def test_the_figures_follow_from_the_lessons_and_never_from_stored_figures(
    contentstatus: dict[str, int], progress: int, status: int
) -> None:
    shown = judged(row(contentstatus=contentstatus, progress=progress, status=status), COURSE, None)
    done = sum(contentstatus.get(leaf) == 2 for leaf in ("l1", "l2", "l3"))
    assert shown[1:] == (100 * done // 3, done, 3)
    assert (shown[0] == 2) == (done == 3)


def test_an_optional_lesson_begins_a_course_and_completes_nothing() -> None:
    assert judged(row(contentstatus={"l4": 2}), COURSE, None) == (1, 0, 0, 3)


def test_a_completion_stays_when_the_course_grows() -> None:
    assert judged(row(contentstatus={"l1": 2}, completedon=1), COURSE, None) == (2, 100, 3, 3)


def test_a_course_without_a_required_lesson_is_never_complete() -> None:
    empty = Relations("c", ("l4",), frozenset(), {}, {}, (), ())
    assert judged(row(contentstatus={"l4": 2}), empty, None)[:2] == (1, 0)


def test_without_a_tree_the_catalogs_leaf_count_is_believed() -> None:
    assert judged(Enrolment("u", "c", "b", progress=1), None, Content("c", leaf_nodes_count=2)) == (1, 50, 1, 2)
