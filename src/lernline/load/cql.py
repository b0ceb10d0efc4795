"""CQL literals, as ``cqlsh COPY TO`` writes them into a cell, and the scalar forms inside them.

``parse_literal`` gives the shape (dict, list, text, None); the scalar functions give the values. All raise
``ValueError`` with a sentence that never repeats the text, which may be personal data.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation

import msgspec

from lernline.times import parse_time, to_ms

_BROKEN = "has a form that a CQL literal does not have"
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<mark>[{}\[\](),:])
      | '(?P<single>(?:[^']|'')*)'
      | (?P<double>"(?:[^"\\]|\\.)*")
      | (?P<bare>[^\s{}\[\](),:'"]+)
    )""",
    re.VERBOSE | re.DOTALL,
)
_NULLS = frozenset({"", "null", "NULL", "None"})
_CLOSING = {"{": "}", "[": "]", "(": ")"}
_MAX_DEPTH = 32
_TRUE = frozenset({"true", "t", "1", "yes"})
_FALSE = frozenset({"false", "f", "0", "no"})
_DIGITS = re.compile(r"-?\d+")
_ISO_HEAD = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]|$)")


def parse_literal(text: str) -> object:
    """The value of a literal: a map or UDT is a dict, a list, set or tuple a list, everything else text or None.

    ``{}`` is an empty dict; whether it was a map or a set is the column's business. JSON is understood too. A bare
    number comes as a number or as its text; the scalar functions take both.

    Raises:
        ValueError: the text is no literal; the message names the character.
    """
    # The usual literal is JSON, or differs from it in nothing but its quotes; that decoder is a hundred times faster.
    json_text = text
    if "'" in text:
        json_text = "" if '"' in text or "\\" in text or "''" in text else text.replace("'", '"')
    try:
        return msgspec.json.decode(json_text)
    except (msgspec.DecodeError, RecursionError):
        pass
    return _Literal(text).whole()


class _Literal:
    """A cursor over a literal's tokens."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def whole(self) -> object:
        value = self.value(0)
        if self.text[self.at :].strip():
            raise self.broken()
        return value

    def broken(self) -> ValueError:
        return ValueError(f"{_BROKEN} (at character {self.at + 1})")

    def peek(self) -> str:
        """The next mark, or an empty text when something else follows."""
        found = _TOKEN.match(self.text, self.at)
        return (found["mark"] or "") if found else ""

    def take(self, mark: str) -> None:
        found = _TOKEN.match(self.text, self.at)
        if found is None or found["mark"] != mark:
            raise self.broken()
        self.at = found.end()

    def value(self, depth: int) -> object:
        """One value; nothing at all before a comma or a closing bracket is null (cqlsh writes UDT fields so)."""
        mark = self.peek()
        if mark and mark in "{[(":
            if depth >= _MAX_DEPTH:
                raise ValueError(f"is nested more than {_MAX_DEPTH} levels deep")
            self.take(mark)
            return self.braces(depth) if mark == "{" else self.items(_CLOSING[mark], [], depth)
        return self.scalar()

    def scalar(self) -> object:
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            if self.text[self.at :].strip():
                raise self.broken()
            return None
        if found["single"] is not None:
            self.at = found.end()
            return found["single"].replace("''", "'")
        if found["double"] is not None:
            self.at = found.end()
            return json.loads(found["double"], strict=False)
        # Bare text (a number, an instant, a UUID) ends at the next comma or closing bracket, whatever it holds.
        start = self.at
        self.at = next((spot for spot in range(start, len(self.text)) if self.text[spot] in ",}])"), len(self.text))
        bare = self.text[start : self.at].strip()
        return None if bare in _NULLS else bare

    def braces(self, depth: int) -> object:
        """A map, a UDT (field names are bare), or a set."""
        if self.peek() == "}":
            self.take("}")
            return {}
        pairs: dict[str, object] = {}
        first = self.key_or_value(depth)
        if self.peek() != ":":
            return self.items("}", [first], depth)
        key = first
        while True:
            self.take(":")
            if not isinstance(key, str):
                raise self.broken()
            pairs[key] = self.value(depth + 1)
            if self.peek() == "}":
                self.take("}")
                return pairs
            self.take(",")
            key = self.key_or_value(depth)

    def key_or_value(self, depth: int) -> object:
        found = _TOKEN.match(self.text, self.at)
        if found is not None and found["bare"] is not None:
            after = _TOKEN.match(self.text, found.end())
            if after is not None and after["mark"] == ":" and not _ISO_HEAD.match(self.text, found.start("bare")):
                self.at = found.end()
                return found["bare"]
        return self.value(depth + 1)

    def items(self, closing: str, values: list[object], depth: int) -> list[object]:
        if not values:
            if self.peek() == closing:
                self.take(closing)
                return values
            values.append(self.value(depth + 1))
        while self.peek() != closing:
            self.take(",")
            values.append(self.value(depth + 1))
        self.take(closing)
        return values


def boolean(value: object) -> bool:
    """A truth value; cqlsh writes True and False."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("is not true or false")


def whole(value: object) -> int:
    """A whole number; 5.0 is one."""
    if isinstance(value, bool):
        raise ValueError("is not a whole number")  # noqa: TRY004 - the cell is wrong, not an argument
    if isinstance(value, int):
        return value
    text = str(value).strip()
    if _DIGITS.fullmatch(text):
        return int(text)
    number = decimal(text)
    if number != number.to_integral_value():
        raise ValueError("is not a whole number")
    return int(number)


def real(value: object) -> float:
    """A finite number."""
    if isinstance(value, float) and value - value == 0:
        return value
    return float(decimal(value))


def decimal(value: object) -> Decimal:
    """A finite decimal number, exactly."""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError("is not a number") from None
    if isinstance(value, bool) or not number.is_finite():
        raise ValueError("is not a finite number")
    return number


def instant(value: object) -> int:
    """Epoch milliseconds of a time in any form that cqlsh, PostgreSQL, Parquet or the contract writes.

    A time that names no zone is UTC, as cqlsh and the request table mean it; a bare day is its first millisecond.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return to_ms(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, date):
        return to_ms(datetime(value.year, value.month, value.day, tzinfo=UTC))
    text = str(value).strip()
    if _DIGITS.fullmatch(text):
        return int(text)
    if _ISO_HEAD.match(text):
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            try:
                return parse_time(text)
            except ValueError:
                raise ValueError("is not a time") from None
        return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise ValueError("is not a time")
