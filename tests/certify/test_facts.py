"""What a certificate's criteria are told of a course: all that it asks for, attempted or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lernline.clock import FixedClock
from lernline.events import certificate_request
from lernline.explain.service import explain_learner
from lernline.model import ActivityKey, AggregateUpdate, Changes, Event
from lernline.settings import Settings
from lernline.stream.topics import CERTIFICATE_REQUEST
from lernline.wiring import Line
from support.worlds import BATCH, COURSE, NOW, TEMPLATE, enrol, import_tree, key_of, leaf, open_batch, unit


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(Settings(data=tmp_path), FixedClock(NOW))
    assessments = (leaf(name, content_type="SelfAssess", optional=name == "A3") for name in ("A1", "A2", "A3"))
    import_tree(line, unit(COURSE, leaf("L1"), unit("do_u", *assessments)))
    yield line
    line.close()


def attach(line: Line, mode: str) -> None:
    criteria = json.dumps({"assessment": {"score": {">=": 60}, "mode": mode}})
    line.store.commit(Changes(batches=[open_batch(cert_templates={"do_template": TEMPLATE | {"criteria": criteria}})]))
    enrol(line, "u1")


def scored(line: Line, **points: float) -> int:
    """Scores in percent, and how many certificates there are then."""
    values: dict[str, Any] = {}
    for name, value in points.items():
        values |= {f"score:{name}": value, f"max_score:{name}": 100.0}
    key = ActivityKey(COURSE, "u1", f"cb:{BATCH}")
    line.store.commit(Changes(aggregates=[AggregateUpdate(key, values, NOW)]))
    asked = Event(CERTIFICATE_REQUEST, "u1", certificate_request("u1", COURSE, BATCH, NOW, ("test", *points)))
    line.store.commit(Changes(events=[asked]))
    line.drain()
    return len(line.store.credentials([key_of("u1")]).get(key_of("u1"), []))


def test_an_assessment_without_an_attempt_fails_all_and_is_named(line: Line) -> None:
    attach(line, "all")
    assert scored(line, A1=100) == 0
    told = explain_learner(line, "u1", BATCH)
    assert any("A2 has no attempt" in sentence for step in told.steps for sentence in step.lines)
    assert scored(line, A2=60) == 1


def test_an_assessment_without_an_attempt_counts_as_nothing_in_the_average(line: Line) -> None:
    attach(line, "average")
    assert scored(line, A1=100) == 0
    assert scored(line, A2=20) == 1


def test_an_optional_assessment_counts_only_when_it_was_attempted(line: Line) -> None:
    attach(line, "all")
    assert scored(line, A1=60, A2=60, A3=10) == 0
    assert scored(line, A3=60) == 1


def test_the_best_assessment_is_enough_where_the_template_says_no_more(line: Line) -> None:
    attach(line, "best")
    assert scored(line, A1=60) == 1
