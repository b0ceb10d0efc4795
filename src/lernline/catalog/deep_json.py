"""JSON of any depth.

The fast decoder recurses and gives up at about a thousand levels; a hierarchy that deep is unusual but legal,
so it is read here with a stack of its own. Only used when the fast decoder has given up.
"""

from __future__ import annotations

import re
from json import JSONDecoder

_SPACE = re.compile(r"[ \t\r\n]*")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = JSONDecoder(parse_constant=_no_constant)


class _Reader:
    """A position in a text, and the containers that are open there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.open: list[dict[str, object] | list[object]] = []
        self.keys: list[str] = []

    def skip(self) -> str:
        """The next character that is not white space, or an empty text at the end."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.text[self.at : self.at + 1]

    def expect(self, wanted: str) -> str:
        """Steps over one of ``wanted``."""
        seen = self.skip()
        if not seen or seen not in wanted:
            raise ValueError(f"JSON is broken at character {self.at}")
        self.at += 1
        return seen

    def scalar(self) -> object:
        """A text, number, true, false or null."""
        if self.skip() in ("{", "["):
            raise ValueError(f"JSON is broken at character {self.at}")
        value: object
        value, self.at = _DECODER.raw_decode(self.text, self.at)
        return value

    def key(self) -> None:
        """Reads a member's name up to its colon."""
        name = self.scalar()
        if not isinstance(name, str):
            raise ValueError(f"JSON is broken at character {self.at}")  # noqa: TRY004 - the text is wrong, not an argument
        self.keys.append(name)
        self.expect(":")

    def put(self, value: object) -> None:
        """Adds a finished value to the innermost open container."""
        inner = self.open[-1]
        if isinstance(inner, dict):
            inner[self.keys.pop()] = value
        else:
            inner.append(value)


def decode_deep(text: str) -> object:
    """The value of a JSON text, however deeply nested.

    Raises:
        ValueError: the text is not JSON; the message names the character.
    """
    reader = _Reader(text)
    while True:
        first = reader.skip()
        if first and first in "{[":
            reader.at += 1
            container: dict[str, object] | list[object] = {} if first == "{" else []
            closing = "}" if first == "{" else "]"
            if reader.skip() != closing:
                reader.open.append(container)
                if first == "{":
                    reader.key()
                continue
            reader.at += 1
            value: object = container
        else:
            value = reader.scalar()
        # A value is finished: hand it to the container around it, and close what closes.
        while reader.open:
            inner = reader.open[-1]
            reader.put(value)
            if reader.expect(",}" if isinstance(inner, dict) else ",]") == ",":
                if isinstance(inner, dict):
                    reader.key()
                break
            value = reader.open.pop()
        else:
            if reader.skip():
                raise ValueError(f"JSON is broken at character {reader.at}")
            return value
