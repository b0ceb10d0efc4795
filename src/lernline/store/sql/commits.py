"""The one way in which the line's state changes: a unit of work, written whole or not at all (design 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import astuple
from sqlalchemy import Connection

from lernline.clock import Clock
from lernline.model import AggregateUpdate, Changes, DeadLetter, EnrolmentProgress, Event, Position
from lernline.store.port import Fenced
from lernline.store.sql import rows, tables
from lernline.store.sql.catalog import write_catalog
from lernline.store.sql.engine import Database
from lernline.store.sql.statements import Upsert

_lessons = Upsert(tables.user_content_consumption, rows.LESSON_COLUMNS)
_identities = Upsert(tables.event_identity, ("userid", "digest", "seen_at"), {})
_attempts = Upsert(tables.assessment_aggregator, (*rows.ATTEMPT_COLUMNS, "question"))
_batches = Upsert(tables.course_batch, rows.BATCH_COLUMNS)
_enrolments = Upsert(
    tables.user_enrolments,
    ("userid", "courseid", "batchid", "active", "addedby", "enrolled_date", "datetime", "status", "progress"),
    {"active": "excluded.active", "datetime": "excluded.datetime"},  # coming back keeps all progress (rest-api.md 4.1)
)
_merged = "json_patch(coalesce({0}, '{{}}'), excluded.{0})"
_aggregates = Upsert(
    tables.user_activity_agg,
    ("activity_type", "activity_id", "user_id", "context_id", "aggregates", "agg_last_updated", "agg_details"),
    {
        "aggregates": _merged.format("aggregates"),
        "agg_last_updated": _merged.format("agg_last_updated"),
        "agg_details": "coalesce(excluded.agg_details, agg_details)",
    },
)
_PROGRESS = (
    "UPDATE user_enrolments SET status = ?, progress = ?, completionpercentage = ?, contentstatus = ?, completedon = ?,"
    " datetime = ?, lastreadcontentid = ?, lastreadcontentstatus = ?, lastcontentaccesstime = ?, rollup = ?"
    " WHERE batchid = ? AND courseid = ? AND userid = ?"
)
_ISSUED = "UPDATE user_enrolments SET issued_certificates = ? WHERE batchid = ? AND courseid = ? AND userid = ?"
_CREDENTIAL = (
    "INSERT INTO credential (id, userid, courseid, batchid, template_id, template_version, template_name, document,"
    " svg_template, issued_on, sequence, superseded_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_DEAD_LETTER = (
    "INSERT INTO dead_letter (topic, key, value, headers, stage, code, reason, stack, at, state)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_CLOSE = "UPDATE dead_letter SET state = ? WHERE id = ? AND state = 'waiting'"
_EVENT = "INSERT INTO event_log (topic, key, value, headers, appended_at) VALUES (?, ?, ?, ?, ?)"
_MOVE = (
    "INSERT INTO consumer_offset (consumer_group, position) VALUES (?, ?)"
    " ON CONFLICT (consumer_group) DO UPDATE SET position = excluded.position WHERE position = ?"
)
_STANDS = "SELECT position FROM consumer_offset WHERE consumer_group = ?"


Statement = tuple[str, list[tuple[Any, ...]]]


class Commits:
    """The writing half of ``LearningStore`` over SQL, the event log included."""

    db: Database
    clock: Clock

    def commit(self, changes: Changes, position: Position | None = None) -> None:
        """Write everything in ``changes``, put its events on the log and move the group, in one transaction.

        Raises:
            Fenced: the group does not stand at ``position.start`` any more.
            Unavailable: the database cannot be written now.
        """
        now_ms = self.clock.now_ms()
        statements = [*_statements(changes, now_ms), _appending(changes.events, now_ms)]
        with self.db.writing() as connection:
            if position is not None:
                _move(connection, position)
            for statement, parameters in statements:
                if parameters:
                    connection.exec_driver_sql(statement, parameters)
            write_catalog(connection, changes.contents, changes.courses)


def _move(connection: Connection, position: Position) -> None:
    stands = connection.exec_driver_sql(_STANDS, (position.group,)).scalar() or 0
    if stands != position.start:
        raise Fenced(f"group {position.group} stands at {stands}, not at {position.start}: another owner went on")
    connection.exec_driver_sql(_MOVE, (position.group, position.end, position.start))


def _statements(changes: Changes, now_ms: int) -> list[Statement]:
    """All that is to be written, made ready before the writer's turn is taken."""
    return [
        (_lessons.sql, [rows.lesson_to_row(state) for state in changes.lesson_states]),
        (_identities.sql, [(one.userid, one.digest, now_ms) for one in changes.identities]),
        (
            _enrolments.sql,
            [
                (
                    e.userid,
                    e.courseid,
                    e.batchid,
                    e.active,
                    e.addedby,
                    e.enrolled_date,
                    e.datetime,
                    e.status,
                    e.progress,
                )
                for e in changes.enrolments
            ],
        ),
        (_PROGRESS, [_progress_row(one) for one in changes.enrolment_progress]),
        (_aggregates.sql, [_aggregate_row(update) for update in changes.aggregates]),
        (_attempts.sql, [rows.attempt_to_row(attempt) for attempt in changes.attempts]),
        (_batches.sql, [rows.batch_to_row(batch) for batch in changes.batches]),
        (_CREDENTIAL, [astuple(one) for one in changes.credentials]),
        (
            _ISSUED,
            [(rows.to_json(entries), key.batchid, key.courseid, key.userid) for key, entries in changes.issued],
        ),
        (_DEAD_LETTER, [_dead_letter_row(one) for one in changes.dead_letters]),
        (_CLOSE, [(state, letter_id) for letter_id, state in changes.closed_letters]),
    ]


def _progress_row(one: EnrolmentProgress) -> tuple[Any, ...]:
    return (
        one.status,
        one.progress,
        one.completionpercentage,
        rows.to_json(one.contentstatus),
        one.completedon,
        one.datetime,
        one.lastreadcontentid,
        one.lastreadcontentstatus,
        one.lastcontentaccesstime,
        one.rollup,
        one.key.batchid,
        one.key.courseid,
        one.key.userid,
    )


def _dead_letter_row(one: DeadLetter) -> tuple[Any, ...]:
    headers = rows.to_json(one.headers)
    return (one.topic, one.key, one.value, headers, one.stage, one.code, one.reason, one.stack, one.at, one.state)


def _aggregate_row(update: AggregateUpdate) -> tuple[Any, ...]:
    return (
        "Course",
        update.key.activity_id,
        update.key.user_id,
        update.key.context_id,
        rows.to_json(update.values),
        rows.to_json(dict.fromkeys(update.values, update.at)),
        rows.to_json_or_null(update.details),
    )


def append_events(connection: Connection, events: Sequence[Event], now_ms: int) -> None:
    """Put events at the end of the log, in order."""
    statement, parameters = _appending(events, now_ms)
    if parameters:
        connection.exec_driver_sql(statement, parameters)


def _appending(events: Sequence[Event], now_ms: int) -> Statement:
    return _EVENT, [
        (one.topic, one.key, one.value, rows.to_json(one.headers) if one.headers else None, now_ms) for one in events
    ]
