"""One stream from rows to file: whole or not at all."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import pytest

from lernline.blob.local import LocalBlobs
from lernline.report.delivery import deliver


def pieces(number: int, fail_at: int | None = None) -> Generator[bytes]:
    for place in range(number):
        if place == fail_at:
            raise RuntimeError("the rows broke")
        yield b"%07d\n" % place * 100_000


def as_is(plain: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    for piece in plain:
        yield bytes(piece)


def everything(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]


def test_the_file_holds_what_was_made_and_its_size_is_told(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    size = deliver(blobs, "a/b.csv", pieces(20), as_is)

    assert size == 20 * 800_000
    assert b"".join(blobs.get("a/b.csv")) == b"".join(pieces(20))


@pytest.mark.parametrize("fail_at", [0, 1, 15])
def test_rows_that_break_leave_nothing(tmp_path: Path, fail_at: int) -> None:
    with pytest.raises(RuntimeError, match="the rows broke"):
        deliver(LocalBlobs(tmp_path), "a/b.csv", pieces(20, fail_at), as_is)
    assert everything(tmp_path) == []


@pytest.mark.parametrize("fail_at", [0, 5])
def test_a_seal_that_breaks_leaves_nothing_and_stops_the_rows(tmp_path: Path, fail_at: int) -> None:
    made = []

    def counted() -> Generator[bytes]:
        for piece in pieces(1000):
            made.append(len(piece))
            yield piece

    def breaking(plain: Iterable[bytes | memoryview]) -> Iterator[bytes]:
        for place, piece in enumerate(plain):
            if place == fail_at:
                raise ValueError("the seal broke")
            yield bytes(piece)

    with pytest.raises(ValueError, match="the seal broke"):
        deliver(LocalBlobs(tmp_path), "a/b.csv", counted(), breaking)
    assert everything(tmp_path) == []
    assert len(made) < 100


def test_a_file_that_was_there_stays_when_the_new_one_breaks(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put("a/b.csv", [b"old"])
    with pytest.raises(RuntimeError):
        deliver(blobs, "a/b.csv", pieces(20, 10), as_is)
    assert b"".join(blobs.get("a/b.csv")) == b"old"
