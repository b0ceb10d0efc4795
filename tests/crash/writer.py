"""A process that accepts updates in a loop and says on stdout which of them it was told are durable.

``writer.py DATA FIRST STEP END``: sends the updates FIRST, FIRST + STEP, … below END, some at a time, and goes on
after every so many for each line on stdin.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lernline.settings import Settings
from lernline.wiring import Line
from support.crash import request

AT_ONCE, PER_LINE = 3, 10


def main() -> None:
    data, first, step, end = Path(sys.argv[1]), *map(int, sys.argv[2:])
    line = Line(Settings(data=data))
    numbers = list(range(first, end, step))
    for turn, start in enumerate(range(0, len(numbers), AT_ONCE)):
        if turn % PER_LINE == 0:
            sys.stdin.readline()
        some = numbers[start : start + AT_ONCE]
        outcomes = line.updates.accept([request(number) for number in some])
        if not all(outcome.accepted and not outcome.refused for outcome in outcomes):
            sys.exit("an update was refused")
        sys.stdout.write(f"{some[-1]}\n")
        sys.stdout.flush()


main()
