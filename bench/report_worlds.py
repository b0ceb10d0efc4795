"""Worlds for reports: batches whose rows are those that the line itself writes, loaded at the speed of the disk.

Rows are derived from a few hundred patterns of progress, so that a million learners cost seconds; identifiers, names,
places and times differ from learner to learner.
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from lernline.catalog.relations import Relations
from lernline.report.access import Asker
from lernline.settings import Settings
from lernline.wiring import Line
from worlds import set_up

CHANNEL = "ch"
TARGET = "0130000000000000500"
KNOWN_OF_100 = 99
_PATTERNS = 512
_DAY = 86_400_000
_FIRST_DAY = 1_700_000_000_000
_NAMES = (
    "Asha",
    "Krishna",
    "Mathew",
    "Lakshmi",
    "Ravi",
    "Fatima",
    "Anil",
    "Meena",
    "Joseph",
    "Sunita",
    "Arjun",
    "Divya",
)
_FAMILIES = (
    "Pallan",
    "Jampana",
    "Sharma",
    "Iyer",
    "Das",
    "Khan",
    "Singh",
    "Nair",
    "Patil",
    'Rao "Babu"',
    "Bose, B.Ed.",
)
_STATES = ("Karnataka", "Tamil Nadu", "Bihar", "Assam", "Kerala", "Punjab", "Odisha", "Gujarat", "Andhra Pradesh")

Row = tuple[Any, ...]


class World(NamedTuple):
    """What was built.

    Attributes:
        folder: the data folder.
        learners: in the target batch.
        enrolments: in the whole store.
        missing: learners of the target batch whom the directory does not know.
    """

    folder: Path
    learners: int
    enrolments: int
    missing: int


class _Pattern(NamedTuple):
    """How far a learner has come, as the tables hold it."""

    status: int
    progress: int
    percent: int
    contentstatus: str
    units: dict[str, str]
    stamps: str
    aggregates: str
    score_stamps: str
    details: str | None
    scores: list[tuple[str, float]]


def build(folder: Path, *, learners: int, batches: int, population: int) -> World:
    """A store of ``learners * batches`` enrolments; the batch ``TARGET`` lies in the middle of it.

    Every learner sits in about ``learners * batches / population`` batches. The target is of a course of 20 lessons,
    with unit rows and attempts; the other batches are of short courses and have enrolments and course aggregates.
    """
    draw = random.Random(11)
    users = sorted(_identifiers(draw, population))
    step = population // learners
    ids = [TARGET if number == batches // 2 else f"01{number:017d}" for number in range(batches)]
    if batches > 1:
        ids[batches // 2 + 1 :] = [f"0131{number:015d}" for number in range(batches - batches // 2 - 1)]
    line = Line(Settings(data=folder))
    courses = [f"do_313387944123456{number:03d}" for number in range(10)]
    of_batch = {one: courses[0] if one == TARGET else courses[1 + number % 9] for number, one in enumerate(ids)}
    relations = {
        one: set_up(
            line,
            one,
            [batch for batch in ids if of_batch[batch] == one],
            5 if number else 20,
            assessments=2 - bool(number),
        )
        for number, one in enumerate(courses)
    }
    database = line.settings.database
    line.close()
    patterns = {one: _patterns(known, draw) for one, known in relations.items()}
    missing = 0
    with closing(_opened(database)) as connection, _without_indexes(connection):
        for number, batch in enumerate(ids):
            courseid = of_batch[batch]
            members = users[number % step :: step][:learners]
            chosen = [patterns[courseid][position] for position in draw.choices(range(_PATTERNS), k=len(members))]
            _enrolments(connection, courseid, batch, members, chosen, relations[courseid].version, draw)
            _course_rows(connection, courseid, batch, members, chosen)
            if batch == TARGET:
                missing = sum(not _known(one) for one in members)
                _unit_rows(connection, relations[courseid], batch, members, chosen)
                _attempts(connection, courseid, batch, members, chosen)
        _profiles(connection, users, draw)
    return World(folder, learners, learners * batches, missing)


def run_report(line: Line, world: World, *, password: str | None = None) -> tuple[float, Path]:
    """Ask for the target's progress report and run it; gives seconds from asking to SUCCESS, and the file.

    Raises:
        SystemExit: it did not succeed, or does not hold what the world holds.
    """
    body = {
        "tag": f"bench_{time.time_ns()}",
        "dataset": "progress-exhaust",
        "requestedBy": "bench",
        "datasetConfig": {"batchId": TARGET},
    }
    if password is not None:
        body["encryptionKey"] = password
    started = time.perf_counter()
    line.reports.submit(Asker("service", "bench"), CHANNEL, body)
    ended = line.runner().run_once()
    seconds = time.perf_counter() - started
    if ended is None or ended.status != "SUCCESS":
        raise SystemExit(f"the report failed: {'nothing was run' if ended is None else ended.err_message}")
    if (ended.detail.rows, ended.detail.missing_profiles) != (world.learners, world.missing):
        raise SystemExit(f"the report has {ended.detail.rows} rows, {ended.detail.missing_profiles} without a profile")
    return seconds, line.settings.files / ended.download_urls[0]


def need_disk(folder: Path, gigabytes: float) -> None:
    """Refuse to begin what would not fit.

    Raises:
        SystemExit: there is not enough room.
    """
    free = shutil.disk_usage(folder).free / 1e9
    if free < gigabytes:
        raise SystemExit(f"{folder} has {free:.1f} GB free and {gigabytes:g} GB are needed")


def quiet() -> None:
    """Warnings and worse alone in the log, so that figures stand out."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))


def _identifiers(draw: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        text = f"{draw.getrandbits(128):032x}"
        yield f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _known(userid: str) -> bool:
    """Whether the directory has the learner: a matter of the id, so that all batches agree."""
    return int(userid[-4:], 16) % 100 < KNOWN_OF_100


def _patterns(relations: Relations, draw: random.Random) -> list[_Pattern]:
    return [_pattern(relations, draw) for _ in range(_PATTERNS)]


def _pattern(relations: Relations, draw: random.Random) -> _Pattern:
    leaves = relations.leaves
    count = len(leaves) if draw.random() < 0.3 else draw.randrange(len(leaves))
    done = set(draw.sample(leaves, count))
    statuses = {leaf: 2 if leaf in done else 1 for leaf in leaves if leaf in done or draw.random() < 0.2}
    units = {}
    for unit, known in relations.units.items():
        finished = len(known.required & done)
        if finished:
            units[unit] = json.dumps({"completedCount": float(finished)})
    aggregates: dict[str, float] = {"completedCount": float(count)}
    details, scores = [], []
    for assessment in (one.identifier for one in relations.assessments):
        if assessment in done:
            score, attempt = float(draw.randrange(11)), f"{draw.getrandbits(128):032x}"
            aggregates |= {f"score:{assessment}": score, f"max_score:{assessment}": 10.0}
            aggregates[f"attempts_count:{assessment}"] = 1.0
            details.append(
                {"max_score": 10.0, "score": score, "type": "attempt_metrics", "attempt_id": attempt}
                | {"content_id": assessment, "attempted_on": _FIRST_DAY // 1000}
            )
            scores.append((assessment, score))
    return _Pattern(
        status=2 if count == len(leaves) else int(bool(statuses)),
        progress=count,
        percent=100 * count // len(leaves),
        contentstatus=json.dumps(statuses, separators=(",", ":")),
        units=units,
        stamps=json.dumps({"completedCount": _FIRST_DAY}),
        aggregates=json.dumps(aggregates, separators=(",", ":")),
        score_stamps=json.dumps(dict.fromkeys(aggregates, _FIRST_DAY), separators=(",", ":")),
        details=json.dumps([json.dumps(one) for one in details]) if details else None,
        scores=scores,
    )


def _opened(database: Path) -> sqlite3.Connection:
    """A connection that loads fast and is not meant to survive anything."""
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in ("journal_mode=DELETE", "journal_mode=OFF", "synchronous=OFF", "cache_size=-262144"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


class _without_indexes:  # noqa: N801  reads as a verb at its use
    """One transaction, with the secondary indexes built at its end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        tables = "('user_enrolments', 'user_activity_agg', 'assessment_aggregator')"
        query = f"SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name IN {tables}"
        self._indexes = self._connection.execute(query).fetchall()
        self._connection.execute("BEGIN")
        for name, _ in self._indexes:
            self._connection.execute(f"DROP INDEX {name}")

    def __exit__(self, *problem: object) -> None:
        if problem[0] is None:
            for _, statement in self._indexes:
                self._connection.execute(statement)
            self._connection.execute("COMMIT")


def _put(connection: sqlite3.Connection, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)


def _enrolments(
    connection: sqlite3.Connection,
    courseid: str,
    batch: str,
    members: Sequence[str],
    chosen: Sequence[_Pattern],
    version: str,
    draw: random.Random,
) -> None:
    columns = ("batchid", "courseid", "userid", "active", "addedby", "enrolled_date", "datetime", "status", "progress")
    columns += ("completionpercentage", "contentstatus", "completedon", "issued_certificates", "rollup")
    moments = [_FIRST_DAY + int(draw.random() * 90 * _DAY) for _ in range(len(members))]
    _put(
        connection,
        "user_enrolments",
        columns,
        (
            (
                *(batch, courseid, user, 1, user, at, at + _DAY, one.status, one.progress, one.percent),
                *(one.contentstatus, at + 7 * _DAY if one.status == 2 else None),
                *(_certificate(user) if one.status == 2 else None, version),
            )
            for user, one, at in zip(members, chosen, moments, strict=True)
        ),
    )


def _certificate(user: str) -> str:
    return (
        f'[{{"identifier":"1|{user}","name":"Merit","token":"{user[:6]}","lastIssuedOn":"2023-12-01T10:00:00.000+0000",'
        '"templateUrl":"https://example.org/t.svg","type":"course"}]'
    )


_AGGREGATE = ("context_id", "activity_id", "user_id", "activity_type", "aggregates", "agg_last_updated", "agg_details")


def _course_rows(
    connection: sqlite3.Connection, courseid: str, batch: str, members: Sequence[str], chosen: Sequence[_Pattern]
) -> None:
    rows = (
        (f"cb:{batch}", courseid, user, "Course", one.aggregates, one.score_stamps, one.details)
        for user, one in zip(members, chosen, strict=True)
        if one.status
    )
    _put(connection, "user_activity_agg", _AGGREGATE, rows)


def _unit_rows(
    connection: sqlite3.Connection, relations: Relations, batch: str, members: Sequence[str], chosen: Sequence[_Pattern]
) -> None:
    for unit in relations.units:
        rows = (
            (f"cb:{batch}", unit, user, "Course", one.units[unit], one.stamps, None)
            for user, one in zip(members, chosen, strict=True)
            if unit in one.units
        )
        _put(connection, "user_activity_agg", _AGGREGATE, rows)


def _attempts(
    connection: sqlite3.Connection, courseid: str, batch: str, members: Sequence[str], chosen: Sequence[_Pattern]
) -> None:
    question = {"id": "do_q1", "assess_ts": _FIRST_DAY, "max_score": 10.0, "score": 5.0, "type": "mcq", "title": "Why?"}
    questions = json.dumps([question, question])
    columns = ("user_id", "course_id", "batch_id", "content_id", "attempt_id", "created_on", "last_attempted_on")
    columns += ("updated_on", "total_score", "total_max_score", "grand_total", "question")
    rows = (
        (
            *(user, courseid, batch, assessment, f"a-{user}", _FIRST_DAY, _FIRST_DAY, _FIRST_DAY),
            *(score, 10.0, f"{score:g}/10", questions),
        )
        for user, one in zip(members, chosen, strict=True)
        for assessment, score in one.scores
    )
    _put(connection, "assessment_aggregator", columns, rows)


def _profiles(connection: sqlite3.Connection, users: Sequence[str], draw: random.Random) -> None:
    columns = ("id", "userid", "firstname", "lastname", "rootorgid", "orgname", "state", "district", "block", "cluster")
    columns += ("schoolname", "schooludisecode", "board", "usertype", "usersubtype", "email", "phone")
    places = [(state, f"{state} {number}") for state in _STATES for number in range(30)]
    names = [(first, last) for first in _NAMES for last in _FAMILIES]
    rows = (
        (
            *(user, user, *draw.choice(names), CHANNEL, "Samagra", *place, f"{place[1]} block", f"{place[1]} cluster"),
            *(
                f"School {user[:4]}",
                f"28{user[:6]}",
                '["CBSE"]',
                "teacher",
                "[]",
                "c2VhbGVkIG1haWw=",
                "c2VhbGVkIHBob25l",
            ),
        )
        for user, place in zip(users, draw.choices(places, k=len(users)), strict=True)
        if _known(user)
    )
    _put(connection, "user", columns, rows)
