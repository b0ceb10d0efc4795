"""A process whose disk is full: prints what became of its writes, one word a line.

``disk.py DATA limit`` bounds the size of its files itself; ``disk.py DATA mount`` fills the small disk under DATA.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lernline.errors import Unavailable
from lernline.settings import Settings
from lernline.wiring import Line
from support.updates import lesson, saying
from support.worlds import NOW, enrol, set_up

ROOM = 300_000


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


def full(data: Path, how: str) -> Path | None:
    """Take the room away; gives the file that takes it, where one does."""
    if how == "limit":
        size = max(one.stat().st_size for one in data.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + ROOM, resource.RLIM_INFINITY))
        return None
    ballast = data.parent / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            file.truncate(file.tell() - ROOM)
    return ballast


def free(ballast: Path | None) -> None:
    if ballast is None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    else:
        ballast.unlink()


def main() -> None:
    data = Path(sys.argv[1])
    line = Line(Settings(data=data))
    set_up(line)
    enrol(line, "u")
    line.certifier  # noqa: B018  keys are made at set-up, as an operator's are
    ballast = full(data, sys.argv[2])
    accepted = 0

    def send() -> None:
        at = NOW + accepted
        line.updates.accept([saying("u", lesson("u", "L1", 2, accessed=at, details="x" * 20_000), at=at)])

    for _ in range(10_000):
        try:
            send()
        except Unavailable as problem:
            say(f"refused: {problem.message}")
            break
        accepted += 1
    try:
        while True:
            line.drain()
            send()
            accepted += 1
    except Unavailable as problem:
        say(f"refused: {problem.message}")
    (view,) = [one.state for one in line.store.lessons_of({("u", "do_course", "batch-1")}).popitem()[1]] or [None]
    say(f"merged {0 if view is None else view.viewcount} {line.stream.committed('activity-aggregate-group') > 0}")
    free(ballast)
    send()
    accepted += 1
    line.drain()
    row = line.store.enrolments_of_user("u")[0]
    (state,) = line.store.lessons_of([row.key])[row.key]
    say(f"accepted {accepted} counted {state.viewcount} letters {len(line.store.dead_letters())}")
    line.close()


main()
