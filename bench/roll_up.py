"""The roll-up stage alone: events already in the log, a 20-lesson course, each event another enrolment."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from harness import report
from lernline.model import EnrolmentKey
from lernline.record.update_rules import LessonInput, StateUpdate
from lernline.settings import Settings
from lernline.stream.worker import tune_collector
from lernline.wiring import Line
from worlds import enrolments, import_in_chunks, set_up

EVENTS, RUNS = 60_000, 3


def run() -> float:
    with tempfile.TemporaryDirectory() as folder:
        line = Line(Settings(data=Path(folder)))
        set_up(line, "do_c", ["b1"])
        users = [f"user-{number:07d}" for number in range(EVENTS)]
        import_in_chunks(line, "user_enrolments", enrolments("do_c", "b1", users))
        now = line.clock.now_ms()
        for start in range(0, EVENTS, 5_000):
            line.updates.accept(
                [
                    StateUpdate(user, user, "t", now, [LessonInput("do_c_l000", "do_c", "b1", user, 2)])
                    for user in users[start : start + 5_000]
                ]
            )
        worker = line.worker("progress")
        done, started = 0, time.perf_counter()
        while handled := worker.run_once():
            done += handled
        seconds = time.perf_counter() - started
        key = EnrolmentKey(users[-1], "do_c", "b1")
        if done != EVENTS or line.store.enrolments([key])[key].progress != 1:
            raise SystemExit(f"only {done} of {EVENTS} events were rolled up")
        line.close()
        return EVENTS / seconds


if __name__ == "__main__":
    tune_collector()
    report(
        "roll-up",
        "roll-up stage, events already in the log, 20-lesson course, each event a different enrolment",
        [run() for _ in range(RUNS)],
        "events/s",
        at_least=15_000,
    )
