"""What every stream promises, whatever it is made of."""

from __future__ import annotations

import threading

import pytest

from lernline.model import Event
from lernline.store.port import Fenced
from support.streams import StreamWorld


def event(value: str, topic: str = "t", key: str | None = "u1", **headers: str) -> Event:
    return Event(topic, key, value.encode(), headers)


def values(world: StreamWorld, group: str = "g", topics: tuple[str, ...] = ("t",), limit: int = 100) -> list[str]:
    return [record.value.decode() for record in world.stream.poll(group, topics, limit, 0).records]


def test_records_come_back_in_the_order_of_their_appending(world: StreamWorld) -> None:
    world.stream.append([event("a"), event("b")])
    world.stream.append([event("c")])
    assert values(world) == ["a", "b", "c"]


def test_a_record_carries_everything_that_its_event_said(world: StreamWorld) -> None:
    world.clock.at_ms = 123_456
    world.stream.append([event("ä\u0000\n", key="lärner", accepted="1", trace="x y")])
    (record,) = world.stream.poll("g", ["t"], 10, 0).records
    assert (record.topic, record.key, record.value.decode()) == ("t", "lärner", "ä\u0000\n")
    assert record.headers == {"accepted": "1", "trace": "x y"}
    assert record.appended_at == 123_456


def test_bytes_that_are_no_text_and_a_missing_key_are_kept(world: StreamWorld) -> None:
    world.stream.append([Event("t", None, b"\xff\x00\xfe")])
    (record,) = world.stream.poll("g", ["t"], 10, 0).records
    assert (record.key, record.value, record.headers) == (None, b"\xff\x00\xfe", {})


def test_append_gives_the_offset_of_the_last_record(world: StreamWorld) -> None:
    last = world.stream.append([event("a"), event("b")])
    assert world.stream.poll("g", ["t"], 10, 0).records[-1].offset == last == world.stream.end()


def test_appending_nothing_moves_nothing(world: StreamWorld) -> None:
    last = world.stream.append([event("a")])
    assert world.stream.append([]) == last
    assert values(world) == ["a"]


def test_offsets_grow(world: StreamWorld) -> None:
    world.stream.append([event(str(number)) for number in range(5)])
    offsets = [record.offset for record in world.stream.poll("g", ["t"], 10, 0).records]
    assert offsets == sorted(set(offsets))


def test_an_empty_stream_ends_at_nought_and_gives_nothing(world: StreamWorld) -> None:
    assert world.stream.end() == 0
    poll = world.stream.poll("g", ["t"], 10, 0)
    assert (poll.records, poll.start, poll.end) == ([], 0, 0)


def test_a_poll_gives_only_its_topics(world: StreamWorld) -> None:
    world.stream.append([event("a"), event("b", "other"), event("c", "third"), event("d")])
    assert values(world, topics=("t", "third")) == ["a", "c", "d"]


def test_a_poll_gives_no_more_than_it_is_asked_for(world: StreamWorld) -> None:
    world.stream.append([event(str(number)) for number in range(5)])
    assert values(world, limit=2) == ["0", "1"]


def test_what_is_not_committed_comes_again(world: StreamWorld) -> None:
    world.stream.append([event("a")])
    assert values(world) == values(world) == ["a"]


def test_a_committed_position_is_where_the_group_goes_on(world: StreamWorld) -> None:
    world.stream.append([event(str(number)) for number in range(4)])
    poll = world.stream.poll("g", ["t"], 2, 0)
    world.commit("g", poll.start, poll.end)
    after = world.stream.poll("g", ["t"], 10, 0)
    assert after.start == poll.end
    assert [record.value for record in after.records] == [b"2", b"3"]


def test_groups_read_independently_of_each_other(world: StreamWorld) -> None:
    world.stream.append([event("a"), event("b")])
    poll = world.stream.poll("g", ["t"], 10, 0)
    world.commit("g", poll.start, poll.end)
    assert (values(world, "g"), values(world, "h")) == ([], ["a", "b"])


def test_records_of_other_topics_in_between_are_not_lost_when_a_group_moves(world: StreamWorld) -> None:
    world.stream.append([event("a"), event("x", "other"), event("b")])
    poll = world.stream.poll("g", ["t"], 10, 0)
    world.commit("g", poll.start, poll.end)
    assert values(world, "h", ("other",)) == ["x"]
    world.stream.append([event("c")])
    assert values(world, "g") == ["c"]


def test_a_topic_that_was_quiet_for_long_is_read_when_it_speaks(world: StreamWorld) -> None:
    for number in range(3):
        world.stream.append([event(str(number), "busy")])
        assert values(world, "g", ("quiet",)) == []
    world.stream.append([event("x", "busy"), event("at last", "quiet"), event("y", "busy")])
    assert values(world, "g", ("quiet",)) == ["at last"] == values(world, "g", ("quiet",))
    assert values(world, "g", ("quiet", "busy")) == ["0", "1", "2", "x", "at last", "y"]


def test_an_owner_that_was_overtaken_is_fenced(world: StreamWorld) -> None:
    world.stream.append([event(str(number)) for number in range(4)])
    mine = world.stream.poll("g", ["t"], 2, 0)
    others = world.stream.poll("g", ["t"], 4, 0)
    world.commit("g", others.start, others.end)
    with pytest.raises(Fenced):
        world.commit("g", mine.start, mine.end)
    assert values(world) == []


def test_pending_is_the_uncommitted_tail_of_one_key(world: StreamWorld) -> None:
    world.stream.append([event("a"), event("b", key="u2"), event("c", "other"), event("d")])
    assert [record.value for record in world.stream.pending("g", ["t"], ["u1"])] == [b"a", b"d"]
    poll = world.stream.poll("g", ["t"], 1, 0)
    world.commit("g", poll.start, poll.end)
    assert [record.value for record in world.stream.pending("g", ["t"], ["u1"])] == [b"d"]
    assert world.stream.pending("g", ["t"], ["nobody"]) == world.stream.pending("g", ["t"], []) == []


def test_tails_of_several_keys_come_in_the_order_of_the_log(world: StreamWorld) -> None:
    world.stream.append([event(name, key=name) for name in ("u2", "u1", "u3", "u2", "")])
    found = world.stream.pending("g", ["t"], {"u1", "u2", "", "4"})
    assert [record.value for record in found] == [b"u2", b"u1", b"u2", b""]


def test_lag_counts_what_the_group_has_not_committed(world: StreamWorld) -> None:
    world.stream.append([event("a"), event("b", "other"), event("c")])
    assert world.stream.lag("g", ["t"]) == 2
    poll = world.stream.poll("g", ["t"], 1, 0)
    world.commit("g", poll.start, poll.end)
    assert (world.stream.lag("g", ["t"]), world.stream.lag("g", ["t", "other"])) == (1, 2)


def test_a_waiting_poll_wakes_up_for_the_first_record(world: StreamWorld) -> None:
    found: list[str] = []
    waiting = threading.Thread(
        target=lambda: found.extend(r.value.decode() for r in world.stream.poll("g", ["t"], 10, 30).records)
    )
    waiting.start()
    world.stream.append([event("x", "other")])
    world.stream.append([event("a")])
    waiting.join(timeout=30)
    assert found == ["a"]


def test_writers_in_parallel_lose_nothing_and_keep_their_own_order(world: StreamWorld) -> None:
    def write(writer: int) -> None:
        for number in range(20):
            world.stream.append([event(f"{writer}:{number}", key=str(writer))])

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    seen: list[str] = []
    position = 0
    while len(seen) < 80 and any(thread.is_alive() for thread in threads):
        poll = world.stream.poll("g", ["t"], 100, 0.05)
        world.commit("g", position, poll.end)
        position = poll.end
        seen += [record.value.decode() for record in poll.records]
    for thread in threads:
        thread.join()
    seen += values(world)
    for writer in range(4):
        assert [one for one in seen if one.startswith(f"{writer}:")] == [f"{writer}:{number}" for number in range(20)]
