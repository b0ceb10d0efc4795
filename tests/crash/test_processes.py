"""Real processes on one data folder, killed at random moments: what was acknowledged is there, once."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lernline.settings import Settings
from lernline.wiring import STATIONS, Line
from support.crash import REQUESTS, USERS, check, prepare, request

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


class Folder:
    """A data folder and the processes that the test runs on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.running: list[subprocess.Popen[str]] = []
        line = Line(Settings(data=path))
        prepare(line)
        line.close()

    def start(self, script: str, *arguments: int) -> subprocess.Popen[str]:
        command = [sys.executable, str(HERE / script), str(self.path), *map(str, arguments)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.running.append(process)
        return process

    def worker(self) -> subprocess.Popen[str]:
        process = self.start("worker.py")
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def stop(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait(timeout=30)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()

    def settle(self) -> Line:
        """A line on the folder that has done what was left."""
        line = Line(Settings(data=self.path))
        line.drain(lambda _station, _counts: None)
        return line


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    folder = Folder(tmp_path)
    yield folder
    folder.stop()


def acknowledged(process: subprocess.Popen[str], most: int) -> list[int]:
    """Up to so many acknowledgements of a writer, fewer when it ends."""
    assert process.stdout is not None
    found = []
    while len(found) < most and (text := process.stdout.readline()):
        found.append(int(text))
    return found


def granted(process: subprocess.Popen[str], count: int) -> list[int]:
    """Let a writer go on for ten acknowledgements, or to its end, and read so many of them."""
    assert process.stdin is not None
    process.stdin.write("\n" * (1 if count <= 10 else 100))
    process.stdin.flush()
    return acknowledged(process, count)


def end(process: subprocess.Popen[str]) -> None:
    """Let a worker finish the batch in hand."""
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0


def test_writers_and_workers_that_are_killed_lose_nothing_and_count_nothing_twice(folder: Folder) -> None:
    chance = random.Random()
    worker = folder.worker()
    sent = 0
    for life in range(4):
        writer = folder.start("writer.py", sent, 1, REQUESTS)
        told = [number for _ in range(chance.randint(1, 2)) for number in granted(writer, 10)]
        told += granted(writer, chance.randint(0, 9))  # ten were granted: it is at work when it dies
        if life % 2:
            worker.kill()
            worker = folder.worker()
        writer.kill()
        told += acknowledged(writer, REQUESTS)
        sent = told[-1] + 1
    writer = folder.start("writer.py", sent, 1, REQUESTS)
    assert granted(writer, REQUESTS)[-1] == REQUESTS - 1
    worker.kill()
    end(folder.worker())
    line = folder.settle()
    check(line)
    line.close()
    with sqlite3.connect(folder.path / "lernline.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_what_was_acknowledged_before_a_kill_is_read_right_after_it(folder: Folder) -> None:
    writer = folder.start("writer.py", 0, 1, REQUESTS)
    told = granted(writer, 10) + granted(writer, 7)
    writer.kill()
    last = told[-1] + 1
    line = Line(Settings(data=folder.path))
    expected = {(one.user_id, one.contents[0].contentid) for one in map(request, range(last))}
    seen = {(userid, content) for userid in USERS for content in line.updates.enrolments(userid)[0].contentstatus}
    assert expected <= seen
    line.close()


def test_two_writers_and_two_workers_share_a_folder(folder: Folder) -> None:
    workers = [folder.worker() for _ in range(2)]
    writers = [folder.start("writer.py", first, 2, REQUESTS) for first in range(2)]
    for writer in writers:
        assert granted(writer, 0) == []
    told = [granted(writer, REQUESTS) for writer in writers]
    assert [writer.wait(timeout=30) for writer in writers] == [0, 0]
    assert sorted(max(some) for some in told) == [REQUESTS - 2, REQUESTS - 1]
    for worker in workers:
        end(worker)
    line = folder.settle()
    check(line)
    assert all(
        line.stream.lag(stage.group, stage.topics) == 0 for stage in (line.stage(station) for station in STATIONS)
    )
    line.close()
