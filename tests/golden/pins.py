"""Pins: places where a case records a defect that a compatible system mends.

A path is read as every folder's README writes it: names joined by dots, ``[n]`` for a place of a list as it was
recorded, ``["text"]`` for a name with other characters. ``instead: null`` drops the place.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

Step = str | int
_STEP: Final = re.compile(r'\[(?P<place>\d+)\]|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]|(?P<name>[^.\[\]]+)')


class PinError(ValueError):
    """A path that cannot be read, or that leads nowhere in its case."""


class _Nothing:
    """A place of a list where nothing is expected any more; the other places keep their order."""

    def __repr__(self) -> str:
        return "nothing"

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Nothing":
        return self


NOTHING: Final = _Nothing()


@dataclass(frozen=True)
class _Place:
    holder: Any
    key: Step


def parse_path(path: str) -> list[Step]:
    """The steps of a path, names as text and places of lists as numbers."""
    steps: list[Step] = []
    at = 0
    while at < len(path):
        if path[at] == ".":
            at += 1
            if at == 1 or at == len(path) or path[at] in ".[":
                raise PinError(f"path {path!r} has an empty name at character {at}")
        elif steps and path[at] != "[":
            raise PinError(f"path {path!r} lacks a dot before character {at}")
        found = _STEP.match(path, at)
        if found is None:
            raise PinError(f"path {path!r} cannot be read from character {at}")
        if found["place"] is not None:
            steps.append(int(found["place"]))
        elif found["quoted"] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", found["quoted"]))
        else:
            steps.append(found["name"])
        at = found.end()
    if not steps:
        raise PinError("an empty path")
    return steps


def value_at(document: Any, path: str) -> Any:
    """What lies at a path."""
    place = _locate(document, parse_path(path), path)
    try:
        return place.holder[place.key]
    except (KeyError, IndexError, TypeError) as problem:
        raise PinError(f"nothing lies at {path!r}") from problem


def apply_pins(case: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the case with every pin applied; all places are found before the first is changed."""
    pinned: dict[str, Any] = deepcopy(dict(case))
    pins: Sequence[Mapping[str, Any]] = pinned.get("pins") or []
    found = [(_locate(pinned, parse_path(pin["path"]), pin["path"]), pin) for pin in pins]
    for place, pin in found:
        _put(place, deepcopy(pin.get("instead")), pin["path"])
    return pinned


def _put(place: _Place, instead: Any, path: str) -> None:
    if isinstance(place.holder, list):
        if not isinstance(place.key, int) or place.key >= len(place.holder):
            raise PinError(f"the list at {path!r} has no such place")
        place.holder[place.key] = NOTHING if instead is None else instead
    elif instead is None:
        place.holder.pop(place.key, None)
    else:
        place.holder[place.key] = instead


def _locate(document: Any, steps: Sequence[Step], path: str) -> _Place:
    """The container and key of the last step; a name that itself holds dots is tried joined to its followers."""
    holder = document
    at = 0
    while at < len(steps) - 1:
        key, width = _key_in(holder, steps, at)
        if at + width >= len(steps):
            return _Place(holder, key)
        try:
            holder = holder[key]
        except (KeyError, IndexError, TypeError) as problem:
            raise PinError(f"nothing lies at step {at + 1} of {path!r}") from problem
        at += width
    last = steps[at]
    if not isinstance(holder, dict | list) or isinstance(last, int) != isinstance(holder, list):
        raise PinError(f"the last step of {path!r} does not fit what lies there")
    return _Place(holder, last)


def _key_in(holder: Any, steps: Sequence[Step], at: int) -> tuple[Step, int]:
    first = steps[at]
    if isinstance(holder, dict) and isinstance(first, str) and first not in holder:
        joined = first
        for width, step in enumerate(steps[at + 1 :], start=2):
            if not isinstance(step, str):
                break
            joined += f".{step}"
            if joined in holder:
                return joined, width
    return first, 1
