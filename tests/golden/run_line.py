"""Running ``line`` cases of the pipeline and certificates folders: state, events in → state, events out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from .cases import Case
from .effects import Run, check_effects, sections, snapshot, topic_name, verdict
from .given import cached_contents, load_tables, load_templates_of, relations_of_sets, told_by_search_and_read
from .instants import instant
from .matching import Context
from .placeholders import Moment, fill
from .rules import run_rule
from .tables import LEARNING_TABLES
from .world import CacheView, Start, World

OpenWorld = Callable[[Start], World]
CERTIFICATES_CLOCK: Final = instant("2023-06-01T00:00:00Z")


@dataclass(frozen=True)
class _Outcome:
    cache_after_first: CacheView | None = None
    pending_kept: bool | None = None


def run_line_or_rule(case: Case, open_world: OpenWorld) -> None:
    """Run a case of the pipeline folder, or a line or rule case of the certificates folder."""
    pinned = case.pinned()
    given = pinned.get("given") or {}
    clock = CERTIFICATES_CLOCK if case.folder == "certificates" else None
    world = open_world(Start(given.get("config") or {}, clock))
    try:
        if case.kind == "rule":
            verdict(run_rule(case.folder, pinned, world))
        else:
            _run_line(pinned, world)
    finally:
        world.close()


def moment_of(world: World, started: int) -> Moment:
    """The window of a run that began then and ends now."""
    return Moment(started, world.now_ms(), world.zone)


def _run_line(case: Mapping[str, Any], world: World) -> None:
    given = case.get("given") or {}
    started = world.now_ms()
    moment = moment_of(world, started)
    when = case["when"]
    topic, events = topic_name(when["topic"]), fill(when["events"], moment)
    _load(world, given, events, moment)
    before = snapshot(world, _tables_of(case))
    outcome = _feed(world, topic, events, given.get("fault"), keep_first=_asks_after_first(case))
    context = Context(moment_of(world, started), inputs=events, pending_kept=outcome.pending_kept)
    run = Run(world, context, topic, before, outcome.cache_after_first, _roles(given))
    verdict([f"{name}: {problem}" for name, part in sections(case) for problem in check_effects(part, run)])


def _load(world: World, given: Mapping[str, Any], events: Sequence[Any], moment: Moment) -> None:
    tables = dict(given.get("tables") or {})
    sets: dict[str, Sequence[str]] = {}
    hashes: dict[str, Mapping[str, str]] = {}
    strings: dict[str, Any] = {}
    for database in (given.get("redis") or {}).values():
        sets |= database.get("sets") or {}
        hashes |= database.get("hashes") or {}
        strings |= database.get("strings") or {}
    if sets:
        world.load_relations(relations_of_sets(sets))
    http = given.get("http") or []
    told, others = told_by_search_and_read(fill(http, moment), _courses_of(events))
    known = [*told, *cached_contents(fill(strings, moment))]
    if known:
        world.load_content(known)
    if hashes:
        cached = {key.removeprefix("user:"): fill(value, moment) for key, value in hashes.items()}
        world.load_user_cache(cached)
    for answers in (others, given.get("services")):
        if answers:
            world.load_answers(fill(answers, moment))
    if given.get("provider"):
        world.load_answers({"provider": given["provider"]})
    if given.get("cert_templates"):
        load_templates_of(world, given, moment)
    load_tables(world, tables, moment)


def _courses_of(events: Sequence[Any]) -> list[str]:
    """The courses that events name, in order."""
    named = [(event.get("edata") or event).get("courseId") for event in events if isinstance(event, Mapping)]
    return list(dict.fromkeys(str(course) for course in named if course))


def _feed(world: World, topic: str, events: Sequence[Any], fault: Any, *, keep_first: bool) -> _Outcome:
    """Send the events and let the line come to rest, through a fault and out of it where the case has one."""
    if fault:
        world.break_part(fault)
    outcome = _Outcome()
    rest = list(events)
    if keep_first:
        world.send(topic, rest[:1])
        world.settle()
        outcome = replace(outcome, cache_after_first=world.cache())
        rest = rest[1:]
    world.send(topic, rest)
    world.settle()
    if fault:
        kept = world.pending() > 0 and not world.dead_letters() and not world.stopped(topic)
        world.mend()
        world.settle()
        outcome = replace(outcome, pending_kept=kept and world.pending() == 0 and not world.dead_letters())
    return outcome


def _asks_after_first(case: Mapping[str, Any]) -> bool:
    return any(
        isinstance(database, Mapping) and "after_first_event" in database
        for _, part in sections(case)
        for database in (part.get("redis") or {}).values()
    )


def _tables_of(case: Mapping[str, Any]) -> list[str]:
    """The tables whose state before the run matters."""
    names = list((case.get("given") or {}).get("tables") or {})
    whole = False
    for _, part in sections(case):
        tables = part.get("tables")
        whole = whole or tables == "unchanged"
        if isinstance(tables, Mapping):
            names += [name for name, rows in tables.items() if rows == "unchanged"]
        names += [check["table"] for check in part.get("checks") or []]
    return names + (list(LEARNING_TABLES) if whole else [])


def _roles(given: Mapping[str, Any]) -> dict[str, str]:
    """What each Redis database is for, as far as the settings of the case say."""
    config = given.get("config") or {}
    roles: dict[str, str] = {}
    for name, role in (
        ("redis.database.relationCache.id", "relations"),
        ("redis.database.index", "relations"),
        ("dp-redis.database.index", "units"),
        ("redis-meta.database.userstore.id", "users"),
    ):
        if name in config:
            roles.setdefault(f"db{config[name]}", role)
    return roles
