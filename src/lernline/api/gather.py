"""Requests that wait are handled together: one unit of work for all of them (design 3, decision 4).

While a unit of work runs on a thread, new requests gather; when it is done, all that wait become the next one. So an
idle line answers at once, and a busy one commits many updates with one sync of the disk. Between two units the thread
rests for a moment, in which the loop hands out answers and reads what their receivers send next: measured with 64
connections, units grew from 26 to 35 requests and the throughput by 7 %.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

from lernline.errors import LernlineError

_REST_SECONDS = 0.002

Q = TypeVar("Q")
A = TypeVar("A")


class Busy(LernlineError):
    """More requests wait than the line can carry; try again in a moment (HTTP 429)."""

    status = 429
    default_code = "TOO_MANY_REQUESTS"


class Gatherer(Generic[Q, A]):
    """Collects questions and hands them to ``work`` in batches, one batch at a time.

    ``work`` gives one answer per question, in order, and has done nothing at all when it raises. Belongs to one event
    loop.
    """

    def __init__(
        self, work: Callable[[list[Q]], list[A]], executor: Executor, *, batch_size: int, most_waiting: int
    ) -> None:
        self._work = work
        self._executor = executor
        self._batch_size = batch_size
        self._most_waiting = most_waiting
        self._waiting: deque[tuple[Q, asyncio.Future[A]]] = deque()
        self._running = False

    async def ask(self, question: Q) -> A:
        """The answer to one question.

        Raises:
            Busy: too many wait already.
            LernlineError: whatever ``work`` raised.
        """
        if len(self._waiting) >= self._most_waiting:
            raise Busy("Too many requests are waiting. Try again in a moment.")
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if not self._running:
            self._start()
        return await future

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        self._running = True
        self._executor.submit(self._drain, loop)

    def _drain(self, loop: asyncio.AbstractEventLoop) -> None:
        """On a thread: one batch after the other, without a word from the loop in between, until nobody waits."""
        while batch := self._taken():
            answers = self._answers([question for question, _ in batch])
            loop.call_soon_threadsafe(_deliver, batch, answers)
            time.sleep(_REST_SECONDS)
        loop.call_soon_threadsafe(self._drained)

    def _taken(self) -> list[tuple[Q, asyncio.Future[A]]]:
        """What waits now, at most a batch; the loop only adds at the other end of the queue."""
        return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._batch_size))]

    def _drained(self) -> None:
        """On the loop, so that a question that came in the meantime is not left waiting."""
        self._running = False
        if self._waiting:
            self._start()

    def _answers(self, questions: list[Q]) -> list[A | BaseException]:
        """Answers, or the error of each; a question that breaks the batch is found by asking one by one."""
        try:
            return list(self._work(questions))
        except LernlineError as problem:
            return [problem] * len(questions)
        except Exception as problem:  # noqa: BLE001  one bad question must not fail the others
            if len(questions) == 1:
                return [problem]
        return [self._answers([question])[0] for question in questions]


def _deliver(batch: Sequence[tuple[Any, asyncio.Future[Any]]], answers: Sequence[Any]) -> None:
    for (_, future), answer in zip(batch, answers, strict=True):
        if future.done():  # the client has gone; what it asked for is done all the same
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
