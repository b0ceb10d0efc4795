"""The catalog's tables: published trees, relations, and what is known of contents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, select

from lernline.model import Content, Course
from lernline.store.sql import tables
from lernline.store.sql.engine import Database
from lernline.store.sql.rows import to_json
from lernline.store.sql.statements import Upsert, as_parameter, bulk_keys, on_key

_keys = bulk_keys()
_hierarchy = tables.content_hierarchy
_relation = tables.hierarchy_relations
_content = tables.catalog_content
_CONTENT_COLUMNS = (
    "identifier",
    "name",
    "status",
    "channel",
    "user_consent",
    "leaf_nodes_count",
    "total_questions",
    "content_type",
    "mime_type",
    "document",
)
_save_hierarchy = Upsert(_hierarchy, ("identifier", "hierarchy"))
_save_relation = Upsert(_relation, ("relationship_key", "node_ids", "courseid"))
_save_content = Upsert(_content, _CONTENT_COLUMNS)
_BUMP = "INSERT INTO counter (name, value) VALUES ('catalog', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
_hierarchies = select(_hierarchy.c.identifier, _hierarchy.c.hierarchy).select_from(
    _keys.join(_hierarchy, on_key(_keys, _hierarchy.c.identifier))
)
_relations = select(_relation.c.courseid, _relation.c.relationship_key, _relation.c.node_ids).select_from(
    _keys.join(_relation, on_key(_keys, _relation.c.courseid))
)
_contents = select(*(_content.c[name] for name in _CONTENT_COLUMNS)).select_from(
    _keys.join(_content, on_key(_keys, _content.c.identifier))
)
_texts = msgspec.json.Decoder(list[str])


class CatalogTables:
    """``CatalogStore`` over SQL."""

    db: Database

    def catalog_version(self) -> int:
        """A number that grows with every change of the catalog, by any process."""
        with self.db.reading() as connection:
            query = "SELECT value FROM counter WHERE name = 'catalog'"
            return int(connection.exec_driver_sql(query).scalar() or 0)

    def hierarchies(self, course_ids: Iterable[str]) -> dict[str, bytes]:
        """Published trees as stored, JSON text."""
        with self.db.reading() as connection:
            found = connection.execute(_hierarchies, as_parameter([(one,) for one in course_ids]))
            return {identifier: hierarchy.encode() for identifier, hierarchy in found if hierarchy}

    def relation_sets(self, course_ids: Iterable[str]) -> dict[str, dict[str, list[str]]]:
        """Per course, its relation keys and their members."""
        sets: dict[str, dict[str, list[str]]] = {}
        with self.db.reading() as connection:
            for course_id, key, members in connection.execute(_relations, as_parameter([(one,) for one in course_ids])):
                sets.setdefault(course_id, {})[key] = _texts.decode(members)
        return sets

    def contents(self, ids: Iterable[str]) -> dict[str, Content]:
        """Content metadata by identifier."""
        with self.db.reading() as connection:
            found = connection.execute(_contents, as_parameter([(one,) for one in ids]))
            return {row[0]: _content_from_row(row) for row in found}


def write_catalog(connection: Connection, contents: Sequence[Content], courses: Sequence[Course]) -> None:
    """Write metadata and trees; all relations of a course are replaced at once, stale ones go (P-D25)."""
    if not contents and not courses:
        return
    _save_hierarchy.run(connection, [(one.content.identifier, one.hierarchy.decode()) for one in courses])
    for one in courses:
        connection.execute(delete(_relation).where(_relation.c.courseid == one.content.identifier))
    _save_relation.run(
        connection,
        [
            (key, to_json(members), one.content.identifier)
            for one in courses
            for key, members in one.relation_sets.items()
        ],
    )
    _save_content.run(connection, [_content_row(one) for one in (*contents, *(course.content for course in courses))])
    connection.exec_driver_sql(_BUMP)


def _content_from_row(row: Row[Any]) -> Content:
    values = dict(zip(_CONTENT_COLUMNS, row, strict=True))
    return Content(**values | {"document": (values["document"] or "{}").encode()})


def _content_row(one: Content) -> tuple[object, ...]:
    return (
        one.identifier,
        one.name,
        one.status,
        one.channel,
        one.user_consent,
        one.leaf_nodes_count,
        one.total_questions,
        one.content_type,
        one.mime_type,
        one.document.decode(),
    )
