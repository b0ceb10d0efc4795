"""The embedded event log: a table beside the state, so that state, events and offsets share one transaction."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Connection

from lernline.clock import Clock
from lernline.model import Event
from lernline.store.sql.commits import append_events
from lernline.store.sql.engine import Database
from lernline.stream.port import Poll, Record
from lernline.stream.topics import READERS

_IDLE_SECONDS = 0.004, 0.02
_PRUNED_AT_ONCE = 10_000
_headers = msgspec.json.Decoder(dict[str, str])
_keys = msgspec.json.Encoder()
_COLUMNS = "position, topic, key, value, headers, appended_at"
_UNREAD = " ".join(f"AND NOT (topic IN ({', '.join('?' * len(some))}) AND position > ?)" for some in READERS.values())
_PRUNE = f"""
DELETE FROM event_log WHERE position IN (
    SELECT position FROM event_log
    WHERE position < coalesce(
        (SELECT position FROM event_log WHERE appended_at >= ? ORDER BY position LIMIT 1), 9223372036854775807
    ) {_UNREAD}
    AND position <= coalesce(
        (SELECT min(position) FROM consumer_offset WHERE consumer_group NOT IN ({", ".join("?" * len(READERS))})),
        9223372036854775807
    )
    ORDER BY position LIMIT ?
)"""  # noqa: S608  only marks


class EmbeddedLog:
    """``Stream`` over the ``event_log`` and ``consumer_offset`` tables. One log, so offsets order all topics."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self.db = db
        self.clock = clock
        self._quiet: dict[tuple[str, ...], tuple[int, int]] = {}

    def append(self, events: Sequence[Event]) -> int:
        """Put events on their topics; they are on disk when this returns. Gives the offset of the last."""
        if not events:
            return self.end()
        with self.db.writing() as connection:
            append_events(connection, events, self.clock.now_ms())
            return int(connection.exec_driver_sql("SELECT last_insert_rowid()").scalar_one())

    def poll(self, group: str, topics: Sequence[str], limit: int, max_wait: float) -> Poll:
        """Up to ``limit`` records of ``topics`` after the group's position; see ``Stream.poll``."""
        deadline = time.monotonic() + max_wait
        idle, longest = _IDLE_SECONDS
        while True:
            with self.db.reading() as connection:
                start = _position(connection, group)
                records = self._after(connection, topics, start, limit)
            if records or time.monotonic() >= deadline:
                return Poll(records, start, records[-1].offset if records else start)
            time.sleep(idle)
            idle = min(idle * 1.5, longest)

    def pending(self, group: str, topics: Sequence[str], keys: Collection[str]) -> list[Record]:
        """Records of these keys that the group has not committed, in order: the tail itself."""
        with self.db.reading() as connection:
            return _select(connection, topics, _position(connection, group), keys=keys)

    def _after(self, connection: Connection, topics: Sequence[str], start: int, limit: int) -> list[Record]:
        """Records after ``start``; a stretch that held none of these topics is not searched again.

        Positions are given in the order of commits, so nothing comes into such a stretch later.
        """
        first, last = self._quiet.get(tuple(topics), (0, 0))
        known = first <= start <= last
        records = _select(connection, topics, last if known else start, limit=limit)
        if not records:
            self._quiet[tuple(topics)] = first if known else start, max(start, _end(connection))
        return records

    def end(self) -> int:
        """Offset of the newest record (0 when the log is empty)."""
        with self.db.reading() as connection:
            return _end(connection)

    def committed(self, group: str) -> int:
        """Offset of the last record that the group has handled."""
        with self.db.reading() as connection:
            return _position(connection, group)

    def lag(self, group: str, topics: Sequence[str]) -> int:
        """Records of ``topics`` that the group has not committed."""
        marks = ", ".join("?" * len(topics))
        query = f"SELECT count(*) FROM event_log WHERE position > ? AND topic IN ({marks})"  # noqa: S608  only marks
        with self.db.reading() as connection:
            return int(connection.exec_driver_sql(query, (_position(connection, group), *topics)).scalar_one())

    def prune(self, before_ms: int) -> int:
        """Drop records that are older and that all of their readers have passed; gives how many.

        A group that ``READERS`` does not know may read every topic. Records go some at a time, so that
        writers need not wait for long.
        """
        gone = 0
        while True:
            with self.db.writing() as connection:
                dropped = connection.exec_driver_sql(_PRUNE, _prune_parameters(connection, before_ms)).rowcount
            gone += dropped
            if dropped < _PRUNED_AT_ONCE:
                return gone


def _prune_parameters(connection: Connection, before_ms: int) -> tuple[int | str, ...]:
    unread: list[int | str] = []
    for group, some in READERS.items():
        unread += [*some, _position(connection, group)]
    return (before_ms, *unread, *READERS, _PRUNED_AT_ONCE)


def _end(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT coalesce(max(position), 0) FROM event_log").scalar_one())


def _position(connection: Connection, group: str) -> int:
    query = "SELECT position FROM consumer_offset WHERE consumer_group = ?"
    return int(connection.exec_driver_sql(query, (group,)).scalar() or 0)


def _select(
    connection: Connection, topics: Sequence[str], start: int, *, keys: Collection[str] | None = None, limit: int = -1
) -> list[Record]:
    marks = ", ".join("?" * len(topics))
    where = "" if keys is None else "key IN (SELECT value FROM json_each(?)) AND "
    query = (
        f"SELECT {_COLUMNS} FROM event_log WHERE {where}position > ? AND topic IN ({marks})"  # noqa: S608  only marks
        " ORDER BY position LIMIT ?"
    )
    parameters = (*(() if keys is None else (_keys.encode(list(keys)).decode(),)), start, *topics, limit)
    return [
        Record(topic, record_key, value, position, appended_at, _headers.decode(headers) if headers else {})
        for position, topic, record_key, value, headers, appended_at in connection.exec_driver_sql(query, parameters)
    ]
