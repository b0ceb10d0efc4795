"""A disk that is full and a database that somebody else keeps: a clear error, nothing half written, nothing lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lernline.errors import Unavailable
from lernline.model import Changes, Enrolment, Event, Position
from lernline.settings import Settings
from lernline.store.sql.engine import Database
from lernline.store.sql.store import SqlStore
from lernline.wiring import Line
from support.updates import lesson, saying
from support.worlds import enrol, key_of, set_up

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
HOLD = """
import fcntl, sqlite3, sys
path, how = sys.argv[1:]
if how == "flock":
    handle = open(path.replace(".db", ".lock"), "a")
    fcntl.flock(handle, fcntl.LOCK_EX)
else:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(line: Line, how: str) -> Iterator[None]:
    """Another process keeps the database for as long as the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(line.settings.database), how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    try:
        yield
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


@pytest.fixture
def hasty(live_line: Line) -> Iterator[Line]:
    """A line that does not wait long for a lock."""
    set_up(live_line)
    enrol(live_line, "u")
    live_line.db.close()
    db = Database(live_line.settings.database, wait_seconds=0.1)
    live_line.db = live_line.store.db = live_line.stream.db = db
    yield live_line
    db.close()


@pytest.mark.parametrize("how", ["exclusive", "flock"])
def test_a_locked_database_refuses_writes_clearly_and_goes_on_reading(hasty: Line, how: str) -> None:
    hasty.updates.accept([saying("u", lesson("u", "L1"))])
    with held(hasty, how):
        with pytest.raises(Unavailable, match=r"locked.*") as caught:
            hasty.updates.accept([saying("u", lesson("u", "L2"))])
        assert caught.value.status == 503
        assert "INSERT" not in caught.value.message
        with pytest.raises(Unavailable):
            hasty.store.commit(Changes(enrolments=[Enrolment("v", "c", "b")], events=[Event("t", "v", b"")]))
        with pytest.raises(Unavailable):
            hasty.worker("progress").run_once()
        assert hasty.updates.enrolments("u")[0].contentstatus == {"L1": 2}
    assert hasty.store.enrolments_of_user("v") == []
    hasty.drain()
    assert hasty.updates.enrolments("u")[0].contentstatus == {"L1": 2}
    assert hasty.store.dead_letters() == []
    hasty.updates.accept([saying("u", lesson("u", "L2"))])
    assert hasty.updates.enrolments("u")[0].contentstatus == {"L1": 2, "L2": 2}


def test_a_worker_waits_for_a_locked_database_and_then_goes_on(hasty: Line) -> None:
    hasty.updates.accept([saying("u", lesson("u", "L1"))])
    stop = threading.Event()
    worker = hasty.worker("progress")
    waited = threading.Event()

    class Tells(SqlStore):
        def commit(self, changes: Changes, position: Position | None = None) -> None:
            try:
                super().commit(changes, position)
            except Unavailable:
                waited.set()
                raise
            stop.set()

    worker._store = Tells(hasty.db, hasty.clock, hasty.settings.time_zone)
    thread = threading.Thread(target=worker.run, args=(stop,))
    with held(hasty, "exclusive"):
        thread.start()
        assert waited.wait(30)
        assert hasty.store.enrolments_of_user("u")[0].contentstatus == {}
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert hasty.store.enrolments_of_user("u")[0].contentstatus == {"L1": 2}
    assert hasty.store.dead_letters() == []


def survived(output: str) -> None:
    first, second, merged, end = output.splitlines()
    for refusal in (first, second):
        assert refusal.startswith("refused: the database cannot be written now"), refusal
        assert "nothing was changed" in refusal
    assert merged.startswith("merged ")
    words = end.split()
    accepted, counted, letters = int(words[1]), int(words[3]), int(words[5])
    assert accepted > 5
    assert counted == accepted
    assert letters == 0


def run_on(folder: Path, how: str) -> str:
    command = [sys.executable, str(HERE / "disk.py"), str(folder), how]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


def test_files_that_may_not_grow_refuse_updates_and_lose_none(tmp_path: Path) -> None:
    survived(run_on(tmp_path / "data", "limit"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_refuses_updates_and_loses_none(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this root may not mount a small disk")
    try:
        survived(run_on(disk / "data", "mount"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_data_folder_that_cannot_be_made_is_an_error_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Line(Settings(data=tmp_path / "file" / "data"))


def test_what_was_merged_before_the_lock_is_not_merged_again(hasty: Line) -> None:
    hasty.updates.accept([saying("u", lesson("u", "L1"))])
    hasty.drain()
    with held(hasty, "exclusive"), pytest.raises(Unavailable):
        hasty.updates.accept([saying("u", lesson("u", "L1"))])
    hasty.updates.accept([saying("u", lesson("u", "L1"))])
    hasty.drain()
    assert hasty.store.lessons_of([key_of("u")])[key_of("u")][0].viewcount == 1
