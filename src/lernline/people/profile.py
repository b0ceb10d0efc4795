"""A learner's profile as the user cache holds it (pipeline.md 7.3), and reading profiles from a file (ruling 31)."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import msgspec
import structlog

from lernline.errors import BadRequest
from lernline.model import UserProfile

CHUNK_ROWS = 5_000
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_MAX_FIELD = 1024 * 1024


PROFILE_FIELDS: tuple[str, ...] = tuple(name for name in UserProfile.__struct_fields__ if name != "roles")
_KNOWN = frozenset(PROFILE_FIELDS)
Unknown = Callable[[Path, tuple[str, ...]], None]


def report_unknown(path: Path, columns: tuple[str, ...]) -> None:
    """Logs the columns of a file that the user cache does not have."""
    structlog.get_logger(__name__).warning("columns_ignored", file=path.name, columns=list(columns))


def profile_of(fields: Iterable[tuple[str, object]]) -> UserProfile:
    """A profile from pairs of field name and value; unknown fields are left out, blank text is None.

    Raises:
        ValueError: no ``userid``.
    """
    known = {name: _text(value) for name, value in fields if name in _KNOWN}
    if known.get("userid") is None:
        raise ValueError("the userid is missing")
    return msgspec.convert(known, UserProfile)


def _text(value: object) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text.strip() or None


def read_users(
    path: Path, *, chunk_rows: int = CHUNK_ROWS, unknown: Unknown = report_unknown
) -> Iterator[list[UserProfile]]:
    """The profiles of a file, in chunks and in its order; an identifier that occurs again is given again.

    Args:
        path: RFC 4180 CSV with a header of field names, or JSON lines (``.jsonl``, ``.ndjson``, ``.json``).
        chunk_rows: profiles in a chunk.
        unknown: told, once for each, of columns that the user cache does not have; they are ignored.

    Raises:
        BadRequest: the file or a line of it is broken; the message names file, line and field, never a value.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        numbered = _csv(path, unknown)
    elif suffix in _JSON_SUFFIXES:
        numbered = _json_lines(path, unknown)
    else:
        raise BadRequest(f"{path.name}: users come as .csv or as JSON lines ({', '.join(_JSON_SUFFIXES)}).")
    profiles = (_profile(path, line, fields) for line, fields in numbered)
    while chunk := list(islice(profiles, chunk_rows)):
        yield chunk


def _profile(path: Path, line: int, fields: Iterable[tuple[str, object]]) -> UserProfile:
    try:
        return profile_of(fields)
    except ValueError:
        raise BadRequest(
            f"{path.name}, line {line}, column 'userid': the value is missing; every user needs one."
        ) from None


def _csv(path: Path, unknown: Unknown) -> Iterator[tuple[int, Iterable[tuple[str, object]]]]:
    csv.field_size_limit(max(csv.field_size_limit(), _MAX_FIELD))
    reader = csv.reader(_lines(path), strict=True)
    line = 1
    names: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            break
        except csv.Error as problem:
            raise BadRequest(
                f"{path.name}, line {line}: the line is not CSV ({problem}); check its quotes."
            ) from problem
        if not record:
            continue
        if names is None:
            names = _header(path, record, unknown)
            continue
        if len(record) != len(names):
            where = names[min(len(record), len(names) - 1)]
            raise BadRequest(
                f"{path.name}, line {line}, column '{where}': the line has {len(record)} fields where the header names "
                f"{len(names)}; correct the line."
            )
        yield line, zip(names, record, strict=True)
    if names is None:
        raise BadRequest(f"{path.name}, line 1: there is no header; write the field names into the first line.")


def _header(path: Path, record: list[str], unknown: Unknown) -> list[str]:
    names = [name.strip().lower() for name in record]
    if "userid" not in names:
        raise BadRequest(f"{path.name}, line 1, column 'userid': the header does not name it; every user needs one.")
    repeated = sorted(name for name in set(names) if name and names.count(name) > 1)
    if repeated:
        raise BadRequest(f"{path.name}, line 1, column '{repeated[0]}': the header names it twice; name it once.")
    _report_new(path, names, set(_KNOWN), unknown)
    return names


def _report_new(path: Path, names: Iterable[str], known: set[str], unknown: Unknown) -> None:
    new = tuple(name for name in dict.fromkeys(names) if name not in known)
    if new:
        known.update(new)
        unknown(path, new)


def _json_lines(path: Path, unknown: Unknown) -> Iterator[tuple[int, Iterable[tuple[str, object]]]]:
    known = set(_KNOWN)
    for line, content in enumerate(_lines(path), start=1):
        if not content.strip():
            continue
        try:
            row = msgspec.json.decode(content, type=dict[str, object])
        except (msgspec.DecodeError, RecursionError) as problem:
            raise BadRequest(
                f"{path.name}, line {line}: the line is not a JSON object ({problem}); write one object on each line."
            ) from problem
        fields = [(name.lower(), value) for name, value in row.items()]
        _report_new(path, [name for name, _ in fields], known, unknown)
        yield line, fields


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as problem:
                raise BadRequest(
                    f"{path.name}, line {number}: the line is not UTF-8; save the file as UTF-8."
                ) from problem
