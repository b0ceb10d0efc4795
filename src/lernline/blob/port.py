"""Where files live: the port that the local folder and object stores stand behind (design 3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

import msgspec


class Stored(msgspec.Struct, frozen=True):
    """An object that lies in the store: its key, its size in bytes and when it was last written (epoch ms)."""

    key: str
    size: int
    modified_ms: int


class BlobStore(Protocol):
    """Objects under keys such as ``progress-exhaust/<request>/<file>``. Every method may raise ``Unavailable``."""

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """Store what the chunks hold, while they are being made.

        The object appears when it is whole; an error that the chunks raise passes through and leaves nothing.
        The chunks must not use the store themselves: it may be busy in the very thread that asks for them.
        """
        ...

    def get(self, key: str) -> Iterator[bytes]:
        """The object's bytes in chunks.

        Raises:
            NotFound: there is no such object.
        """
        ...

    def stat(self, key: str) -> Stored | None:
        """Size and age of an object, None when there is none."""
        ...

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens when there is none."""
        ...

    def list(self, prefix: str) -> list[Stored]:
        """Objects below a folder, ordered by key."""
        ...

    def sweep(self, prefix: str) -> int:
        """Remove what a killed writer left unfinished below a folder; gives how many pieces went.

        Only the owner of the folder may call it: pieces of a writer that still runs would go too.
        """
        ...
