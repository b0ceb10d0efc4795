"""Files in a local folder, and links to them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.blob.links import LinkSigner
from lernline.blob.local import LocalBlobs
from lernline.blob.secret import secret_from
from lernline.clock import FixedClock
from lernline.errors import BadRequest, Forbidden, NotFound


def test_what_is_put_is_there_until_it_is_deleted(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path / "files")
    blobs.put("a/b.csv", [b"one", b"", b"two"])
    blobs.put("a/c/d.csv", [])
    blobs.put("z.csv", [b"z"])

    assert b"".join(blobs.get("a/b.csv")) == b"onetwo"
    assert [(one.key, one.size) for one in blobs.list("a")] == [("a/b.csv", 6), ("a/c/d.csv", 0)]
    assert len(blobs.list("")) == 3
    stored = blobs.stat("a/b.csv")
    assert stored is not None
    assert stored.size == 6
    blobs.delete("a/b.csv")
    blobs.delete("a/b.csv")
    assert blobs.stat("a/b.csv") is None
    with pytest.raises(NotFound):
        blobs.get("a/b.csv")


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    seen = []

    def chunks() -> Iterator[bytes]:
        for _ in range(20):
            seen.append((tmp_path / "a/b.bin").exists())
            yield bytes(1 << 20)

    blobs.put("a/b.bin", chunks())
    assert seen == [False] * 20
    assert len(b"".join(blobs.get("a/b.bin"))) == 20 << 20


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/.", "a\\b", "a\0b"])
def test_a_key_that_leads_out_of_the_store_is_refused(tmp_path: Path, key: str) -> None:
    blobs = LocalBlobs(tmp_path / "files")
    with pytest.raises(BadRequest):
        blobs.put(key, [b"x"])
    with pytest.raises(BadRequest):
        blobs.get(key)


def test_sweeping_takes_the_unfinished_pieces_of_one_folder_alone(tmp_path: Path) -> None:
    blobs = LocalBlobs(tmp_path)
    blobs.put("a/b.zip", [b"whole"])
    for piece in ("a/c.zip#1", "a/c.zip#12", "other.zip#1"):
        (tmp_path / piece).write_bytes(b"half")

    assert [one.key for one in blobs.list("")] == ["a/b.zip"]
    assert blobs.sweep("a") == 2
    assert sorted(path.name for path in tmp_path.rglob("*.zip*")) == ["b.zip", "other.zip#1"]
    assert blobs.sweep("nothing") == 0


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40), st.integers(2, 2**60))
def test_a_link_leads_to_its_object_until_it_ends(tmp_path_factory: pytest.TempPathFactory, key: str, end: int) -> None:
    clock = FixedClock(end - 1)
    signer = LinkSigner(tmp_path_factory.getbasetemp() / "keys" / "links", clock)
    token = signer.sign(key, end)

    assert signer.verify(token) == key
    clock.at_ms = end
    with pytest.raises(Forbidden, match="has ended"):
        signer.verify(token)


def test_a_token_of_another_installation_or_a_changed_one_is_refused(tmp_path: Path) -> None:
    clock = FixedClock(1)
    ours, theirs = (LinkSigner(tmp_path / name, clock) for name in ("ours", "theirs"))
    token = ours.sign("a/b.zip", 10)
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    for wrong in (theirs.sign("a/b.zip", 10), changed, token[:-4], "", "é", "====", "a" * 200):
        with pytest.raises(Forbidden, match="not valid"):
            ours.verify(wrong)


def test_all_who_make_a_secret_at_once_get_the_same_one(tmp_path: Path) -> None:
    made: list[bytes] = []
    threads = [threading.Thread(target=lambda: made.append(secret_from(tmp_path / "k" / "key"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 8
    assert len(set(made)) == 1
    assert (tmp_path / "k" / "key").stat().st_mode & 0o077 == 0
    assert [path.name for path in (tmp_path / "k").iterdir()] == ["key"]


def test_a_damaged_secret_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(ValueError, match="32 bytes"):
        secret_from(tmp_path / "key")
