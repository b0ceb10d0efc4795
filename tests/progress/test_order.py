"""Whatever the order, however often, in whatever batches: the same events give the same state (promise 3)."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lernline.model import Event
from lernline.wiring import Line
from support.oracle import Said, Tried, aggregates, enrolment, lesson_rows, stands
from support.rows import aggregates as stored_aggregates
from support.rows import events_of, table
from support.updates import (
    answer,
    asking_for_sync,
    attempt_from_elsewhere,
    attempt_item,
    from_elsewhere,
    lesson,
    saying,
    trying,
)
from support.worlds import ASSESSMENTS, CONTENTS, NOW, enrol, key_of, set_up

LEARNERS = ("a", "b")
examples = itertools.count()
at = st.integers(NOW - 30, NOW)
stated = st.none() | at


class Happening(NamedTuple):
    """One thing that a learner's client or another producer does, and what it says by that."""

    learner: str
    do: Callable[[Line, str], None]
    said: tuple[Callable[[str], Said], ...] = ()
    tried: tuple[Callable[[str], Tried], ...] = ()


def accept(update: Any) -> Callable[[Line, str], None]:
    def do(line: Line, userid: str) -> None:
        outcomes = line.updates.accept([update(userid)])
        assert all(outcome.accepted and not outcome.refused for outcome in outcomes)

    return do


def append(event: Callable[[str], Event]) -> Callable[[Line, str], None]:
    return lambda line, userid: line.stream.append([event(userid)]) and None


@st.composite
def lesson_request(draw: st.DrawFn) -> Happening:
    """One request with some lessons, with explicit times or without."""
    received = draw(at)
    contents = draw(st.lists(st.sampled_from(CONTENTS), min_size=1, max_size=4, unique=True))
    fields = []
    for content in contents:
        status = draw(st.sampled_from((0, 1, 2, 2)))
        completed = draw(stated) if status == 2 else None
        fields.append((content, status, draw(st.integers(0, 100)), draw(stated), completed))

    def update(userid: str) -> Any:
        return saying(
            userid,
            *(lesson(userid, c, s, progress=p, accessed=a, completed=done) for c, s, p, a, done in fields),
            at=received,
        )

    said = tuple(
        (lambda userid, f=f: Said(f[0], f[1], received, ("http", f[0], f[1], f[3]), f[2], f[3], f[4])) for f in fields
    )
    return Happening(draw(st.sampled_from(LEARNERS)), accept(update), said)


@st.composite
def attempt_request(draw: st.DrawFn, *, elsewhere: bool = False) -> Happening:
    """A version of an attempt; accepted here it completes its content, on the topic alone it does not."""
    received = draw(at)
    content, name = draw(st.sampled_from(ASSESSMENTS)), draw(st.sampled_from(("t1", "t2")))
    ts = draw(st.integers(NOW - 3, NOW))
    scores = draw(st.lists(st.integers(0, 4).map(lambda half: half / 2), min_size=1, max_size=3))

    def item(userid: str) -> dict[str, Any]:
        answers = [answer(f"q{number}", got, 2) for number, got in enumerate(scores)]
        return attempt_item(userid, content, name, ts=ts, answers=answers)

    tried = (lambda userid: Tried(json.dumps(item(userid)).encode()),)
    learner = draw(st.sampled_from(LEARNERS))
    if elsewhere:
        return Happening(learner, append(lambda userid: attempt_from_elsewhere(item(userid))), (), tried)
    said = (lambda userid: Said(content, 2, received, ("attempt", content, name), 100),)
    return Happening(learner, accept(lambda userid: trying(userid, item(userid), at=received)), said, tried)


@st.composite
def update_from_elsewhere(draw: st.DrawFn) -> Happening:
    """An event of another producer, told apart by its message id."""
    received = draw(at)
    contents = draw(st.lists(st.sampled_from(CONTENTS), min_size=1, max_size=3, unique=True))
    fields = [(content, draw(st.sampled_from((1, 2, 2)))) for content in contents]
    mid = f"LP.{received}.{fields}"  # one message id never stands for two different messages of a learner

    def event(userid: str) -> Event:
        return from_elsewhere(userid, *({"contentId": c, "status": s} for c, s in fields), mid=mid, ets=received)

    said = tuple((lambda userid, f=f: Said(f[0], f[1], received, ("mid", mid, f[0]))) for f in fields)
    return Happening(draw(st.sampled_from(LEARNERS)), append(event), said)


def sync_request() -> st.SearchStrategy[Happening]:
    return st.sampled_from(LEARNERS).map(lambda learner: Happening(learner, accept(asking_for_sync)))


happenings = st.lists(
    lesson_request()
    | lesson_request()
    | attempt_request()
    | attempt_request(elsewhere=True)
    | update_from_elsewhere()
    | sync_request(),
    min_size=1,
    max_size=12,
)
finishing = st.lists(st.sampled_from(LEARNERS), max_size=2, unique=True)


@pytest.fixture(scope="module")
def world(shared_line: Line) -> Line:
    set_up(shared_line, templates=True)
    return shared_line


def everything_done(learner: str) -> list[Happening]:
    """Requests that complete the course, so that certificates come into play in many examples."""
    found = []
    for content in ("L1", "L2", "L3", "L4", "A1", "A2"):

        def update(userid: str, content: str = content) -> Any:
            return saying(userid, lesson(userid, content, 2, accessed=NOW - 50), at=NOW - 50)

        def said(userid: str, content: str = content) -> Said:
            return Said(content, 2, NOW - 50, ("http", content, 2, NOW - 50), 0, NOW - 50)

        found.append(Happening(learner, accept(update), (said,)))
    return found


def play(line: Line, names: dict[str, str], happening: list[Happening], chance: random.Random) -> None:
    """Let everything happen, the stations working in between on batches of any size."""
    workers = {
        station: line.worker(station, lambda _station, _counts: None)
        for station in ("progress", "assessments", "certify")
    }
    for worker in workers.values():
        worker._wait = 0
    before: dict[str, dict[str, int]] = {}
    for one in happening:
        one.do(line, names[one.learner])
        while chance.random() < 0.4:
            worker = workers[chance.choice(list(workers))]
            worker._size = chance.randint(1, 5)
            worker.run_once()
        for userid in names.values():
            statuses = line.store.enrolments([key_of(userid)])[key_of(userid)].contentstatus
            for content, status in before.get(userid, {}).items():
                assert statuses[content] >= status, "a status went down"
            before[userid] = statuses
    line.drain(lambda _station, _counts: None)


@settings(max_examples=60, deadline=None, phases=[Phase.generate])
@given(happenings, finishing, st.integers(0, 2**32))
def test_events_in_any_order_and_number_give_the_state_that_the_rulings_say(
    world: Line, happening: list[Happening], finishers: list[str], seed: int
) -> None:
    chance = random.Random(seed)
    names = {learner: f"{learner}{next(examples)}" for learner in LEARNERS}
    enrol(world, *names.values())
    letters = len(world.store.dead_letters(limit=1_000_000))
    distinct = happening + [one for learner in finishers for one in everything_done(learner)]
    shuffled = distinct + [one for one in distinct if chance.random() < 0.3]
    chance.shuffle(shuffled)
    play(world, names, shuffled, chance)

    assert len(world.store.dead_letters(limit=1_000_000)) == letters
    for learner, userid in names.items():
        mine = [one for one in distinct if one.learner == learner]
        said = [make(userid) for one in mine for make in one.said]
        tried = [make(userid) for one in mine for make in one.tried]
        check(world, userid, said, tried, touched=bool(mine))


def check(line: Line, userid: str, said: list[Said], tried: list[Tried], *, touched: bool) -> None:
    expected_lessons = lesson_rows(said)
    found_lessons = {
        row.pop("contentid"): row
        for row in table(
            line,
            "SELECT contentid, status, progress, viewcount, completedcount, last_access_time, last_completed_time"
            " FROM user_content_consumption WHERE userid = ?",
            userid,
        )
    }
    assert found_lessons == expected_lessons

    expected = enrolment(said)
    (found,) = table(line, "SELECT * FROM user_enrolments WHERE userid = ?", userid)
    found["contentstatus"] = json.loads(found["contentstatus"] or "{}")
    found["completionpercentage"] = found["completionpercentage"] or 0
    assert {name: found[name] for name in expected} == expected

    expected_aggregates = aggregates(said, tried)
    if touched and not said and stored_aggregates(line, userid):
        expected_aggregates.setdefault("do_course", {}).setdefault("completedCount", 0.0)  # a sync writes the count
        if "completedCount" not in stored_aggregates(line, userid)["do_course"]:
            del expected_aggregates["do_course"]["completedCount"]
    assert stored_aggregates(line, userid) == {name: row for name, row in expected_aggregates.items() if row}

    attempts = {
        (row["content_id"], row["attempt_id"]): (row["last_attempted_on"], row["digest"])
        for row in table(line, "SELECT * FROM assessment_aggregator WHERE user_id = ?", userid)
    }
    assert attempts == {key: (one.assessment_ts, one.digest) for key, one in stands(tried).items()}

    complete = expected["status"] == 2
    issued = json.loads(found["issued_certificates"] or "[]")
    credentials = line.store.credentials([key_of(userid)]).get(key_of(userid), [])
    assert len(issued) == len(credentials) == int(complete)
    if complete:
        assert issued[0]["identifier"] == credentials[0].id
    told = [(one["edata"]["type"], one["object"]["id"]) for one in events_of_learner(line, "telemetry.raw", userid)]
    first_views = [("start", content) for content, row in expected_lessons.items() if row["viewcount"]]
    first_ends = [("complete", content) for content, row in expected_lessons.items() if row["completedcount"]]
    ended = [("enrol-complete", userid)] if complete else []
    assert sorted(one for one in told if not one[0].startswith("certificate")) == sorted(
        first_views + first_ends + ended
    )


def events_of_learner(line: Line, topic: str, userid: str) -> list[dict[str, Any]]:
    found = table(line, "SELECT value FROM event_log WHERE topic = ? AND key = ?", topic, userid)
    return [json.loads(row["value"]) for row in found]


def test_the_same_requests_in_opposite_orders_leave_equal_rows(line: Line) -> None:
    """The property in small: a repeated update that says more than it did the first time."""
    set_up(line)
    enrol(line, "forth", "back")
    some = [
        lambda userid: saying(userid, lesson(userid, "L1", 1, progress=30, accessed=NOW - 9), at=NOW - 5),
        lambda userid: saying(userid, lesson(userid, "L1", 1, progress=60, accessed=NOW - 9), at=NOW - 4),
        lambda userid: saying(userid, lesson(userid, "L1", 1, progress=10), at=NOW - 3),
        lambda userid: saying(userid, lesson(userid, "L1", 1, progress=20), at=NOW - 1),
    ]
    for userid, order in (("forth", some), ("back", some[::-1])):
        for one in order:
            line.updates.accept([one(userid)])
            line.drain()
    query = "SELECT * FROM user_content_consumption WHERE userid = ?"
    forth, back = (table(line, query, userid)[0] for userid in ("forth", "back"))
    assert forth | {"userid": ""} == back | {"userid": ""}
    assert (forth["progress"], forth["viewcount"], forth["last_access_time"]) == (60, 2, NOW - 9)
    assert events_of(line, "telemetry.raw")
