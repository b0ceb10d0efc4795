"""The assessment station, attempt by attempt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lernline.clock import FixedClock
from lernline.model import Changes, Content, Event
from lernline.stream import topics
from lernline.wiring import Line
from support.rows import aggregates, events_of, table
from support.updates import answer, attempt_from_elsewhere, attempt_item, trying
from support.worlds import BATCH, COURSE, NOW, course_tree, enrol, import_tree, key_of, open_batch, set_up


def send(line: Line, *items: dict[str, Any]) -> None:
    line.stream.append([attempt_from_elsewhere(item) for item in items])
    line.drain()


def scores(line: Line, userid: str = "u") -> dict[str, float]:
    return {name: value for name, value in aggregates(line, userid).get(COURSE, {}).items() if ":" in name}


@pytest.fixture
def ready(line: Line) -> Line:
    set_up(line)
    enrol(line, "u")
    return line


def test_an_attempt_is_scored_and_stored_with_its_questions(ready: Line) -> None:
    answers = [answer("q1", 0.5, 1, ets=NOW - 2), answer("q2", 1.25, 2), answer("q1", 1, 1, ets=NOW - 1)]
    send(ready, attempt_item("u", ts=NOW - 1, answers=answers))
    (row,) = table(ready, "SELECT * FROM assessment_aggregator")
    assert (row["total_score"], row["total_max_score"], row["grand_total"]) == (2.25, 3.0, "2.25/3.0")
    assert (row["last_attempted_on"], row["created_on"]) == (NOW - 1, NOW)
    questions = {one["id"]: (one["score"], one["max_score"]) for one in json.loads(row["question"])}
    assert questions == {"q1": (1.0, 1.0), "q2": (1.25, 2.0)}
    assert scores(ready) == {"score:A1": 2.25, "max_score:A1": 3.0, "attempts_count:A1": 1.0}


def test_scores_and_counts_share_a_row_without_touching_each_other(ready: Line) -> None:
    ready.updates.accept([trying("u", attempt_item("u", answers=[answer("q", 1, 2)]))])
    ready.drain()
    expected = {"completedCount": 1.0, "score:A1": 1.0, "max_score:A1": 2.0, "attempts_count:A1": 1.0}
    assert aggregates(ready, "u")[COURSE] == expected


def test_an_older_version_of_an_attempt_changes_nothing(ready: Line) -> None:
    send(ready, attempt_item("u", ts=NOW - 1, answers=[answer("q", 1, 2)]))
    send(ready, attempt_item("u", ts=NOW - 2, answers=[answer("q", 2, 2)]))
    assert scores(ready)["score:A1"] == 1.0
    assert len(events_of(ready, topics.CERTIFICATE_REQUEST)) == 1


def test_a_newer_version_replaces_and_keeps_when_the_attempt_was_made(ready: Line, clock: FixedClock) -> None:
    send(ready, attempt_item("u", ts=NOW - 2, answers=[answer("q", 2, 2)]))
    (before,) = table(ready, "SELECT created_on FROM assessment_aggregator")
    clock.at_ms += 5
    send(ready, attempt_item("u", ts=NOW - 1, answers=[answer("q", 1, 2)]))
    (after,) = table(ready, "SELECT created_on, total_score FROM assessment_aggregator")
    assert after == before | {"total_score": 1.0}
    assert scores(ready) == {"score:A1": 1.0, "max_score:A1": 2.0, "attempts_count:A1": 1.0}


def test_an_identical_replay_redoes_what_follows(ready: Line) -> None:
    """The aggregates may be missing when the older system died after the attempt was stored (P-D4)."""
    send(ready, attempt_item("u", answers=[answer("q", 1, 2)]))
    with ready.db.writing() as connection:
        connection.exec_driver_sql("DELETE FROM user_activity_agg")
    send(ready, attempt_item("u", answers=[answer("q", 1, 2)]))
    assert scores(ready)["score:A1"] == 1.0
    assert len(events_of(ready, topics.CERTIFICATE_REQUEST)) == 2


def test_the_best_attempt_gives_score_and_its_own_maximum(ready: Line) -> None:
    send(
        ready,
        attempt_item("u", attempt_id="t1", ts=NOW - 3, answers=[answer("q", 3, 4)]),
        attempt_item("u", attempt_id="t2", ts=NOW - 2, answers=[answer("q", 2, 2)]),
        attempt_item("u", "A2", "t3", ts=NOW - 1, answers=[answer("q", 0, 2)]),
    )
    assert scores(ready) == {
        "score:A1": 3.0,
        "max_score:A1": 4.0,
        "attempts_count:A1": 2.0,
        "score:A2": 0.0,
        "max_score:A2": 2.0,
        "attempts_count:A2": 1.0,
    }


def test_events_without_answers_ask_for_a_recount(ready: Line) -> None:
    send(ready, attempt_item("u", answers=[answer("q", 1, 2)]))
    with ready.db.writing() as connection:
        connection.exec_driver_sql("DELETE FROM user_activity_agg")
    send(ready, {name: value for name, value in attempt_item("u").items() if name not in {"attemptId", "events"}})
    assert scores(ready)["score:A1"] == 1.0
    assert len(table(ready, "SELECT * FROM assessment_aggregator")) == 1


def test_an_attempt_that_only_a_summary_tells_of_is_recorded_from_it(ready: Line) -> None:
    send(ready, attempt_item("u", summary=[{"progress": 100}, {"totalscore": 3}, {"totalmaxscore": 4}]))
    assert scores(ready) == {"score:A1": 3.0, "max_score:A1": 4.0, "attempts_count:A1": 1.0}


@pytest.mark.parametrize("turned", [False, True])
def test_answers_beat_a_summary_in_whatever_order_they_come(ready: Line, turned: bool) -> None:
    answered = attempt_item("u", ts=NOW - 5, answers=[answer("q", 1, 2)])
    told = attempt_item("u", ts=NOW, summary={"totalscore": 2, "totalmaxscore": 2})
    for item in (told, answered) if turned else (answered, told):
        send(ready, item)
    (row,) = table(ready, "SELECT total_score, last_attempted_on FROM assessment_aggregator")
    assert row == {"total_score": 1.0, "last_attempted_on": NOW - 5}


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_summaries_the_newer_stays_in_whatever_order_they_come(ready: Line, turned: bool) -> None:
    items = [attempt_item("u", ts=NOW - 5 + score, summary={"totalscore": score}) for score in (1, 2)]
    for item in items[::-1] if turned else items:
        send(ready, item)
    assert scores(ready)["score:A1"] == 2.0


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (attempt_item("u", batchid="other", answers=[answer("q", 1)]), "INVALID_COURSE_BATCH_ID"),
        (attempt_item("u", courseid="other", answers=[answer("q", 1)]), "BATCH_NOT_OF_COURSE"),
        (attempt_item("stranger", answers=[answer("q", 1)]), "USER_NOT_ENROLLED_COURSE"),
        (attempt_item("u", "elsewhere", answers=[answer("q", 1)]), "CONTENT_NOT_OF_COURSE"),
        (attempt_item("u", attempt_id="", answers=[answer("q", 1)]), "MANDATORY_PARAMETER_MISSING"),
        (attempt_item("u", ts=10**30, answers=[answer("q", 1)]), "INVALID_PARAMETER_VALUE"),
        (attempt_item("u", answers=[answer("q", 1e300)]), "INVALID_PARAMETER_VALUE"),
    ],
)
def test_what_cannot_be_scored_is_set_aside_and_creates_nothing(ready: Line, item: dict[str, Any], code: str) -> None:
    send(ready, item)
    (letter,) = ready.store.dead_letters()
    assert (letter.stage, letter.code, json.loads(letter.value)) == ("assessments", code, item)
    assert table(ready, "SELECT * FROM assessment_aggregator") == []
    assert scores(ready) == {}


def test_a_refused_attempt_comes_back_to_operators_with_its_reason(ready: Line) -> None:
    send(ready, attempt_item("u", "elsewhere", answers=[answer("q", 1)]))
    (told,) = events_of(ready, topics.ASSESSMENT_FAILED)
    assert told["contentId"] == "elsewhere"
    assert "elsewhere" in told["metadata"]["validation_error"]


def test_more_questions_than_the_content_has_are_refused_and_fewer_are_fine(ready: Line) -> None:
    ready.store.commit(Changes(contents=[Content("A1", total_questions=2)]))
    send(ready, attempt_item("u", attempt_id="few", answers=[answer("q1", 1)]))
    send(ready, attempt_item("u", attempt_id="many", answers=[answer(f"q{n}", 1) for n in range(3)]))
    assert [row["attempt_id"] for row in table(ready, "SELECT attempt_id FROM assessment_aggregator")] == ["few"]
    assert [letter.code for letter in ready.store.dead_letters()] == ["TOO_MANY_QUESTIONS"]


def test_a_course_without_a_tree_takes_every_content(line: Line) -> None:
    line.store.commit(Changes(batches=[open_batch()]))
    enrol(line, "u")
    send(line, attempt_item("u", "anything", answers=[answer("q", 1, 2)]))
    assert scores(line)["score:anything"] == 1.0


def test_one_broken_attempt_does_not_stop_the_others(ready: Line) -> None:
    good = [attempt_item("u", attempt_id=f"t{n}", answers=[answer("q", 1)]) for n in range(5)]
    events = [attempt_from_elsewhere(item) for item in good]
    ready.stream.append([*events[:2], Event(topics.ASSESSMENT, "u", b'{"events": 7}'), *events[2:]])
    ready.drain()
    assert len(table(ready, "SELECT * FROM assessment_aggregator")) == 5
    assert [letter.code for letter in ready.store.dead_letters()] == ["MANDATORY_PARAMETER_MISSING"]


def test_attempts_of_one_unit_of_work_are_counted_together(ready: Line) -> None:
    import_tree(ready, course_tree())
    items = [attempt_item("u", attempt_id="t1", ts=NOW - n, answers=[answer("q", n)]) for n in (3, 1, 2)]
    items += [attempt_item("u", attempt_id="t2", answers=[answer("q", 0.5)])]
    send(ready, *items)
    assert scores(ready) == {"score:A1": 1.0, "max_score:A1": 1.0, "attempts_count:A1": 2.0}
    assert len(ready.store.attempts([key_of("u", BATCH)])[key_of("u")]) == 2
    assert len(events_of(ready, topics.CERTIFICATE_REQUEST)) == 1
