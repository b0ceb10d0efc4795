"""What a report asks of one batch: the queries, and their answers as Arrow tables (see ``BatchReads`` of the port).

The tables are laid out so that a page is a contiguous range of keys: what is read is what the batch holds,
whatever else the database holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import adbc_driver_sqlite.dbapi as adbc
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_sqlite import StatementOptions

from lernline.model import Batch
from lernline.store.port import CourseShape

_OF_BATCH = "e.batchid = ?1 AND e.courseid = ?2 AND coalesce(e.active, 1) = 1"
_HOLDS = "(e.{0} IS NOT NULL AND e.{0} NOT IN ('', '[]', 'null'))"
_COUNT = f"SELECT count(*) AS n FROM user_enrolments e WHERE {_OF_BATCH}"  # noqa: S608  constants only
_ENROLMENTS = f"""
SELECT e.userid AS userid, e.enrolled_date AS enrolled_date, coalesce(e.enrolleddate, '') AS enrolleddate,
       e.completedon AS completedon, coalesce(e.status, 0) AS status,
       {_HOLDS.format("issued_certificates")} OR {_HOLDS.format("certificates")} AS issued,
       e.rollup IS NOT ?3 AS stale,
       CASE WHEN e.rollup = ?3 THEN coalesce(e.progress, 0)
            ELSE (SELECT count(*) FROM json_each(coalesce(e.contentstatus, '{{}}')) s
                  WHERE s.value = 2 AND s.key IN (SELECT r.value FROM json_each(?4) r)) END AS completed
FROM user_enrolments e
WHERE {_OF_BATCH} AND e.userid > ?5
ORDER BY e.userid LIMIT ?6
"""  # noqa: S608  constants only
# CROSS JOIN keeps the order: collections first, then of each the page's range. The planner would turn it round and
# read the whole batch for every page.
_UNITS_FRESH = """
SELECT a.user_id AS userid, a.activity_id AS unitid,
       CAST(coalesce(json_extract(a.aggregates, '$.completedCount'), 0) AS INTEGER) AS completed
FROM json_each(?2) u
CROSS JOIN user_activity_agg a ON a.context_id = 'cb:' || ?1 AND a.activity_id = u.value AND a.user_id BETWEEN ?3 AND ?4
WHERE a.activity_type = 'Course'
"""
# a row whose roll-up knew another tree, or that somebody else wrote, is counted from the statuses of its lessons
_UNITS_MIXED = f"""
WITH member(unitid, contentid) AS MATERIALIZED (SELECT m.value ->> 0, m.value ->> 1 FROM json_each(?3) m)
SELECT a.user_id AS userid, a.activity_id AS unitid,
       CAST(coalesce(json_extract(a.aggregates, '$.completedCount'), 0) AS INTEGER) AS completed
FROM json_each(?4) u
CROSS JOIN user_activity_agg a ON a.context_id = 'cb:' || ?1 AND a.activity_id = u.value AND a.activity_type = 'Course'
     AND a.user_id BETWEEN ?5 AND ?6
CROSS JOIN user_enrolments e ON {_OF_BATCH} AND e.userid = a.user_id
WHERE e.rollup = ?7 OR coalesce(e.contentstatus, '{{}}') = '{{}}'
UNION ALL
SELECT e.userid, member.unitid, count(*)
FROM user_enrolments e JOIN json_each(e.contentstatus) s ON s.value = 2 JOIN member ON member.contentid = s.key
WHERE {_OF_BATCH} AND e.userid BETWEEN ?5 AND ?6 AND e.rollup IS NOT ?7 AND coalesce(e.contentstatus, '{{}}') <> '{{}}'
GROUP BY e.userid, member.unitid
"""  # noqa: S608  constants only
_STALE = f"""
SELECT EXISTS (SELECT 1 FROM user_enrolments e
               WHERE {_OF_BATCH} AND e.userid BETWEEN ?4 AND ?5 AND e.rollup IS NOT ?3) AS stale
"""  # noqa: S608  constants only
_ATTEMPTS = """
SELECT t.user_id AS userid, t.content_id AS contentid, CAST(max(t.total_score) AS REAL) AS score,
       CAST(coalesce(t.total_max_score, 0) AS REAL) AS max_score
FROM assessment_aggregator t
WHERE t.batch_id = ?1 AND t.course_id = ?2 AND t.user_id BETWEEN ?4 AND ?5
      AND t.content_id IN (SELECT x.value FROM json_each(?3) x)
GROUP BY t.user_id, t.content_id
"""
_ALL_ROWS = str(1 << 20)
_ASSESSMENTS_AT_ONCE = 40  # two columns and two parameters each
_ENROLMENT_SCHEMA = pa.schema(
    [
        ("userid", pa.string()),
        ("enrolled_date", pa.int64()),
        ("completedon", pa.int64()),
        ("status", pa.int32()),
        ("issued", pa.bool_()),
        ("completed", pa.int32()),
    ]
)
UNIT_SCHEMA = pa.schema([("userid", pa.string()), ("unitid", pa.string()), ("completed", pa.int32())])
SCORE_SCHEMA = pa.schema(
    [("userid", pa.string()), ("contentid", pa.string()), ("score", pa.float64()), ("max_score", pa.float64())]
)


class Page(NamedTuple):
    """A page of enrolments, its first and last learner, and whether a row of it was rolled up with another tree."""

    table: pa.Table
    first: str
    last: str
    stale: bool

    def holds(self, first: str, last: str) -> bool:
        """Whether a range of learners lies in this page."""
        return self.first <= first and last <= self.last


class BatchQueries:
    """The queries of one batch, on one connection that one thread at a time may use. A range holds both its ends."""

    def __init__(self, connection: Any, batch: Batch, course: CourseShape) -> None:
        self._connection = connection
        self._batch = batch
        self._course = course
        self._required = _json(sorted(course.required))
        self._members = _json([[unit, leaf] for unit, leaves in course.units.items() for leaf in sorted(leaves)])
        self._units = _json(list(course.units))
        self._assessments = _json(list(course.assessments))

    def count(self) -> int:
        """Active enrolments in the batch."""
        return int(self._table(_COUNT, self._of_batch)["n"][0].as_py())

    def page(self, after: str, size: int) -> Page | None:
        """At most ``size`` active enrolments behind a learner, in order; None when there are none."""
        rows = self._table(_ENROLMENTS, (*self._of_batch, self._course.version, self._required, after, size))
        if not rows.num_rows:
            return None
        return Page(self._typed(rows), *range_of(rows), bool(pc.max(rows["stale"]).as_py()))

    def is_stale(self, first: str, last: str) -> bool:
        """Whether a row of the range was rolled up with another tree."""
        found = self._table(_STALE, (*self._of_batch, self._course.version, first, last))
        return bool(found["stale"][0].as_py())

    def units(self, first: str, last: str, *, stale: bool) -> pa.Table:
        """Completed required leaves per nested collection."""
        if not self._course.units:
            return UNIT_SCHEMA.empty_table()
        if stale:
            parameters = (*self._of_batch, self._members, self._units, first, last, self._course.version)
            rows = self._table(_UNITS_MIXED, parameters)
        else:
            rows = self._table(_UNITS_FRESH, (self._batch.batchid, self._units, first, last))
        return rows.cast(UNIT_SCHEMA)

    def scores(self, first: str, last: str) -> pa.Table:
        """Best attempt per assessment; a maximum of 0 is unknown.

        The course's aggregates say so; attempts count where those lack the assessment.
        """
        if not self._course.assessments:
            return SCORE_SCHEMA.empty_table()
        attempts = self._table(_ATTEMPTS, (*self._of_batch, self._assessments, first, last)).cast(SCORE_SCHEMA)
        aggregated = pa.concat_tables(
            _aggregated(some, self._table(_scores_of(len(some)), (*self._of_batch, first, last, *_paths(some))))
            for some in _batched(self._course.assessments, _ASSESSMENTS_AT_ONCE)
        )
        missing = pc.invert(pc.is_in(_score_keys(attempts), value_set=_score_keys(aggregated)))
        rows = pa.concat_tables([aggregated, attempts.filter(missing)])
        known = pc.if_else(pc.greater(rows["max_score"], 0.0), rows["max_score"], pa.scalar(None, pa.float64()))
        return rows.set_column(3, "max_score", known)

    @property
    def _of_batch(self) -> tuple[str, str]:
        return self._batch.batchid, self._batch.courseid

    def _typed(self, rows: pa.Table) -> pa.Table:
        dates = pc.coalesce(rows["enrolled_date"].cast(pa.int64()), _legacy_instants(rows["enrolleddate"]))
        completed = rows["completed"].cast(pa.int32())
        if not self._course.tree_known:
            completed = pa.nulls(rows.num_rows, pa.int32())
        columns = [
            rows["userid"],
            dates,
            rows["completedon"].cast(pa.int64()),
            rows["status"].cast(pa.int32()),
            rows["issued"].cast(pa.bool_()),
            completed,
        ]
        return pa.Table.from_arrays(columns, schema=_ENROLMENT_SCHEMA)

    def _table(self, query: str, parameters: tuple[object, ...]) -> pa.Table:
        return fetch(self._connection, query, parameters)


def _batched(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The values in runs of at most ``size``."""
    return (values[start : start + size] for start in range(0, len(values), size))


def _scores_of(count: int) -> str:
    """The query for ``count`` assessments: per learner, score and maximum side by side, so that JSON is read once."""
    cells = (
        f"CAST(json_extract(a.aggregates, ?{5 + 2 * number}) AS REAL) AS score_{number}, "
        f"CAST(json_extract(a.aggregates, ?{6 + 2 * number}) AS REAL) AS max_{number}"
        for number in range(count)
    )
    return (
        f"SELECT a.user_id AS userid, {', '.join(cells)} FROM user_activity_agg a "  # noqa: S608  numbers only
        "WHERE a.context_id = 'cb:' || ?1 AND a.activity_id = ?2 AND a.activity_type = 'Course'"
        " AND a.user_id BETWEEN ?3 AND ?4"
    )


def _paths(assessments: Sequence[str]) -> list[str]:
    """JSON paths of the values that ``_scores_of`` asks for."""
    return [f"$.{_json(f'{name}:{one}')}" for one in assessments for name in ("score", "max_score")]


def _aggregated(assessments: Sequence[str], wide: pa.Table) -> pa.Table:
    """The answer to ``_scores_of`` in long form, without the assessments that a learner has no score for."""
    users = wide["userid"].cast(pa.string())
    parts = []
    for number, assessment in enumerate(assessments):
        score = wide[f"score_{number}"].cast(pa.float64())
        held = score.is_valid()
        most = wide[f"max_{number}"].cast(pa.float64()).fill_null(0.0).filter(held)
        parts.append(
            pa.Table.from_arrays(
                [users.filter(held), pa.repeat(assessment, len(most)), score.filter(held), most], schema=SCORE_SCHEMA
            )
        )
    return pa.concat_tables(parts)


def _score_keys(scores: pa.Table) -> pa.Array:
    keys = pc.binary_join_element_wise(scores["userid"], scores["contentid"], "\0")
    return keys.combine_chunks() if isinstance(keys, pa.ChunkedArray) else keys


def _legacy_instants(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Epoch ms of ``yyyy-MM-dd HH:mm:ss:SSSZ``; text of another form is null."""
    form = r"^(?P<d>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d):(?P<f>\d{3})(?P<s>[+-])(?P<h>\d\d):?(?P<m>\d\d)$"
    parts = pc.extract_regex(texts, form)
    moments = pc.strptime(pc.struct_field(parts, "d"), "%Y-%m-%d %H:%M:%S", "ms", error_is_null=True).cast(pa.int64())
    hours, minutes = (pc.struct_field(parts, name).cast(pa.int64()) for name in ("h", "m"))
    offset = pc.multiply(pc.add(pc.multiply(hours, 60), minutes), 60_000)
    signed = pc.if_else(pc.equal(pc.struct_field(parts, "s"), "-"), pc.negate(offset), offset)
    return pc.subtract(pc.add(moments, pc.struct_field(parts, "f").cast(pa.int64())), signed)


def range_of(page: pa.Table) -> tuple[str, str]:
    """First and last learner of a page that is not empty."""
    return page["userid"][0].as_py(), page["userid"][-1].as_py()


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def connect(path: Path, *, autocommit: bool) -> Any:
    """A connection that may not write; without ``autocommit`` it sees one state from its first read on."""
    return adbc.connect(f"file:{path}?mode=ro", autocommit=autocommit)


def fetch(connection: Any, query: str, parameters: tuple[object, ...]) -> pa.Table:
    """All rows of a query."""
    with connection.cursor() as cursor:
        # types are taken from the first batch of rows: all of them, or a late value of another type is refused
        cursor.adbc_statement.set_options(**{StatementOptions.BATCH_ROWS.value: _ALL_ROWS})
        cursor.execute(query, parameters)
        return cursor.fetch_arrow_table()
