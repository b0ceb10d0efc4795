"""Content state updates over HTTP: durable, authenticated, one lesson each, 64 connections, the roll-up beside it."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import report
from http_load import load, patch
from lernline.api.tokens import mint_token
from lernline.settings import Settings
from lernline.stream import topics
from lernline.wiring import Line
from service import running
from worlds import enrolments, import_in_chunks, set_up

CONNECTIONS, SECONDS, RUNS, LEARNERS, LESSONS = 64, 8.0, 3, 2_000, 20


def main() -> None:
    rates: list[float] = []
    tails: list[float] = []
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "data"
        line = Line(Settings(data=folder))
        set_up(line, "do_c", ["b1"], lessons=LESSONS)
        users = [f"user-{number:05d}" for number in range(LEARNERS)]
        import_in_chunks(line, "user_enrolments", enrolments("do_c", "b1", users))
        tokens = [mint_token(line.settings.keys / "tokens", user) for user in users]
        with running(folder) as address:
            port = int(address.rpartition(":")[2])
            for run in range(-1, RUNS):
                seconds = 2.0 if run < 0 else SECONDS  # the first run only warms up
                requests = _requests(users, tokens, run)
                statuses, latencies, took = asyncio.run(load("127.0.0.1", port, CONNECTIONS, seconds, requests))
                if set(statuses) != {"200"}:
                    raise SystemExit(f"not every update was accepted: {statuses}")
                if run < 0:
                    continue
                rates.append(len(latencies) / took)
                tails.append(latencies[int(len(latencies) * 0.99)] * 1000)
                behind = line.stream.lag(topics.PROGRESS_GROUP, (topics.PROGRESS_UPDATE,))
        line.close()
    report(
        "state-updates",
        "content state updates over HTTP, durable, authenticated, one lesson each, 64 connections, roll-up beside it",
        rates,
        "updates/s",
        at_least=5_000,
        p99_ms=round(sorted(tails)[len(tails) // 2], 1),
        p99_at_most_ms=60,
        lag_at_the_end=behind,
    )
    print(f"{'':24} p99 {sorted(tails)[len(tails) // 2]:.1f} ms (at most 60), lag at the end {behind}")


def _requests(users: list[str], tokens: list[str], run: int) -> Callable[[int], Iterator[bytes]]:
    """Each connection sends updates of random learners and lessons, each at a time of its own, so that all count."""
    times = itertools.count(1_600_000_000_000 + run * 10_000_000)

    def of_connection(number: int) -> Iterator[bytes]:
        chance = random.Random(number * 1000 + run)
        while True:
            learner = chance.randrange(len(users))
            lesson = {
                "contentId": f"do_c_l{chance.randrange(LESSONS):03d}",
                "courseId": "do_c",
                "batchId": "b1",
                "status": chance.choice((1, 2)),
                "lastAccessTime": _wire(next(times)),
            }
            body = json.dumps({"request": {"userId": users[learner], "contents": [lesson]}}).encode()
            yield patch("/v1/content/state/update", body, {"x-authenticated-user-token": tokens[learner]})

    return of_connection


def _wire(ms: int) -> str:
    seconds, millis = divmod(ms, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"2024-03-{1 + hours // 24 % 28:02d} {hours % 24:02d}:{minute:02d}:{second:02d}:{millis:03d}+0000"


if __name__ == "__main__":
    main()
