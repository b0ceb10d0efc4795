"""Files in a local folder, through the object-store library: a bucket is another constructor and no other code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from lernline.blob.port import Stored
from lernline.errors import BadRequest, NotFound, Unavailable
from lernline.times import to_ms

_PART_BYTES = 4 << 20
_UNFINISHED = re.compile(r"#\d+$")


class LocalBlobs:
    """``BlobStore`` over a folder, which is made when it is missing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self._store = LocalStore(folder)

    def put(self, key: str, chunks: Iterable[bytes]) -> None:
        """See ``BlobStore.put``. The bytes lie beside their place and are moved there when they are all on disk."""
        with _translated(key):
            obstore.put(self._store, _checked(key), iter(chunks), chunk_size=_PART_BYTES, use_multipart=True)

    def get(self, key: str) -> Iterator[bytes]:
        """See ``BlobStore.get``."""
        with _translated(key):
            found = obstore.get(self._store, _checked(key))
        return _bytes_of(key, found)

    def stat(self, key: str) -> Stored | None:
        """See ``BlobStore.stat``."""
        try:
            with _translated(key):
                found = obstore.head(self._store, _checked(key))
        except NotFound:
            return None
        return Stored(key, found["size"], to_ms(found["last_modified"]))

    def delete(self, key: str) -> None:
        """See ``BlobStore.delete``."""
        with suppress(NotFound), _translated(key):
            obstore.delete(self._store, _checked(key))

    def list(self, prefix: str) -> list[Stored]:
        """See ``BlobStore.list``."""
        with _translated(prefix):
            found = [one for page in obstore.list(self._store, prefix or None) for one in page]
        return sorted(
            (Stored(one["path"], one["size"], to_ms(one["last_modified"])) for one in found), key=lambda one: one.key
        )

    def sweep(self, prefix: str) -> int:
        """See ``BlobStore.sweep``."""
        swept = 0
        folder = self.folder / _checked(prefix)
        for piece in folder.rglob("*#*") if folder.is_dir() else ():
            if _UNFINISHED.search(piece.name) and piece.is_file():
                piece.unlink(missing_ok=True)
                swept += 1
        return swept


def _bytes_of(key: str, found: obstore.GetResult) -> Iterator[bytes]:
    with _translated(key):
        for chunk in found.stream(min_chunk_size=1 << 20):
            yield bytes(chunk)


def _checked(key: str) -> str:
    """A key that stays inside the store."""
    parts = key.split("/")
    if not key or "\\" in key or "\0" in key or any(part in {"", ".", ".."} for part in parts):
        raise BadRequest(f"{key!r} is not the key of a file: use names joined by single slashes")
    return key


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """Turn the library's errors into ours, without the machine's paths."""
    try:
        yield
    except FileNotFoundError as problem:
        raise NotFound(f"there is no file {key}") from problem
    except (BaseError, OSError) as problem:
        raise Unavailable(
            f"the file store cannot be used for {key} now; try again ({type(problem).__name__})"
        ) from problem
