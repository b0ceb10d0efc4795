from __future__ import annotations

import os
import signal
import socket
import sqlite3
from pathlib import Path

import httpx
import pytest

from support.terminal import Start, eventually, is_alive

pytestmark = pytest.mark.slow


def test_up_says_where_it_answers_and_ends_in_order(start: Start, data: Path) -> None:
    running = start("up", "--data", str(data), "--port", "0")
    address = running.address()
    assert httpx.get(f"{address}/health").status_code == 200
    children = running.children()
    assert len(children) == 2
    assert running.stop(signal.SIGINT) == ""
    assert running.process.returncode == 0
    assert not any(is_alive(pid) for pid in children)


def test_a_part_that_dies_is_started_again(start: Start, data: Path) -> None:
    running = start("up", "--data", str(data), "--port", "0")
    address = running.address()
    first = running.children()
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: len(running.children()) == 2 and not set(first) & set(running.children()))
    eventually(lambda: _healthy(address))
    said = running.stop()
    assert said.count("ended (signal 9); starting again in 0.5 s") == 2
    assert running.process.returncode == 0


def test_the_parts_end_with_a_supervisor_that_was_killed(start: Start, data: Path) -> None:
    running = start("up", "--data", str(data), "--port", "0")
    running.address()
    children = running.children()
    running.process.kill()
    running.process.wait()
    eventually(lambda: not any(is_alive(pid) for pid in children))


def test_a_port_that_is_taken_is_said_at_once(start: Start, data: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        running = start("up", "--data", str(data), "--port", str(port))
        assert running.process.wait(20) == 1
        assert f"cannot listen on 127.0.0.1:{port}" in running.stop()


def test_a_locked_database_is_waited_for_with_one_line(start: Start, data: Path) -> None:
    data.mkdir()
    with sqlite3.connect(data / "lernline.db", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        running = start("work", "--data", str(data))
        assert running.process.stderr is not None
        assert "at work" in running.process.stderr.readline()
        assert "waiting until the database can be used" in running.process.stderr.readline()
        other.execute("ROLLBACK")
    assert "the database can be used again" in running.process.stderr.readline()
    running.stop()
    assert running.process.returncode == 0


def test_two_apis_and_one_worker_share_a_data_folder(start: Start, data: Path) -> None:
    running = start("up", "--data", str(data), "--port", "0")
    first = running.address()
    other = start("serve", "--data", str(data), "--port", "0")
    assert other.process.stderr is not None
    second = other.process.stderr.readline().split("listens on ")[1].split()[0]
    eventually(lambda: _healthy(second))
    assert first != second
    assert _healthy(first)


def test_a_station_that_does_not_exist_is_named(start: Start, data: Path) -> None:
    running = start("work", "--stations", "progress,sorting", "--data", str(data))
    assert running.process.wait(20) == 1
    assert "choose among progress" in running.stop()


def _healthy(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
