"""Comparing what a case expects with what the system did; every function returns the differences."""

import base64
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from .instants import day_in, instant, is_contract_time, is_day
from .pins import NOTHING
from .placeholders import Moment, fits, has_placeholder, resolve

Problems = list[str]
Cells = Literal["json", "table", "csv"]


class UnknownMatcherError(ValueError):
    """A matcher that no README names: the runner must learn it, it is never passed over."""


@dataclass(frozen=True)
class Context:
    """What a comparison needs to know beside the two values.

    ``cells`` says where values come from: JSON, a table (times compare as instants in every form), or a CSV file
    (every value is text, null is the empty cell). ``exact`` leaves no member of an object free.
    """

    moment: Moment
    cells: Cells = "json"
    exact: bool = False
    inputs: Sequence[Any] = ()
    siblings: Sequence[Mapping[str, Any]] = ()
    pending_kept: bool | None = None


def match(expected: Any, actual: Any, context: Context, path: str = "") -> Problems:
    """Differences between an expectation (with matchers and placeholders) and a value."""
    if expected is NOTHING:
        return []
    if isinstance(expected, Mapping):
        matcher = _matcher_of(expected)
        if matcher is not None and not (matcher == "length" and isinstance(actual, Mapping)):
            return _MATCHERS[matcher](expected[matcher], actual, context, path)
        return _match_object(expected, actual, context, path)
    if isinstance(expected, list):
        return _match_list(expected, actual, context, path)
    if same(expected, actual, context):
        return []
    return [f"{path or 'value'}: expected {_show(expected)}, got {_show(actual)}"]


def same(expected: Any, actual: Any, context: Context) -> bool:
    """Whether a scalar is the expected one: numbers by value, times as instants, null and the empty CSV cell alike."""
    if context.cells == "csv" and expected in {None, ""}:
        return actual in {None, ""}
    if expected is None or actual is None:
        return expected is actual
    if isinstance(expected, bool) or isinstance(actual, bool):
        return isinstance(expected, bool) and isinstance(actual, bool) and expected == actual
    if isinstance(expected, int | float):
        return _same_number(expected, actual, context)
    if not isinstance(expected, str):
        return bool(expected == actual)
    if expected == actual:
        return True
    if has_placeholder(expected):
        if fits(expected, actual, context.moment):
            return True
        expected = resolve(expected, context.moment)
    if context.cells == "table":
        return _same_time(expected, actual, context)
    return is_contract_time(expected) and isinstance(actual, str) and _same_time(expected, actual, context)


def in_any_order(expected: Sequence[Any], actual: Sequence[Any], context: Context, path: str) -> Problems:
    """Differences when each expected item needs an actual one of its own, in any order."""
    wanted = [item for item in expected if item is not NOTHING]
    choices = [[at for at, value in enumerate(actual) if not match(item, value, context)] for item in wanted]
    taken: dict[int, int] = {}
    missing = [number for number in range(len(wanted)) if not _assign(number, choices, taken, set())]
    return [_nearest(wanted[number], actual, context, f"{path}{{{number}}}") for number in missing]


def _assign(number: int, choices: Sequence[Sequence[int]], taken: dict[int, int], seen: set[int]) -> bool:
    for at in choices[number]:
        if at in seen:
            continue
        seen.add(at)
        if at not in taken or _assign(taken[at], choices, taken, seen):
            taken[at] = number
            return True
    return False


def _nearest(expected: Any, actual: Sequence[Any], context: Context, path: str) -> str:
    if not actual:
        return f"{path}: nothing is there, expected {_show(expected)}"
    closest = min((match(expected, value, context, path) for value in actual), key=len)
    return f"none of {len(actual)} fits; nearest differs in: " + "; ".join(closest or [f"{path}: already taken"])


def _match_object(expected: Mapping[str, Any], actual: Any, context: Context, path: str) -> Problems:
    if isinstance(actual, str) and context.cells == "table":
        actual = _parsed(actual, actual)
    if not isinstance(actual, Mapping):
        return [f"{path or 'value'}: expected an object, got {_show(actual)}"]
    problems: Problems = []
    for key, value in expected.items():
        problems += match(value, actual.get(key), context, f"{path}.{key}" if path else str(key))
    if context.exact:
        problems += [f"{path}.{key}: not expected" for key in actual if key not in expected]
    return problems


def _match_list(expected: Sequence[Any], actual: Any, context: Context, path: str) -> Problems:
    if isinstance(actual, tuple):
        actual = list(actual)
    if not isinstance(actual, list):
        return [f"{path or 'value'}: expected a list, got {_show(actual)}"]
    if NOTHING in expected:
        return _match_with_gaps(expected, actual, context, path)
    if len(expected) != len(actual):
        return [f"{path or 'value'}: expected {len(expected)} elements, got {len(actual)}: {_show(actual)}"]
    problems: Problems = []
    for place, (wanted, got) in enumerate(zip(expected, actual, strict=True)):
        problems += match(wanted, got, context, f"{path}[{place}]")
    return problems


def _match_with_gaps(expected: Sequence[Any], actual: Sequence[Any], context: Context, path: str) -> Problems:
    """A dropped place claims nothing: the actual list may have an element there or none."""
    reached = {0}
    for item in expected:
        if item is NOTHING:
            reached |= {at + 1 for at in reached if at < len(actual)}
        else:
            reached = {at + 1 for at in reached if at < len(actual) and not match(item, actual[at], context)}
    return [] if len(actual) in reached else [f"{path}: expected {_show(expected)}, got {_show(actual)}"]


def _same_number(expected: float, actual: Any, context: Context) -> bool:
    if isinstance(actual, int | float):
        return math.isclose(expected, actual, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(actual, str) and context.cells == "csv":
        try:
            return math.isclose(expected, float(actual), rel_tol=1e-9, abs_tol=1e-9)
        except ValueError:
            return False
    return context.cells == "table" and instant(expected) is not None and instant(expected) == instant(actual)


def _same_time(expected: str, actual: Any, context: Context) -> bool:
    wanted, got = instant(expected), instant(actual)
    if wanted is not None and got is not None:
        return wanted == got
    return is_day(expected) and got is not None and str(day_in(got, context.moment.zone)) == expected


def _matcher_of(expected: Mapping[str, Any]) -> str | None:
    if len(expected) != 1:
        return None
    name = str(next(iter(expected)))
    if name in _MATCHERS:
        return name
    if name.startswith("$"):
        raise UnknownMatcherError(f"matcher {name} is not known")
    return None


def _differs(unwanted: Any, actual: Any, context: Context, path: str) -> Problems:
    return [] if match(unwanted, actual, context) else [f"{path}: expected anything but {_show(unwanted)}"]


def _any_of(options: Any, actual: Any, context: Context, path: str) -> Problems:
    if any(not match(option, actual, context) for option in options):
        return []
    return [f"{path}: expected one of {_show(options)}, got {_show(actual)}"]


def _absent(wanted: Any, actual: Any, context: Context, path: str) -> Problems:
    return [] if (actual is None) == bool(wanted) else [f"{path}: expected absent = {wanted}, got {_show(actual)}"]


def _contains(part: Any, actual: Any, context: Context, path: str) -> Problems:
    held = isinstance(actual, str) and isinstance(part, str) and part in actual
    held = held or (isinstance(actual, list) and any(not match(part, item, context) for item in actual))
    return [] if held else [f"{path}: expected to hold {_show(part)}, got {_show(actual)}"]


def _contains_all(parts: Any, actual: Any, context: Context, path: str) -> Problems:
    return [problem for part in parts for problem in _contains(part, actual, context, path)]


def _nonempty(wanted: Any, actual: Any, context: Context, path: str) -> Problems:
    filled = actual is not None and (not hasattr(actual, "__len__") or len(actual) > 0)
    return [] if filled == bool(wanted) else [f"{path}: expected nonempty = {wanted}, got {_show(actual)}"]


def _same_as(row_id: Any, actual: Any, context: Context, path: str) -> Problems:
    column = path.rpartition(".")[2]
    others = [row for row in context.siblings if any(row.get(key) == row_id for key in _row_ids(row, row_id))]
    if not others:
        return [f"{path}: there is no row with the id {_show(row_id)}"]
    return match(others[0].get(column), actual, replace(context, exact=True), path)


def _row_ids(row: Mapping[str, Any], row_id: Any) -> list[str]:
    leading = [key for key in ("id", "identifier", "request_id", "userid", "user_id") if row.get(key) == row_id]
    return leading or [key for key, value in row.items() if value == row_id]


def _length(size: Any, actual: Any, context: Context, path: str) -> Problems:
    if not isinstance(actual, str | list | Mapping):
        return [f"{path}: expected {size} elements, got {_show(actual)}"]
    return match(size, len(actual), context, f"{path}.length")


def _unordered(items: Any, actual: Any, context: Context, path: str) -> Problems:
    if not isinstance(actual, list):
        return [f"{path}: expected a list, got {_show(actual)}"]
    wanted = sum(item is not NOTHING for item in items)
    if not wanted <= len(actual) <= len(items):
        return [f"{path}: expected {wanted} elements, got {len(actual)}: {_show(actual)}"]
    return in_any_order(items, actual, context, path)


def _json(wanted: Any, actual: Any, context: Context, path: str) -> Problems:
    missing = object()
    parsed = _parsed(actual, missing)
    if parsed is missing:
        return [f"{path}: expected text holding JSON, got {_show(actual)}"]
    return match(wanted, parsed, replace(context, exact=True), path)


def _valid_json(wanted: Any, actual: Any, context: Context, path: str) -> Problems:
    missing = object()
    held = _parsed(actual, missing) is not missing
    return [] if held == bool(wanted) else [f"{path}: expected valid JSON = {wanted}, got {_show(actual)}"]


def _starts_with(start: Any, actual: Any, context: Context, path: str) -> Problems:
    held = isinstance(actual, str) and actual.startswith(start)
    return [] if held else [f"{path}: expected a text that starts with {_show(start)}, got {_show(actual)}"]


def _input(number: Any, actual: Any, context: Context, path: str) -> Problems:
    event = context.inputs[number]
    if not isinstance(actual, Mapping):
        return [f"{path}: expected input event {number}, got {_show(actual)}"]
    exact = replace(context, exact=True)
    return [problem for key in event for problem in match(event[key], actual.get(key), exact, f"{path}.{key}")]


def _pending(wanted: Any, actual: Any, context: Context, path: str) -> Problems:
    if context.pending_kept is None:
        return [f"{path}: nothing was broken during the run, so nothing can be pending"]
    if context.pending_kept == bool(wanted):
        return []
    return [f"{path}: the event was lost, dead-lettered, or not processed once the fault was gone"]


def _parsed(text: Any, otherwise: Any) -> Any:
    if not isinstance(text, str):
        return otherwise
    try:
        return json.loads(text)
    except ValueError:
        return otherwise


def _show(value: Any) -> str:
    if isinstance(value, bytes):
        return f"bytes {base64.b64encode(value[:24]).decode()}"
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except TypeError:
        text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}…"


_MATCHERS: Final[dict[str, Callable[[Any, Any, Context, str], Problems]]] = {
    "$ne": _differs,
    "$any_of": _any_of,
    "$absent": _absent,
    "$contains": _contains,
    "$contains_all": _contains_all,
    "$nonempty": _nonempty,
    "$same_as": _same_as,
    "$length": _length,
    "length": _length,
    "unordered": _unordered,
    "$unordered": _unordered,
    "$json": _json,
    "$valid_json": _valid_json,
    "$starts_with": _starts_with,
    "$input": _input,
    "$pending": _pending,
}
