"""The one way in which the line's state changes: a unit of work, written whole or not at all (design 3.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from lernline.clock import Clock
from lernline.model import AggregateUpdate, Changes, Event, Position
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
_EVENT = "INSERT INTO event_log (topic, key, value, headers, appended_at) VALUES (?, ?, ?, ?, ?)"
_MOVE = (
    "INSERT INTO consumer_offset (consumer_group, position) VALUES (?, ?)"
    " ON CONFLICT (consumer_group) DO UPDATE SET position = excluded.position WHERE position = ?"
)
_STANDS = "SELECT position FROM consumer_offset WHERE consumer_group = ?"


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
        with self.db.writing() as connection:
            if position is not None:
                _move(connection, position)
            _write(connection, changes, self.clock.now_ms())
            append_events(connection, changes.events, self.clock.now_ms())


def _move(connection: Connection, position: Position) -> None:
    stands = connection.exec_driver_sql(_STANDS, (position.group,)).scalar() or 0
    if stands != position.start:
        raise Fenced(f"group {position.group} stands at {stands}, not at {position.start}: another owner went on")
    connection.exec_driver_sql(_MOVE, (position.group, position.end, position.start))


def _write(connection: Connection, changes: Changes, now_ms: int) -> None:
    _lessons.run(connection, [rows.lesson_to_row(state) for state in changes.lesson_states])
    _identities.run(connection, [(one.userid, one.digest, now_ms) for one in changes.identities])
    _enrolments.run(
        connection,
        [
            (e.userid, e.courseid, e.batchid, e.active, e.addedby, e.enrolled_date, e.datetime, e.status, e.progress)
            for e in changes.enrolments
        ],
    )
    _run(
        connection,
        _PROGRESS,
        (
            (
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
            for one in changes.enrolment_progress
        ),
    )
    write_catalog(connection, changes.contents, changes.courses)
    _aggregates.run(connection, [_aggregate_row(update) for update in changes.aggregates])
    _attempts.run(connection, [rows.attempt_to_row(attempt) for attempt in changes.attempts])
    _batches.run(connection, [rows.batch_to_row(batch) for batch in changes.batches])
    _run(
        connection,
        _CREDENTIAL,
        (
            (
                one.id,
                one.userid,
                one.courseid,
                one.batchid,
                one.template_id,
                one.template_version,
                one.template_name,
                one.document,
                one.svg_template,
                one.issued_on,
                one.sequence,
                one.superseded_by,
            )
            for one in changes.credentials
        ),
    )
    _run(
        connection,
        _ISSUED,
        ((rows.to_json(entries), key.batchid, key.courseid, key.userid) for key, entries in changes.issued),
    )
    _run(
        connection,
        _DEAD_LETTER,
        (
            (
                one.topic,
                one.key,
                one.value,
                rows.to_json(one.headers),
                one.stage,
                one.code,
                one.reason,
                one.stack,
                one.at,
                one.state,
            )
            for one in changes.dead_letters
        ),
    )


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
    _run(
        connection,
        _EVENT,
        ((one.topic, one.key, one.value, rows.to_json(one.headers) if one.headers else None, now_ms) for one in events),
    )


def _run(connection: Connection, statement: str, parameters: Iterable[tuple[Any, ...]]) -> None:
    batch = list(parameters)
    if batch:
        connection.exec_driver_sql(statement, batch)
