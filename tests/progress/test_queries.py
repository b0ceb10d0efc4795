"""A unit of work costs the same number of statements, however many records it holds (design 3.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lernline.model import Event
from lernline.record.updates import StateQuery
from lernline.stream import topics
from lernline.wiring import Line
from support.queries import counted
from support.updates import answer, attempt_item, from_elsewhere, lesson, saying, trying
from support.worlds import ASSESSMENTS, COURSE, enrol, key_of, set_up

SMALL, LARGE = 10, 500


@pytest.fixture
def learners(line: Line) -> list[str]:
    set_up(line, templates=True)
    names = [f"u{number:03}" for number in range(SMALL + LARGE)]
    enrol(line, *names)
    return names


def cost(line: Line, act: Callable[[], object]) -> int:
    with counted(line) as statements:
        act()
    return len(statements)


def two_costs(line: Line, learners: list[str], prepare: Callable[[list[str]], None], station: str) -> tuple[int, int]:
    """Statements of one batch of a station, for few learners and for many; the catalog is known by then."""
    worker = line.worker(station)
    worker._wait = 0
    worker._size = 10_000
    line.courses.get(["do_course"])
    line.courses.contents(["do_course"])
    found = []
    for some in (learners[:SMALL], learners[SMALL:]):
        prepare(some)
        found.append(cost(line, worker.run_once))
        assert line.stream.lag(worker.stage.group, worker.stage.topics) == 0
    return found[0], found[1]


def finished(line: Line, some: list[str]) -> None:
    contents = ("L1", "L2", "L3", "L4", "A1", "A2")
    line.updates.accept([saying(one, *(lesson(one, content) for content in contents)) for one in some])


def test_a_batch_of_progress(line: Line, learners: list[str]) -> None:
    def prepare(some: list[str]) -> None:
        line.updates.accept([saying(one, lesson(one, "L1"), lesson(one, "L2", 1)) for one in some])

    few, many = two_costs(line, learners, prepare, "progress")
    assert few == many < 30


def test_a_batch_of_completions(line: Line, learners: list[str]) -> None:
    few, many = two_costs(line, learners, lambda some: finished(line, some), "progress")
    assert few == many < 35


def test_a_batch_of_progress_of_rows_that_others_wrote_and_of_refusals(line: Line, learners: list[str]) -> None:
    def prepare(some: list[str]) -> None:
        events = [from_elsewhere(one, {"contentId": "L1", "status": 2}, mid=one) for one in some]
        strangers = [from_elsewhere(f"x{one}", {"contentId": "L1", "status": 2}, mid=one) for one in some]
        line.stream.append(events + strangers + [Event(topics.PROGRESS_UPDATE, "u", b"{")] * len(some))

    few, many = two_costs(line, learners, prepare, "progress")
    assert few == many < 35


def test_a_batch_of_attempts(line: Line, learners: list[str]) -> None:
    line.courses.contents(["A1"])

    def prepare(some: list[str]) -> None:
        line.updates.accept([trying(one, attempt_item(one, answers=[answer("q", 1)])) for one in some])

    few, many = two_costs(line, learners, prepare, "assessments")
    assert few == many < 30


def test_a_batch_of_certificates(line: Line, learners: list[str]) -> None:
    progress = line.worker("progress")
    progress._wait = 0
    line.certifier  # noqa: B018  the key is made when it is first needed
    line.courses.get([COURSE])
    line.courses.contents([COURSE, *ASSESSMENTS])

    def prepare(some: list[str]) -> None:
        finished(line, some[:40])
        progress.run_once()

    few, many = two_costs(line, learners, prepare, "certify")
    assert few == many < 35


def test_accepting_updates(line: Line, learners: list[str]) -> None:
    def accept(some: list[str]) -> Callable[[], object]:
        requests = [saying(one, lesson(one, "L1"), lesson(one, "L2", 1)) for one in some]
        requests += [trying(one, attempt_item(one, answers=[answer("q", 1)])) for one in some]
        return lambda: line.updates.accept(requests)

    assert cost(line, accept(learners[:SMALL])) == cost(line, accept(learners[SMALL:])) < 15


def test_reading_state_of_many(line: Line, learners: list[str]) -> None:
    line.updates.accept([saying(one, lesson(one, "L1")) for one in learners])
    line.updates.accept([trying(one, attempt_item(one, answers=[answer("q", 1)])) for one in learners])

    def read(some: list[str]) -> Callable[[], object]:
        return lambda: line.updates.read([StateQuery(key_of(one), scores=True) for one in some])

    assert cost(line, read(learners[:SMALL])) == cost(line, read(learners[SMALL:])) < 25
