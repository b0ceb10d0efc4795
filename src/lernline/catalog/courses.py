"""Courses as the line asks for them: relations kept in memory until the catalog says that something changed."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from lernline.catalog.relations import AssessmentKinds, Relations, derive, from_relation_sets
from lernline.catalog.tree import parse_hierarchy
from lernline.model import Content
from lernline.store.port import CatalogStore

_MOST_KEPT = 2000


class Courses:
    """A reader of the catalog that is shared between threads; one tiny query a call tells whether it is current."""

    def __init__(self, store: CatalogStore, kinds: AssessmentKinds) -> None:
        self._store = store
        self._kinds = kinds
        self._lock = threading.Lock()
        self._version = -1
        self._relations: dict[str, Relations | None] = {}
        self._contents: dict[str, Content | None] = {}

    def get(self, course_ids: Iterable[str]) -> dict[str, Relations]:
        """Relations of the courses whose tree (or relation sets) the catalog has.

        A published tree wins over relation sets; those are believed as they stand (ruling 41).
        """
        wanted = set(course_ids)
        with self._lock:
            self._refresh()
            missing = wanted - self._relations.keys()
            if missing:
                self._relations |= self._load(missing)
            return {one: relations for one in wanted if (relations := self._relations[one]) is not None}

    def contents(self, ids: Iterable[str]) -> dict[str, Content]:
        """What the catalog knows of these contents or courses, without trees."""
        wanted = set(ids)
        with self._lock:
            self._refresh()
            missing = wanted - self._contents.keys()
            if missing:
                self._contents |= dict.fromkeys(missing) | self._store.contents(missing)
            return {one: content for one in wanted if (content := self._contents[one]) is not None}

    def _refresh(self) -> None:
        version = self._store.catalog_version()
        if version != self._version or len(self._relations) + len(self._contents) > _MOST_KEPT:
            self._version = version
            self._relations.clear()
            self._contents.clear()

    def _load(self, course_ids: set[str]) -> dict[str, Relations | None]:
        trees = self._store.hierarchies(course_ids)
        sets = self._store.relation_sets(course_ids - trees.keys())
        loaded: dict[str, Relations | None] = dict.fromkeys(course_ids)
        for course_id, document in trees.items():
            loaded[course_id] = derive(parse_hierarchy(document, strict=False, identifier=course_id), self._kinds)
        for course_id, keys in sets.items():
            loaded[course_id] = from_relation_sets(course_id, keys)
        return loaded
