"""The catalog stage on a real line (pipeline.md 7.1)."""

import json

from lernline.model import Event
from lernline.stream import topics
from lernline.wiring import Line


def published(identifier: str) -> Event:
    edata = {
        "action": "post-publish-process",
        "identifier": identifier,
        "mimeType": "application/vnd.ekstep.content-collection",
    }
    return Event(topics.CONTENT_PUBLISHED, None, json.dumps({"edata": edata}).encode())


def test_a_collection_whose_hierarchy_is_empty_or_missing_is_skipped_and_counted(line: Line) -> None:
    rows = [{"identifier": "do_empty", "hierarchy": "{}"}, {"identifier": "do_blank", "hierarchy": " "}]
    line.store.import_rows("content_hierarchy", rows)
    line.stream.append([published("do_empty"), published("do_blank"), published("do_missing")])
    counted: dict[str, int] = {}
    line.drain(lambda _, counts: counted.update(counts))
    assert (counted["skipped-event-count"], counted.get("success-events-count")) == (3, None)
    assert (line.store.relation_sets(["do_empty", "do_blank"]), list(line.store.dead_letters())) == ({}, [])
