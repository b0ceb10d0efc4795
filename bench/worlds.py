"""Worlds to measure in: a course of some lessons, and many enrolments written straight into the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from lernline.catalog.relations import Relations
from lernline.catalog.service import import_course
from lernline.model import Batch, Changes
from lernline.wiring import Line

COLLECTION = "application/vnd.ekstep.content-collection"


def course(course_id: str, lessons: int, *, units: int = 4, assessments: int = 1) -> bytes:
    """A published tree: units of lessons, the last ones self-assessments."""
    names = [f"{course_id}_l{position:03d}" for position in range(lessons)]
    nodes = [
        {
            "identifier": name,
            "name": f"Lesson {position}",
            "mimeType": "video/mp4",
            "contentType": "SelfAssess" if position >= lessons - assessments else "Resource",
        }
        for position, name in enumerate(names)
    ]
    size = -(-lessons // units)
    children = [
        {
            "identifier": f"{course_id}_u{unit}",
            "name": f"Unit {unit}",
            "mimeType": COLLECTION,
            "children": nodes[unit * size : (unit + 1) * size],
        }
        for unit in range(units)
    ]
    tree = {"identifier": course_id, "name": "A course", "mimeType": COLLECTION, "channel": "ch", "children": children}
    return json.dumps(tree).encode()


def set_up(
    line: Line, course_id: str, batch_ids: Iterable[str], lessons: int = 20, *, assessments: int = 1
) -> Relations:
    """A course and its open batches."""
    relations, changes = import_course(course(course_id, lessons, assessments=assessments), line.kinds)
    for batch_id in batch_ids:
        changes.batches.append(
            Batch(course_id, batch_id, name=f"Batch {batch_id}", enrollmenttype="open", start_date=0)
        )
    line.store.commit(changes)
    return relations


def enrolments(course_id: str, batch_id: str, userids: Iterable[str], **more: Any) -> Iterator[dict[str, Any]]:
    """Rows of ``user_enrolments``."""
    for userid in userids:
        yield {
            "userid": userid,
            "courseid": course_id,
            "batchid": batch_id,
            "active": True,
            "enrolled_date": 1_700_000_000_000,
            "status": 0,
            "progress": 0,
            "contentstatus": "{}",
            "rollup": "none",
            **more,
        }


def import_in_chunks(line: Line, table: str, rows: Iterable[dict[str, Any]], size: int = 50_000) -> None:
    """Put many rows into a table."""
    chunk: list[dict[str, Any]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            line.store.import_rows(table, chunk)
            chunk = []
    if chunk:
        line.store.import_rows(table, chunk)


__all__ = ["Changes", "course", "enrolments", "import_in_chunks", "set_up"]
