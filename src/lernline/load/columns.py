"""Column types of the contract's tables, and the conversion of a whole column at a time.

Inside Lernline an instant is epoch milliseconds, a decimal a float, a UDT a dict, a collection a list or dict of
converted members; text that a JSON document may replace (a hierarchy, a preference) stays JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from lernline.load.cql import boolean, instant, parse_literal, real, whole

Convert: TypeAlias = Callable[[object], object]


def text(value: object) -> str:
    """Text as it stands; a nested JSON value becomes its JSON text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    return msgspec.json.encode(value).decode()


def _container(value: object) -> object:
    return parse_literal(value) if isinstance(value, str) else value


def _members(value: object) -> Sequence[object]:
    """The members of a list or set, however it came."""
    value = _container(value)
    if value is None or (isinstance(value, dict) and not value):
        return ()
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    raise ValueError("is not a list")


def _pairs(value: object) -> Sequence[tuple[object, object]]:
    """The pairs of a map or UDT; Parquet gives a map as a list of pairs."""
    value = _container(value)
    if value is None:
        return ()
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        return value
    raise ValueError("is not a map")


def list_of(member: Convert) -> Convert:
    """A list or set; null members are left out, as CQL has none."""
    return lambda value: [member(item) for item in _members(value) if item is not None]


def map_of(member: Convert) -> Convert:
    """A map with text keys."""
    return lambda value: {text(key): None if item is None else member(item) for key, item in _pairs(value)}


def record(fields: Mapping[str, Convert]) -> Convert:
    """A user-defined type; unknown fields are ignored, missing ones are None."""

    def convert(value: object) -> dict[str, object]:
        given = {str(key): item for key, item in _pairs(value)}
        return {name: None if given.get(name) is None else member(given[name]) for name, member in fields.items()}

    return convert


TEXTS = list_of(text)
TEXT_MAP = map_of(text)
QUESTION = record(
    {
        "id": text,
        "assess_ts": instant,
        "max_score": real,
        "score": real,
        "type": text,
        "title": text,
        "resvalues": list_of(TEXT_MAP),
        "params": list_of(TEXT_MAP),
        "description": text,
        "duration": real,
    }
)

TYPES: dict[str, Convert] = {
    "text": text,
    "int": whole,
    "double": real,
    "boolean": boolean,
    "timestamp": instant,
    "list<text>": TEXTS,
    "map<text,text>": TEXT_MAP,
    "map<text,int>": map_of(whole),
    "map<text,double>": map_of(real),
    "map<text,timestamp>": map_of(instant),
    "map<text,map<text,text>>": map_of(TEXT_MAP),
    "map<text,list<text>>": map_of(TEXTS),
    "list<map<text,text>>": list_of(TEXT_MAP),
    "list<question>": list_of(QUESTION),
}


class CellError(ValueError):
    """A cell that its column cannot hold.

    Attributes:
        row: position in the chunk.
        column: the column's name.
        reason: what is wrong, without the value, which may be personal data.
    """

    def __init__(self, row: int, column: str, reason: str) -> None:
        super().__init__(reason)
        self.row = row
        self.column = column
        self.reason = reason


def convert_column(name: str, kind: str, cells: Sequence[object]) -> list[object]:
    """A column's typed values; a missing or empty cell is None.

    Raises:
        CellError: a cell does not fit the type.
    """
    convert = TYPES[kind]
    if convert is text:
        return [cell if isinstance(cell, str) and cell else _or_none(text, cell) for cell in cells]
    try:
        return [_or_none(convert, cell) for cell in cells]
    except (ValueError, TypeError, OverflowError, RecursionError):
        for row, cell in enumerate(cells):
            try:
                _or_none(convert, cell)
            except (ValueError, TypeError, OverflowError, RecursionError) as problem:
                reason = str(problem) if type(problem) is ValueError else f"does not hold a {kind}"
                raise CellError(row, name, reason) from None
        raise


def _or_none(convert: Convert, cell: object) -> object:
    return None if cell is None or cell == "" else convert(cell)
