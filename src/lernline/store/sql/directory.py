"""The local user directory: the ``user`` table with the fields of the user cache beside the contract's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from lernline.model import UserProfile
from lernline.store.sql import rows, tables
from lernline.store.sql.engine import Database
from lernline.store.sql.statements import Upsert, as_parameter, bulk_keys, on_key

if TYPE_CHECKING:
    import pyarrow as pa

_keys = bulk_keys()
_user = tables.user
_known = select(_user.c.id, *(_user.c[name] for name in rows.PROFILE_COLUMNS)).select_from(
    _keys.join(_user, on_key(_keys, _user.c.id))
)
_save = Upsert(_user, ("id", *rows.PROFILE_COLUMNS))


class DirectoryTable:
    """``UserDirectory`` over SQL."""

    db: Database

    def profiles(self, user_ids: Iterable[str]) -> dict[str, UserProfile]:
        """Profiles of those learners that are known."""
        with self.db.reading() as connection:
            found = connection.execute(_known, as_parameter([(one,) for one in user_ids]))
            return {row[0]: rows.profile_from_row(row) for row in found}

    def profile_table(self, user_ids: pa.StringArray, fields: Sequence[str]) -> pa.Table:
        """The same in bulk, known ones only: ``userid`` and the named fields of ``UserProfile``, all text."""
        from lernline.store.sql.bulk import profile_table  # noqa: PLC0415  Arrow is only loaded where reports are made

        return profile_table(self.db, user_ids, fields)

    def save_profiles(self, profiles: Sequence[UserProfile]) -> None:
        """Insert or replace profiles."""
        with self.db.writing() as connection:
            _save.run(connection, [rows.profile_to_row(profile) for profile in profiles])
