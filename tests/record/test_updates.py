"""Accepting updates: judged, appended, durable when it returns; what is not taken is named and leaves no trace."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lernline.clock import FixedClock
from lernline.model import Changes, Event
from lernline.record.update_rules import AssessmentInput, Refusal, StateUpdate
from lernline.record.updates import UpdateOutcome
from lernline.stream import topics
from lernline.wiring import Line
from support.rows import events_of, table
from support.updates import answer, asking_for_sync, attempt_item, lesson, saying, trying
from support.worlds import BATCH, COURSE, DAY, NOW, enrol, key_of, open_batch, set_up


@pytest.fixture
def ready(line: Line) -> Line:
    set_up(line)
    enrol(line, "u")
    return line


def accept(line: Line, update: StateUpdate) -> UpdateOutcome:
    (outcome,) = line.updates.accept([update])
    return outcome


def log(line: Line) -> list[tuple[str, str]]:
    return [(row["topic"], row["key"]) for row in table(line, "SELECT topic, key FROM event_log ORDER BY position")]


def counts(line: Line, contentid: str = "L1") -> tuple[int, int]:
    line.drain()
    (state,) = [one for one in line.store.lessons_of([key_of("u")])[key_of("u")] if one.contentid == contentid]
    return state.viewcount, state.completedcount


def test_an_accepted_update_is_one_event_per_learner_and_batch_in_the_contracts_form(ready: Line) -> None:
    outcome = accept(
        ready,
        saying("u", lesson("u", "L1", 2, accessed=NOW - 5, completed=NOW - 4, progress=100), lesson("u", "L2", 1)),
    )
    assert [one.contentid for one in outcome.lessons] == ["L1", "L2"]
    (event,) = events_of(ready, topics.PROGRESS_UPDATE)
    assert event["eid"] == "BE_JOB_REQUEST"
    assert event["ets"] == NOW
    edata = event["edata"]
    assert edata["action"] == "batch-enrolment-update"
    assert (edata["userId"], edata["courseId"], edata["batchId"]) == ("u", COURSE, BATCH)
    first, second = edata["contents"]
    assert (first["contentId"], first["status"]) == ("L1", 2)
    assert (first["lastAccessTime"], first["lastCompletedTime"]) == (NOW - 5, NOW - 4)
    assert second.keys() == {"contentId", "status", "identity"}
    assert log(ready) == [(topics.PROGRESS_UPDATE, "u")]


def test_it_is_durable_when_accept_returns(ready: Line) -> None:
    accept(ready, saying("u", lesson("u", "L1")))
    again = Line(ready.settings, ready.clock)
    again.drain()
    assert again.store.enrolments_of_user("u")[0].contentstatus == {"L1": 2}
    again.close()


@pytest.mark.parametrize(
    ("where", "code", "whole"),
    [
        ({"batchid": "unknown"}, "BATCH_NOT_EXISTS", "INVALID_COURSE_BATCH_ID"),
        ({"courseid": "other"}, "BATCH_NOT_OF_COURSE", ""),
        ({"batchid": "future"}, "NOT_A_ON_GOING_BATCH", "COURSE_BATCH_NOT_STARTED"),
        ({"batchid": "ended"}, "NOT_A_ON_GOING_BATCH", "COURSE_BATCH_ALREADY_COMPLETED"),
        ({"batchid": "empty"}, "NOT_ENROLLED", "USER_NOT_ENROLLED_COURSE"),
        ({"batchid": "left"}, "NOT_ENROLLED", "USER_NOT_ENROLLED_COURSE"),
    ],
)
@pytest.mark.parametrize("kind", ["lesson", "attempt"])
def test_what_may_not_be_taken_is_named_and_changes_nothing(
    ready: Line, where: dict[str, str], code: str, whole: str, kind: str
) -> None:
    batches = [
        open_batch("future", start_date=NOW + DAY, status=1),
        open_batch("ended", start_date=NOW - 9 * DAY, end_date=NOW - 2 * DAY, status=1),
        open_batch("empty"),
        open_batch("left"),
    ]
    ready.store.commit(Changes(batches=batches))
    for batchid in ("future", "ended"):
        enrol(ready, "u", batchid=batchid)
    enrol(ready, "u", batchid="left", active=False)
    before = log(ready)
    update = (
        saying("u", lesson("u", "L1", **where))
        if kind == "lesson"
        else trying("u", attempt_item("u", answers=[answer("q", 1)], **where))  # type: ignore[arg-type]
    )
    outcome = accept(ready, update)
    (refusal,) = outcome.refused
    assert (refusal.code, refusal.whole, refusal.batchid) == (code, whole, where.get("batchid", BATCH))
    assert refusal.message
    assert not outcome.accepted
    assert log(ready) == before


def test_a_batch_is_judged_by_its_dates_and_not_by_its_stored_status(ready: Line, clock: FixedClock) -> None:
    ready.store.commit(Changes(batches=[open_batch(status=2)]))
    assert accept(ready, saying("u", lesson("u", "L1"))).accepted


def test_one_bad_item_does_not_take_the_good_ones_with_it(ready: Line) -> None:
    outcome = accept(ready, saying("u", lesson("u", "L1"), lesson("u", "L2", batchid="unknown"), lesson("u", "L3")))
    assert [one.contentid for one in outcome.lessons] == ["L1", "L3"]
    assert [(one.contentid, one.code) for one in outcome.refused] == [("L2", "BATCH_NOT_EXISTS")]
    ready.drain()
    assert ready.store.enrolments_of_user("u")[0].contentstatus == {"L1": 2, "L3": 2}


def test_requests_of_one_unit_of_work_are_answered_each_on_its_own(ready: Line) -> None:
    outcomes = ready.updates.accept(
        [saying("stranger", lesson("stranger", "L1")), saying("u", lesson("u", "L1")), asking_for_sync("stranger")]
    )
    assert [outcome.accepted for outcome in outcomes] == [False, True, False]
    assert ready.updates.accept([]) == []


def test_an_attempt_completes_its_content_and_keeps_its_raw_form(ready: Line) -> None:
    item = attempt_item("u", answers=[answer("q", 1)], extra={"kept": [1]})
    outcome = accept(ready, trying("u", item))
    assert [one.attempt_id for one in outcome.attempts] == ["try-1"]
    assert events_of(ready, topics.ASSESSMENT) == [item]
    assert counts(ready, "A1") == (1, 1)


def test_a_resent_attempt_is_the_same_update_and_its_newer_scores_replace(ready: Line) -> None:
    for score in (1, 0):
        accept(ready, trying("u", attempt_item("u", ts=NOW - score, answers=[answer("q", score)]), at=NOW))
    assert counts(ready, "A1") == (1, 1)
    (attempt,) = ready.store.attempts([key_of("u")])[key_of("u")]
    assert (attempt.total_score, attempt.last_attempted_on) == (0.0, NOW)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([{"status": 1, "accessed": NOW - 1}, {"status": 1, "accessed": NOW - 1}], (1, 0)),
        ([{"status": 1, "accessed": NOW - 1}, {"status": 1, "accessed": NOW - 2}], (2, 0)),
        ([{"status": 1, "accessed": NOW - 1}, {"status": 2, "accessed": NOW - 1}], (2, 1)),
        ([{"status": 1}, {"status": 1}, {"status": 1, "accessed": NOW - 1}], (2, 0)),
        ([{"status": 0}, {"status": 0, "accessed": NOW - 1}], (0, 0)),
        ([{"status": 2}, {"status": 2}], (1, 1)),
    ],
)
def test_an_update_is_told_apart_by_learner_batch_content_status_and_access(
    ready: Line, said: list[dict[str, Any]], expected: tuple[int, int]
) -> None:
    for number, fields in enumerate(said):
        accept(ready, saying("u", lesson("u", "L1", **fields), at=NOW - 9 + number))
    assert counts(ready) == expected


def test_an_idempotency_key_tells_updates_apart_within_learner_batch_and_content(ready: Line) -> None:
    for key in ("k1", "k1", "k2"):
        accept(ready, saying("u", lesson("u", "L1"), lesson("u", "L2"), idempotency_key=key))
    assert counts(ready) == (2, 2)
    assert counts(ready, "L2") == (2, 2)


def test_repeating_an_update_without_a_time_still_shows_that_the_lesson_was_opened(ready: Line) -> None:
    for at in (NOW - 8, NOW - 2):
        accept(ready, saying("u", lesson("u", "L1", 1, progress=at - NOW + 10), at=at))
    assert counts(ready) == (1, 0)
    (state,) = ready.store.lessons_of([key_of("u")])[key_of("u")]
    assert (state.last_access_time, state.progress) == (NOW - 2, 8)


def test_one_request_that_names_a_lesson_twice_counts_it_once(ready: Line) -> None:
    accept(ready, saying("u", lesson("u", "L1", 1, accessed=NOW - 5), lesson("u", "L1", 2, accessed=NOW - 9)))
    assert counts(ready) == (1, 1)
    (state,) = ready.store.lessons_of([key_of("u")])[key_of("u")]
    assert state.last_access_time == NOW - 5


def test_the_sync_form_asks_for_a_recount_and_needs_an_enrolment(ready: Line) -> None:
    assert accept(ready, asking_for_sync("u")).synced
    assert log(ready) == [(topics.ENROLMENT_SYNC, "u")]
    outcome = accept(ready, asking_for_sync("stranger"))
    assert outcome.error is not None
    assert outcome.error.message == f"No Enrolment found for userId: stranger, batchId: {BATCH}, courseId: {COURSE}"
    assert len(log(ready)) == 1


def test_items_of_somebody_else_go_to_the_topic_for_them(ready: Line) -> None:
    foreign = {"contentId": "L9", "userId": "v", "status": 2}
    refused = Refusal("L9", BATCH, "UNAUTHORIZED_USER", "not yours", item=foreign)
    accept(ready, saying("u", lesson("u", "L1"), refused=[refused]))
    (told,) = events_of(ready, topics.INVALID_UPDATES)
    assert told == {"validUserIds": ["u"], "invalidContents": [foreign], "ets": NOW}


def test_warnings_come_back_with_the_outcome(ready: Line) -> None:
    assert accept(ready, saying("u", lesson("u", "L1"), warnings=["clamped"])).warnings == ["clamped"]


def test_an_update_that_was_accepted_counts_although_its_learner_left_meanwhile(ready: Line) -> None:
    accept(ready, saying("u", lesson("u", "L1")))
    enrol(ready, "u", active=False)
    ready.drain()
    assert ready.store.dead_letters() == []
    assert ready.store.enrolments_of_user("u")[0].contentstatus == {"L1": 2}


def test_numbers_that_no_machine_word_holds_do_not_stop_the_line(ready: Line) -> None:
    wide = attempt_item("u", answers=[answer("q", 1) | {"ets": 10**25, "mid": 10**40}], more=-(10**30))
    raw = msgspec.json.decode(msgspec.json.encode(wide))
    update = StateUpdate("u", "u", "t", NOW, [], [AssessmentInput(COURSE, BATCH, "A1", "u", "t", NOW, raw)])
    good = saying("u", lesson("u", "L1"))
    outcomes = ready.updates.accept([good, update, good])
    assert all(outcome.accepted for outcome in outcomes)
    ready.stream.append([Event(topics.PROGRESS_UPDATE, "u", b'{"edata":{},"ets":1' + b"0" * 40 + b"}")])
    ready.drain()
    assert counts(ready) == (1, 1)
    assert ready.stream.lag(topics.ASSESSMENT_GROUP, [topics.ASSESSMENT]) == 0
