"""The database's schema, brought up to date in place by numbered migrations."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import inspect

from lernline.errors import LernlineError
from lernline.store.sql.engine import Database

HEAD = "0002"
_SCRIPTS = Path(__file__).parent / "migrations"


class SchemaTooNew(LernlineError):
    """The database was written by a newer release; upgrade this one."""

    default_code = "SCHEMA_TOO_NEW"


def bring_up_to_date(db: Database) -> None:
    """Migrate the database to this release's schema; nothing is loaded or written when it is there already.

    Raises:
        SchemaTooNew: the file was written by a newer release.
        Unavailable: the database cannot be written now; it is as it was.
    """
    if _version(db) != HEAD:
        _migrate(db)


def _version(db: Database) -> str | None:
    with db.reading() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
        return None if found is None else str(found)


def _migrate(db: Database) -> None:
    from alembic import command  # noqa: PLC0415  slow to load, and needed once per release
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    version = _version(db)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise SchemaTooNew(
            f"the database {db.path} has schema {version}, which this release does not know; install a newer Lernline"
        )
    with db.writing() as connection:
        if _at_head(connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one() > 0, db):
            return
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def _at_head(written: bool, db: Database) -> bool:
    """Whether another process migrated while this one waited for its turn."""
    return written and _version(db) == HEAD
