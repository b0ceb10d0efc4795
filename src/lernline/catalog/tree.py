"""A published course hierarchy as a typed tree (rest-api.md 9.3, pipeline.md 7.1).

The tree is kept flat, in document order with the positions of parent and children, so that nothing that reads it
recurses and a tree of any depth can be walked, copied and dropped.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lernline.catalog.deep_json import decode_deep
from lernline.errors import BadRequest

COLLECTION_TYPE = "application/vnd.ekstep.content-collection"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One unit or content of a course.

    Attributes:
        parent: position of the parent in ``CourseTree.nodes``; -1 for the root.
        children: positions of the children, in document order.
        level: 0 for the root.
        optional: ``relationalMetadata.optional`` is true (boolean or text).
        leaf_nodes: the stored ``leafNodes`` array; None when the field is absent.
    """

    identifier: str
    parent: int
    children: tuple[int, ...]
    level: int
    name: str = ""
    mime_type: str = ""
    content_type: str = ""
    primary_category: str = ""
    object_type: str = ""
    visibility: str = ""
    status: str = ""
    channel: str = ""
    user_consent: str = ""
    optional: bool = False
    leaf_nodes: tuple[str, ...] | None = None
    leaf_nodes_count: int | None = None
    total_questions: int | None = None

    @property
    def is_collection(self) -> bool:
        """Whether the node is a unit (or the course) rather than content."""
        return self.mime_type.lower() == COLLECTION_TYPE or (not self.mime_type and bool(self.children))


class CourseTree(msgspec.Struct, frozen=True):
    """A course: its nodes in document order (a parent before its children), the root first."""

    nodes: tuple[Node, ...]

    @property
    def root(self) -> Node:
        """The course itself."""
        return self.nodes[0]

    @property
    def course_id(self) -> str:
        """The identifier under which the course is known."""
        return self.nodes[0].identifier

    def children(self, node: Node) -> Iterator[Node]:
        """The children of a node, in document order."""
        return (self.nodes[position] for position in node.children)


def parse_hierarchy(
    document: bytes | str | dict[str, object], *, strict: bool = True, identifier: str | None = None
) -> CourseTree:
    """Reads the JSON of ``content_hierarchy.hierarchy``.

    Args:
        document: JSON text, or the object it holds.
        strict: refuse a tree that does not make sense (import). Otherwise (a row of a running platform) keep what
            makes sense: wrong types are read as absent, a node without identifier is passed over and its children
            go to its parent, repeated and nested identifiers stay.
        identifier: the key under which the row is stored, which is the course's identifier whatever the root says.
            When strict, a root that says otherwise is refused.

    Raises:
        BadRequest: the document is not a JSON object or names no course; when strict also for a missing or repeated
            identifier, an identifier inside itself, and values of a wrong type. The message names node and remedy.
    """
    return _Parser(strict=strict).parse(_as_object(document), identifier)


def _as_object(document: bytes | str | dict[str, object]) -> dict[str, object]:
    if isinstance(document, dict):
        return document
    try:
        try:
            value: object = msgspec.json.decode(document)
        except RecursionError:
            value = decode_deep(document.decode() if isinstance(document, bytes) else document)
    except (msgspec.DecodeError, ValueError) as problem:
        raise BadRequest(
            f"The hierarchy is not JSON ({problem}); give the JSON of the published course tree."
        ) from problem
    if not isinstance(value, dict):
        raise BadRequest("The hierarchy is not a JSON object; give the JSON of the published course tree.")
    return value


class _Open(msgspec.Struct):
    """A node whose children are being read."""

    position: int
    source: int
    waiting: Iterator[object]
    on_path: str | None


class _Parser:
    """Reads one document, depth first with a stack of its own."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.fields: list[dict[str, object]] = []
        self.parents: list[int] = []
        self.levels: list[int] = []
        self.children: list[list[int]] = []
        # Identifiers, and the objects themselves (an object handed in may hold itself), from the root to here.
        self.path: set[str] = set()
        self.sources: set[int] = set()

    def parse(self, document: dict[str, object], key: str | None) -> CourseTree:
        own = self._identifier(document)
        if self.strict and key is not None and own is not None and own != key:
            raise BadRequest(f"The hierarchy of {key} names {own!r} as its root; store it under its own identifier.")
        course_id = key or own
        if course_id is None:
            raise BadRequest(
                "The hierarchy has no 'identifier' at its root; give the tree itself, not the answer around it."
            )
        self._add(document, course_id, parent=-1, level=0)
        self.path.add(course_id)
        self.sources.add(id(document))
        stack = [_Open(0, id(document), self._children_of(document, course_id), course_id)]
        while stack:
            top = stack[-1]
            child = next(top.waiting, None)
            if child is not None:
                inner = self._enter(top.position, child)
                if inner is not None:
                    stack.append(inner)
                continue
            stack.pop()
            self.sources.discard(top.source)
            if top.on_path is not None:
                self.path.discard(top.on_path)
        tree = CourseTree(tuple(self._node(position) for position in range(len(self.fields))))
        if self.strict:
            _refuse_repetition(tree)
        return tree

    def _enter(self, parent: int, child: object) -> _Open | None:
        """Notes one child; None when there is nothing to keep of it."""
        parent_id = str(self.fields[parent]["identifier"])
        if not isinstance(child, dict):
            self._wrong(parent_id, "children", "an array of objects")
            return None
        name = self._identifier(child)
        if name is None and self.strict:
            raise BadRequest(f"A child of node {parent_id} has no 'identifier'; give it one.")
        if name in self.path and self.strict:
            raise BadRequest(f"Node {name} contains itself (a cycle); give the inner node an identifier of its own.")
        if id(child) in self.sources:
            return None
        position = parent
        if name is not None:
            position = self._add(child, name, parent=parent, level=self.levels[parent] + 1)
        fresh = name if name is not None and name not in self.path else None
        if fresh is not None:
            self.path.add(fresh)
        self.sources.add(id(child))
        return _Open(position, id(child), self._children_of(child, name or parent_id), fresh)

    def _identifier(self, source: dict[str, object]) -> str | None:
        value = source.get("identifier")
        if isinstance(value, str) and value.strip():
            return value
        if self.strict and value is not None and not isinstance(value, str):
            raise BadRequest(f"The identifier {value!r} must be text; write it in quotes.")
        return None

    def _children_of(self, source: dict[str, object], name: str) -> Iterator[object]:
        value = source.get("children")
        if isinstance(value, list):
            return (child for child in value if child is not None)
        if value is not None:
            self._wrong(name, "children", "an array of objects")
        return iter(())

    def _add(self, source: dict[str, object], identifier: str, *, parent: int, level: int) -> int:
        position = len(self.fields)
        self.fields.append(self._typed(source, identifier))
        self.parents.append(parent)
        self.levels.append(level)
        self.children.append([])
        if parent >= 0:
            self.children[parent].append(position)
        return position

    def _node(self, position: int) -> Node:
        return Node(
            parent=self.parents[position],
            level=self.levels[position],
            children=tuple(self.children[position]),
            **self.fields[position],  # type: ignore[arg-type]
        )

    def _typed(self, source: dict[str, object], identifier: str) -> dict[str, object]:
        fields: dict[str, object] = {"identifier": identifier}
        for name, key in _TEXTS:
            value = source.get(key)
            if isinstance(value, str):
                fields[name] = value
            elif value is not None:
                self._wrong(identifier, key, "text")
        for name, key in _COUNTS:
            value = source.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool):
                fields[name] = int(value)
            elif value is not None:
                self._wrong(identifier, key, "a number")
        leaves = source.get("leafNodes")
        if isinstance(leaves, list) and all(isinstance(leaf, str) for leaf in leaves):
            fields["leaf_nodes"] = tuple(dict.fromkeys(leaves))
        elif leaves is not None:
            self._wrong(identifier, "leafNodes", "an array of identifiers")
        fields["optional"] = self._optional(source, identifier)
        return fields

    def _optional(self, source: dict[str, object], identifier: str) -> bool:
        metadata = source.get("relationalMetadata")
        if metadata is None:
            return False
        if not isinstance(metadata, dict):
            self._wrong(identifier, "relationalMetadata", "an object")
            return False
        flag = metadata.get("optional")
        if isinstance(flag, bool):
            return flag
        if isinstance(flag, str):
            return flag.strip().lower() == "true"
        if flag is not None:
            self._wrong(identifier, "relationalMetadata.optional", "true or false")
        return False

    def _wrong(self, identifier: str, field: str, wanted: str) -> None:
        if self.strict:
            raise BadRequest(f"Node {identifier}: '{field}' must be {wanted}; correct it or leave it out.")


_TEXTS = (
    ("name", "name"),
    ("mime_type", "mimeType"),
    ("content_type", "contentType"),
    ("primary_category", "primaryCategory"),
    ("object_type", "objectType"),
    ("visibility", "visibility"),
    ("status", "status"),
    ("channel", "channel"),
    ("user_consent", "userConsent"),
)
_COUNTS = (("leaf_nodes_count", "leafNodesCount"), ("total_questions", "totalQuestions"))


def _refuse_repetition(tree: CourseTree) -> None:
    """Content may stand in several units; a unit stands once, and no parent names a child twice."""
    units: set[str] = set()
    contents: set[str] = set()
    for node in tree.nodes:
        if node.is_collection and node.identifier in units:
            raise BadRequest(
                f"Unit {node.identifier} occurs twice in the tree; give each unit an identifier of its own."
            )
        (units if node.is_collection else contents).add(node.identifier)
        seen: set[str] = set()
        for child in tree.children(node):
            if child.identifier in seen:
                raise BadRequest(
                    f"Node {node.identifier} names its child {child.identifier} twice; remove one of them."
                )
            seen.add(child.identifier)
    both = units & contents
    if both:
        raise BadRequest(
            f"Node {min(both)} is a unit in one place and content in another; give them different identifiers."
        )
