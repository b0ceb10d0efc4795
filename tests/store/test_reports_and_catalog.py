"""What every store promises of bulk reads and of the catalog."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lernline.catalog.relations import AssessmentKinds
from lernline.catalog.service import import_course
from lernline.model import (
    ActivityKey,
    AggregateUpdate,
    Attempt,
    Batch,
    Changes,
    Content,
    Enrolment,
    EnrolmentKey,
    EnrolmentProgress,
    IssuedCertificate,
)
from lernline.store.port import CourseShape, Store
from support.worlds import BATCH, COURSE, REQUIRED, UNITS, course_tree, leaf, unit

SHAPE = CourseShape(COURSE, "v1", REQUIRED, UNITS, ("A1", "A2"))
OF_BATCH = Batch(COURSE, BATCH)


def enrolled(store: Store, *userids: str, batchid: str = BATCH, **more: Any) -> None:
    store.commit(Changes(enrolments=[Enrolment(one, COURSE, batchid, **more) for one in userids]))


def progressed(store: Store, userid: str, rollup: str = "v1", **statuses: int) -> None:
    done = sum(1 for name, status in statuses.items() if status == 2 and name in REQUIRED)
    row = EnrolmentProgress(
        EnrolmentKey(userid, COURSE, BATCH), 1, done, 0, statuses, 7 if done == 6 else None, 1, None, None, None, rollup
    )
    units = {
        name: float(sum(1 for one in members if statuses.get(one) == 2))
        for name, members in UNITS.items()
        if members & statuses.keys()
    }
    updates = [
        AggregateUpdate(ActivityKey(name, userid, f"cb:{BATCH}"), {"completedCount": count}, 1)
        for name, count in {COURSE: float(done), **units}.items()
    ]
    store.commit(Changes(enrolment_progress=[row], aggregates=updates))


def pages(store: Store, size: int = 100, shape: CourseShape = SHAPE) -> list[list[dict[str, Any]]]:
    with store.batch_reads(OF_BATCH, shape) as reads:
        return [page.to_pylist() for page in reads.enrolments(size)]


def units(store: Store, shape: CourseShape = SHAPE) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    with store.batch_reads(OF_BATCH, shape) as reads:
        for page in reads.enrolments(100):
            for row in reads.units(page).to_pylist():
                found.setdefault(row["userid"], {})[row["unitid"]] = row["completed"]
    return found


def test_pages_hold_every_active_enrolment_in_order_and_no_other(store: Store) -> None:
    enrolled(store, "u5", "u1", "u3", "u4", "u2")
    enrolled(store, "u3", active=False)
    enrolled(store, "u6", batchid="another")
    found = pages(store, size=2)
    assert [[row["userid"] for row in page] for page in found] == [["u1", "u2"], ["u4", "u5"]]
    with store.batch_reads(OF_BATCH, SHAPE) as reads:
        assert reads.count() == 4


def test_a_batch_without_learners_has_no_page_with_rows(store: Store) -> None:
    assert [row for page in pages(store) for row in page] == []


def test_a_row_tells_dates_status_certificates_and_completed_leaves(store: Store) -> None:
    enrolled(store, "u1", enrolled_date=1_700_000_000_123)
    enrolled(store, "u2")
    progressed(store, "u1", **dict.fromkeys(REQUIRED, 2))
    store.commit(Changes(issued=[(EnrolmentKey("u1", COURSE, BATCH), [IssuedCertificate("id", "Merit")])]))
    ((first, second),) = pages(store)
    assert first == {
        "userid": "u1",
        "enrolled_date": 1_700_000_000_123,
        "completedon": 7,
        "status": 1,
        "issued": True,
        "completed": 6,
    }
    assert second == {
        "userid": "u2",
        "enrolled_date": None,
        "completedon": None,
        "status": 0,
        "issued": False,
        "completed": 0,
    }


def test_a_row_that_was_rolled_up_with_another_tree_is_counted_anew(store: Store) -> None:
    enrolled(store, "u1", "u2")
    progressed(store, "u1", "v0", L1=2, L2=2, L5=2, GONE=2)
    progressed(store, "u2", "v1", L1=2)
    assert [row["completed"] for row in pages(store)[0]] == [2, 1]
    assert units(store) == {"u1": {"do_u1": 2, "do_u2": 1}, "u2": {"do_u1": 1}}


def test_completed_leaves_of_an_unknown_tree_are_unknown(store: Store) -> None:
    enrolled(store, "u1")
    shape = CourseShape(COURSE, "", frozenset(), {}, (), tree_known=False)
    assert [row["completed"] for row in pages(store, shape=shape)[0]] == [None]
    assert units(store, shape) == {}


def test_units_that_nobody_touched_have_no_row(store: Store) -> None:
    enrolled(store, "u1", "u2")
    progressed(store, "u1", L4=2, A1=1)
    assert units(store) == {"u1": {"do_u2": 1, "do_u3": 1, "do_u4": 0}}


def test_scores_are_the_best_of_each_assessment_and_an_unknown_maximum_is_empty(store: Store) -> None:
    enrolled(store, "u1", "u2")
    key = EnrolmentKey("u1", COURSE, BATCH)
    store.commit(
        Changes(
            attempts=[
                Attempt(*key, "A1", "t1", 1, 3.0, 10.0, "3.0/10.0"),
                Attempt(*key, "A1", "t2", 2, 7.0, 12.0, "7.0/12.0"),
                Attempt(*key, "A2", "t1", 2, 1.0, 0.0, "1.0/0.0"),
                Attempt(*key, "other", "t1", 2, 1.0, 2.0, "1.0/2.0"),
                Attempt("u9", COURSE, BATCH, "A1", "t1", 2, 1.0, 2.0, "1.0/2.0"),
            ]
        )
    )
    with store.batch_reads(OF_BATCH, SHAPE) as reads:
        (page,) = reads.enrolments(100)
        found = sorted(reads.scores(page).to_pylist(), key=lambda row: row["contentid"])
    assert found == [
        {"userid": "u1", "contentid": "A1", "score": 7.0, "max_score": 12.0},
        {"userid": "u1", "contentid": "A2", "score": 1.0, "max_score": None},
    ]


def test_bulk_reads_stand_still_while_others_write(store: Store) -> None:
    enrolled(store, "u1", "u3")
    with store.batch_reads(OF_BATCH, SHAPE) as reads:
        assert reads.count() == 2
        enrolled(store, "u2")
        progressed(store, "u1", L1=2)
        rows = [row for page in reads.enrolments(1) for row in page.to_pylist()]
    assert [(row["userid"], row["completed"]) for row in rows] == [("u1", 0), ("u3", 0)]


# ---- catalog ----------------------------------------------------------------------------------------------------


def imported(store: Store, tree: dict[str, Any]) -> None:
    _, changes = import_course(json.dumps(tree).encode(), AssessmentKinds())
    store.commit(changes)


def test_a_course_comes_back_as_it_was_imported(store: Store) -> None:
    imported(store, course_tree())
    assert json.loads(store.hierarchies([COURSE, "other"])[COURSE]) == course_tree()
    sets = store.relation_sets([COURSE])[COURSE]
    assert set(sets[f"{COURSE}:do_u2:leafnodes"]) == {"L2", "L3", "L4", "L5"}
    assert store.contents([COURSE, "A1", "unknown"]).keys() == {COURSE, "A1"}
    assert store.contents(["A1"])["A1"].content_type == "SelfAssess"


def test_a_course_that_is_imported_again_keeps_no_relation_of_the_older_tree(store: Store) -> None:
    imported(store, course_tree())
    imported(store, unit(COURSE, unit("do_u9", leaf("L9"))))
    keys = store.relation_sets([COURSE])[COURSE].keys()
    assert keys == {f"{COURSE}:{COURSE}:leafnodes", f"{COURSE}:do_u9:leafnodes", f"{COURSE}:L9:ancestors"}


def test_every_change_of_the_catalog_is_noticed(store: Store) -> None:
    versions = [store.catalog_version()]
    imported(store, course_tree())
    versions.append(store.catalog_version())
    store.commit(Changes(contents=[Content("x")]))
    versions.append(store.catalog_version())
    store.commit(Changes(batches=[OF_BATCH]))
    assert versions == sorted(set(versions))
    assert store.catalog_version() == versions[-1]


@pytest.mark.parametrize(
    "content",
    [
        Content("x"),
        Content("x", "Näme", "Retired", "ch", "Yes", 5, 7, "SelfAssess", "video/mp4", b'{"a":[1,null]}'),
    ],
)
def test_content_comes_back_as_it_was_committed(store: Store, content: Content) -> None:
    store.commit(Changes(contents=[content]))
    assert store.contents(["x"]) == {"x": content}
