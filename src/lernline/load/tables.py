"""Reading a dump, a chunk of typed rows at a time; a file is never held in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec
import structlog

from lernline.errors import BadRequest
from lernline.load.columns import CellError, convert_column
from lernline.load.csv_dialects import CsvRows, Dialect
from lernline.load.registry import TABLES, Table, table_named

CHUNK_ROWS = 5_000
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
SUFFIXES = (".csv", *JSON_SUFFIXES, ".parquet")

Rows = list[dict[str, object]]
Unknown = Callable[[Path, tuple[str, ...]], None]
Source = Iterator[tuple[list[int], dict[str, Sequence[object]]]]


def dump_table(path: Path) -> Table:
    """The table that a dump file holds, by its name.

    Raises:
        BadRequest: no table of the contract has that name, or the ending is not one that is read.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadRequest(f"{path.name}: a dump ends in one of {', '.join(SUFFIXES)}; convert the file.")
    table = table_named(path.stem)
    if table is None:
        raise BadRequest(f"{path.name}: no table has that name; name the file for one of {', '.join(sorted(TABLES))}.")
    return table


def report_unknown(path: Path, columns: tuple[str, ...]) -> None:
    """Logs the columns of a dump that no table of the contract has."""
    structlog.get_logger(__name__).warning("columns_ignored", file=path.name, columns=list(columns))


def read_dump(
    path: Path, *, chunk_rows: int = CHUNK_ROWS, unknown: Unknown = report_unknown, dialect: Dialect | None = None
) -> Iterator[Rows]:
    """The rows of a dump file, typed by the contract, in chunks.

    A row holds the columns that the file has; an empty cell is None. Instants are epoch milliseconds, decimals
    floats, UDTs and maps dicts, lists and sets lists.

    Args:
        path: ``<table>.csv`` (cqlsh's dialect or RFC 4180, with a header), ``.jsonl``/``.ndjson``/``.json`` (one object
            a line) or ``.parquet``.
        chunk_rows: rows in a chunk.
        unknown: told, once for each, of columns that the contract does not have; they are ignored.
        dialect: of a CSV file; None: as the head of the file suggests.

    Raises:
        BadRequest: the file is not a dump of a table of the contract, or a line of it is broken. The message names
            file, line (Parquet: row) and column, never the value.
    """
    table = dump_table(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        source = _csv(path, table, chunk_rows, unknown, dialect)
    else:
        source = (_parquet if suffix == ".parquet" else _json_lines)(path, table, chunk_rows, unknown)
    unit = "row" if suffix == ".parquet" else "line"
    for lines, columns in source:
        try:
            typed = {name: convert_column(name, table.columns[name], cells) for name, cells in columns.items()}
        except CellError as problem:
            where = f"{path.name}, {unit} {lines[problem.row]}, column '{problem.column}'"
            raise BadRequest(f"{where}: the value {problem.reason}; correct it or export the table again.") from None
        _refuse_keyless(path, table, unit, lines, typed)
        names = tuple(typed)
        yield [dict(zip(names, row, strict=True)) for row in zip(*typed.values(), strict=True)]


def _refuse_keyless(path: Path, table: Table, unit: str, lines: list[int], columns: dict[str, list[object]]) -> None:
    for name in table.key:
        cells = columns.get(name)
        if cells is None or None in cells:
            line = lines[0] if cells is None else lines[cells.index(None)]
            raise BadRequest(
                f"{path.name}, {unit} {line}, column '{name}': the value is missing, and it is part of the key of "
                f"{table.name}; every row needs one."
            )


def _report_new(path: Path, names: Sequence[str], known: set[str], unknown: Unknown) -> None:
    new = tuple(name for name in dict.fromkeys(names) if name not in known)
    if new:
        known.update(new)
        unknown(path, new)


def _csv(path: Path, table: Table, chunk_rows: int, unknown: Unknown, dialect: Dialect | None) -> Source:
    rows = CsvRows(path, dialect)
    names = [name.lower() for name in rows.header]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise BadRequest(
            f"{path.name}, line 1, column '{repeated[0]}': the header names it twice; name each column once."
        )
    for name in table.key:
        if name not in names:
            raise BadRequest(
                f"{path.name}, line 1, column '{name}': the header does not name it, and it is part of the key of "
                f"{table.name}; export with a header and all key columns."
            )
    _report_new(path, names, set(table.columns), unknown)
    wanted = [(position, name) for position, name in enumerate(names) if name in table.columns]
    numbered = ((rows.line, record) for record in rows)
    while chunk := list(islice(numbered, chunk_rows)):
        cells = list(zip(*(record for _, record in chunk), strict=True))
        yield [line for line, _ in chunk], {name: cells[position] for position, name in wanted}


def _json_lines(path: Path, table: Table, chunk_rows: int, unknown: Unknown) -> Source:
    known = set(table.columns)
    with path.open("rb") as file:
        numbered = _objects(path, file)
        while chunk := list(islice(numbered, chunk_rows)):
            seen = dict.fromkeys(name for _, row in chunk for name in row)
            _report_new(path, list(seen), known, unknown)
            wanted = [name for name in seen if name in table.columns]
            yield [line for line, _ in chunk], {name: [row.get(name) for _, row in chunk] for name in wanted}


def _objects(path: Path, lines: Iterator[bytes]) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(lines, start=1):
        content = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not content.strip():
            continue
        try:
            row = msgspec.json.decode(content, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
            raise BadRequest(
                f"{path.name}, line {number}: the line is not a JSON object ({problem}); write one object on each line."
            ) from problem
        yield number, {name.lower(): value for name, value in row.items()}


def _parquet(path: Path, table: Table, chunk_rows: int, unknown: Unknown) -> Source:
    import pyarrow as pa  # noqa: PLC0415 - heavy, and only this format needs it
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            _report_new(path, [name.lower() for name in names], set(table.columns), unknown)
            wanted = [name for name in names if name.lower() in table.columns]
            first = 1
            for batch in file.iter_batches(batch_size=chunk_rows, columns=wanted):
                columns: dict[str, Sequence[object]] = {name.lower(): batch.column(name).to_pylist() for name in wanted}
                yield list(range(first, first + batch.num_rows)), columns
                first += batch.num_rows
    except pa.ArrowException as problem:
        raise BadRequest(
            f"{path.name}: the file is not Parquet that can be read ({type(problem).__name__})."
        ) from problem
