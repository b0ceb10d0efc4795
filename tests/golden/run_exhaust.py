"""Running the cases of the exhaust folder: report and companion jobs, calls of the request API, rules."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .cases import Case
from .effects import READERS_ONLY, Run, UnknownMemberError, sections, snapshot, unchanged, verdict
from .given import load_tables
from .instants import instant
from .matching import Context, Problems, in_any_order, match
from .pins import NOTHING
from .placeholders import Credentials, Moment, fill, fill_run_date
from .report_files import Reports, check_files, check_zip
from .rules import run_rule
from .run_line import OpenWorld, moment_of
from .tables import Row, check_rows, table_named
from .world import Answer, Job, JobOutcome, Start, World

PUBLIC_PREFIX: Final = "/api/dataset/v1"
SHORTEST_KEY: Final = {"report.password.minimum": 6}
_INFRASTRUCTURE: Final = re.compile(
    r"host|port$|redis|connection|index|^store$|^fromDate$|^toDate$|^storage|broker|topic", re.IGNORECASE
)
_TEMPLATED: Final = re.compile(r"\{\{.*\}\}|\$\(")


@dataclass(frozen=True)
class _JobRun:
    run: Run
    outcome: JobOutcome
    reports: Reports
    rows_key: Mapping[str, Any]


def run_exhaust(case: Case, open_world: OpenWorld) -> None:
    """Run a case of the exhaust folder."""
    pinned = case.pinned()
    if case.kind == "http":
        _run_http(pinned, open_world)
        return
    given, when = pinned.get("given") or {}, pinned["when"]
    config = {**SHORTEST_KEY, **(given.get("config") or {})}
    world = open_world(Start(config, instant(when.get("now"))))
    try:
        if case.kind == "rule":
            verdict(run_rule("exhaust", pinned, world))
        else:
            _run_job(case, pinned, world)
    finally:
        world.close()


def _run_job(case: Case, pinned: Mapping[str, Any], world: World) -> None:
    given, when = pinned.get("given") or {}, pinned["when"]
    started = world.now_ms()
    _load(world, given, moment_of(world, started))
    tables = [name for name in given.get("tables") or {} if name != "user_cache"]
    before = snapshot(world, tables)
    stored = frozenset(world.files())
    params = {
        name: value
        for name, value in (when.get("model_params") or {}).items()
        if not _INFRASTRUCTURE.search(name) and not (isinstance(value, str) and _TEMPLATED.search(value))
    }
    outcome = world.run_job(Job(when["job"], when.get("variant"), when.get("mode"), params))
    context = Context(moment_of(world, started))
    requests = (given.get("tables") or {}).get("job_request") or [{}]
    level = _level(given.get("tenant_preferences") or {}, when["job"])
    recorded = _recorded_paths(case, world)
    reports = Reports(world, context, level, requests[0].get("encryption_key"), stored, recorded)
    parts = sections(pinned)
    rows_key: dict[str, Any] = {}
    for _, part in parts:
        rows_key |= part.get("rows_key") or {}
    job = _JobRun(Run(world, context, before=before), outcome, reports, rows_key)
    verdict([f"{name}: {problem}" for name, part in parts for problem in _check(name, part, job)])


def _load(world: World, given: Mapping[str, Any], moment: Moment) -> None:
    tables = dict(given.get("tables") or {})
    cached = tables.pop("user_cache", [])
    if cached:
        world.load_user_cache({entry["key"].partition(":")[2]: fill(entry["hash"], moment) for entry in cached})
    documents = [
        document
        for search in given.get("content_search") or []
        for document in (search.get("response") or {}).get("result", {}).get("content") or []
    ]
    documents += [answer for answer in (given.get("content_read") or {}).values() if isinstance(answer, Mapping)]
    if documents:
        world.load_content(fill(documents, moment))
    if given.get("tenant_preferences"):
        world.load_tenant_preferences(given["tenant_preferences"])
    for file in given.get("archive_files") or []:
        world.put_file(file["path"], str(file["content"]).encode())
    for file in _stored_files(given.get("store")):
        world.put_file(*file)
    load_tables(world, tables, moment)


def _stored_files(store: Any) -> list[tuple[str, bytes]]:
    if isinstance(store, Mapping):
        return [(path, str(content).encode()) for path, content in store.items()]
    return [
        (file, b"") if isinstance(file, str) else (file["path"], str(file.get("content") or "").encode())
        for file in store or []
    ]


def _level(preferences: Mapping[str, Any], job: str) -> str:
    """The job's level of the tenant's policy, else the global one."""
    policy = preferences.get("dataSecurityPolicy") or {}
    own = (policy.get("job") or {}).get(job) or {}
    return str(own.get("level") or policy.get("level") or "PLAIN_DATASET")


def _recorded_paths(case: Case, world: World) -> dict[str, list[str]]:
    """The recorded paths of files whose path is pinned with X-5; empty text for the others."""
    pinned = {pin["path"] for pin in case.recorded.get("pins") or [] if pin.get("defect") == "X-5"}
    return {
        part: [
            fill_run_date(file.get("path") or "", world.now_ms()) if f"{part}.files[{place}].path" in pinned else ""
            for place, file in enumerate((case.recorded.get(part) or {}).get("files") or [])
        ]
        for part in ("then", "derived")
    }


def _check(part: str, section: Mapping[str, Any], job: _JobRun) -> Problems:
    problems: Problems = []
    for name, recorded in section.items():
        if name in READERS_ONLY or name == "rows_key":
            continue
        if name not in _CHECKS:
            raise UnknownMemberError(f"the runner does not know the assertion {name!r}")
        expected = fill_run_date(recorded, job.run.context.moment.started)
        problems += _CHECKS[name](part, expected, job)
    return problems


def _check_job_request(part: str, expected: Any, job: _JobRun) -> Problems:
    rows = job.run.world.rows("job_request")
    return check_rows("job_request", expected, rows, job.run.context, loose=False)


def _check_tables(part: str, expected: Any, job: _JobRun) -> Problems:
    return [
        problem
        for name, rows in expected.items()
        for problem in check_rows(name, rows, job.run.world.rows(name), job.run.context, loose=False)
    ]


def _result_rows(job: _JobRun) -> list[Row]:
    if job.outcome.rows is None:
        return []
    return [dict(row) for row in job.outcome.rows if not match(dict(job.rows_key), row, job.run.context)]


def _check_result_rows(part: str, expected: Any, job: _JobRun) -> Problems:
    """Each listed row of a result table is there; one may be written as a selection and what it equals."""
    problems: Problems = []
    rows = _result_rows(job)
    for row in expected:
        if row is NOTHING:
            continue
        wanted = {**row["where"], **row["equals"]} if "equals" in row else row
        problems += check_rows("result", [wanted], rows, job.run.context, loose=False)
    return problems


def _check_updated(part: str, expected: Any, job: _JobRun) -> Problems:
    """Exactly the listed rows have changed."""
    changed = [
        dict(row)
        for name, before in job.run.before.items()
        for row in job.run.world.rows(name)
        if dict(row) not in [dict(old) for old in before]
    ]
    problems = in_any_order(expected, changed, job.run.context, "updated rows")
    if len(changed) != len(expected):
        problems.append(f"updated rows: expected {len(expected)}, got {len(changed)}: {changed}")
    return problems


def _check_unchanged(part: str, expected: Any, job: _JobRun) -> Problems:
    problems: Problems = []
    for key in expected:
        held = _rows_with(key, job.run.before)
        now = _rows_with(key, {name: job.run.world.rows(name) for name in job.run.before})
        if not held or held != now:
            problems.append(f"unchanged {key}: was {held}, is {now}")
    return problems


def _rows_with(key: Any, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Row]:
    """The rows that a key leads to: the value of one key column, or an object of several."""
    found = []
    for name, rows in tables.items():
        keys = table_named(name).keys
        for row in rows:
            values = [row.get(column) for column in keys]
            if key in values or (isinstance(key, Mapping) and all(row.get(c) == v for c, v in key.items())):
                found.append(dict(row))
    return found


def _check_deleted(part: str, expected: Any, job: _JobRun) -> Problems:
    return [
        f"deleted row {row}: still there"
        for row in expected
        for name in job.run.before
        if any(not match(row, dict(held), job.run.context) for held in job.run.world.rows(name))
    ]


_CHECKS: Final[dict[str, Callable[[str, Any, _JobRun], Problems]]] = {
    "job_request": _check_job_request,
    "tables": _check_tables,
    "files": lambda part, expected, job: check_files(part, expected, job.reports),
    "zip": lambda part, expected, job: check_zip(expected, job.reports),
    "metrics": lambda part, expected, job: match(expected, job.outcome.metrics, job.run.context, "metrics"),
    "row_count": lambda part, expected, job: match(expected, len(_result_rows(job)), job.run.context, "row count"),
    "rows": _check_result_rows,
    "columns": lambda part, expected, job: match(expected, list(job.outcome.columns), job.run.context, "columns"),
    "event_count": lambda part, expected, job: match(expected, job.outcome.events, job.run.context, "event count"),
    "updated_rows": _check_updated,
    "unchanged": _check_unchanged,
    "deleted_rows": _check_deleted,
    "tables_unchanged": lambda part, expected, job: [p for name in expected for p in unchanged(name, job.run)],
}


# ---- http -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Call:
    answer: Answer
    row_changed: bool
    context: Context


def _run_http(case: Mapping[str, Any], open_world: OpenWorld) -> None:
    when, given = case["when"], case.get("given") or {}
    principal = case.get("principal") or when.get("principal") or {}
    requests: Sequence[Mapping[str, Any]] = when["requests"]
    groups = [[request] for request in requests] if any("given" in r for r in requests) else [list(requests)]
    calls: list[_Call] = []
    for group in groups:
        state = {**given, **(group[0].get("given") or {})}
        world = open_world(Start({**SHORTEST_KEY, **(state.get("config") or {})}, instant(when.get("now"))))
        try:
            moment = moment_of(world, world.now_ms())
            _load(world, state, moment)
            calls += [_ask(world, request, request.get("principal") or principal, moment) for request in group]
        finally:
            world.close()
    verdict([f"{name}: {problem}" for name, part in sections(case) for problem in _check_calls(part, calls)])


def _ask(world: World, request: Mapping[str, Any], principal: Mapping[str, Any], moment: Moment) -> _Call:
    filled = fill(request, moment, Credentials(world.mint_token, world.service_token))
    headers = {**_credential(world, principal), **(filled.get("headers") or {})}
    before = snapshot(world, ["job_request"])
    answer = world.http(filled["method"], PUBLIC_PREFIX + filled["path"], headers, filled.get("body"))
    run = Run(world, Context(moment), before=before)
    return _Call(answer, bool(unchanged("job_request", run)), Context(moment_of(world, moment.started)))


def _credential(world: World, principal: Mapping[str, Any]) -> dict[str, str]:
    kind = principal.get("type")
    if kind == "user":
        token = world.mint_token(str(principal["id"]), tuple(principal.get("roles") or ()))
        return {"x-authenticated-user-token": token}
    if kind == "service":
        return {"x-service-token": world.service_token()}
    if kind == "consumer":
        stated = {
            "X-Consumer-ID": principal.get("id"),
            "X-Channel-ID": principal.get("channel"),
            "X-Authenticated-Userid": principal.get("on_behalf_of"),
        }
        return {name: str(value) for name, value in stated.items() if value is not None}
    return {}


def _check_calls(section: Mapping[str, Any], calls: Sequence[_Call]) -> Problems:
    problems: Problems = []
    for name, expected in section.items():
        if name in READERS_ONLY:
            continue
        if name not in _CALL_VALUES and name != "response_never_contains":
            raise UnknownMemberError(f"the runner does not know the assertion {name!r}")
        for place, call in enumerate(calls):
            path = f"request {place} {name}"
            if name == "response_never_contains":
                problems += [f"{path}: the answer holds {text!r}" for text in expected if text in call.answer.text]
                continue
            wanted = expected[place] if isinstance(expected, list) else expected
            found = match(wanted, _CALL_VALUES[name](call), call.context, path)
            problems += [
                f"{problem}; the answer was {call.answer.status} {call.answer.text[:400]}" for problem in found
            ]
    return problems


def _params(call: _Call) -> Mapping[str, Any]:
    body = call.answer.body
    params = body.get("params") if isinstance(body, Mapping) else None
    return params if isinstance(params, Mapping) else {}


def _body(call: _Call) -> Mapping[str, Any]:
    return call.answer.body if isinstance(call.answer.body, Mapping) else {}


_CALL_VALUES: Final[dict[str, Callable[[_Call], Any]]] = {
    "errmsg": lambda call: _params(call).get("errmsg"),
    "err": lambda call: _params(call).get("err"),
    "status": lambda call: _params(call).get("status"),
    "responseCode": lambda call: _body(call).get("responseCode"),
    "http_status": lambda call: call.answer.status,
    "results": lambda call: _body(call).get("result"),
    "row_changed": lambda call: call.row_changed,
}
