"""The report's expression against the same rules told learner by learner."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lernline.catalog.relations import Entry, Relations, UnitRelations
from lernline.catalog.search import CourseSummary
from lernline.model import Batch, UserProfile
from lernline.report.definition import Context, Options
from lernline.report.engine import BatchReport, Count
from lernline.report.progress import DEFAULT, PROGRESS, V2
from lernline.times import format_time, zone_named
from report_worlds import Learner, MemoryReads

UNITS = {"u1": ("Unit, one", 1, 2), "u2": ('Unit "two"', 2, 3), "u3": ("लघु", 1, 0)}
TESTS = ("t1", "t2")
ZONES = ("UTC", "Asia/Kolkata", "America/New_York")
TEXTS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "null",
            "=1+1",
            "+91",
            "-5",
            "@x",
            "\tx",
            "a,b",
            'say "hi"',
            "two\nlines",
            "cr\rlf\r\n",
            "😀 ok",
            "مرحبا",
        ]
    ),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12),
)
INSTANTS = st.none() | st.integers(946_684_800_000, 2_500_000_000_000)


def relations(required: int) -> Relations:
    leaves = tuple(f"l{number}" for number in range(required))
    return Relations(
        course_id="do_1",
        leaves=leaves,
        required=frozenset(leaves),
        units={
            name: UnitRelations(required=frozenset(f"{name}-{n}" for n in range(size)), name=title, level=level)
            for name, (title, level, size) in UNITS.items()
        },
        ancestors={},
        collections=tuple(Entry(name, title, level) for name, (title, level, _) in UNITS.items()),
        assessments=tuple(Entry(name, f"Test {name}", 2) for name in TESTS),
    )


@st.composite
def learners(draw: st.DrawFn) -> list[Learner]:
    ids = draw(st.lists(st.text("abcdef-0123456789é", min_size=1, max_size=8), unique=True, max_size=9))
    return [
        Learner(
            userid=userid,
            profile=draw(
                st.none()
                | st.fixed_dictionaries(
                    {name: st.none() | TEXTS for name in ("firstname", "lastname", "state", "district", "orgname")}
                )
            ),
            enrolled=draw(INSTANTS),
            completedon=draw(INSTANTS),
            status=draw(st.integers(0, 2)),
            issued=draw(st.booleans()),
            completed=draw(st.integers(0, 7)),
            units=draw(st.dictionaries(st.sampled_from(sorted(UNITS)), st.integers(0, 3))),
            scores=draw(
                st.dictionaries(
                    st.sampled_from([*TESTS, "unlisted"]),
                    st.tuples(st.integers(0, 40).map(lambda n: n / 4), st.none() | st.integers(0, 10).map(float)),
                )
            ),
        )
        for userid in ids
    ]


def made(reads: MemoryReads, **choices: Any) -> tuple[list[list[str]], Count]:
    content, count = content_of(reads, **choices)
    assert content.endswith(b"\n")
    return list(csv.reader(io.StringIO(content.decode(), newline=""))), count


def content_of(
    reads: MemoryReads,
    *,
    required: int | None = 5,
    zone: str = "UTC",
    page_size: int = 3,
    only: str | None = None,
    **options: Any,
) -> tuple[bytes, Count]:
    report = BatchReport(
        PROGRESS,
        Context(
            Batch("do_1", "0123456789012345678", "Batch, A"),
            CourseSummary("do_1", 'The "course"'),
            None if required is None else relations(required),
            Options(**options),
        ),
        lambda: reads,
        reads.profiles,
        zone=zone_named(zone),
        page_size=page_size,
        only_tenant=only,
    )
    return b"".join(bytes(piece) for piece in report.csv()), report.count


def plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def neutral(text: str) -> str:
    return "'" + text if text[:1] in tuple("=+-@\t\r") and text else text


def is_complete(one: Learner) -> bool:
    return one.status == 2 or one.completedon is not None


def expected_default(one: Learner, required: int, zone: str) -> list[str]:
    profile = one.profile or {}
    scores = {name: score for name, (score, _) in one.scores.items() if name in TESTS}

    def when(ms: int | None) -> str:
        return "" if ms is None else format_time(ms, zone_named(zone))

    def percent(done: int, of: int) -> str:
        return str(min(100, math.floor(100 * done / of))) if of else ""

    return [
        "do_1",
        'The "course"',
        "0123456789012345678",
        "Batch, A",
        one.userid,
        UserProfile(userid="x", firstname=profile.get("firstname"), lastname=profile.get("lastname")).name,
        profile.get("state") or "",
        profile.get("district") or "",
        when(one.enrolled),
        when(one.completedon),
        "100" if is_complete(one) else percent(one.completed or 0, required),
        "Issued" if one.issued else "",
        plain(sum(scores.values())) if scores else "",
        *(percent(one.units.get(name, 0), size) for name, (_, _, size) in UNITS.items()),
        *(plain(scores[name]) if name in scores else "" for name in TESTS),
    ]


def expected_v2(one: Learner, required: int, zone: str, scored: Sequence[str]) -> list[str]:
    profile = one.profile or {}
    measured = {n: (Decimal(s), Decimal(m)) for n, (s, m) in one.scores.items() if n in TESTS and m}

    def when(ms: int | None) -> str:
        if ms is None:
            return ""
        return f"{datetime.fromtimestamp(ms // 1000, tz=UTC).astimezone(zone_named(zone)):%d/%m/%Y}"

    def percent(score: Decimal, most: Decimal) -> str:
        return f"{(100 * score / most).to_integral_value(ROUND_CEILING)}%"

    done = one.completed or 0
    rounded = str(min(100, (200 * done + required) // (2 * required))) if required else ""
    return [
        "do_1",
        'The "course"',
        "BatchId_0123456789012345678",
        "Batch, A",
        one.userid,
        profile.get("state") or "",
        profile.get("district") or "",
        profile.get("orgname") or "",
        *[""] * 7,
        when(one.enrolled),
        when(one.completedon),
        "Issued" if one.issued else "",
        "100" if is_complete(one) else rounded,
        percent(sum(s for s, _ in measured.values()), sum(m for _, m in measured.values())) if measured else "",
        *(percent(*measured[name]) if name in measured else "" for name in scored),
    ]


@settings(max_examples=30, deadline=None)
@given(learners(), st.sampled_from([0, 3, 5]), st.sampled_from(ZONES), st.integers(2, 9))
def test_the_default_layout_says_of_each_learner_what_the_rules_say(
    world: list[Learner], required: int, zone: str, page_size: int
) -> None:
    rows, count = made(MemoryReads(world), required=required, zone=zone, page_size=page_size)

    assert rows[0][: len(DEFAULT)] == [column.label for column in DEFAULT]
    assert rows[0][len(DEFAULT) :] == [
        "Unit, one (u1) - Progress",
        'Unit "two" (u2) - Progress',
        "लघु (u3) - Progress",
        "Test t1 (t1) - Score",
        "Test t2 (t2) - Score",
    ]
    ordered = sorted(world, key=lambda one: one.userid.encode())
    assert rows[1:] == [expected_default(one, required, zone) for one in ordered]
    assert count.rows == count.seen == len(world)
    assert count.missing_profiles == sum(one.profile is None for one in world)


@settings(max_examples=25, deadline=None)
@given(learners(), st.sampled_from([0, 3, 5]), st.sampled_from(ZONES), st.integers(2, 9))
def test_the_v2_layout_says_of_each_learner_what_the_rules_say(
    world: list[Learner], required: int, zone: str, page_size: int
) -> None:
    rows, _ = made(MemoryReads(world), required=required, zone=zone, page_size=page_size, layout="v2")

    scored = [name for name in TESTS if any(name in one.scores for one in world)]
    assert rows[0] == [column.label for column in V2] + [f"{name} - Score" for name in scored]
    ordered = sorted(world, key=lambda one: one.userid.encode())
    assert rows[1:] == [expected_v2(one, required, zone, scored) for one in ordered]


@settings(max_examples=30, deadline=None)
@given(learners())
def test_formulas_become_plain_text_on_request(world: list[Learner]) -> None:
    bare, _ = made(MemoryReads(world))
    safe, _ = made(MemoryReads(world), neutralise=True)

    text = [number for number, column in enumerate(DEFAULT) if column.type == "text"]
    for before, after in zip(bare[1:], safe[1:], strict=True):
        assert [after[number] for number in text] == [neutral(before[number]) for number in text]
        assert after[8:11] == before[8:11]


@settings(max_examples=30, deadline=None)
@given(learners(), st.sampled_from(["default", "v2"]))
def test_for_excel_lines_end_with_crlf_after_a_byte_order_mark_and_formulas_are_text(
    world: list[Learner], layout: str
) -> None:
    safe = content_of(MemoryReads(world), neutralise=True, layout=layout)[0]
    excel = content_of(MemoryReads(world), excel=True, layout=layout)[0]

    assert excel.startswith(b"\xef\xbb\xbfCollection Id,")
    assert excel.endswith(b"\r\n")
    read = list(csv.reader(io.StringIO(excel.decode("utf-8-sig"), newline="")))
    assert read == list(csv.reader(io.StringIO(safe.decode(), newline="")))
    assert len(excel) == len(safe) + 3 + len(read)


def test_a_batch_without_learners_is_a_header() -> None:
    rows, count = made(MemoryReads([]))

    assert len(rows) == 1
    assert count.rows == 0


def test_progress_is_empty_where_the_tree_is_not_known() -> None:
    rows, _ = made(
        MemoryReads([Learner("a", completed=None), Learner("b", completed=None, completedon=0)]), required=None
    )

    assert rows[0] == [column.label for column in DEFAULT]
    assert [row[10] for row in rows[1:]] == ["", "100"]


@pytest.mark.parametrize("layout", ["default", "v2"])
def test_a_completion_without_its_date_is_a_hundred_percent(layout: str) -> None:
    rows, _ = made(MemoryReads([Learner("a", status=2), Learner("b", status=1)]), layout=layout)

    assert [row[rows[0].index("Progress")] for row in rows[1:]] == ["100", "0"]


def test_level_one_leaves_out_deeper_collections() -> None:
    rows, _ = made(MemoryReads([Learner("a")]), level_one=True)

    assert [label for label in rows[0] if label.endswith("Progress")] == [
        "Progress",
        "Unit, one (u1) - Progress",
        "लघु (u3) - Progress",
    ]


def test_the_first_board_of_a_list_is_shown() -> None:
    boards = {"a": '["IGOT-Health","x"]', "b": "CBSE", "c": "[]", "d": "[broken", "e": None}
    reads = MemoryReads([Learner(name, {"board": board}) for name, board in boards.items()])
    rows, _ = made(reads, layout="v2")

    assert [row[14] for row in rows[1:]] == ["IGOT-Health", "CBSE", "", "[broken", ""]


def test_seven_of_a_hundred_is_seven_percent() -> None:
    rows, _ = made(MemoryReads([Learner("a", scores={"t1": (7.0, 100.0)})]), layout="v2")

    assert rows[1][-2:] == ["7%", "7%"]


def test_the_look_for_scored_assessments_ends_when_all_are_found() -> None:
    world = [Learner(f"{n:03}", scores={"t1": (1.0, 2.0), "t2": (1.0, 2.0)}) for n in range(30)]
    reads = MemoryReads(world)
    made(reads, layout="v2", page_size=3)

    assert reads.score_reads == 1 + 10


def test_another_tenant_sees_its_own_learners_and_unknown_ones_are_counted() -> None:
    orgs = {"a": "theirs", "b": "ours", "c": "", "e": "ours"}
    known = [Learner(name, {"rootorgid": org}) for name, org in orgs.items()]
    rows, count = made(MemoryReads([*known, Learner("d")]), only="theirs", page_size=2)

    assert [row[4] for row in rows[1:]] == ["a"]
    assert (count.rows, count.withheld, count.missing_profiles, count.seen) == (1, 2, 0, 5)


@pytest.mark.parametrize("zone", ZONES)
def test_times_are_right_on_both_sides_of_a_change_of_clocks(zone: str) -> None:
    edges = [1_772_953_199_999, 1_772_953_200_000, 1_793_512_799_999, 1_793_512_800_000]
    rows, _ = made(MemoryReads([Learner(f"{n}", enrolled=at) for n, at in enumerate(edges)]), zone=zone)

    assert [row[8] for row in rows[1:]] == [format_time(at, zone_named(zone)) for at in edges]
