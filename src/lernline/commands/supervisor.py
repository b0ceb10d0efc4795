"""The process that ``up`` is: it starts the parts, tells when they are ready, restarts what dies, stops them all."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

from lernline.commands.session import Refused, note, show

_LOOK_SECONDS = 0.02
_STOP_SECONDS = 15.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_CALM_SECONDS = 60.0
_FIRST_ATTEMPTS = 3


@dataclass
class _Part:
    """A child process and what became of it."""

    name: str
    arguments: list[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = _FIRST_PAUSE
    again_at: float = 0.0
    deaths: int = 0
    seen: list[int] = field(default_factory=list)

    def start(self) -> None:
        # a session of its own: Ctrl-C reaches the supervisor alone, which then stops the parts in order
        self.process = subprocess.Popen(  # noqa: S603  our own interpreter and arguments
            [sys.executable, "-m", "lernline.cli", *self.arguments], stdin=subprocess.PIPE, start_new_session=True
        )
        self.started = time.monotonic()


class Supervisor:
    """Runs parts as child processes until SIGTERM or SIGINT. Parts end by themselves when it is killed."""

    def __init__(self, host: str, port: int, data: str) -> None:
        self._host = host
        self._port = port
        self._data = data
        self._parts: list[_Part] = []
        self._stop = threading.Event()
        self._ready = False

    def add(self, name: str, arguments: list[str]) -> None:
        """A part by its name and the arguments of the command that is it."""
        self._parts.append(_Part(name, arguments))

    def run(self) -> int:
        """Start the parts and look after them; gives the exit code.

        Raises:
            Refused: the port is taken.
        """
        refuse_taken(self._host, self._port)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._stop.set())
        begun = time.monotonic()
        for part in self._parts:
            part.start()
        try:
            while not self._stop.is_set():
                if not self._ready and self._answers():
                    self._ready = True
                    seconds = time.monotonic() - begun
                    address = f"http://{self._host}:{self._port}"
                    show(f"Lernline is ready at {address} after {seconds:.1f} s (data in {self._data}; Ctrl-C stops it)")
                    sys.stdout.flush()
                if not all([self._look_after(part) for part in self._parts]):
                    return 1
                self._stop.wait(_LOOK_SECONDS if not self._ready else 10 * _LOOK_SECONDS)
        finally:
            self._stop_parts()
        return 0

    def _look_after(self, part: _Part) -> bool:
        """Start a part again if it is dead and its pause is over; False when there is no use in it."""
        now = time.monotonic()
        if part.process is None:
            if now >= part.again_at:
                part.start()
            return True
        code = part.process.poll()
        if code is None:
            return True
        part.deaths += 1
        if not self._ready and code > 0 and part.deaths >= _FIRST_ATTEMPTS:
            note(f"the {part.name} cannot start (exit code {code}); see above")
            return False
        if now - part.started > _CALM_SECONDS:
            part.pause = _FIRST_PAUSE
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        note(f"the {part.name} ended ({how}); starting again in {part.pause:g} s")
        part.process = None
        part.again_at = now + part.pause
        part.pause = min(part.pause * 2, _LONGEST_PAUSE)
        return True

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=1)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _stop_parts(self) -> None:
        """Let every part finish what it has in hand; what has not ended by the deadline is killed."""
        running = [part.process for part in self._parts if part.process is not None and part.process.poll() is None]
        for process in running:
            with suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                note(f"process {process.pid} did not end within {_STOP_SECONDS:g} s; killing it, nothing is lost")
                process.kill()
                process.wait()


def free_port(host: str) -> int:
    """A port that nobody listens on now."""
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def refuse_taken(host: str, port: int) -> None:
    """Say early and clearly that an address cannot be had.

    Raises:
        Refused: the port is taken, or the address is none of this machine.
    """
    try:
        with socket.socket(_family(host)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as problem:
        raise Refused(
            f"cannot listen on {host}:{port} ({problem.strerror or problem}); choose another with --host and --port"
        ) from problem


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
