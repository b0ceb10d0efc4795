"""Canonical N-Quads for many documents of one shape.

Expanding JSON-LD costs milliseconds and depends on a document's structure, not on its texts. So the first document of a
shape goes through the JSON-LD library with a marker in the place of each text; what comes out is a frame of quads, and
every further document of that shape only fills it in. Blank nodes are then labelled as RDFC-1.0 prescribes when all
first-degree hashes differ; where they do not, and wherever a marker does not come out as it went in, the library does
the whole work (``canonical_nquads``), so the result is always the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct
from pyld import jsonld
from pyld.nquads import RDF_LANGSTRING, XSD_STRING, escape

from lernline.certify.linked_data import UnsignedContent, canonical_nquads, expand_whole, refuse_unsignable

_MOST_FRAMES: Final = 256
_FIXED: Final = frozenset({"@context", "type", "cryptosuite", "proofPurpose"})
_SAFE_IRI: Final = re.compile(r'(?:did|urn|https?):[^\x00-\x20\x7f<>"{}|\\^`]+')
_IRI_MARK: Final = "urn:lernline-mark:"
_TEXT_MARK: Final = "\ue000lernline-mark:"
_BLANK: Final = re.compile("\x00(\\d+)\x00")


class _Frame(Struct, frozen=True):
    r"""A shape's quads.

    Attributes:
        lines: one text per quad, ``{n}`` for value n, ``\x00n\x00`` for blank node n.
        literals: for each value, whether it is a literal (else an IRI).
        touching: for each blank node, the positions of the lines that hold it.
    """

    lines: tuple[tuple[str | int, ...], ...]
    literals: tuple[bool, ...]
    touching: tuple[tuple[int, ...], ...]

    def fill(self, values: list[str]) -> str | None:
        """Canonical text, or None when two blank nodes look alike at first sight."""
        shown = [escape(value) if literal else value for value, literal in zip(values, self.literals, strict=True)]
        lines = ["".join([part if isinstance(part, str) else shown[part] for part in line]) for line in self.lines]
        first = {line: at for at, line in reversed(list(enumerate(lines)))}  # equal quads are one quad
        hashes: dict[str, int] = {}
        for node, positions in enumerate(self.touching):
            own = f"\x00{node}\x00"
            kept = [lines[at] for at in positions if first[lines[at]] == at]
            seen = sorted([_BLANK.sub("_:z", line.replace(own, "_:a")) for line in kept])
            hashes[hashlib.sha256("".join(seen).encode()).hexdigest()] = node
        if len(hashes) < len(self.touching):
            return None
        labels = {str(hashes[digest]): f"_:c14n{rank}" for rank, digest in enumerate(sorted(hashes))}
        return "".join(sorted([_BLANK.sub(lambda found: labels[found[1]], line) for line in first]))


class Canonicalizer:
    """Keeps the frames of the shapes that it has seen. Not for documents of unknown origin: those go the long way."""

    def __init__(self) -> None:
        self._frames: dict[bytes, _Frame | None] = {}

    def nquads(self, document: Mapping[str, Any]) -> str:
        """Canonical N-Quads, equal to ``canonical_nquads(document)``.

        Raises:
            UnsignedContent: as there.
        """
        values: list[str] = []
        marked = {name: _mark(name, value, values) for name, value in document.items()}
        shape = msgspec.json.encode(marked)
        if shape not in self._frames:
            if len(self._frames) >= _MOST_FRAMES:
                self._frames.clear()
            self._frames[shape] = _compile(marked, values)
        frame = self._frames[shape]
        if frame is None:
            return canonical_nquads(document)
        for value in values:
            refuse_unsignable("A text", value)
        return frame.fill(values) or canonical_nquads(document)


def _mark(name: str, value: object, values: list[str]) -> object:
    """``value`` with every text replaced by a numbered marker; the texts go to ``values``."""
    if name in _FIXED:
        return value
    if isinstance(value, str):
        values.append(value)
        kind = _IRI_MARK if name in {"id", "verificationMethod"} and _SAFE_IRI.fullmatch(value) else _TEXT_MARK
        return f"{kind}{len(values) - 1}"
    if isinstance(value, Mapping):
        return {key: _mark(key, item, values) for key, item in value.items()}
    if isinstance(value, list):
        return [_mark(name, item, values) for item in value]
    return value


def _compile(marked: Mapping[str, Any], values: list[str]) -> _Frame | None:
    try:
        expanded = expand_whole(marked)
        dataset = jsonld.to_rdf(expanded, {"skipExpansion": True})
    except UnsignedContent:
        return None
    nodes: dict[str, int] = {}
    lines: list[tuple[str | int, ...]] = []
    touching: dict[int, list[int]] = {}
    literals: dict[int, bool] = {}
    for graph, quads in dataset.items():
        for quad in quads:
            parts: list[str | int] = []
            components = [quad["subject"], quad["predicate"], quad["object"]]
            if graph != "@default":
                components.append({"type": "blank node" if graph.startswith("_:") else "IRI", "value": graph})
            for component in components:
                piece = _piece(component, nodes, literals)
                if piece is None:
                    return None
                parts += [*piece, " "]
                if component["type"] == "blank node":
                    positions = touching.setdefault(nodes[component["value"]], [])
                    if not positions or positions[-1] != len(lines):
                        positions.append(len(lines))
            lines.append((*parts, ".\n"))
    if set(literals) != set(range(len(values))):
        return None
    return _Frame(
        lines=tuple(lines),
        literals=tuple(literals[number] for number in range(len(values))),
        touching=tuple(tuple(touching[node]) for node in range(len(nodes))),
    )


def _piece(
    component: Mapping[str, str], nodes: dict[str, int], literals: dict[int, bool]
) -> tuple[str | int, ...] | None:
    """One component of a quad as constant texts and value numbers; None when a marker came out changed."""
    value = component["value"]
    if component["type"] == "blank node":
        return (f"\x00{nodes.setdefault(value, len(nodes))}\x00",)
    if component["type"] == "IRI":
        number = _number(value, _IRI_MARK)
        if number is None:
            return None if _TEXT_MARK[0] in value or _IRI_MARK in value else (f"<{value}>",)
        return ("<", number, ">") if literals.setdefault(number, False) is False else None
    datatype = component["datatype"]
    if datatype == RDF_LANGSTRING:
        return None
    suffix = '"' if datatype == XSD_STRING else f'"^^<{datatype}>'
    number = _number(value, _TEXT_MARK)
    if number is None:
        return None if _TEXT_MARK[0] in value or _IRI_MARK in value else (f'"{escape(value)}{suffix}',)
    return ('"', number, suffix) if literals.setdefault(number, True) is True else None


def _number(value: str, mark: str) -> int | None:
    digits = value.removeprefix(mark)
    return int(digits) if digits != value and digits.isdecimal() else None
