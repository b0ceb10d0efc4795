"""Bring in dumps of the contract's tables (ruling 31): a whole folder is read and judged before a row is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from lernline.catalog.relations import AssessmentKinds, derive
from lernline.catalog.service import contents_of, course_of
from lernline.catalog.tree import parse_hierarchy
from lernline.errors import BadRequest
from lernline.load.mapping import LOOKUPS, TARGETS, People, relation_leaves, stored
from lernline.load.tables import CHUNK_ROWS, SUFFIXES, Rows, dump_table, read_dump, report_unknown
from lernline.model import Changes, Content

Progress = Callable[[str, int, int | None], None]

_TREES_AT_ONCE = 20
# people's tables before the users they tell of, relations before the trees that replace them
_FIRST = (
    "system_settings",
    "organisation",
    "location",
    "user_organisation",
    "user_declarations",
    "user_roles",
    "usr_external_identity",
    "hierarchy_relations",
    "content_hierarchy",
    "report_user_enrolments",
)


class TableStore(Protocol):
    """A store that takes rows of the contract's tables as they stand."""

    def import_rows(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Put rows, replacing those with the same key."""
        ...

    def commit(self, changes: Changes) -> None:
        """Write a unit of work."""
        ...

    def contents(self, ids: Iterable[str]) -> dict[str, Content]:
        """Content metadata by identifier."""
        ...


class Loaded(msgspec.Struct, frozen=True):
    """One file of a dump: its table, its rows, and whether they are kept or only told something about users."""

    file: str
    table: str
    rows: int
    kept: bool = True


def dump_files(folder: Path) -> list[Path]:
    """The dump files of a folder, in the order in which they are loaded.

    Raises:
        BadRequest: no such folder, no dump in it, a file that is named for no table, or two for one table.
    """
    if not folder.is_dir():
        raise BadRequest(f"{folder}: there is no such folder; give the one that holds the dumps")
    paths = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)
    if not paths:
        raise BadRequest(f"{folder}: no dump in it; name each file for its table, such as user_enrolments.csv")
    by_table: dict[str, Path] = {}
    for path in paths:
        name = dump_table(path).name
        if name in by_table:
            raise BadRequest(f"{path.name}: {by_table[name].name} holds the table {name} already; keep one of the two")
        by_table[name] = path
    names = sorted(by_table, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    return [by_table[name] for name in names]


def load_folder(
    store: TableStore,
    kinds: AssessmentKinds,
    folder: Path,
    progress: Progress = lambda _what, _done, _total: None,
) -> list[Loaded]:
    """Load every dump of a folder; rows with the same key are replaced.

    Args:
        store: where rows go.
        kinds: which nodes of a course tree are assessments.
        folder: one file per table, named for it.
        progress: told what is being done, how many rows are done, and of how many.

    Raises:
        BadRequest: a file, a line or a tree is broken; names file, line and column, and nothing was written.
        Unavailable: the store is away; what was written so far stays, and the load can be repeated.
    """
    paths = dump_files(folder)
    counts: dict[Path, int] = {}
    for path in paths:
        counts[path] = _judge(path, progress)
    total, done = sum(counts.values()), 0
    people = People()
    for path in paths:
        table = dump_table(path).name
        for rows in _chunks(path):
            _write(store, kinds, people, table, rows)
            done += len(rows)
            progress(f"loading {table}", done, total)
    return [
        Loaded(path.name, name, counts[path], kept=name not in LOOKUPS)
        for path in paths
        for name in (dump_table(path).name,)
    ]


def _chunks(
    path: Path, unknown: Callable[[Path, tuple[str, ...]], None] = lambda _path, _names: None
) -> Iterator[Rows]:
    # a course tree is as large as thousands of other rows
    size = _TREES_AT_ONCE if dump_table(path).name == "content_hierarchy" else CHUNK_ROWS
    return read_dump(path, chunk_rows=size, unknown=unknown)


def _judge(path: Path, progress: Progress) -> int:
    """Read a file to its end without writing; gives its number of rows."""
    table, done = dump_table(path).name, 0
    for rows in _chunks(path, report_unknown):
        if table == "content_hierarchy":
            for row in rows:
                _tree_row(row, path.name)
        done += len(rows)
        progress(f"reading {table}", done, None)
    return done


def _write(store: TableStore, kinds: AssessmentKinds, people: People, table: str, rows: Rows) -> None:
    people.learn(table, rows)
    if table in LOOKUPS:
        return
    if table == "content_hierarchy":
        changes = Changes()
        for row in rows:
            _add_course(changes, row, kinds)
        store.commit(changes)
    elif table == "user":
        store.import_rows(table, [people.profile(row) for row in rows])
    else:
        target = TARGETS.get(table, table)
        store.import_rows(target, stored(target, rows))
        if table == "hierarchy_relations":
            _announce_relations(store, rows)


def _tree_row(row: Mapping[str, Any], file: str) -> dict[str, Any] | None:
    """The tree of a row; None where the row has none."""
    if row.get("hierarchy") is None:
        return None
    try:
        raw = msgspec.json.decode(row["hierarchy"])
        parse_hierarchy(raw, strict=False, identifier=row["identifier"])
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise BadRequest(
            f"{file}, row {row['identifier']}, column 'hierarchy': the value is not JSON ({problem})"
        ) from None
    except BadRequest as problem:
        raise BadRequest(f"{file}, row {row['identifier']}, column 'hierarchy': {problem.message}") from None
    return dict(raw)


def _add_course(changes: Changes, row: Mapping[str, Any], kinds: AssessmentKinds) -> None:
    raw = _tree_row(row, "content_hierarchy")
    if raw is None:
        return
    tree = parse_hierarchy(raw, strict=False, identifier=row["identifier"])
    changes.courses.append(course_of(raw, row["hierarchy"].encode(), derive(tree, kinds)))
    changes.contents.extend(contents_of(tree))


def _announce_relations(store: TableStore, rows: Rows) -> None:
    """Let every process know that relations changed, and the catalog that these courses exist."""
    leaves = relation_leaves(rows)
    known = store.contents(leaves)
    missing = [Content(identifier=course, leaf_nodes_count=count) for course, count in leaves.items()]
    store.commit(Changes(contents=[known.get(one.identifier, one) for one in missing]))
