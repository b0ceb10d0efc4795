"""Runs a definition over one batch with DuckDB, a page of learners at a time.

A page is all that is held in memory, whatever the batch; nothing is written to disk on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import msgspec

from lernline.errors import LernlineError
from lernline.report import csv
from lernline.report.definition import Column, Context, ReportDefinition, Tables
from lernline.store.port import BatchReads

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ProfileTable = Callable[["pa.Array", Sequence[str]], "pa.Table"]


class EngineFault(LernlineError):
    """The report's rows could not be computed; the text names the kind of fault and holds nobody's data."""

    status = 500
    default_code = "REPORT_ENGINE_FAULT"


class Count(msgspec.Struct):
    """What a report of one batch holds, counted while it is made.

    Attributes:
        expected: active enrolments when the report began.
        seen: of them, how many have been handled.
        rows: in the file.
        missing_profiles: rows whose learner the directory does not know; their personal cells are empty.
        withheld: learners of unknown tenant whom a requester of another tenant does not get to see.
    """

    expected: int = 0
    seen: int = 0
    rows: int = 0
    missing_profiles: int = 0
    withheld: int = 0


class BatchReport:
    """The report of one batch.

    Args:
        definition: which report.
        context: of which batch, in which layout.
        reads: opens the batch's bulk reads; they are used by the thread that iterates.
        profiles: the user directory, in bulk: profiles of some learners, and which fields of them.
        zone: of the times in the file.
        page_size: learners held in memory at once.
        only_tenant: the requester's tenant where it is not the course's own (exhaust.md 3.5), else None.
        threads: that DuckDB may use.
    """

    def __init__(
        self,
        definition: ReportDefinition,
        context: Context,
        reads: Callable[[], AbstractContextManager[BatchReads]],
        profiles: ProfileTable,
        *,
        zone: tzinfo,
        page_size: int,
        only_tenant: str | None = None,
        threads: int = 2,
    ) -> None:
        self._definition = definition
        self._context = context
        self._reads = reads
        self._profiles = profiles
        self._zone = zone
        self._page_size = page_size
        self._only_tenant = only_tenant
        self._threads = threads
        self.count = Count()
        self.columns: tuple[Column, ...] = ()

    @property
    def batch_id(self) -> str:
        """Of which batch."""
        return self._context.batch.batchid

    def csv(self) -> Generator[bytes | memoryview]:
        """The file in pieces: the header, then a page's rows at a time; ``count`` follows.

        Raises:
            EngineFault: DuckDB refuses.
            Unavailable: the store is away.
        """
        with self._reads() as reads, closing(_connect(self._threads)) as connection:
            self.count = Count(expected=reads.count())
            context = self._definition.survey(self._pages(reads, Count()), reads, self._context)
            self.columns = self._definition.columns(context)
            yield csv.header(self.columns, context.options)
            for tables in self._pages(reads, self.count):
                yield from self._rows(connection, reads, tables, context)

    def _pages(self, reads: BatchReads, count: Count) -> Iterator[Tables]:
        fields = self._definition.profile_fields[self._context.options.layout]
        if self._only_tenant is not None:
            fields = (*fields, "rootorgid")
        for number, enrolments in enumerate(reads.enrolments(self._page_size)):
            page = _prepared(enrolments)
            profiles = self._profiles(page.column("userid").combine_chunks(), fields)
            count.missing_profiles += page.num_rows - profiles.num_rows
            if self._only_tenant is not None:
                page, profiles = _of_tenant(page, profiles, self._only_tenant, count)
            count.rows += page.num_rows
            yield {"page": page, "profiles": profiles}
            count.seen += enrolments.num_rows
            count.expected = max(count.expected, count.seen) if number else count.expected

    def _rows(
        self, connection: duckdb.DuckDBPyConnection, reads: BatchReads, tables: Tables, context: Context
    ) -> Iterator[memoryview]:
        import duckdb  # noqa: PLC0415  heavy, and needed where a report is made only
        import narwhals as nw  # noqa: PLC0415  as above

        if not tables["page"].num_rows:
            return
        tables = {**tables, **self._definition.read(reads, tables, context)}
        frames: dict[str, Any] = {name: nw.from_native(connection.from_arrow(table)) for name, table in tables.items()}
        rows = self._definition.expression(frames, context)
        lines = csv.lines(rows, self.columns, self._zone, context.options)
        try:
            found = lines.to_native().to_arrow_table()
        except duckdb.Error as problem:
            raise EngineFault(f"the rows could not be computed ({type(problem).__name__})") from problem
        yield from csv.buffers(found)


def _connect(threads: int) -> duckdb.DuckDBPyConnection:
    """A database in memory that may neither spill to disk nor open anything."""
    import duckdb  # noqa: PLC0415  heavy, and needed where a report is made only

    connection = duckdb.connect(config={"threads": threads, "temp_directory": ""})
    connection.execute("SET enable_external_access = false")
    return connection


def _prepared(enrolments: pa.Table) -> pa.Table:
    """A page as expressions want it: its order as a column, times as UTC timestamps."""
    import pyarrow as pa  # noqa: PLC0415  heavy, and needed where a report is made only

    page = enrolments.append_column("row", pa.array(range(enrolments.num_rows), pa.int32()))
    for name in ("enrolled_date", "completedon"):
        instants = page.column(name).cast(pa.int64()).cast(pa.timestamp("ms")).cast(pa.timestamp("us"))
        page = page.set_column(page.schema.get_field_index(name), name, instants)
    return page


def _of_tenant(page: pa.Table, profiles: pa.Table, tenant: str, count: Count) -> tuple[pa.Table, pa.Table]:
    """The learners of one tenant; those whose tenant nobody knows are withheld and counted (design, promise 5)."""
    import pyarrow.compute as pc  # noqa: PLC0415  heavy, and needed where a report is made only

    org = profiles.column("rootorgid").fill_null("")
    known = pc.sum(pc.not_equal(org, "")).as_py() or 0
    count.withheld += page.num_rows - known
    count.missing_profiles -= page.num_rows - profiles.num_rows
    own = profiles.filter(pc.equal(org, tenant))
    return page.filter(pc.is_in(page.column("userid"), own.column("userid").combine_chunks())), own
