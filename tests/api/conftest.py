"""The real application on the real server, on a free port of this machine."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server

from lernline.api.app import create_app
from lernline.api.tokens import mint_token, service_token
from lernline.clock import SystemClock
from lernline.model import Batch, Changes, Content, Enrolment, EnrolmentKey, UserProfile
from lernline.settings import Settings
from lernline.wiring import Line

COURSE = "do_1130"
DAY = 86_400_000


class Service:
    """A running line with its HTTP face and a client."""

    def __init__(self, line: Line, url: str) -> None:
        self.line = line
        self.url = url
        self.keys = line.settings.keys / "tokens"
        self.client = httpx.Client(base_url=url, timeout=20)

    def token(self, uid: str, *roles: str, **more: Any) -> dict[str, str]:
        return {"x-authenticated-user-token": mint_token(self.keys, uid, roles, **more)}

    @property
    def service_headers(self) -> dict[str, str]:
        return {"x-service-token": service_token(self.line.settings.keys)}

    def call(
        self, method: str, path: str, request: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        content = None if request is None else msgspec.json.encode({"request": request})
        answer = self.client.request(method, path, content=content, headers=headers)
        return answer.status_code, answer.json()

    def batch(self, batchid: str = "01", courseid: str = COURSE, **fields: Any) -> Batch:
        now = self.line.clock.now_ms()
        batch = Batch(courseid, batchid, **({"enrollmenttype": "open", "start_date": now - 3 * DAY} | fields))
        self.line.store.commit(Changes(batches=[batch]))
        return batch

    def enrol(self, userid: str, batchid: str = "01", courseid: str = COURSE, **fields: Any) -> EnrolmentKey:
        row = Enrolment(userid, courseid, batchid, **fields)
        self.line.store.commit(Changes(enrolments=[row]))
        return row.key

    def course(self, courseid: str = COURSE, **fields: Any) -> None:
        content = Content(courseid, **({"name": "Course", "leaf_nodes_count": 3, "channel": "tenant1"} | fields))
        self.line.store.commit(Changes(contents=[content]))

    def profiles(self, *profiles: UserProfile) -> None:
        self.line.store.save_profiles(list(profiles))

    def events(self, topic: str) -> list[dict[str, Any]]:
        poll = self.line.stream.poll("test-reader", [topic], 10_000, 0)
        return [msgspec.json.decode(record.value) for record in poll.records]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(line: Line) -> Iterator[Service]:
    port = free_port()
    server = Server(create_app(line), address="127.0.0.1", port=port, interface=Interfaces.ASGI)
    loop = asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    service = Service(line, f"http://127.0.0.1:{port}")
    for _ in range(200):
        try:
            service.client.get("/service/health")
            break
        except httpx.TransportError:
            time.sleep(0.02)
    yield service
    service.client.close()
    loop.call_soon_threadsafe(server.stop)
    thread.join(timeout=10)
    loop.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = Settings(data=tmp_path_factory.mktemp("line"), gateway_addresses=("127.0.0.1",))
    line = Line(settings, SystemClock())
    yield from serve(line)
    line.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    line = Line(Settings(data=tmp_path, gateway_addresses=("127.0.0.1",)), SystemClock())
    yield from serve(line)
    line.close()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    running: list[Iterator[Service]] = []
    lines: list[Line] = []

    def start(**settings: Any) -> Service:
        line = Line(Settings(data=tmp_path, **settings), SystemClock())
        lines.append(line)
        running.append(serve(line))
        return next(running[-1])

    yield start
    for one in running:
        next(one, None)
    for line in lines:
        line.close()
