"""Connections of the embedded database: many readers, one writer at a time, every commit on disk.

WAL with ``synchronous=FULL``: when a transaction has committed, it survives a power cut. Writers of all processes
queue on a lock file before they ask SQLite, since SQLite's own waiting sleeps for tens of milliseconds at a time.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from lernline.errors import Unavailable

_LOCK_POLL_SECONDS = 0.0005


class Database:
    """One SQLite file and the connections to it; safe to share between threads."""

    def __init__(self, path: Path, *, wait_seconds: float = 5.0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.wait_seconds = wait_seconds
        self._lock_path = path.with_suffix(".lock")
        self._gate = threading.Lock()
        self._handle: tuple[int, int] | None = None
        self.engine: Engine = create_engine(
            f"sqlite:///{path}",
            poolclass=QueuePool,
            hide_parameters=True,
            pool_size=8,
            max_overflow=24,
            connect_args={"check_same_thread": False, "timeout": wait_seconds, "cached_statements": 512},
        )
        event.listen(self.engine, "connect", _prepare)
        event.listen(self.engine, "begin", _begin)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one consistent state for as long as it is held."""
        with _translated("read"), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The one writer's connection; what it did is durable when the block ends, or undone when it raises.

        Raises:
            Unavailable: another process keeps the database, or the disk refuses.
        """
        with _translated("written"), self._turn(), self.engine.connect() as connection:
            connection = connection.execution_options(immediate=True)  # noqa: PLW2901  same connection, told how to begin
            with connection.begin():
                yield connection

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for this process's threads, then for other processes; the kernel lets go when a process dies."""
        deadline = time.monotonic() + self.wait_seconds
        if not self._gate.acquire(timeout=self.wait_seconds):
            raise self._locked()
        try:
            handle = self._lock_file()
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise self._locked() from None
                    time.sleep(_LOCK_POLL_SECONDS)
            try:
                yield
            finally:
                fcntl.flock(handle, fcntl.LOCK_UN)
        finally:
            self._gate.release()

    def _lock_file(self) -> int:
        """The lock file, opened once a process; a child that was forked must not share its parent's lock."""
        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = os.getpid(), os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._handle[1]

    def _locked(self) -> Unavailable:
        return Unavailable(f"the database {self.path} is locked by another writer; try again")

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()
        if self._handle is not None:
            os.close(self._handle[1])
            self._handle = None


def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "page_size=8192",  # for a new file: a row with a course's statuses must not overflow its page
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=OFF",
        "cache_size=-65536",
        "mmap_size=1073741824",
        "temp_store=MEMORY",
        "wal_autocheckpoint=20000",  # 160 MB: pages that change again and again are moved to the file once
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    """Turn the driver's refusals into one sentence without SQL or values in it."""
    try:
        yield
    except PoolTimeout as problem:
        raise Unavailable("every connection to the database is in use; try again") from problem
    except OperationalError as problem:
        raise Unavailable(f"the database cannot be {doing} now ({problem.orig}); nothing was changed") from problem
    except DatabaseError as problem:
        if isinstance(problem.orig, sqlite3.DatabaseError) and "malformed" in str(problem.orig):
            raise Unavailable(f"the database file is damaged ({problem.orig}); restore it from a copy") from problem
        raise
