"""What a run leaves behind: tables, messages, counters, dead letters, relations. Shared by the line cases."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from .matching import Context, Problems, in_any_order, match
from .tables import Row, check_rows, read_back, same_profile_types
from .world import CacheView, World

FAILED_TOPICS: Final = ("learning.events.failed", "activity.agg.failed", "telemetry.assess.failed")
READERS_ONLY: Final = frozenset({"comment", "note", "notes", "rule", "source", "original", "caution"})
_PREFIX: Final = ("sunbirddev.", "{env}.", "{{env}}.")


class UnknownMemberError(AssertionError):
    """An assertion that the runner does not know; nothing is ever passed over."""


@dataclass(frozen=True)
class Run:
    """A finished run: the world, what was there before, and how to compare."""

    world: World
    context: Context
    topic: str = ""
    before: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    cache_after_first: CacheView | None = None
    relations_of: Mapping[str, str] = field(default_factory=dict)


def topic_name(topic: str) -> str:
    """A topic without the prefix of its environment."""
    for prefix in _PREFIX:
        topic = topic.removeprefix(prefix)
    return topic


def sections(case: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """The parts of a case that are asserted."""
    parts = [("then", case.get("then") or {})]
    if case.get("assert") == "derived":
        parts.append(("derived", case.get("derived") or {}))
    return parts


def verdict(problems: Problems) -> None:
    """Fail with every difference on a line of its own."""
    if problems:
        raise AssertionError("\n".join(problems))


def snapshot(world: World, names: Sequence[str]) -> dict[str, list[Row]]:
    """The rows of tables as they are now."""
    return {name: [dict(row) for row in world.rows(name)] for name in dict.fromkeys(names)}


def check_effects(section: Mapping[str, Any], run: Run) -> Problems:
    """Differences between what a part of a line case lists and what is there."""
    problems: Problems = []
    for name, expected in section.items():
        if name in READERS_ONLY:
            continue
        if name not in _EFFECTS:
            raise UnknownMemberError(f"the runner does not know the assertion {name!r}")
        problems += _EFFECTS[name](expected, run)
    return problems


def check_tables(expected: Any, run: Run) -> Problems:
    """Rows after the run; ``"unchanged"`` for one table or for all."""
    if expected == "unchanged":
        return [problem for name in run.before for problem in unchanged(name, run)]
    problems: Problems = []
    for name, rows in expected.items():
        if rows == "unchanged":
            problems += unchanged(name, run)
        else:
            problems += check_rows(name, rows, run.world.rows(name), run.context, loose=False)
    return problems


def unchanged(name: str, run: Run) -> Problems:
    """Differences of a table from what it was before."""
    before = sorted(repr(sorted(read_back(name, row).items(), key=_key)) for row in run.before.get(name, ()))
    after = sorted(repr(sorted(read_back(name, row).items(), key=_key)) for row in run.world.rows(name))
    return [] if before == after else [f"{name}: expected to be unchanged; before {before}, after {after}"]


def _key(item: tuple[str, Any]) -> str:
    return item[0]


def check_emitted(expected: Mapping[str, Any], run: Run) -> Problems:
    """Each listed message is there, partial match, order free; an empty list = none."""
    problems: Problems = []
    for name, wanted in expected.items():
        topic = topic_name(name)
        sent = [message.value for message in run.world.messages(topic)]
        if not isinstance(wanted, list):
            problems += match(wanted, sent, run.context, f"emitted {topic}")
        elif any(_is_pending(item) for item in wanted):
            problems += [p for item in wanted for p in match(item, None, run.context, f"emitted {topic}")]
        elif not wanted:
            problems += [f"emitted {topic}: expected nothing, got {len(sent)}: {sent[:2]}"] if sent else []
        else:
            problems += in_any_order(wanted, sent, run.context, f"emitted {topic}")
    return problems


def _is_pending(item: Any) -> bool:
    return isinstance(item, Mapping) and set(item) == {"$pending"}


def _check_emitted_counts(expected: Mapping[str, Any], run: Run) -> Problems:
    return [
        problem
        for name, count in expected.items()
        for problem in match(count, len(run.world.messages(topic_name(name))), run.context, f"emitted count {name}")
    ]


def check_metrics(expected: Mapping[str, Any], run: Run) -> Problems:
    """Counters of the stage that takes the topic; one that never counted is 0."""
    counters = run.world.counters(run.topic)
    return [
        problem
        for name, value in expected.items()
        for problem in match(value, counters.get(name, 0), run.context, f"metric {name}")
    ]


def _check_job(expected: Any, run: Run) -> Problems:
    if isinstance(expected, str):
        fails = expected.startswith("fails")
        if not fails and not expected.startswith("runs"):
            raise UnknownMemberError(f"the runner does not know the job outcome {expected!r}")
        return _stopped(fails, run)
    problems: Problems = []
    for name, value in expected.items():
        if name == "fails":
            problems += _stopped(bool(value), run)
        elif name == "dead_letters":
            problems += match(value, len(run.world.dead_letters()), run.context, "dead letters")
        elif name == "$pending":
            problems += match({name: value}, None, run.context, "job")
        elif name not in READERS_ONLY:
            raise UnknownMemberError(f"the runner does not know job.{name}")
    return problems


def _stopped(expected: bool, run: Run) -> Problems:
    stopped = run.world.stopped(run.topic)
    return [] if stopped == expected else [f"the stage of {run.topic}: expected stopped = {expected}, got {stopped}"]


def _check_no_exception(expected: Any, run: Run) -> Problems:
    return _stopped(False, run) if expected else []


def _check_checks(expected: Sequence[Mapping[str, Any]], run: Run) -> Problems:
    return [problem for check in expected for problem in _check_one(check, run)]


def _check_one(check: Mapping[str, Any], run: Run) -> Problems:
    table, kind = check["table"], check["check"]
    before, after = run.before.get(table, ()), run.world.rows(table)
    if kind == "row_count_increases":
        grown = len(after) > len(before)
        return [] if grown else [f"{table}: expected more than {len(before)} rows, got {len(after)}"]
    name, key = check["column"], check.get("key") or {}
    old, new = _cell(before, key, name), _cell(after, key, name)
    if kind == "value_increases":
        return [] if new is not None and new > (old or 0) else [f"{table}.{name}: expected more than {old}, got {new}"]
    if kind == "becomes_not_null":
        became = old is None and new is not None
        return [] if became else [f"{table}.{name}: expected to become not null, was {old}, is {new}"]
    raise UnknownMemberError(f"the runner does not know the check {kind!r}")


def _cell(rows: Sequence[Mapping[str, Any]], key: Mapping[str, Any], name: str) -> Any:
    found = [row for row in rows if all(row.get(column) == value for column, value in key.items())]
    return found[0].get(name) if found else None


def _check_redis(expected: Mapping[str, Any], run: Run) -> Problems:
    view = run.world.cache()
    problems: Problems = []
    for database, members in expected.items():
        if database in READERS_ONLY:
            continue
        if not isinstance(members, Mapping):
            raise UnknownMemberError(f"the runner does not know redis.{database}")
        for name, value in members.items():
            if name == "after_first_event":
                problems += _after_first(database, value, run)
            else:
                problems += _check_cache(name, value, _part(view, run.relations_of.get(database)), run, database)
    return problems


def _after_first(database: str, members: Mapping[str, Any], run: Run) -> Problems:
    view = run.cache_after_first
    if view is None:
        return ["the state after the first event was not kept"]
    part = _part(view, run.relations_of.get(database))
    return [
        problem
        for name, value in members.items()
        for problem in _check_cache(name, value, part, run, f"{database} after the first event")
    ]


def _part(view: CacheView, role: str | None) -> CacheView:
    """The view's part that a database holds; the whole where the case does not say."""
    if role == "relations":
        return CacheView(sets=view.sets)
    if role == "units":
        return CacheView(strings=view.strings)
    if role == "users":
        return CacheView(hashes=view.hashes)
    return view


def _check_cache(name: str, expected: Any, view: CacheView, run: Run, database: str) -> Problems:
    if name not in _CACHE_CHECKS:
        raise UnknownMemberError(f"the runner does not know redis.{database}.{name}")
    return _CACHE_CHECKS[name](expected, view, run, f"redis {database} {name}")


def _check_sets(expected: Any, view: CacheView, run: Run, path: str) -> Problems:
    wanted = {key: sorted(members) for key, members in expected.items()}
    held = {key: sorted(view.sets.get(key, ())) for key in expected}
    return [f"{path} {key}: expected {wanted[key]}, got {held[key]}" for key in wanted if wanted[key] != held[key]]


def _check_hashes(expected: Any, view: CacheView, run: Run, path: str) -> Problems:
    problems: Problems = []
    for key, fields in expected.items():
        held = view.hashes.get(key)
        if held is None:
            problems.append(f"{path} {key}: there is no such hash")
            continue
        for name, value in fields.items():
            compare: Callable[[Any, Any, Context, str], Problems] = match
            if name == "profileusertypes" and isinstance(value, str) and not value.startswith("<"):
                compare = same_profile_types
            problems += compare(value, held.get(name), run.context, f"{path} {key}.{name}")
    return problems


def _check_fields_absent(expected: Any, view: CacheView, run: Run, path: str) -> Problems:
    return [
        f"{path} {key}: field {name} is there"
        for key, names in expected.items()
        for name in names
        if name in view.hashes.get(key, {})
    ]


def _keys(view: CacheView) -> set[str]:
    return {*view.sets, *view.strings, *view.hashes}


def _check_keys_absent(expected: Any, view: CacheView, run: Run, path: str) -> Problems:
    return [f"{path}: {key} is there" for key in expected if key in _keys(view)]


def _check_string_keys(expected: Any, view: CacheView, run: Run, path: str) -> Problems:
    return match({"unordered": list(expected)}, list(view.strings), run.context, path)


def _check_not_empty(expected: Any, view: CacheView, run: Run, path: str) -> Problems:
    return [f"{path}: {key} is absent or empty" for key in expected if not view.strings.get(key)]


def _check_key_count(expected: Any, view: CacheView, run: Run, path: str) -> Problems:
    return match(expected, len(_keys(view)), run.context, path)


def _check_key_counts(expected: Any, view: CacheView, run: Run, path: str) -> Problems:
    return [
        problem
        for pattern, count in expected.items()
        for problem in match(
            count, sum(fnmatchcase(key, pattern) for key in _keys(view)), run.context, f"{path} {pattern}"
        )
    ]


def _check_failed_event(expected: Any, run: Run) -> Problems:
    sent = [message.value for topic in FAILED_TOPICS for message in run.world.messages(topic)]
    return in_any_order([expected], sent, run.context, "failed event")


def _check_audit_edata(expected: Any, run: Run) -> Problems:
    sent = [message.value for message in run.world.messages("telemetry.raw")]
    edata = [value.get("edata") for value in sent if isinstance(value, Mapping) and value.get("eid") == "AUDIT"]
    return in_any_order([expected], edata, run.context, "audit event edata")


def _check_audit_count(expected: Any, run: Run) -> Problems:
    sent = [message.value for message in run.world.messages("telemetry.raw")]
    count = sum(isinstance(value, Mapping) and value.get("eid") == "AUDIT" for value in sent)
    return match(expected, count, run.context, "audit events")


def _check_provider_result(expected: Any, run: Run) -> Problems:
    calls = run.world.provider_calls()
    return match(expected, bool(calls) and all(call.get("success") for call in calls), run.context, "provider result")


def _check_provider_calls(expected: Any, run: Run) -> Problems:
    return match(expected, [dict(call) for call in run.world.provider_calls()], run.context, "provider calls")


def _check_http_calls(expected: Any, run: Run) -> Problems:
    return match(expected, len(run.world.http_calls()), run.context, "http calls")


def _check_exception(expected: Any, run: Run) -> Problems:
    """A text = a message of the run was isolated; null = none was."""
    isolated = len(run.world.dead_letters())
    if expected is None:
        return [f"expected no failure, got {isolated} dead letters"] if isolated else []
    return [] if isolated else ["expected the message to be isolated, there is no dead letter"]


def _check_error(expected: Any, run: Run) -> Problems:
    """Code and message stand in the reason of the isolated message."""
    reasons = [letter.reason for letter in run.world.dead_letters()]
    return [
        f"error {name}: {expected[name]!r} stands in none of the reasons {reasons}"
        for name in ("code", "message")
        if isinstance(expected.get(name), str) and not any(expected[name] in reason for reason in reasons)
    ]


_CACHE_CHECKS: Final = {
    "sets": _check_sets,
    "hashes": _check_hashes,
    "hash_fields_absent": _check_fields_absent,
    "keys_absent": _check_keys_absent,
    "string_keys": _check_string_keys,
    "strings_not_empty": _check_not_empty,
    "key_count": _check_key_count,
    "key_counts": _check_key_counts,
}
_EFFECTS: Final[dict[str, Callable[[Any, Run], Problems]]] = {
    "tables": check_tables,
    "emitted": check_emitted,
    "emitted_any_order": check_emitted,
    "emitted_counts": _check_emitted_counts,
    "metrics": check_metrics,
    "job": _check_job,
    "no_exception": _check_no_exception,
    "checks": _check_checks,
    "redis": _check_redis,
    "failed_event": _check_failed_event,
    "audit_event_edata": _check_audit_edata,
    "audit_events": _check_audit_count,
    "provider_result": _check_provider_result,
    "provider_calls": _check_provider_calls,
    "http_calls": _check_http_calls,
    "exception": _check_exception,
    "error": _check_error,
}
