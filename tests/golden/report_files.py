"""``files[]`` and ``zip`` of a report case: what lies in the blob store after the run, opened as a recipient would."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final

from .matching import Context, Problems, match
from .pins import NOTHING
from .sealed import SealError, is_aes_256, open_report, read_csv
from .world import World

Cells = dict[str, str]
_FORMS: Final = frozenset({"where", "filter", "equals", "first_row_of", "column", "op", "values"})


@dataclass(frozen=True)
class Reports:
    """The files of a run and how they are opened: the tenant's level and the request's key.

    ``before``: keys that lay in the store already. ``recorded``: paths as the case recorded them, in file order, by
    the part of the case (``then``, ``derived``).
    """

    world: World
    context: Context
    level: str
    key: str | None
    before: frozenset[str]
    recorded: Mapping[str, Sequence[str]] = field(default_factory=dict)


def check_files(part: str, expected: Sequence[Any], reports: Reports) -> Problems:
    """Differences of the stored files from the listed ones; an empty list = no report file may exist."""
    if not expected:
        new = [key for key in reports.world.files() if key not in reports.before]
        return [f"files: expected none, got {new}"] if new else []
    problems: Problems = []
    for place, file in enumerate(expected):
        if file is NOTHING:
            continue
        problems += _check_file(file, reports)
        recorded = list(reports.recorded.get(part, ()))
        if place < len(recorded) and recorded[place] != file.get("path") and recorded[place] in reports.world.files():
            problems.append(f"{recorded[place]}: the plain file lies in the store")
    return problems


def check_zip(expected: Mapping[str, Any], reports: Reports) -> Problems:
    """The sealed artefact: how it is encrypted, with which password, and what its entry is called."""
    path = expected["path"]
    if path not in reports.world.files():
        return [f"{path}: there is no such file; there are {list(reports.world.files())}"]
    data = reports.world.read_file(path)
    problems: Problems = []
    try:
        name, _ = open_report(data, reports.level, expected.get("password") or reports.key)
    except (SealError, RuntimeError) as problem:
        return [f"{path}: {problem}"]
    if "entry" in expected:
        problems += match(expected["entry"], name, reports.context, f"{path} entry")
    if expected.get("encryption") == "AES-256" and not is_aes_256(data):
        problems.append(f"{path}: expected AES-256")
    elif expected.get("encryption") not in {None, "AES-256", "none"}:
        problems.append(f"{path}: the runner does not know the encryption {expected['encryption']!r}")
    return problems


def _check_file(file: Mapping[str, Any], reports: Reports) -> Problems:
    path = _path_of(file, reports)
    if path is None:
        return [f"{file.get('path') or file.get('glob')}: no such file; there are {list(reports.world.files())}"]
    data = reports.world.read_file(path)
    try:
        if path.endswith(".zip"):
            _, data = open_report(data, reports.level, reports.key)
        header, lines = _documents(data) if path.endswith(".json") else read_csv(data)
    except (SealError, RuntimeError, ValueError) as problem:
        return [f"{path}: {problem}"]
    context = replace(reports.context, cells="csv")
    rows = [dict(zip(header, line, strict=False)) for line in lines]
    problems: Problems = []
    for name, expected in file.items():
        if name in {"path", "glob"} or expected is None:
            continue
        problems += _CHECKS[name](expected, header, rows, lines, context)
    return [f"{path}: {problem}" for problem in problems]


def _documents(data: bytes) -> tuple[list[str], list[list[str]]]:
    """JSON lines as columns: every member found anywhere in a line's object, by its name."""
    rows: list[Cells] = []
    for line in data.decode().splitlines():
        if line.strip():
            cells: Cells = {}
            _collect(json.loads(line), cells)
            rows.append(cells)
    header = list(dict.fromkeys(name for row in rows for name in row))
    return header, [[row.get(name, "") for name in header] for row in rows]


def _collect(value: Any, cells: Cells) -> None:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, Mapping | list):
                _collect(item, cells)
            else:
                cells[name] = "" if item is None else str(item)
    elif isinstance(value, list):
        for item in value:
            _collect(item, cells)


def _path_of(file: Mapping[str, Any], reports: Reports) -> str | None:
    keys = list(reports.world.files())
    if "path" in file:
        return file["path"] if file["path"] in keys else None
    found = [key for key in keys if fnmatchcase(key.rpartition("/")[2], file["glob"].rpartition("/")[2])]
    return found[0] if found else None


def _check_header(
    expected: Any, header: Sequence[str], rows: Sequence[Cells], lines: Sequence[Sequence[str]], context: Context
) -> Problems:
    return match(expected, list(header), replace(context, cells="json"), "header")


def _check_rows(
    expected: Any, header: Sequence[str], rows: Sequence[Cells], lines: Sequence[Sequence[str]], context: Context
) -> Problems:
    """Every listed row and no other, in any order; ``[]`` = a header only."""
    listed = [row for row in expected if row is not NOTHING]
    actual: list[Any] = [list(line) for line in lines]
    if any(isinstance(row, Mapping) for row in listed):
        actual = list(rows)
    return match({"unordered": list(expected)}, actual, context, "rows")


def _check_count(
    expected: Any, header: Sequence[str], rows: Sequence[Cells], lines: Sequence[Sequence[str]], context: Context
) -> Problems:
    return match(expected, len(rows), replace(context, cells="json"), "row count")


def _check_distinct(
    expected: Any, header: Sequence[str], rows: Sequence[Cells], lines: Sequence[Sequence[str]], context: Context
) -> Problems:
    problems: Problems = []
    for name, values in expected.items():
        held = sorted({row.get(name, "") for row in rows})
        problems += match({"unordered": list(values)}, held, context, f"distinct {name}")
    return problems


def _check_per_user(
    expected: Any, header: Sequence[str], rows: Sequence[Cells], lines: Sequence[Sequence[str]], context: Context
) -> Problems:
    counted = Counter(row.get("User UUID") for row in rows)
    return match(dict(expected), dict(counted), replace(context, cells="json", exact=True), "rows per user")


def _check_assertions(
    expected: Any, header: Sequence[str], rows: Sequence[Cells], lines: Sequence[Sequence[str]], context: Context
) -> Problems:
    return [
        problem
        for place, assertion in enumerate(expected)
        if assertion is not NOTHING
        for problem in _check_assertion(assertion, header, rows, context, f"assertion {place}")
    ]


def _check_one(
    expected: Any, header: Sequence[str], rows: Sequence[Cells], lines: Sequence[Sequence[str]], context: Context
) -> Problems:
    return _check_assertion(expected, header, rows, context, "rows_where")


def _check_assertion(
    assertion: Mapping[str, Any], header: Sequence[str], rows: Sequence[Cells], context: Context, path: str
) -> Problems:
    """A selection of rows compared with listed cells, or the values of one column."""
    in_order = [name for name in assertion if name.endswith(" in order")]
    unknown = set(assertion) - _FORMS - set(in_order)
    if unknown:
        raise SealError(f"the runner does not know {sorted(unknown)} in an assertion of a file")
    chosen, problems = _choose(assertion, rows, context, path)
    for name, value in (assertion.get("equals") or {}).items():
        for row in chosen:
            problems += match(value, row.get(name), context, f"{path} {name}")
    for name in in_order:
        column = name.removesuffix(" in order")
        problems += match(assertion[name], [row.get(column) for row in chosen], context, f"{path} {column}")
    if "column" in assertion:
        problems += _check_column(assertion, header, chosen, context, path)
    return problems


def _choose(
    assertion: Mapping[str, Any], rows: Sequence[Cells], context: Context, path: str
) -> tuple[Sequence[Cells], Problems]:
    wanted = assertion.get("where") or assertion.get("filter") or assertion.get("first_row_of") or {}
    chosen = [row for row in rows if not match(dict(wanted), row, context)]
    if wanted and not chosen:
        return [], [f"{path}: no row has {wanted}"]
    return (chosen[:1] if "first_row_of" in assertion else chosen), []


def _check_column(
    assertion: Mapping[str, Any], header: Sequence[str], chosen: Sequence[Cells], context: Context, path: str
) -> Problems:
    name, values = assertion["column"], list(assertion["values"])
    if name not in header:
        return [f"{path}: there is no column {name!r}"]
    held = [row.get(name, "") for row in chosen]
    where = f"{path} {assertion['op']} {name}"
    if assertion["op"] == "any_of":
        found = any(not match(value, cell, context) for value in values for cell in held)
        return [] if found else [f"{where}: none of {values} occurs among {held}"]
    if assertion["op"] == "contains_all":
        absent = [value for value in values if all(match(value, cell, context) for cell in held)]
        return [f"{where}: {absent} do not occur among {held}"] if absent else []
    if assertion["op"] == "same_multiset":
        return match({"unordered": values}, held, context, where)
    raise SealError(f"the runner does not know the operation {assertion['op']!r}")


_CHECKS: Final[
    dict[str, Callable[[Any, Sequence[str], Sequence[Cells], Sequence[Sequence[str]], Context], Problems]]
] = {
    "header": _check_header,
    "rows": _check_rows,
    "row_count": _check_count,
    "distinct": _check_distinct,
    "rows_per_user": _check_per_user,
    "assertions": _check_assertions,
    "rows_where": _check_one,
}
