"""The worker loop: batches, isolation of what cannot be handled, owners that are overtaken, parts that are away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest

from lernline.clock import FixedClock
from lernline.errors import BadRequest, Unavailable
from lernline.model import Changes, Credential, Enrolment, Event, Position
from lernline.stream import topics
from lernline.stream.port import Record
from lernline.stream.worker import Worker
from lernline.wiring import STATIONS, Line
from support.rows import table
from support.updates import from_elsewhere, lesson, saying
from support.worlds import NOW, enrol, key_of, set_up

TOPIC, GROUP = "numbers", "adder"


class Adder:
    """Enrols a learner per record; what it does before that is the test's."""

    name = "adder"
    group = GROUP
    topics = (TOPIC,)

    def __init__(self, before: Callable[[Sequence[Record]], None] = lambda _: None) -> None:
        self.before = before
        self.sizes: list[int] = []

    def process(self, records: Sequence[Record]) -> Changes:
        self.sizes.append(len(records))
        self.before(records)
        changes = Changes(enrolments=[Enrolment(record.value.decode(), "c", "b") for record in records])
        changes.events.extend(Event("added", record.key, record.value) for record in records)
        changes.count("added", len(records))
        return changes


def worker_of(line: Line, stage: Adder, size: int = 1000, wait: float = 0.0) -> tuple[Worker, list[dict[str, int]]]:
    counted: list[dict[str, int]] = []
    worker = Worker(
        stage,
        line.stream,
        line.store,
        line.clock,
        size=size,
        wait=wait,
        committed=lambda _, counts: counted.append(counts),
    )
    return worker, counted


def put(line: Line, *values: str) -> None:
    line.stream.append([Event(TOPIC, value, value.encode()) for value in values])


def added(line: Line) -> list[str]:
    return line.store.learners_of_batch("b")


def poison(*poisonous: str, kind: type[Exception] = RuntimeError) -> Callable[[Sequence[Record]], None]:
    def bite(records: Sequence[Record]) -> None:
        if any(record.value.decode() in poisonous for record in records):
            raise kind("it bites")

    return bite


def test_a_batch_closes_by_size(line: Line) -> None:
    stage = Adder()
    worker, _ = worker_of(line, stage, size=2)
    put(line, *"abcde")
    assert [worker.run_once() for _ in range(4)] == [2, 2, 1, 0]
    assert stage.sizes == [2, 2, 1]


def test_a_batch_closes_by_time_although_it_is_not_full(line: Line) -> None:
    stage = Adder()
    worker, _ = worker_of(line, stage, size=1000, wait=0.001)
    put(line, "a", "b")
    assert worker.run_once() == 2
    assert added(line) == ["a", "b"]


def test_a_batch_that_is_open_takes_what_comes_meanwhile(live_line: Line) -> None:
    stage = Adder()
    worker, _ = worker_of(live_line, stage, size=2, wait=0.3)
    put(live_line, "a")
    late = threading.Timer(0.05, put, (live_line, "b"))
    late.start()
    worker.run_once()
    late.join()
    worker.run_once()
    assert added(live_line) == ["a", "b"]
    assert sum(stage.sizes) == 2


def test_counters_are_told_after_the_commit_and_once(line: Line) -> None:
    worker, counted = worker_of(line, Adder())
    put(line, "a", "b")
    worker.run_once()
    worker.run_once()
    assert counted == [{"added": 2}]


def test_one_poisonous_record_among_a_thousand_is_isolated(line: Line) -> None:
    names = [f"u{number:04}" for number in range(1000)]
    stage = Adder(poison("u0613"))
    worker, _ = worker_of(line, stage)
    put(line, *names)
    assert worker.run_once() == 1000
    assert added(line) == [name for name in names if name != "u0613"]
    (letter,) = line.store.dead_letters()
    assert (letter.topic, letter.key, letter.value) == (TOPIC, "u0613", b"u0613")
    assert (letter.stage, letter.code, letter.reason) == ("adder", "UNEXPECTED", "RuntimeError: it bites")
    assert "in bite" in letter.stack
    assert letter.at == NOW
    assert line.stream.lag(GROUP, [TOPIC]) == 0
    assert len(stage.sizes) < 25, "bisecting takes a logarithm of the batch"


def test_a_thousand_good_updates_survive_a_poisonous_one_on_the_real_line(line: Line) -> None:
    set_up(line)
    users = [f"u{number:04}" for number in range(1000)]
    enrol(line, *users)
    good = [from_elsewhere(user, {"contentId": "L1", "status": 2}, mid=user) for user in users]
    bad = Event(topics.PROGRESS_UPDATE, "u0500", b'{"edata": {"action": "batch-enrolment-update", "userId": 7}}')
    line.stream.append([*good[:500], bad, *good[500:]])
    line.drain()
    assert table(line, "SELECT count(*) AS n FROM user_enrolments WHERE progress = 1") == [{"n": 1000}]
    (letter,) = line.store.dead_letters()
    assert (letter.stage, letter.code, letter.value) == ("progress", "EVENT_UNREADABLE", bad.value)
    assert "userId" in letter.reason


@pytest.mark.parametrize("poisonous", [("a",), ("e",), ("b", "c"), ("a", "b", "c", "d", "e")])
def test_wherever_poison_lies_the_others_go_on_in_order(line: Line, poisonous: tuple[str, ...]) -> None:
    worker, _ = worker_of(line, Adder(poison(*poisonous)))
    put(line, *"abcde")
    worker.run_once()
    assert added(line) == [name for name in "abcde" if name not in poisonous]
    assert [letter.key for letter in reversed(line.store.dead_letters())] == list(poisonous)
    emitted = [record.key for record in line.stream.poll("reader", ["added"], 10, 0).records]
    assert emitted == [name for name in "abcde" if name not in poisonous]


def test_a_refusal_that_a_stage_raises_keeps_its_code(line: Line) -> None:
    def refuse(_: Sequence[Record]) -> None:
        raise BadRequest("edata.x is missing", code="X_MISSING")

    worker, _ = worker_of(line, Adder(refuse))
    put(line, "a")
    worker.run_once()
    (letter,) = line.store.dead_letters()
    assert (letter.code, letter.reason) == ("X_MISSING", "BadRequest: edata.x is missing")


def test_a_record_whose_changes_cannot_be_stored_is_isolated_too(line: Line) -> None:
    """A value that the database refuses is the record's fault, though the stage did not notice."""

    class Issuer(Adder):
        def process(self, records: Sequence[Record]) -> Changes:
            changes = super().process(records)
            changes.credentials.extend(
                Credential(record.value.decode(), "u", "c", "b", "t", "1", "T", b"", "", 0, sequence=10**30)
                for record in records
                if record.value == b"c"
            )
            return changes

    worker, _ = worker_of(line, Issuer())
    put(line, *"abcde")
    worker.run_once()
    assert added(line) == ["a", "b", "d", "e"]
    (letter,) = line.store.dead_letters()
    assert (letter.key, letter.code) == ("c", "UNEXPECTED")


def test_a_row_that_breaks_a_constraint_is_isolated_too(line: Line) -> None:
    class Issuer(Adder):
        def process(self, records: Sequence[Record]) -> Changes:
            changes = super().process(records)
            changes.credentials.extend(
                Credential(record.value.decode(), "u", "c", "b", "t", "1", "T", b"", "", 0) for record in records
            )
            return changes

    worker, _ = worker_of(line, Issuer())
    put(line, "a", "b")
    worker.run_once()
    assert added(line) == ["a"]
    assert [letter.key for letter in line.store.dead_letters()] == ["b"]


def test_an_owner_that_was_overtaken_writes_nothing(line: Line) -> None:
    def overtake(records: Sequence[Record]) -> None:
        line.store.commit(Changes(), Position(GROUP, 0, records[-1].offset))

    worker, counted = worker_of(line, Adder(overtake))
    put(line, "a", "b")
    with pytest.raises(Exception, match="another owner went on"):
        worker.run_once()
    assert added(line) == []
    assert line.stream.poll("reader", ["added"], 10, 0).records == []
    assert line.store.dead_letters() == []
    assert counted == []


def test_a_running_worker_takes_being_overtaken_calmly(line: Line) -> None:
    stop = threading.Event()
    overtaken: list[int] = []

    def overtake_once(records: Sequence[Record]) -> None:
        if overtaken:
            stop.set()
        else:
            overtaken.append(records[0].offset)
            line.store.commit(Changes(), Position(GROUP, 0, records[0].offset))

    worker, _ = worker_of(line, Adder(overtake_once))
    put(line, "a", "b")
    worker.run(stop)
    assert added(line) == ["b"]


def test_while_a_part_is_away_nothing_is_lost_and_nothing_is_set_aside(line: Line) -> None:
    stop = threading.Event()
    failures: list[int] = []

    def away_twice(records: Sequence[Record]) -> None:
        if len(failures) < 2:
            failures.append(len(records))
            raise Unavailable("the database is away")
        stop.set()

    worker, _ = worker_of(line, Adder(away_twice))
    put(line, "a", "b", "c")
    worker.run(stop)
    assert failures == [3, 3]
    assert added(line) == ["a", "b", "c"]
    assert line.store.dead_letters() == []


def test_a_part_that_goes_away_in_the_middle_of_a_bisection_costs_nothing(line: Line) -> None:
    away = [True]

    def bite(records: Sequence[Record]) -> None:
        poison("c")(records)
        if away and records[0].value == b"d":
            away.clear()
            raise Unavailable("the database is away")

    worker, _ = worker_of(line, Adder(bite))
    put(line, *"abcde")
    with pytest.raises(Unavailable):
        worker.run_once()
    worker.run_once()
    assert added(line) == ["a", "b", "d", "e"]
    assert [letter.key for letter in line.store.dead_letters()] == ["c"]


def test_the_batch_in_hand_is_finished_at_shutdown(line: Line) -> None:
    stop = threading.Event()
    worker, _ = worker_of(line, Adder(lambda _: stop.set()), size=2)
    put(line, *"abcde")
    worker.run(stop)
    assert added(line) == ["a", "b"]
    assert line.stream.committed(GROUP) == 2
    assert line.stream.lag(GROUP, [TOPIC]) == 3


def test_a_worker_that_starts_later_takes_up_what_was_left(line: Line) -> None:
    put(line, *"abc")
    worker_of(line, Adder(), size=2)[0].run_once()
    stage = Adder()
    worker, _ = worker_of(line, stage)
    worker.run_once()
    assert stage.sizes == [1]
    assert added(line) == ["a", "b", "c"]


def test_a_dead_letter_can_be_replayed_after_the_fix(line: Line) -> None:
    set_up(line)
    line.stream.append([from_elsewhere("late", {"contentId": "L1", "status": 2}, mid="m1")])
    line.drain()
    (letter,) = line.store.dead_letters(stage="progress")
    assert letter.code == "USER_NOT_ENROLLED_COURSE"
    enrol(line, "late")
    for _ in range(2):
        line.stream.append([Event(letter.topic, letter.key, letter.value, letter.headers)])
    assert line.store.close_dead_letters([letter.id], "replayed") == 1
    line.drain()
    assert line.store.dead_letters() == []
    (enrolment,) = line.store.enrolments_of_user("late")
    assert enrolment.contentstatus == {"L1": 2}
    assert line.store.lessons_of([key_of("late")])[key_of("late")][0].completedcount == 1


def test_an_accepted_update_stays_accepted_when_it_is_replayed(line: Line) -> None:
    """Its learner was enrolled when it was acknowledged; that they left since does not take it back."""
    set_up(line)
    enrol(line, "u")
    line.updates.accept([saying("u", lesson("u", "L1"))])
    line.store.commit(Changes(batches=[]))
    with line.db.writing() as connection:
        connection.exec_driver_sql("DELETE FROM user_enrolments")
    line.drain()
    (letter,) = line.store.dead_letters()
    enrol(line, "u", active=False)
    line.stream.append([Event(letter.topic, letter.key, letter.value, letter.headers)])
    line.drain()
    assert line.store.enrolments_of_user("u")[0].contentstatus == {"L1": 2}


@pytest.mark.parametrize("station", STATIONS)
def test_a_record_leaves_the_log_only_after_its_station_has_read_it(line: Line, station: str) -> None:
    stage = line.stage(station)
    assert topics.READERS[stage.group] == stage.topics


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"null", b"[]", b"7", b'"x"', b"{}", b'{"edata": null}', b'{"edata": []}', b"{" * 5000]
)
def test_no_station_stumbles_over_what_is_no_event(line: Line, station: str, value: bytes) -> None:
    stage = line.stage(station)
    line.stream.append([Event(topic, "u", value) for topic in stage.topics])
    line.drain()
    assert line.stream.lag(stage.group, stage.topics) == 0
    assert all(letter.code != "UNEXPECTED" for letter in line.store.dead_letters()), line.store.dead_letters()


def test_the_clock_of_the_line_dates_dead_letters(line: Line, clock: FixedClock) -> None:
    worker, _ = worker_of(line, Adder(poison("a")))
    put(line, "a")
    clock.at_ms = 42
    worker.run_once()
    assert line.store.dead_letters()[0].at == 42
