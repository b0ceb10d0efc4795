"""The catalog stage: a collection was published, so its relations are derived anew (pipeline.md 7.1)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lernline.catalog.relations import AssessmentKinds, derive
from lernline.catalog.service import course_of, unwrapped
from lernline.catalog.tree import COLLECTION_TYPE, parse_hierarchy
from lernline.clock import Clock
from lernline.model import Changes
from lernline.store.port import CatalogStore
from lernline.stream import topics
from lernline.stream.port import Record

_ACTIONS = ("post-publish-process", "relation-cache-update")


class _Edata(msgspec.Struct):
    action: str = ""
    identifier: str = ""
    mimeType: str = ""  # noqa: N815  wire name


class _Message(msgspec.Struct):
    edata: _Edata


_decoder = msgspec.json.Decoder(_Message)


class CatalogStage:
    """Keeps relations in step with what is published."""

    name = "catalog"
    group = topics.CATALOG_GROUP
    topics = (topics.CONTENT_PUBLISHED,)

    def __init__(self, store: CatalogStore, kinds: AssessmentKinds, clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock

    def process(self, records: Sequence[Record]) -> Changes:
        """Relations of the collections that were published; events of other kinds are counted as skipped."""
        changes = Changes()
        changes.count("total-events-count", len(records))
        published = [(record, identifier) for record in records if (identifier := self._collection(record, changes))]
        documents = self._store.hierarchies({identifier for _, identifier in published})
        for _, identifier in published:
            document = documents.get(identifier)
            raw = unwrapped(document) if document is not None and document.strip() else {}
            if document is None or not raw:
                changes.count("skipped-event-count")
                continue
            relations = derive(parse_hierarchy(raw, strict=False, identifier=identifier), self._kinds)
            changes.courses.append(course_of(raw, document, relations))
            changes.count("success-events-count")
        return changes

    def _collection(self, record: Record, changes: Changes) -> str | None:
        try:
            edata = _decoder.decode(record.value).edata
        except msgspec.MsgspecError as problem:
            reason = f"the event cannot be read: {problem}"
            changes.count("failed-events-count")
            changes.dead_letters.append(record.set_aside(self.name, "EVENT_UNREADABLE", reason, self._clock.now_ms()))
            return None
        wanted = edata.action.lower() in _ACTIONS and edata.mimeType.lower() == COLLECTION_TYPE
        if not wanted or not edata.identifier.strip():
            changes.count("skipped-event-count")
            return None
        return edata.identifier
