"""The embedded log beyond the port: retention, durability, one transaction with the state."""

from __future__ import annotations

import pytest

from lernline.clock import FixedClock
from lernline.errors import Unavailable
from lernline.model import Changes, Enrolment, Event, Position
from lernline.settings import Settings
from lernline.store.port import Fenced
from lernline.stream import topics
from lernline.wiring import Line
from support.rows import table
from support.worlds import NOW


def handled(line: Line, group: str, topic: str) -> None:
    poll = line.stream.poll(group, [topic], 1000, 0)
    line.store.commit(Changes(), Position(group, poll.start, poll.end))


def test_a_record_that_was_appended_is_there_after_a_restart(line: Line, clock: FixedClock) -> None:
    line.stream.append([Event("t", "u", b"a")])
    line.close()
    again = Line(Settings(data=line.settings.data), clock)
    assert [record.value for record in again.stream.poll("g", ["t"], 10, 0).records] == [b"a"]
    again.close()


def test_every_commit_waits_for_the_disk(line: Line) -> None:
    with line.db.writing() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_state_events_and_position_are_committed_together_or_not_at_all(line: Line) -> None:
    line.stream.append([Event("t", "u", b"a")])
    changes = Changes(enrolments=[Enrolment("u", "c", "b")], events=[Event("out", "u", b"x")])
    with pytest.raises(Fenced):
        line.store.commit(changes, Position("g", 99, 100))
    assert line.store.enrolments_of_user("u") == []
    assert line.stream.poll("h", ["out"], 10, 0).records == []
    line.store.commit(changes, Position("g", 0, 1))
    assert len(line.store.enrolments_of_user("u")) == 1
    assert len(line.stream.poll("h", ["out"], 10, 0).records) == 1
    assert line.stream.committed("g") == 1


def test_a_transaction_that_fails_half_way_leaves_nothing(line: Line) -> None:
    changes = Changes(enrolments=[Enrolment("u", "c", "b")], events=[Event("out", "u", b"x")])
    changes.events.append(Event(None, "u", b"no topic"))  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        line.store.commit(changes)
    assert line.store.enrolments_of_user("u") == []
    assert line.stream.end() == 0
    line.store.commit(Changes(events=[Event("out", "u", b"x")]))
    assert line.stream.end() > 0


def test_old_records_go_once_every_group_that_reads_them_has_passed(line: Line, clock: FixedClock) -> None:
    line.stream.append([Event(topics.PROGRESS_UPDATE, "u", b"a"), Event(topics.ASSESSMENT, "u", b"b")])
    clock.at_ms = NOW + 1000
    line.stream.append([Event(topics.PROGRESS_UPDATE, "u", b"new")])
    handled(line, topics.PROGRESS_GROUP, topics.PROGRESS_UPDATE)
    line.stream.prune(NOW + 500)
    assert [row["value"] for row in table(line, "SELECT value FROM event_log")] == [b"b", b"new"]
    handled(line, topics.ASSESSMENT_GROUP, topics.ASSESSMENT)
    line.stream.prune(NOW + 500)
    assert [row["value"] for row in table(line, "SELECT value FROM event_log")] == [b"new"]


def test_what_a_group_has_never_read_is_not_pruned_away_under_it(line: Line) -> None:
    line.stream.append([Event(topics.CONTENT_PUBLISHED, None, b"course"), Event(topics.PROGRESS_UPDATE, "u", b"a")])
    handled(line, topics.PROGRESS_GROUP, topics.PROGRESS_UPDATE)
    line.stream.prune(NOW + 1)
    kept = line.stream.poll(topics.CATALOG_GROUP, [topics.CONTENT_PUBLISHED], 10, 0).records
    assert [record.value for record in kept] == [b"course"]


def test_a_group_without_work_does_not_hold_the_log(line: Line) -> None:
    line.stream.append([Event(topics.CONTENT_PUBLISHED, None, b"course")])
    handled(line, topics.CATALOG_GROUP, topics.CONTENT_PUBLISHED)
    line.stream.append([Event(topics.PROGRESS_UPDATE, "u", b"a"), Event(topics.TELEMETRY, "u", b"audit")])
    handled(line, topics.PROGRESS_GROUP, topics.PROGRESS_UPDATE)
    line.stream.prune(NOW + 1)
    assert table(line, "SELECT value FROM event_log") == []


def test_offsets_go_on_growing_after_the_log_was_emptied(line: Line) -> None:
    line.stream.append([Event(topics.PROGRESS_UPDATE, "u", b"a")])
    handled(line, topics.PROGRESS_GROUP, topics.PROGRESS_UPDATE)
    assert line.stream.prune(NOW + 1) == 1
    line.stream.append([Event(topics.PROGRESS_UPDATE, "u", b"b")])
    poll = line.stream.poll(topics.PROGRESS_GROUP, [topics.PROGRESS_UPDATE], 10, 0)
    assert [record.value for record in poll.records] == [b"b"]


def test_a_damaged_database_is_told_as_such(line: Line) -> None:
    line.stream.append([Event("t", "u", b"a" * 100_000)])
    line.close()
    path = line.settings.database
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    again = line.db.__class__(path)
    with pytest.raises(Unavailable, match="damaged"), again.reading() as connection:
        connection.exec_driver_sql("SELECT * FROM event_log").all()
    again.close()
