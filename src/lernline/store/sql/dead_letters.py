"""The table of records that were set aside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Row, select, update

from lernline.model import DeadLetter
from lernline.store.sql.engine import Database
from lernline.store.sql.tables import dead_letter as letter

_COLUMNS = ("topic", "key", "value", "stage", "code", "reason", "at", "stack", "headers", "id", "state")
_columns = [letter.c[name] for name in _COLUMNS]


class DeadLetterTable:
    """``DeadLetterStore`` over SQL."""

    db: Database

    def dead_letters(self, *, stage: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Newest first, those that wait."""
        query = select(*_columns).where(letter.c.state == "waiting").order_by(letter.c.id.desc()).limit(limit)
        if stage is not None:
            query = query.where(letter.c.stage == stage)
        with self.db.reading() as connection:
            return [_from_row(row) for row in connection.execute(query)]

    def dead_letter(self, letter_id: int) -> DeadLetter | None:
        """One, whatever its state."""
        with self.db.reading() as connection:
            row = connection.execute(select(*_columns).where(letter.c.id == letter_id)).first()
        return None if row is None else _from_row(row)

    def close_dead_letters(self, ids: Sequence[int], state: str) -> int:
        """Mark as ``replayed`` or ``dropped``; gives how many were waiting."""
        closing = update(letter).where(letter.c.id.in_(ids), letter.c.state == "waiting").values(state=state)
        with self.db.writing() as connection:
            return connection.execute(closing).rowcount


def _from_row(row: Row[Any]) -> DeadLetter:
    values = dict(zip(_COLUMNS, row, strict=True))
    headers = msgspec.json.decode(values.pop("headers") or "{}", type=dict[str, str])
    return DeadLetter(**values, headers=headers)
