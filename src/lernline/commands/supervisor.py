"""The process that ``up`` is: it starts the parts, tells when they are ready, restarts what dies, stops them all.

Parts are forked from here, so that what all of them need is loaded once; nothing that a fork must not share (threads,
database connections) exists in this process.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

from lernline.commands.session import Refused, note, show
from lernline.errors import LernlineError

_LOOK_SECONDS = 0.02
_STOP_SECONDS = 15.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_CALM_SECONDS = 60.0
_FIRST_ATTEMPTS = 3


class _Part:
    """A child process and what became of it. ``lifeline`` ends, in the child, when this process does."""

    def __init__(self, name: str, run: Callable[[], None], lifeline: tuple[int, int]) -> None:
        self.name = name
        self.pid = 0
        self.deaths = 0
        self.again_at = 0.0
        self.pause = _FIRST_PAUSE
        self._run = run
        self._lifeline = lifeline
        self._started = 0.0

    def start(self) -> None:
        """Fork the child."""
        self._started = time.monotonic()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os._exit(self._child())

    def _child(self) -> int:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)  # until the part sets its own; the supervisor's would do nothing here
        reading, writing = self._lifeline
        os.close(writing)
        os.dup2(reading, sys.__stdin__.fileno() if sys.__stdin__ is not None else 0)
        os.setsid()  # Ctrl-C reaches the supervisor alone, which then stops the parts in order
        code = 1
        try:
            self._run()
            code = 0
        except LernlineError as problem:
            note(problem.message)
        except BaseException:  # noqa: BLE001  nothing may leave the child but its exit code
            traceback.print_exc()
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        return code

    def ended(self) -> int | None:
        """The exit code (minus the signal) when the child has ended since; None while it runs."""
        found, status = os.waitpid(self.pid, os.WNOHANG)
        if found == 0:
            return None
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def died(self, now: float) -> None:
        """Plan the next start: later each time, at once again after a calm while."""
        self.deaths += 1
        if now - self._started > _CALM_SECONDS:
            self.pause = _FIRST_PAUSE
        self.again_at = now + self.pause
        self.pause = min(self.pause * 2, _LONGEST_PAUSE)


class Supervisor:
    """Runs parts as child processes until SIGTERM or SIGINT. Parts end by themselves when it is killed.

    ``begun`` is the monotonic time from which readiness is measured.
    """

    def __init__(self, host: str, port: int, data: str, begun: float) -> None:
        self._begun = begun
        self._host = host
        self._port = port
        self._data = data
        self._lifeline = os.pipe()
        self._parts: list[_Part] = []
        self._stop = threading.Event()
        self._ready = False

    def add(self, name: str, run: Callable[[], None]) -> None:
        """A part by its name and what its process does until SIGTERM."""
        self._parts.append(_Part(name, run, self._lifeline))

    def run(self) -> int:
        """Start the parts and look after them; gives the exit code.

        Raises:
            Refused: the port is taken.
        """
        refuse_taken(self._host, self._port)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: self._stop.set())
        try:
            for part in self._parts:
                part.start()
            while not self._stop.is_set():
                if not self._ready and self._answers():
                    self._ready = True
                    seconds = time.monotonic() - self._begun
                    where = f"http://{self._host}:{self._port} (data in {self._data})"
                    show(f"Lernline is ready at {where} after {seconds:.1f} s; Ctrl-C stops it")
                    sys.stdout.flush()
                alive = [self._look_after(part) for part in self._parts]
                if not all(alive):
                    return 1
                self._stop.wait(_LOOK_SECONDS if not self._ready else 10 * _LOOK_SECONDS)
        finally:
            self._stop_parts()
        return 0

    def _look_after(self, part: _Part) -> bool:
        """Start a part again if it is dead and its pause is over; False when there is no use in it."""
        now = time.monotonic()
        if part.pid == 0:
            if now >= part.again_at:
                part.start()
            return True
        code = part.ended()
        if code is None:
            return True
        part.died(now)
        if not self._ready and code > 0 and part.deaths >= _FIRST_ATTEMPTS:
            note(f"the {part.name} cannot start (exit code {code}); see above")
            return False
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        note(f"the {part.name} ended ({how}); starting again in {part.again_at - now:g} s")
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
        running = [part for part in self._parts if part.pid and part.ended() is None]
        for part in running:
            os.kill(part.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while running and time.monotonic() < deadline:
            running = [part for part in running if part.ended() is None]
            time.sleep(_LOOK_SECONDS)
        for part in running:
            note(f"the {part.name} did not end within {_STOP_SECONDS:g} s; killing it, nothing is lost")
            os.kill(part.pid, signal.SIGKILL)
            os.waitpid(part.pid, 0)


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
