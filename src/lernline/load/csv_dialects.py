r"""CSV as it comes out of a platform: cqlsh's own dialect and RFC 4180 (ruling 31).

cqlsh writes ``\"`` for a quote inside a field and doubles every backslash; control characters become ``\n``, ``\x00``.
On Python 3.10 and later its CSV writer escapes those backslashes once more, so there are two depths of the same
dialect; they are told apart by the lengths of the runs of backslashes at the head of the file.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from lernline.errors import BadRequest

_HEAD_BYTES = 4 * 1024 * 1024
_MAX_FIELD = 64 * 1024 * 1024
_INNER_DOUBLED = re.compile(rb'[^\\,"\r\n]""')
_RUN = re.compile(rb"(\\+)([^\\])")
_CONTROLS = (b"n", b"r", b"t", b"x", b"u")
_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\([nrt]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})")
_ANY_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}


class Dialect(Enum):
    """How a file writes quotes and backslashes."""

    RFC4180 = "RFC 4180"
    CQLSH = "cqlsh"
    CQLSH_TWICE = "cqlsh, escaped twice"


def sniff(head: bytes) -> Dialect:
    """The dialect of a file that begins with ``head``."""
    if _INNER_DOUBLED.search(head):
        return Dialect.RFC4180
    # Per run of backslashes: one text backslash is 2 or 4 of them, a quote 1 more, a control character 1 or 2.
    jsonlike = doubled = 0
    for run, after in _RUN.findall(head):
        rest = len(run) % 4
        control = after in _CONTROLS
        if rest == 3 or (rest == 2 and not control) or (rest == 1 and after != b'"'):
            return Dialect.CQLSH
        jsonlike += rest == 2
        doubled += len(run) >= 4 and rest != 2
    return Dialect.CQLSH_TWICE if doubled > jsonlike else Dialect.CQLSH


def _character(escape: str) -> str:
    return _LETTERS.get(escape) or (chr(int(escape[1:], 16)) if len(escape) > 1 else escape)


def unescape(value: str) -> str:
    r"""A value whose backslashes are escapes: ``\\`` a backslash, ``\n`` a line feed, ``\x41`` an A."""
    return _ANY_ESCAPE.sub(lambda found: _character(found[1]), value) if "\\" in value else value


def _controls(line: str) -> str:
    """A line in which the escape of a control character is that character, escaped."""
    return _ESCAPE.sub(lambda found: f"{found[1]}\\{_character(found[2])}", line) if "\\" in line else line


class CsvRows:
    """The records of one CSV file, with the line on which each begins.

    Args:
        path: the file.
        dialect: how it is written; None: as its head suggests.

    Attributes:
        header: the column names, as written.
        line: the first line of the record given last.
    """

    def __init__(self, path: Path, dialect: Dialect | None = None) -> None:
        self.path = path
        self.line = 1
        with path.open("rb") as file:
            self.dialect = dialect or sniff(file.read(_HEAD_BYTES))
        self._records = self._read()
        self.header = [name.strip() for name in next(self._records, [])]
        if not any(self.header):
            raise BadRequest(f"{path.name}, line 1: there is no header; write the column names into the first line.")

    def __iter__(self) -> Iterator[list[str]]:
        """The records after the header; blank lines are passed over.

        Raises:
            BadRequest: a record has too few or too many fields, a quote is not closed, or a line is not UTF-8. The
                message names file, line and column.
        """
        width = len(self.header)
        for record in self._records:
            if not record:
                continue
            if len(record) != width:
                where = self.header[min(len(record), width - 1)]
                raise BadRequest(
                    f"{self.path.name}, line {self.line}, column '{where}': the line has {len(record)} fields where "
                    f"the header names {width}; correct the line or export the table again."
                )
            yield record

    def _read(self) -> Iterator[list[str]]:
        lines = self._lines()
        reader: Iterator[list[str]]
        csv.field_size_limit(max(csv.field_size_limit(), _MAX_FIELD))
        if self.dialect is Dialect.RFC4180:
            reader = parsed = csv.reader(lines, strict=True)
        else:
            once = self.dialect is Dialect.CQLSH
            source = map(_controls, lines) if once else lines
            parsed = csv.reader(source, doublequote=False, escapechar="\\", strict=True)
            reader = parsed if once else ([unescape(field) for field in record] for record in parsed)
        while True:
            self.line = parsed.line_num + 1
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as problem:
                raise BadRequest(
                    f"{self.path.name}, line {self.line}: the line is not CSV ({problem}); check its quotes."
                ) from problem
            yield record

    def _lines(self) -> Iterator[str]:
        with self.path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
                except UnicodeDecodeError as problem:
                    raise BadRequest(
                        f"{self.path.name}, line {number}: the line is not UTF-8; export the table again as UTF-8."
                    ) from problem
