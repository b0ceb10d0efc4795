"""``Store`` over one SQL database, put together from its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert

from lernline.clock import Clock
from lernline.model import Batch
from lernline.store.port import BatchReads, CourseShape
from lernline.store.sql.catalog import CatalogTables
from lernline.store.sql.commits import Commits
from lernline.store.sql.dead_letters import DeadLetterTable
from lernline.store.sql.directory import DirectoryTable
from lernline.store.sql.engine import Database
from lernline.store.sql.learning import LearningReads
from lernline.store.sql.rows import to_json
from lernline.store.sql.statements import Upsert
from lernline.store.sql.tables import metadata

if TYPE_CHECKING:
    from lernline.store.port import Store


class SqlStore(LearningReads, Commits, CatalogTables, DirectoryTable, DeadLetterTable):
    """All of the line's state in one database. Safe to share between threads; processes open one each."""

    def __init__(self, db: Database, clock: Clock, zone_name: str) -> None:
        self.db = db
        self.clock = clock
        self.zone_name = zone_name

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one consistent state."""
        with self.db.reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The writer's connection; committed at the end of the block, undone when it raises."""
        with self.db.writing() as connection:
            yield connection

    def batch_reads(self, batch: Batch, course: CourseShape) -> BatchReads:
        """Open the bulk reads of one batch under one snapshot."""
        from lernline.store.sql.bulk import SqlBatchReads  # noqa: PLC0415  Arrow is only loaded where reports are made

        return SqlBatchReads(self.db, batch, course)

    def import_rows(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows of a contract table as they stand, replacing those with the same key; unknown columns are left out.

        Raises:
            KeyError: there is no such table.
        """
        target = metadata.tables[table]
        names = [column.name for column in target.columns if any(column.name in row for row in rows)]
        with self.db.writing() as connection:
            if target.primary_key.columns.keys() and all(key.name in names for key in target.primary_key.columns):
                Upsert(target, names).run(connection, [tuple(_cell(row.get(name)) for name in names) for row in rows])
            else:
                connection.execute(insert(target), [{name: _cell(row.get(name)) for name in names} for row in rows])


def _cell(value: object) -> object:
    return to_json(value) if isinstance(value, dict | list | tuple) else value


def _conforms(store: SqlStore) -> Store:
    """The type checker's proof that this adapter is a whole ``Store``."""
    return store
