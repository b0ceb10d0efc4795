"""What a learner's events amount to, worked out from the rulings in the plainest way, one learner at a time.

It knows nothing of the line's code but the identities that the rulings name (4, 5) and the digest that breaks ties (6).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from lernline.record.attempt_rules import read_assessment

from .worlds import CONTENTS, REQUIRED, UNITS, UNITS_OF


class Said(NamedTuple):
    """One lesson update of a learner; ``cause`` is what makes two updates the same one."""

    content: str
    status: int
    received: int
    cause: tuple[object, ...]
    progress: int = 0
    accessed: int | None = None
    completed: int | None = None


class Tried(NamedTuple):
    """One version of an attempt, as the topic carries it."""

    item: bytes

    @property
    def read(self) -> Any:
        return read_assessment(self.item, accepted=True)


def lesson_rows(said: Iterable[Said]) -> dict[str, dict[str, Any]]:
    rows = {}
    for content in CONTENTS:
        mine = [one for one in said if one.content == content]
        if not mine:
            continue
        done = [one for one in mine if one.status == 2]
        stated = [one.accessed for one in mine if one.accessed is not None]
        finished = [one.completed for one in done if one.completed is not None]
        rows[content] = {
            "status": max(one.status for one in mine),
            "progress": 100 if done else max(one.progress for one in mine),
            "viewcount": len({one.cause for one in mine if one.status > 0}),
            "completedcount": len({one.cause for one in done}),
            "last_access_time": max(stated) if stated else max(one.received for one in mine),
            "last_completed_time": max(finished or [one.received for one in done], default=None),
        }
    return rows


def enrolment(said: Iterable[Said]) -> dict[str, Any]:
    said = list(said)
    rows = lesson_rows(said)
    done = {content for content in REQUIRED if content in rows and rows[content]["status"] == 2}
    complete = done == REQUIRED
    firsts = []
    for content in done:
        finishing = [one for one in said if one.content == content and one.status == 2]
        stated = [one.completed for one in finishing if one.completed is not None]
        firsts.append(min(stated or [one.received for one in finishing]))
    newest = max(((one.accessed or one.received, one.content) for one in said), default=(None, None))
    return {
        "status": 2 if complete else int(any(row["status"] for row in rows.values())),
        "progress": len(done),
        "completionpercentage": 100 * len(done) // len(REQUIRED),
        "contentstatus": {content: row["status"] for content, row in rows.items()},
        "completedon": max(firsts) if complete else None,
        "lastcontentaccesstime": newest[0],
        "lastreadcontentid": newest[1],
        "lastreadcontentstatus": rows[newest[1]]["status"] if newest[1] else None,
    }


def stands(tried: Iterable[Tried]) -> dict[tuple[str, str], Any]:
    """The version of each attempt that stays: the newest, of equals the one with the higher digest."""
    versions: dict[tuple[str, str], list[Any]] = {}
    for one in tried:
        versions.setdefault((one.read.contentid, one.read.attempt_id), []).append(one.read)
    return {key: max(some, key=lambda one: (one.assessment_ts, one.digest)) for key, some in versions.items()}


def aggregates(said: Iterable[Said], tried: Iterable[Tried]) -> dict[str, dict[str, float]]:
    rows = lesson_rows(said)
    done = {content for content, row in rows.items() if row["status"] == 2}
    found: dict[str, dict[str, float]] = {}
    if rows:
        found["do_course"] = {"completedCount": float(len(done & REQUIRED))}
    for unit in {unit for content in rows for unit in UNITS_OF[content]}:
        found[unit] = {"completedCount": float(len(done & UNITS[unit]))}
    tries = stands(tried)
    for content in {content for content, _ in tries}:
        scores = {name: sum(e["edata"]["score"] for e in tries[c, name].events) for c, name in tries if c == content}
        best = min(scores, key=lambda name: (-scores[name], name))
        highest = sum(event["edata"]["item"]["maxscore"] for event in tries[content, best].events)
        found.setdefault("do_course", {}).update(
            {
                f"score:{content}": float(scores[best]),
                f"max_score:{content}": float(highest),
                f"attempts_count:{content}": float(len(scores)),
            }
        )
    return found
