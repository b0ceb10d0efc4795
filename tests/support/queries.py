"""Counting the statements that reach the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from lernline.wiring import Line


@contextmanager
def counted(line: Line) -> Iterator[list[str]]:
    """Statements executed inside the block; many rows given at once are one statement."""
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(line.db.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(line.db.engine, "before_cursor_execute", note)
