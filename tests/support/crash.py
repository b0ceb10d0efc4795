"""The load of the crash tests: numbered requests, and what must be there when all of them were acknowledged."""

from __future__ import annotations

from lernline.record.update_rules import StateUpdate
from lernline.wiring import Line

from .rows import aggregates, events_of, table
from .updates import lesson, saying
from .worlds import NOW, REQUIRED, enrol, key_of, set_up

LEARNERS = 12
USERS = [f"learner-{number:02}" for number in range(LEARNERS)]
CONTENTS = sorted(REQUIRED)
ROUNDS = 6
REQUESTS = LEARNERS * len(CONTENTS) * ROUNDS


def request(number: int) -> StateUpdate:
    """The request of that number: learners take turns, and everybody completes every lesson in every round."""
    userid = USERS[number % LEARNERS]
    content = CONTENTS[number // LEARNERS % len(CONTENTS)]
    at = NOW + number
    return saying(userid, lesson(userid, content, 2, accessed=at, completed=at), at=at)


def prepare(line: Line) -> None:
    set_up(line, templates=True)
    enrol(line, *USERS)
    line.certifier  # noqa: B018  keys are made at set-up, as an operator's are


def check(line: Line) -> None:
    """Everything that was acknowledged is there once: counts, completion, one certificate, nothing set aside."""
    assert line.store.dead_letters() == []
    lessons = table(line, "SELECT * FROM user_content_consumption")
    assert len(lessons) == LEARNERS * len(CONTENTS)
    assert {(row["status"], row["viewcount"], row["completedcount"]) for row in lessons} == {(2, ROUNDS, ROUNDS)}
    firsts = {number: CONTENTS[number // LEARNERS] for number in range(LEARNERS * len(CONTENTS))}
    for place, userid in enumerate(USERS):
        row = line.store.enrolments([key_of(userid)])[key_of(userid)]
        assert (row.status, row.progress, row.completionpercentage) == (2, len(CONTENTS), 100)
        assert row.completedon == NOW + max(number for number in firsts if number % LEARNERS == place)
        assert row.lastcontentaccesstime == NOW + REQUESTS - LEARNERS + place
        assert aggregates(line, userid)["do_course"] == {"completedCount": float(len(CONTENTS))}
        credentials = line.store.credentials([key_of(userid)])[key_of(userid)]
        assert [entry.identifier for entry in row.issued_certificates] == [one.id for one in credentials]
        assert len(credentials) == 1
    kinds = [one["edata"].get("type") for one in events_of(line, "telemetry.raw")]
    assert kinds.count("enrol-complete") == LEARNERS
    assert kinds.count("complete") == kinds.count("start") == LEARNERS * len(CONTENTS)
