"""Waiting requests become one unit of work; none is lost, none fails for another."""

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lernline.api.gather import Busy, Gatherer
from lernline.errors import Unavailable

Work = Callable[[list[int]], list[int]]


def run(
    work: Work, questions: Iterable[int], *, most_waiting: int = 100, gate: threading.Event | None = None
) -> list[Any]:
    with ThreadPoolExecutor(2) as executor:

        async def all_of_them() -> list[Any]:
            gatherer = Gatherer(work, executor, batch_size=8, most_waiting=most_waiting)
            asking = [asyncio.ensure_future(gatherer.ask(question)) for question in questions]
            await asyncio.sleep(0)
            if gate is not None:
                gate.set()
            return await asyncio.gather(*asking, return_exceptions=True)

        return asyncio.run(all_of_them())


def test_questions_that_wait_are_answered_together_and_in_order() -> None:
    batches: list[int] = []
    gate = threading.Event()

    def work(questions: list[int]) -> list[int]:
        gate.wait(5)
        batches.append(len(questions))
        return [question * 2 for question in questions]

    assert run(work, range(20), gate=gate) == [number * 2 for number in range(20)]
    assert batches == [1, 8, 8, 3]


def test_a_question_that_breaks_its_batch_fails_alone() -> None:
    gate = threading.Event()

    def work(questions: list[int]) -> list[int]:
        gate.wait(5)
        return [100 // question for question in questions]

    answers = run(work, [1, 2, 0, 4], gate=gate)
    assert [answers[0], answers[1], answers[3]] == [100, 50, 25]
    assert isinstance(answers[2], ZeroDivisionError)


def test_a_store_that_is_away_is_told_to_all_who_wait() -> None:
    def work(questions: list[int]) -> list[int]:
        raise Unavailable("locked")

    assert all(isinstance(answer, Unavailable) for answer in run(work, range(5)))


def test_more_than_may_wait_are_turned_away_at_once() -> None:
    gate = threading.Event()

    def work(questions: list[int]) -> list[int]:
        gate.wait(5)
        return list(questions)

    answers = run(work, range(10), most_waiting=4, gate=gate)
    assert sum(isinstance(answer, Busy) for answer in answers) == 5
    assert Busy("x").status == 429


def test_a_client_that_went_away_disturbs_nobody() -> None:
    gate = threading.Event()

    def work(questions: list[int]) -> list[int]:
        gate.wait(5)
        return list(questions)

    with ThreadPoolExecutor(2) as executor:

        async def scene() -> None:
            gatherer = Gatherer(work, executor, batch_size=8, most_waiting=10)
            gone, stays = (asyncio.ensure_future(gatherer.ask(number)) for number in (1, 2))
            await asyncio.sleep(0)
            gone.cancel()
            gate.set()
            assert await stays == 2
            with pytest.raises(asyncio.CancelledError):
                await gone

        asyncio.run(scene())
