"""Bulk reads of one batch, page by page of learners under one snapshot, ahead of who uses them.

While a page is worked on, a thread of ours reads the next one and whatever was asked of the pages before it, so that
reading and computing share the processors. One page is held ahead, no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, Self

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from lernline.model import Batch
from lernline.store.port import CourseShape
from lernline.store.sql.batch_queries import SCORE_SCHEMA, UNIT_SCHEMA, BatchQueries, Page, connect, fetch, range_of
from lernline.store.sql.engine import Database
from lernline.store.sql.rows import PROFILE_COLUMNS

Kind = Literal["units", "scores"]


class SqlBatchReads:
    """``BatchReads`` over SQLite; see the port for the shape of each table."""

    def __init__(self, db: Database, batch: Batch, course: CourseShape) -> None:
        self._path = db.path
        self._batch = batch
        self._course = course
        self._asked: set[Kind] = set()
        self._current: _Read | None = None

    def __enter__(self) -> Self:
        """Begin the snapshot."""
        self._connection = connect(self._path, autocommit=False)
        self._queries = BatchQueries(self._connection, self._batch, self._course)
        # the only thread that uses the connection, so that everything sees one state and nothing needs a lock
        self._reader = ThreadPoolExecutor(1, "lernline-report-reads")
        return self

    def __exit__(self, *exc: object) -> None:
        """End it."""
        self._reader.shutdown(cancel_futures=True)
        self._connection.close()

    def count(self) -> int:
        """Active enrolments in the batch."""
        return self._reader.submit(self._queries.count).result()

    def enrolments(self, page_size: int) -> Iterator[pa.Table]:
        """Active enrolments in pages ordered by ``userid``."""
        coming = self._reader.submit(self._read, "", page_size)
        while (found := coming.result()) is not None:
            full = found.page.table.num_rows == page_size
            if full:
                coming = self._reader.submit(self._read, found.page.last, page_size)
            self._current = found
            yield found.page.table
            if not full:
                return

    def units(self, page: pa.Table) -> pa.Table:
        """Completed required leaves per nested collection for the learners of a page."""
        return self._of("units", page) if page.num_rows else UNIT_SCHEMA.empty_table()

    def scores(self, page: pa.Table) -> pa.Table:
        """Best attempt per assessment for the learners of a page; a maximum of 0 is unknown."""
        return self._of("scores", page) if page.num_rows else SCORE_SCHEMA.empty_table()

    def _read(self, after: str, size: int) -> _Read | None:
        """The next page with the tables that were asked of earlier ones; runs on the reading thread."""
        page = self._queries.page(after, size)
        if page is None:
            return None
        return _Read(page, {kind: self._query(kind, page.first, page.last, page) for kind in tuple(self._asked)})

    def _of(self, kind: Kind, page: pa.Table) -> pa.Table:
        self._asked.add(kind)
        first, last = range_of(page)
        current = self._current
        if current is not None and current.page.holds(first, last):
            if kind in current.tables:
                return _within(current.tables[kind], first, last, current.page)
            return self._reader.submit(self._query, kind, first, last, current.page).result()
        return self._reader.submit(self._query, kind, first, last, None).result()

    def _query(self, kind: Kind, first: str, last: str, page: Page | None) -> pa.Table:
        if kind == "scores":
            return self._queries.scores(first, last)
        stale = self._queries.is_stale(first, last) if page is None else page.stale
        return self._queries.units(first, last, stale=stale)


class _Read(msgspec.Struct, frozen=True):
    """A page and what was read along with it."""

    page: Page
    tables: dict[Kind, pa.Table]


def _within(table: pa.Table, first: str, last: str, page: Page) -> pa.Table:
    """The rows of a page's table that lie in a range of the page."""
    if (first, last) == (page.first, page.last):
        return table
    inside = pc.and_(pc.greater_equal(table["userid"], first), pc.less_equal(table["userid"], last))
    return table.filter(inside)


def profile_table(db: Database, user_ids: pa.StringArray, fields: Sequence[str]) -> pa.Table:
    """Profiles of those learners that are known, all columns text; absent values are empty.

    Raises:
        ValueError: a field is none of a profile.
    """
    unknown = set(fields) - set(PROFILE_COLUMNS)
    if unknown:
        raise ValueError(f"a profile has no field {', '.join(sorted(unknown))}")
    columns = ", ".join(f"coalesce(u.{name}, '') AS {name}" for name in fields)
    query = f"SELECT u.id AS userid, {columns} FROM json_each(?1) k JOIN user u ON u.id = k.value"  # noqa: S608  checked
    with connect(db.path, autocommit=True) as connection:
        rows = fetch(connection, query, (msgspec.json.encode(user_ids.to_pylist()).decode(),))
    return rows.cast(pa.schema([("userid", pa.string()), *((name, pa.string()) for name in fields)]))
