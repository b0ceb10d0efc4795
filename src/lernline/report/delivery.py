"""Builds, seals and stores one file in one stream: rows on this thread, seal and upload on a second one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator

from lernline.blob.port import BlobStore

Piece = bytes | memoryview

_WAITING_PIECES = 4
_POLL_SECONDS = 0.1


class _End:
    """No more pieces."""


class _Broken:
    """No more pieces will come, and what came is not the whole: the upload has to be given up."""


class SourceFailed(Exception):  # noqa: N818  a signal between the two threads, never seen outside
    """The rows could not be made; the first thread knows why."""


def deliver(
    blobs: BlobStore, key: str, plain: Iterable[Piece], seal: Callable[[Iterable[Piece]], Iterator[bytes]]
) -> int:
    """Store ``seal(plain)`` under ``key`` and give how many plain bytes there were.

    ``plain`` is iterated by the calling thread. The object appears when it is whole; when either side fails nothing
    appears, and the error of the side that failed first is raised.
    """
    pipe: queue.Queue[Piece | type[_End | _Broken]] = queue.Queue(_WAITING_PIECES)
    failures: list[BaseException] = []

    def arriving() -> Iterator[Piece]:
        while (piece := pipe.get()) is not _End:
            if piece is _Broken:
                raise SourceFailed
            yield piece  # type: ignore[misc]  the two marks are gone by here

    def upload() -> None:
        try:
            blobs.put(key, seal(arriving()))
        except BaseException as problem:  # noqa: BLE001  handed over to the thread that waits
            failures.append(problem)

    worker = threading.Thread(target=upload, name="lernline-seal", daemon=True)
    worker.start()
    size = 0
    mark: type[_End | _Broken] = _Broken
    try:
        for piece in plain:
            size += len(piece)
            if not _handed(pipe, piece, worker):
                break
        mark = _End
    finally:
        _handed(pipe, mark, worker)
        worker.join()
    if failures:
        raise failures[0]
    return size


def _handed(
    pipe: queue.Queue[Piece | type[_End | _Broken]], piece: Piece | type[_End | _Broken], worker: threading.Thread
) -> bool:
    """Whether the other side took the piece; False when it is gone."""
    while worker.is_alive():
        try:
            pipe.put(piece, timeout=_POLL_SECONDS)
        except queue.Full:
            continue
        return True
    return False
