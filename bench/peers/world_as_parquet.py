"""Writes a world's tables as Parquet with the types that Cassandra would give, for peers to read."""

from __future__ import annotations

from pathlib import Path

import adbc_driver_sqlite.dbapi as adbc
import duckdb
from adbc_driver_sqlite import StatementOptions

_ROWS = str(1 << 16)
TABLES = {
    "user_enrolments": (
        (
            "SELECT batchid, courseid, userid, active, enrolled_date, completedon, contentstatus, issued_certificates"
            " FROM user_enrolments"
        ),
        (
            "batchid, courseid, userid, active = 1 AS active, epoch_ms(enrolled_date) AS enrolled_date,"
            " epoch_ms(completedon) AS completedon, contentstatus::JSON::MAP(VARCHAR, INTEGER) AS contentstatus,"
            " coalesce(issued_certificates, '[]')::JSON::MAP(VARCHAR, VARCHAR)[] AS issued_certificates"
        ),
    ),
    "user_activity_agg": (
        "SELECT context_id, activity_id, user_id, activity_type, aggregates FROM user_activity_agg",
        "context_id, activity_id, user_id, activity_type, aggregates::JSON::MAP(VARCHAR, DOUBLE) AS aggregates",
    ),
    "user": (
        (
            "SELECT id AS userid, firstname, lastname, rootorgid, orgname, state, district, block, cluster, schoolname,"
            " schooludisecode, board, usertype, usersubtype FROM user"
        ),
        "*",
    ),
    "course_batch": ("SELECT courseid, batchid, name FROM course_batch", "*"),
    "content_hierarchy": ("SELECT identifier, hierarchy FROM content_hierarchy", "*"),
}


def export_world(database: Path, folder: Path) -> None:
    """One file per table, streamed."""
    folder.mkdir(parents=True, exist_ok=True)
    with adbc.connect(f"file:{database}?mode=ro", autocommit=True) as store, duckdb.connect() as engine:
        for table, (query, columns) in TABLES.items():
            with store.cursor() as cursor:
                cursor.adbc_statement.set_options(**{StatementOptions.BATCH_ROWS.value: _ROWS})
                cursor.execute(query)
                engine.register("rows", cursor.fetch_record_batch())
                engine.execute(f"COPY (SELECT {columns} FROM rows) TO '{folder / table}.parquet'")
                engine.unregister("rows")
