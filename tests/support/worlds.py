"""A small course and the people in it.

The course, its optional leaf marked with *::

    do_course
    ├── do_u1: L1 L2
    ├── do_u2: L2 L3
    │   └── do_u3: L4 L5*
    └── do_u4: A1 A2   (self-assessments)
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from lernline.catalog.service import import_course
from lernline.model import Batch, Changes, Enrolment, EnrolmentKey, UserProfile
from lernline.wiring import Line

NOW = 1_772_400_000_000
DAY = 86_400_000
COURSE, BATCH = "do_course", "batch-1"
LESSONS = ("L1", "L2", "L3", "L4", "L5")
ASSESSMENTS = ("A1", "A2")
CONTENTS = LESSONS + ASSESSMENTS
REQUIRED = frozenset({"L1", "L2", "L3", "L4", "A1", "A2"})
UNITS = {
    "do_u1": frozenset({"L1", "L2"}),
    "do_u2": frozenset({"L2", "L3", "L4"}),
    "do_u3": frozenset({"L4"}),
    "do_u4": frozenset({"A1", "A2"}),
}
UNITS_OF = {
    "L1": {"do_u1"},
    "L2": {"do_u1", "do_u2"},
    "L3": {"do_u2"},
    "L4": {"do_u2", "do_u3"},
    "L5": {"do_u2", "do_u3"},
    "A1": {"do_u4"},
    "A2": {"do_u4"},
}
TEMPLATE = {
    "identifier": "do_template",
    "name": "Completion",
    "url": "https://example.org/t.svg",
    "criteria": '{"enrollment":{"status":2}}',
    "issuer": '{"name":"Council","url":"https://example.org"}',
    "signatoryList": '[{"name":"A","id":"a","designation":"Head","image":"data:image/png;base64,aGk="}]',
}
_COLLECTION = "application/vnd.ekstep.content-collection"


def leaf(identifier: str, *, optional: bool = False, content_type: str = "Resource", **more: Any) -> dict[str, Any]:
    node = {"identifier": identifier, "name": identifier, "mimeType": "video/mp4", "contentType": content_type, **more}
    return node | ({"relationalMetadata": {"optional": True}} if optional else {})


def unit(identifier: str, *children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"identifier": identifier, "name": identifier, "mimeType": _COLLECTION, "children": list(children), **more}


def course_tree() -> dict[str, Any]:
    return unit(
        COURSE,
        unit("do_u1", leaf("L1"), leaf("L2")),
        unit("do_u2", leaf("L2"), leaf("L3"), unit("do_u3", leaf("L4"), leaf("L5", optional=True))),
        unit("do_u4", *(leaf(name, content_type="SelfAssess") for name in ASSESSMENTS)),
        channel="channel-1",
    )


def import_tree(line: Line, tree: dict[str, Any]) -> None:
    _, changes = import_course(json.dumps(tree).encode(), line.kinds)
    line.store.commit(changes)


def open_batch(batchid: str = BATCH, courseid: str = COURSE, **more: Any) -> Batch:
    return Batch(courseid, batchid, **({"name": batchid, "enrollmenttype": "open", "start_date": NOW - DAY} | more))


def set_up(line: Line, *, templates: bool = False, **batch: Any) -> None:
    """The course and its open batch, with a certificate for completion where it is asked for."""
    import_tree(line, course_tree())
    attached = {"do_template": TEMPLATE} if templates else {}
    line.store.commit(Changes(batches=[open_batch(cert_templates=attached, **batch)]))


def enrol(line: Line, *userids: str, batchid: str = BATCH, courseid: str = COURSE, **more: Any) -> list[EnrolmentKey]:
    """Enrol learners whom the directory knows."""
    rows = [
        Enrolment(one, courseid, batchid, **({"enrolled_date": NOW - DAY, "datetime": NOW} | more)) for one in userids
    ]
    line.store.commit(Changes(enrolments=rows))
    know(line, userids)
    return [row.key for row in rows]


def know(line: Line, userids: Iterable[str]) -> None:
    line.store.save_profiles([UserProfile(userid=one, firstname="Asha", lastname=one) for one in userids])


def key_of(userid: str, batchid: str = BATCH, courseid: str = COURSE) -> EnrolmentKey:
    return EnrolmentKey(userid, courseid, batchid)
