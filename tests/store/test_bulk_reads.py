"""Bulk reads over several pages, and of values that come late or under odd names."""

from __future__ import annotations

from typing import Any

import pytest

from lernline.model import (
    ActivityKey,
    AggregateUpdate,
    Attempt,
    Batch,
    Changes,
    Enrolment,
    EnrolmentKey,
    EnrolmentProgress,
)
from lernline.store.port import CourseShape, Store
from support.worlds import BATCH, COURSE, REQUIRED, UNITS

OF_BATCH = Batch(COURSE, BATCH)
CONTEXT = f"cb:{BATCH}"


def shape(*assessments: str) -> CourseShape:
    return CourseShape(COURSE, "v1", REQUIRED, UNITS, assessments)


def enrolled(store: Store, *userids: str) -> None:
    store.commit(Changes(enrolments=[Enrolment(one, COURSE, BATCH) for one in userids]))


def rolled_up(userid: str, rollup: str, **statuses: int) -> EnrolmentProgress:
    key = EnrolmentKey(userid, COURSE, BATCH)
    return EnrolmentProgress(key, 1, 0, 0, statuses, None, 1, None, None, None, rollup)


def aggregate(userid: str, activity: str = COURSE, **values: float) -> AggregateUpdate:
    return AggregateUpdate(ActivityKey(activity, userid, CONTEXT), values, 1)


def scores(store: Store, *assessments: str, page_size: int = 10_000) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    with store.batch_reads(OF_BATCH, shape(*assessments)) as reads:
        for page in reads.enrolments(page_size):
            found += reads.scores(page).to_pylist()
    return sorted(found, key=lambda row: (row["userid"], row["contentid"]))


def test_each_page_is_counted_by_its_own_rows_whether_they_are_current_or_not(store: Store) -> None:
    enrolled(store, "u1", "u2", "u3", "u4")
    store.commit(
        Changes(
            enrolment_progress=[
                rolled_up("u1", "v1", L1=2),
                rolled_up("u2", "v1", L1=2),
                rolled_up("u3", "v0", L2=2),
                rolled_up("u4", "v1", L1=2),
            ],
            aggregates=[aggregate(one, "do_u1", completedCount=7.0) for one in ("u1", "u2", "u3", "u4")],
        )
    )
    with store.batch_reads(OF_BATCH, shape()) as reads:
        pages = list(reads.enrolments(2))
        both = [sorted((row["userid"], row["completed"]) for row in reads.units(page).to_pylist()) for page in pages]
        again = [
            sorted((row["userid"], row["completed"]) for row in reads.units(page).to_pylist())
            for page in reads.enrolments(2)
        ]
    counted = both[1].copy()
    assert both[0] == [("u1", 7), ("u2", 7)]
    assert ("u4", 7) in counted
    assert ("u3", 7) not in counted
    assert both == again


def test_an_attempt_counts_only_where_the_aggregates_lack_its_assessment(store: Store) -> None:
    enrolled(store, "u1", "u2")
    store.commit(
        Changes(
            aggregates=[aggregate("u1", **{"completedCount": 1.0, "score:A1": 4.0, "max_score:A1": 5.0})],
            attempts=[
                Attempt("u1", COURSE, BATCH, "A1", "t1", 1, 9.0, 10.0, "9.0/10.0"),
                Attempt("u1", COURSE, BATCH, "A2", "t1", 1, 2.0, 10.0, "2.0/10.0"),
                Attempt("u2", COURSE, BATCH, "A1", "t1", 1, 3.0, 10.0, "3.0/10.0"),
            ],
        )
    )
    assert scores(store, "A1", "A2") == [
        {"userid": "u1", "contentid": "A1", "score": 4.0, "max_score": 5.0},
        {"userid": "u1", "contentid": "A2", "score": 2.0, "max_score": 10.0},
        {"userid": "u2", "contentid": "A1", "score": 3.0, "max_score": 10.0},
    ]


def test_a_score_that_only_a_late_learner_has_is_read(store: Store) -> None:
    userids = [f"u{number:04d}" for number in range(1_500)]
    enrolled(store, *userids)
    store.commit(
        Changes(
            aggregates=[
                *(aggregate(one, completedCount=0.0) for one in userids[:-1]),
                aggregate(userids[-1], **{"score:A1": 2.5}),
            ]
        )
    )
    expected = [{"userid": userids[-1], "contentid": "A1", "score": 2.5, "max_score": None}]
    assert scores(store, "A1") == expected
    assert scores(store, "A1", page_size=1_400) == expected


@pytest.mark.parametrize("name", ['with "quotes"', "with \\ backslash", "with.dots[0]", "ünïcode", "it's"])
def test_an_assessment_is_found_whatever_signs_its_identifier_holds(store: Store, name: str) -> None:
    enrolled(store, "u1")
    store.commit(Changes(aggregates=[aggregate("u1", **{f"score:{name}": 3.0, f"max_score:{name}": 4.0})]))
    assert scores(store, "A1", name) == [{"userid": "u1", "contentid": name, "score": 3.0, "max_score": 4.0}]


def test_a_course_of_many_assessments_has_all_its_scores(store: Store) -> None:
    names = [f"A{number:03d}" for number in range(101)]
    enrolled(store, "u1")
    values = {f"score:{name}": float(number) for number, name in enumerate(names)}
    store.commit(Changes(aggregates=[aggregate("u1", **values)]))
    assert [(row["contentid"], row["score"]) for row in scores(store, *names)] == [
        (name, float(number)) for number, name in enumerate(names)
    ]
