"""The database file over the years: upgraded in place, refused when it is from the future, never half migrated."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from lernline.store.sql import schema, tables
from lernline.store.sql.engine import Database
from lernline.store.sql.schema import SchemaTooNew, bring_up_to_date

NEXT = '''"""A column more."""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{head}"


def upgrade() -> None:
    op.add_column("counter", sa.Column("note", sa.Text(), nullable=True))
    {more}
'''
OPEN = """
import sys
from pathlib import Path
from lernline.store.sql.engine import Database
from lernline.store.sql.schema import bring_up_to_date

sys.stdin.readline()
db = Database(Path(sys.argv[1]))
bring_up_to_date(db)
with db.reading() as connection:
    print(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())
"""


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    db = Database(tmp_path / "lernline.db")
    yield db
    db.close()


def version(db: Database) -> str:
    with db.reading() as connection:
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def a_release_later(monkeypatch: pytest.MonkeyPatch, folder: Path, more: str = "") -> None:
    """Make the code under test a release with one more migration."""
    scripts = folder / "migrations"
    shutil.copytree(schema._SCRIPTS, scripts)
    (scripts / "versions" / "9999_next.py").write_text(NEXT.format(head=schema.HEAD, more=more))
    monkeypatch.setattr(schema, "_SCRIPTS", scripts)
    monkeypatch.setattr(schema, "HEAD", "9999")


def test_a_new_file_gets_the_whole_schema(db: Database) -> None:
    bring_up_to_date(db)
    assert version(db) == schema.HEAD
    with db.reading() as connection:
        found = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    assert found == [], "the migrations and the tables in code disagree"


def test_a_file_that_is_up_to_date_is_left_alone(db: Database) -> None:
    bring_up_to_date(db)
    with db.reading() as connection:
        before = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bring_up_to_date(db)
    with db.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA schema_version").scalar_one() == before


def test_an_older_file_is_upgraded_in_place_with_its_rows(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_up_to_date(db)
    with db.writing() as connection:
        connection.exec_driver_sql("INSERT INTO counter (name, value) VALUES ('kept', 7)")
    a_release_later(monkeypatch, tmp_path)
    bring_up_to_date(db)
    assert version(db) == "9999"
    with db.reading() as connection:
        assert connection.exec_driver_sql("SELECT name, value, note FROM counter").all() == [("kept", 7, None)]


def test_an_upgrade_that_fails_half_way_leaves_the_file_as_it_was(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_up_to_date(db)
    older = schema.HEAD
    a_release_later(monkeypatch, tmp_path, more='raise RuntimeError("the power goes")')
    with pytest.raises(RuntimeError, match="the power goes"):
        bring_up_to_date(db)
    assert version(db) == older
    with db.reading() as connection:
        columns = [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(counter)")]
    assert columns == ["name", "value"]


def test_a_file_of_a_newer_release_is_refused_and_left_alone(db: Database, tmp_path: Path) -> None:
    bring_up_to_date(db)
    with db.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '8888'")
    with pytest.raises(SchemaTooNew, match=r"8888.*newer Lernline"):
        bring_up_to_date(db)
    assert version(db) == "8888"


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lernline.db"
    path.write_bytes(b"a letter to my aunt" * 1000)
    db = Database(path)
    with pytest.raises(Exception, match="not a database"):
        bring_up_to_date(db)
    db.close()
    assert path.read_bytes().startswith(b"a letter")


@pytest.mark.slow
def test_processes_that_start_at_once_on_a_new_folder_all_find_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "data" / "lernline.db"
    starting = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in starting:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in starting]
    assert [(out.strip(), err) for out, err in ends] == [(schema.HEAD, "")] * 4
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
