from __future__ import annotations

import pytest
from sqlalchemy.exc import IntegrityError

from lernline.model import Changes, DeadLetter
from lernline.stream import topics
from lernline.wiring import Line
from support.terminal import Terminal
from support.updates import from_elsewhere
from support.worlds import course_tree, enrol, import_tree, key_of, open_batch


def set_aside(line: Line, userid: str, stage: str = "progress") -> None:
    event = from_elsewhere(userid, {"contentId": "L1", "status": 2}, mid=f"mid-{userid}")
    letter = DeadLetter(
        event.topic, userid, event.value, stage, "SOME_CODE", "a reason", 1_000, "Stack of it", {"h": "1"}
    )
    line.store.commit(Changes(dead_letters=[letter]))


def test_no_dead_letter_is_said_in_words(lernline: Terminal) -> None:
    assert lernline("dead-letters", "list").out == "No dead letter waits.\n"


def test_dead_letters_are_listed_newest_first_with_their_reason(lernline: Terminal, opened: Line) -> None:
    set_aside(opened, "u1")
    set_aside(opened, "u2", "certify")
    rows = lernline("dead-letters", "list", "--json").json
    assert [(row["id"], row["stage"], row["learner"]) for row in rows] == [(2, "certify", "u2"), (1, "progress", "u1")]
    assert "a reason" in lernline("dead-letters", "list").out
    assert [row["id"] for row in lernline("dead-letters", "list", "--stage", "progress", "--json").json] == [1]


def test_one_is_shown_with_its_record_and_stack(lernline: Terminal, opened: Line) -> None:
    set_aside(opened, "u1")
    text = lernline("dead-letters", "show", 1).out
    assert '"contentId": "L1"' in text
    assert "Stack of it" in text
    shown = lernline("dead-letters", "show", 1, "--json").json
    assert shown["value"]["edata"]["userId"] == "u1"
    assert shown["headers"] == {"h": "1"}


def test_a_record_that_is_no_json_is_shown_as_text(lernline: Terminal, opened: Line) -> None:
    opened.store.commit(Changes(dead_letters=[DeadLetter("t", None, b"not \xff json", "progress", "C", "r", 1)]))
    assert "not \ufffd json" in lernline("dead-letters", "show", 1).out


def test_a_replayed_record_goes_its_way_once_its_cause_is_mended(lernline: Terminal, opened: Line) -> None:
    import_tree(opened, course_tree())
    opened.store.commit(Changes(batches=[open_batch()]))
    opened.stream.append([from_elsewhere("u1", {"contentId": "L1", "status": 2}, mid="m1")])
    opened.drain()
    assert len(opened.store.dead_letters()) == 1
    enrol(opened, "u1")
    outcome = lernline("dead-letters", "replay", 1)
    assert outcome.out == "1 record is back on the line.\n"
    opened.drain()
    assert opened.store.dead_letters() == []
    assert opened.store.enrolments([key_of("u1")])[key_of("u1")].contentstatus == {"L1": 2}


def test_replay_keeps_topic_key_value_and_headers(lernline: Terminal, opened: Line) -> None:
    set_aside(opened, "u1")
    letter = opened.store.dead_letter(1)
    lernline("dead-letters", "replay", "--all")
    record = opened.stream.poll("test", [topics.PROGRESS_UPDATE], 10, 0).records[0]
    assert (record.topic, record.key, record.value, record.headers) == (
        letter.topic,
        letter.key,
        letter.value,
        letter.headers,
    )
    assert opened.store.dead_letter(1).state == "replayed"


def test_a_replay_that_breaks_off_has_put_nothing_back(lernline: Terminal, opened: Line) -> None:
    set_aside(opened, "u1")
    with opened.store.writing() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER broken BEFORE UPDATE ON dead_letter BEGIN SELECT RAISE(ABORT, 'broken'); END"
        )
    with pytest.raises(IntegrityError, match="broken"):
        lernline("dead-letters", "replay", "--all")
    assert opened.stream.end() == 0
    assert opened.store.dead_letter(1).state == "waiting"


def test_all_of_one_stage_leaves_the_others(lernline: Terminal, opened: Line) -> None:
    set_aside(opened, "u1")
    set_aside(opened, "u2", "certify")
    assert lernline("dead-letters", "drop", "--all", "--stage", "certify").out == "1 record was dropped.\n"
    assert [one.key for one in opened.store.dead_letters()] == ["u1"]


@pytest.mark.parametrize("arguments", [(), ("1", "--all"), ("1", "--stage", "progress")])
def test_what_is_meant_has_to_be_plain(lernline: Terminal, opened: Line, arguments: tuple[str, ...]) -> None:
    set_aside(opened, "u1")
    assert lernline("dead-letters", "drop", *arguments).code == 1
    assert len(opened.store.dead_letters()) == 1


def test_a_number_that_does_not_wait_stops_the_whole_call(lernline: Terminal, opened: Line) -> None:
    set_aside(opened, "u1")
    set_aside(opened, "u2")
    assert lernline("dead-letters", "drop", 2).code == 0
    for number, said in ((2, "was dropped already"), (9, "no dead letter 9")):
        outcome = lernline("dead-letters", "replay", 1, number)
        assert outcome.code == 1
        assert said in outcome.err
    assert opened.store.dead_letter(1).state == "waiting"
