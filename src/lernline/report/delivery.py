"""Builds, seals and stores one file in one stream: rows on this thread, seal and upload on a second one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from enum import Enum

from lernline.blob.port import BlobStore

Piece = bytes | memoryview

_WAITING_PIECES = 4
_POLL_SECONDS = 0.1


class _Mark(Enum):
    """What stands behind the last piece: the whole has come, or it never will and the upload has to be given up."""

    END = 1
    BROKEN = 2


class _SourceFailed(Exception):
    """The rows could not be made; the first thread knows why."""


def deliver(
    blobs: BlobStore,
    key: str,
    plain: Generator[Piece],
    seal: Callable[[Iterable[Piece]], Iterator[bytes]],
) -> int:
    """Store ``seal(plain)`` under ``key`` and give how many plain bytes there were.

    ``plain`` is iterated, and closed, by the calling thread. The object appears when it is whole; when either side
    fails nothing appears, and the error of the side that failed first is raised.
    """
    pipe: queue.Queue[Piece | _Mark] = queue.Queue(_WAITING_PIECES)
    failures: list[BaseException] = []

    def arriving() -> Iterator[Piece]:
        while not isinstance(piece := pipe.get(), _Mark):
            yield piece
        if piece is _Mark.BROKEN:
            raise _SourceFailed

    def upload() -> None:
        try:
            blobs.put(key, seal(arriving()))
        except BaseException as problem:  # noqa: BLE001  handed over to the thread that waits
            failures.append(problem)

    worker = threading.Thread(target=upload, name="lernline-seal", daemon=True)
    worker.start()
    size = 0
    mark = _Mark.BROKEN
    try:
        with closing(plain) as pieces:
            for piece in pieces:
                size += len(piece)
                if not _handed(pipe, piece, worker):
                    break
        mark = _Mark.END
    finally:
        _handed(pipe, mark, worker)
        worker.join()
    if failures:
        raise failures[0]
    return size


def _handed(pipe: queue.Queue[Piece | _Mark], piece: Piece | _Mark, worker: threading.Thread) -> bool:
    """Whether the other side took the piece; False when it is gone."""
    while worker.is_alive():
        try:
            pipe.put(piece, timeout=_POLL_SECONDS)
        except queue.Full:
            continue
        return True
    return False
