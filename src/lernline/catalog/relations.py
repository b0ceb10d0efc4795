"""What follows from a course tree: leaves, required leaves, ancestors, nested collections, assessments.

Pure. Optionality is judged per path (pipeline.md D26, rulings 33 and 41): a leaf is optional for a collection when
every way down to it from that collection passes something flagged optional, the leaf itself included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from lernline.catalog.tree import CourseTree, Node


class AssessmentKinds(msgspec.Struct, frozen=True):
    """Which nodes are assessments (exhaust.md 7.2): the content type, or object type *and* primary category."""

    content_types: frozenset[str] = frozenset({"SelfAssess"})
    object_types: frozenset[str] = frozenset({"QuestionSet"})
    primary_categories: frozenset[str] = frozenset({"Practice Question Set"})

    def include(self, node: Node) -> bool:
        """Whether this node is one."""
        return node.content_type in self.content_types or (
            node.object_type in self.object_types and node.primary_category in self.primary_categories
        )


class Entry(msgspec.Struct, frozen=True):
    """A nested collection or an assessment, as a report heads its column; ``level`` 1 is right below the course."""

    identifier: str
    name: str
    level: int


class UnitRelations(msgspec.Struct, frozen=True):
    """One nested collection.

    Attributes:
        leaves: its leaves, in tree order, each once.
        required: those that are not optional on every path from this unit downwards (ruling 33).
        optional_units: flagged units below it that no other flagged node hides (contract's optionalnodes).
    """

    leaves: tuple[str, ...] = ()
    required: frozenset[str] = frozenset()
    name: str = ""
    level: int = 1
    optional_units: tuple[str, ...] = ()


class Relations(msgspec.Struct, frozen=True):
    """Everything the line asks of a course.

    Attributes:
        leaves: the course's leaves, in tree order, each once.
        required: those that are not optional on every path from the root (ruling 41).
        units: nested collections by identifier, in tree order; the course itself is not among them.
        ancestors: per leaf all collections on every path, the course first.
        collections: nested collections in tree order (ruling 22).
        assessments: assessments of the tree in order of first appearance (ruling 22).
        optional_units: as for a unit.
        version: hash of all of the above; another version means that the course changed.
    """

    course_id: str
    leaves: tuple[str, ...]
    required: frozenset[str]
    units: dict[str, UnitRelations]
    ancestors: dict[str, tuple[str, ...]]
    collections: tuple[Entry, ...]
    assessments: tuple[Entry, ...]
    optional_units: tuple[str, ...] = ()
    version: str = ""


class _Gathering(msgspec.Struct):
    """A collection while its leaves are gathered; the dicts are sets that keep their order."""

    name: str
    level: int
    found: dict[str, None]
    required: set[str]
    optional_units: dict[str, None]
    stored: tuple[str, ...] | None = None

    def leaves(self) -> tuple[str, ...]:
        """The stored array when there is one (pipeline.md 7.1), in tree order as far as the tree knows them."""
        if self.stored is None:
            return tuple(self.found)
        stored = set(self.stored)
        return tuple(dict.fromkeys([leaf for leaf in self.found if leaf in stored] + list(self.stored)))

    def required_of(self, leaves: tuple[str, ...]) -> frozenset[str]:
        """A leaf that only the stored array knows is required: no path says otherwise."""
        return frozenset(leaf for leaf in leaves if leaf in self.required or leaf not in self.found)


def derive(tree: CourseTree, kinds: AssessmentKinds | None = None) -> Relations:
    """The relations of a course. Time and memory are proportional to the size of the answer."""
    kinds = kinds or AssessmentKinds()
    gathered: dict[str, _Gathering] = {}
    ancestors: dict[str, dict[str, None]] = {}
    assessments: dict[str, Entry] = {}
    # Whether a node hangs below content (a question set's questions): such nodes are no part of the course's tree.
    inside_content: list[bool] = []
    for node in tree.nodes:
        if kinds.include(node) and node.identifier not in assessments:
            assessments[node.identifier] = Entry(node.identifier, node.name, node.level)
        inside_content.append(
            node.parent > 0 and (inside_content[node.parent] or not tree.nodes[node.parent].is_collection)
        )
        if inside_content[-1]:
            continue
        if node.is_collection or node.parent < 0:
            _note_collection(gathered, tree, node)
        else:
            _note_leaf(gathered, ancestors, tree, node)
    course = gathered.pop(tree.course_id)
    leaves = course.leaves()
    units = {identifier: _unit(unit) for identifier, unit in gathered.items()}
    for identifier, known in ((tree.course_id, leaves), *((name, unit.leaves) for name, unit in units.items())):
        for leaf in known:
            ancestors.setdefault(leaf, {tree.course_id: None})[identifier] = None
    return _versioned(
        Relations(
            course_id=tree.course_id,
            leaves=leaves,
            required=course.required_of(leaves),
            units=units,
            ancestors={leaf: tuple(above) for leaf, above in ancestors.items()},
            collections=tuple(Entry(identifier, unit.name, unit.level) for identifier, unit in units.items()),
            assessments=tuple(assessments.values()),
            optional_units=tuple(course.optional_units),
        )
    )


def _unit(unit: _Gathering) -> UnitRelations:
    leaves = unit.leaves()
    return UnitRelations(leaves, unit.required_of(leaves), unit.name, unit.level, tuple(unit.optional_units))


def _note_collection(gathered: dict[str, _Gathering], tree: CourseTree, node: Node) -> None:
    unit = gathered.get(node.identifier)
    if unit is None:
        unit = gathered[node.identifier] = _Gathering(node.name, node.level, {}, set(), {})
    if node.leaf_nodes is not None:
        unit.stored = (unit.stored or ()) + node.leaf_nodes
    if node.optional:
        position = node.parent
        while position >= 0:
            above = tree.nodes[position]
            gathered[above.identifier].optional_units[node.identifier] = None
            if above.optional:
                break
            position = above.parent


def _note_leaf(
    gathered: dict[str, _Gathering], ancestors: dict[str, dict[str, None]], tree: CourseTree, leaf: Node
) -> None:
    optional = leaf.optional
    path: list[str] = []
    position = leaf.parent
    while position >= 0:
        above = tree.nodes[position]
        unit = gathered[above.identifier]
        unit.found[leaf.identifier] = None
        if not optional:
            unit.required.add(leaf.identifier)
        optional = optional or above.optional
        path.append(above.identifier)
        position = above.parent
    known = ancestors.setdefault(leaf.identifier, {})
    for identifier in reversed(path):
        known[identifier] = None


def _versioned(relations: Relations) -> Relations:
    """The same relations with their hash; order of units and leaves counts, since reports follow it."""
    content = (
        relations.course_id,
        relations.leaves,
        sorted(relations.required),
        [
            (identifier, unit.leaves, sorted(unit.required), unit.name, unit.level, unit.optional_units)
            for identifier, unit in relations.units.items()
        ],
        sorted(relations.ancestors.items()),
        relations.collections,
        relations.assessments,
        relations.optional_units,
    )
    digest = hashlib.sha256(msgspec.json.encode(content)).hexdigest()
    return msgspec.structs.replace(relations, version=digest)


def to_relation_sets(relations: Relations) -> dict[str, list[str]]:
    """The relation cache's sets (pipeline.md section 3 and 7.1, D26); empty ones are not written.

    Keys are ``<course>:<node>:leafnodes``, ``…:optionalnodes`` and ``<course>:<leaf>:ancestors``.
    """
    course = relations.course_id
    whole = UnitRelations(relations.leaves, relations.required, optional_units=relations.optional_units)
    sets: dict[str, list[str]] = {}
    for identifier, unit in ((course, whole), *relations.units.items()):
        optional = [leaf for leaf in unit.leaves if leaf not in unit.required]
        sets[f"{course}:{identifier}:leafnodes"] = list(unit.leaves)
        sets[f"{course}:{identifier}:optionalnodes"] = optional + list(unit.optional_units)
    for leaf, above in relations.ancestors.items():
        sets[f"{course}:{leaf}:ancestors"] = list(above)
    return {key: members for key, members in sets.items() if members}


def from_relation_sets(course_id: str, sets: Mapping[str, Iterable[str]]) -> Relations:
    """Relations from a cache that an older job wrote, its lists believed as they stand (ruling 41).

    Keys of other courses are ignored. Members of a set have no order, so leaves and units come sorted; names, levels
    and assessments are unknown there.
    """
    kinds: dict[str, dict[str, list[str]]] = {"leafnodes": {}, "optionalnodes": {}, "ancestors": {}}
    prefix = course_id + ":"
    for key, members in sets.items():
        node, _, kind = key.removeprefix(prefix).rpartition(":")
        if key.startswith(prefix) and node and kind in kinds:
            kinds[kind][node] = sorted(set(members))
    leaves_of, optional_of = kinds["leafnodes"], kinds["optionalnodes"]

    def unit(identifier: str) -> UnitRelations:
        leaves = frozenset(leaves_of.get(identifier, ()))
        optional = frozenset(optional_of.get(identifier, ()))
        return UnitRelations(tuple(sorted(leaves)), leaves - optional, optional_units=tuple(sorted(optional - leaves)))

    course = unit(course_id)
    units = {name: unit(name) for name in sorted({*leaves_of, *optional_of} - {course_id})}
    return _versioned(
        Relations(
            course_id=course_id,
            leaves=course.leaves,
            required=course.required,
            units=units,
            ancestors={
                leaf: tuple(sorted(above, key=lambda name: (name != course_id, name)))
                for leaf, above in sorted(kinds["ancestors"].items())
            },
            collections=tuple(Entry(name, "", unit.level) for name, unit in units.items()),
            assessments=(),
            optional_units=course.optional_units,
        )
    )


def units_map(tree: CourseTree) -> tuple[str, ...]:
    """Identifiers of the collections of visibility ``Parent`` that have a child (pipeline.md 7.1, unitsMap)."""
    return tuple(
        dict.fromkeys(
            node.identifier
            for node in tree.nodes
            if node.is_collection and node.visibility == "Parent" and node.children
        )
    )
