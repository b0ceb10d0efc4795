"""A small keep-alive HTTP load generator: little work per request, so that it measures the other side."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator


class _Connection(asyncio.Protocol):
    """One connection with one request in flight."""

    def __init__(self, requests: Iterator[bytes], until: float, done: asyncio.Future[None]) -> None:
        self.requests = requests
        self.until = until
        self.done = done
        self.seconds: list[float] = []
        self.statuses: dict[bytes, int] = {}
        self._buffer = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._next()

    def _next(self) -> None:
        now = time.perf_counter()
        request = next(self.requests, None) if now < self.until else None
        if request is None:
            self.transport.close()
            if not self.done.done():
                self.done.set_result(None)
            return
        self._sent = now
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        mark = self._buffer.find(b"content-length: ", 0, head)
        length = int(self._buffer[mark + 16 : self._buffer.find(b"\r", mark)])
        if len(self._buffer) < head + 4 + length:
            return
        status = self._buffer[9:12]
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(time.perf_counter() - self._sent)
        self._buffer = b""
        self._next()

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def load(
    host: str, port: int, connections: int, seconds: float, requests: Callable[[int], Iterator[bytes]]
) -> tuple[dict[str, int], list[float], float]:
    """Statuses, latencies in seconds (sorted) and the time it took; ``requests(n)`` gives connection n's requests."""
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    made: list[_Connection] = []
    waits: list[asyncio.Future[None]] = []
    for number in range(connections):
        done = loop.create_future()
        connection = _Connection(requests(number), started + seconds, done)
        await loop.create_connection(lambda connection=connection: connection, host, port)
        made.append(connection)
        waits.append(done)
    await asyncio.gather(*waits)
    took = time.perf_counter() - started
    statuses: dict[str, int] = {}
    for connection in made:
        for status, count in connection.statuses.items():
            statuses[status.decode()] = statuses.get(status.decode(), 0) + count
    return statuses, sorted(second for connection in made for second in connection.seconds), took


def patch(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """The bytes of one PATCH request."""
    lines = [f"PATCH {path} HTTP/1.1", "host: bench", "content-type: application/json", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
