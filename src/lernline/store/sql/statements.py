"""Building blocks of the store's SQL: keys given in bulk as one parameter, and upserts compiled once.

One statement serves any number of keys, so the text never changes and the database keeps its plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, func
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.selectable import TableValuedAlias

KEYS = "keys"


def bulk_keys() -> TableValuedAlias:
    """The parameter ``keys`` (JSON list of lists) as a table with one row per key."""
    return func.json_each(bindparam(KEYS)).table_valued("value", name="k")


def on_key(keys: TableValuedAlias, *columns: ColumnElement[Any]) -> ColumnElement[bool]:
    """Join condition: the n-th column equals the n-th member of the key."""
    return and_(*(column == keys.c.value.op("->>")(position) for position, column in enumerate(columns)))


def as_parameter(keys: Iterable[Sequence[object]]) -> dict[str, str]:
    """Keys in the form that ``bulk_keys`` reads."""
    return {KEYS: msgspec.json.encode([list(key) for key in keys]).decode()}


class Upsert:
    """Insert rows, or update the ones that exist, many in one call.

    Args:
        table: where to.
        columns: the columns given, in the order of the row tuples.
        updates: column → SQL text for rows that exist (``excluded`` is the new row); the default takes the new
            row's value for every given column that is no key, an empty mapping leaves the row as it is.
    """

    def __init__(self, table: Table, columns: Sequence[str], updates: Mapping[str, str] | None = None) -> None:
        keys = [column.name for column in table.primary_key.columns]
        preparer = sqlite.dialect().identifier_preparer
        name = preparer.format_table(table)
        if updates is None:
            updates = {column: f"excluded.{column}" for column in columns if column not in keys}
        action = f"UPDATE SET {', '.join(f'{c} = {e}' for c, e in updates.items())}" if updates else "NOTHING"
        # identifiers come from the schema above, never from a caller
        self.sql = (
            f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))}) "  # noqa: S608
            f"ON CONFLICT ({', '.join(keys)}) DO {action}"
        )

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write the rows; nothing happens for none."""
        if rows:
            connection.exec_driver_sql(self.sql, list(rows))
