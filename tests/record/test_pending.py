"""A read shows everything that was acknowledged before it, merged or not, once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hypothesis import given, settings
from hypothesis import strategies as st

from lernline.clock import FixedClock
from lernline.model import Enrolment, Event
from lernline.record.updates import LessonView, StateQuery
from lernline.stream import topics
from lernline.wiring import Line
from support.updates import answer, attempt_item, from_elsewhere, lesson, saying, trying
from support.worlds import NOW, enrol, key_of, set_up


def shown(line: Line, userid: str, *contents: str, scores: bool = False) -> list[LessonView]:
    return line.updates.read([StateQuery(key_of(userid), contents, scores)])[0]


def listed(line: Line, userid: str) -> Enrolment:
    (enrolment,) = line.updates.enrolments(userid)
    return enrolment


@contextmanager
def working(line: Line, *stations: str, size: int) -> Iterator[None]:
    """The stations at work beside the test, on small batches."""
    stop = threading.Event()
    workers = [line.worker(station, lambda _station, _counts: None) for station in stations]
    for worker in workers:
        worker._size, worker._wait = size, 0
    threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)


def test_an_update_is_seen_before_anybody_has_merged_it(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    line.updates.accept([saying("u", lesson("u", "L1", 2, accessed=NOW - 7, completed=NOW - 6))])
    (view,) = shown(line, "u")
    assert (view.state.status, view.state.progress, view.state.viewcount, view.state.completedcount) == (2, 100, 1, 1)
    assert (view.state.last_access_time, view.state.last_completed_time) == (NOW - 7, NOW - 6)
    assert listed(line, "u").contentstatus == {"L1": 2}
    assert (listed(line, "u").lastreadcontentid, listed(line, "u").lastcontentaccesstime) == ("L1", NOW - 7)


def test_the_view_before_the_merge_is_the_row_after_it(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    for number, content in enumerate(["L1", "L2", "L1", "L1", "L3"]):
        line.updates.accept([saying("u", lesson("u", content, number % 3, progress=number), at=NOW - 9 + number)])
        before = [view.state for view in shown(line, "u")], listed(line, "u").contentstatus
        if number % 2:
            line.drain()
            assert ([view.state for view in shown(line, "u")], listed(line, "u").contentstatus) == before
    before = [view.state for view in shown(line, "u")]
    line.drain()
    assert [view.state for view in shown(line, "u")] == before == line.store.lessons_of([key_of("u")])[key_of("u")]


def test_a_repeated_update_is_shown_once(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    for _ in range(3):
        line.updates.accept([saying("u", lesson("u", "L1", 2, accessed=NOW - 7))])
    assert shown(line, "u")[0].state.viewcount == 1
    line.drain()
    line.updates.accept([saying("u", lesson("u", "L1", 2, accessed=NOW - 7))])
    assert shown(line, "u")[0].state.viewcount == 1


def test_a_read_names_the_lessons_that_it_wants(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    line.updates.accept([saying("u", lesson("u", "L2"), lesson("u", "L1"), lesson("u", "L3"))])
    assert [view.state.contentid for view in shown(line, "u")] == ["L1", "L2", "L3"]
    assert [view.state.contentid for view in shown(line, "u", "L3", "L9", "L1")] == ["L1", "L3"]


def test_another_batch_and_another_learner_are_another_matter(line: Line) -> None:
    set_up(line)
    enrol(line, "u", "v")
    line.updates.accept([saying("u", lesson("u", "L1"))])
    queries = [StateQuery(key) for key in (key_of("v"), key_of("u", "batch-2"), key_of("u"))]
    assert [len(views) for views in line.updates.read(queries)] == [0, 0, 1]


def test_an_attempt_is_seen_before_it_is_scored_and_the_newest_come_first(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    for number in range(3):
        item = attempt_item("u", "A1", f"t{number}", ts=NOW - 9 + number, answers=[answer("q", number, 4)])
        line.updates.accept([trying("u", item)])
    attempts = shown(line, "u", scores=True)[0].attempts
    assert [(one.attempt_id, one.total_score) for one in attempts] == [("t2", 2.0), ("t1", 1.0), ("t0", 0.0)]
    line.drain()
    after = shown(line, "u", scores=True)[0].attempts
    assert [(one.attempt_id, one.total_score) for one in after] == [("t2", 2.0), ("t1", 1.0), ("t0", 0.0)]
    assert shown(line, "u")[0].attempts == []


def test_a_newer_version_of_an_attempt_replaces_the_older_in_a_read(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    older, newer = (attempt_item("u", ts=NOW - 9 + n, answers=[answer("q", 3 - n, 4)]) for n in range(2))
    line.updates.accept([trying("u", newer)])
    line.drain()
    line.updates.accept([trying("u", older)])
    assert [one.total_score for one in shown(line, "u", scores=True)[0].attempts] == [2.0]


def test_no_more_attempts_are_shown_than_the_limit(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    items = [attempt_item("u", "A1", f"t{n:02}", ts=NOW - 99 + n, answers=[answer("q", 1)]) for n in range(30)]
    line.updates.accept([trying("u", *items)])
    assert [one.attempt_id for one in shown(line, "u", scores=True)[0].attempts] == [
        f"t{n:02}" for n in range(29, 4, -1)
    ]


def test_what_nobody_has_judged_is_not_shown_before_it_is_merged(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    line.stream.append([from_elsewhere("u", {"contentId": "L1", "status": 2}, mid="m")])
    assert shown(line, "u") == []
    line.drain()
    assert shown(line, "u")[0].state.status == 2


def test_a_record_that_cannot_be_read_does_not_spoil_the_view(line: Line) -> None:
    set_up(line)
    enrol(line, "u")
    line.updates.accept([saying("u", lesson("u", "L1"))])
    broken = [
        b"{",
        b"[]",
        b'{"edata":{"action":"batch-enrolment-update"}}',
        b'{"edata":{"contents":[{"contentId":1}]}}',
    ]
    line.stream.append([Event(topics.PROGRESS_UPDATE, "u", value, {"accepted": "1"}) for value in broken])
    line.stream.append([Event(topics.ASSESSMENT, "u", value, {"accepted": "1"}) for value in broken])
    assert [view.state.contentid for view in shown(line, "u", scores=True)] == ["L1"]
    assert listed(line, "u").contentstatus == {"L1": 2}


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(("L1", "L2")), st.integers(0, 2), st.none() | st.integers(NOW - 5, NOW))))
def test_whatever_is_acknowledged_the_view_equals_the_merge(
    shared_line: Line, said: list[tuple[str, int, int | None]]
) -> None:
    if not shared_line.store.batches(["batch-1"]):
        set_up(shared_line)
    userid = f"u{shared_line.stream.end()}"
    enrol(shared_line, userid)
    for content, status, accessed in said:
        shared_line.updates.accept([saying(userid, lesson(userid, content, status, accessed=accessed))])
    before = [view.state for view in shown(shared_line, userid)]
    shared_line.drain()
    assert [view.state for view in shown(shared_line, userid)] == before


def test_reads_are_exact_while_a_worker_merges(live_line: Line) -> None:
    """Every acknowledged update is in the very next read, and never twice."""
    set_up(live_line)
    enrol(live_line, "u", "v")
    clock = FixedClock(live_line.clock.now_ms())
    with working(live_line, "progress", size=3):
        for number in range(1, 121):
            now = clock.at_ms - 500 + number
            for userid in ("u", "v"):
                live_line.updates.accept([saying(userid, lesson(userid, "L1", 2, accessed=now), at=now)])
                (view,) = shown(live_line, userid)
                assert (view.state.viewcount, view.state.completedcount) == (number, number)
                assert view.state.last_access_time == now
                assert listed(live_line, userid).lastcontentaccesstime == now
    live_line.drain()
    assert shown(live_line, "u")[0].state.viewcount == 120


def test_readers_beside_writers_and_workers_never_see_a_count_go_back(live_line: Line) -> None:
    set_up(live_line)
    enrol(live_line, "u")
    acknowledged = [0]
    problems: list[str] = []
    done = threading.Event()

    def read() -> None:
        seen = 0
        while not done.is_set():
            least = acknowledged[0]
            views = shown(live_line, "u", scores=True)
            count = views[0].state.viewcount if views else 0
            tries = len(views[0].attempts) if views else 0
            if count < max(least, seen) or tries < min(least, 25):
                problems.append(f"{least} were acknowledged, {seen} seen before, now {count} views, {tries} attempts")
            seen = count

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    with working(live_line, "progress", "assessments", size=2):
        for number in range(40):
            now = live_line.clock.now_ms()
            item = attempt_item("u", "A1", f"t{number}", ts=now, answers=[answer("q", 1)])
            live_line.updates.accept([trying("u", item, at=now)])
            acknowledged[0] = number + 1
    done.set()
    for reader in readers:
        reader.join(timeout=30)
    assert problems == []
