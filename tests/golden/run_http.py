"""Running ``http`` cases of the api and certificates folders: a request in → an answer and effects."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from .cases import Case
from .effects import Run, check_emitted, sections, snapshot, topic_name, verdict
from .given import load_request_state, load_tables, subject_of
from .http_effects import HttpRun, check_http_effects
from .instants import instant
from .matching import Context, Problems, in_any_order, match
from .placeholders import Credentials, Moment, fill
from .run_line import CERTIFICATES_CLOCK, OpenWorld, moment_of
from .tables import LEARNING_TABLES, check_rows
from .world import Answer, Start, World

_DATASET: Final = re.compile(r"/dataset/(?:v\d/)?get/(?P<dataset>[^/?]+)")


def run_api(case: Case, open_world: OpenWorld) -> None:
    """Run an http case of the api folder, on its service path and on its gateway path where it has one."""
    pinned = case.pinned()
    paths = [pinned["request"]["path"]]
    if pinned["request"].get("public_path"):
        paths.append(pinned["request"]["public_path"])
    for path in paths:
        problems = _run_api_once({**pinned, "request": {**pinned["request"], "path": path}}, open_world)
        verdict([f"{path}: {problem}" for problem in problems])


def run_certificates_http(case: Case, open_world: OpenWorld) -> None:
    """Run an http case of the certificates folder."""
    pinned = case.pinned()
    when = pinned["when"]
    method, _, path = when["http"].partition(" ")
    request = {"method": method, "path": path, "headers": when.get("headers") or {}, "body": when.get("body")}
    given = pinned.get("given") or {}
    world = open_world(Start(given.get("config") or {}, CERTIFICATES_CLOCK))
    try:
        started = world.now_ms()
        moment = moment_of(world, started)
        load_request_state(world, given, request, pinned.get("principal") or {}, moment)
        load_tables(world, given.get("tables") or {}, moment)
        for key, text in (given.get("storage") or {}).items():
            world.put_file(key, str(text).encode())
        if given.get("services"):
            world.load_answers(fill(given["services"], moment))
        if given.get("stream") == "refuses":
            world.break_part({"part": "stream"})
        answer = _ask(world, request, moment)
        if given.get("stream") == "refuses":
            world.mend()
        world.settle()
        context = Context(moment_of(world, started))
        verdict([p for name, part in sections(pinned) for p in _check_certificates(part, answer, world, context, name)])
    finally:
        world.close()


def _run_api_once(case: Mapping[str, Any], open_world: OpenWorld) -> Problems:
    given, request, principal = case.get("given") or {}, case["request"], case.get("principal") or {}
    world = open_world(Start(given.get("config") or {}, instant(given.get("now"))))
    try:
        started = world.now_ms()
        moment = moment_of(world, started)
        load_request_state(world, given, request, principal, moment)
        _load_files(world, case, moment)
        before = snapshot(world, LEARNING_TABLES)
        if given.get("fault"):
            world.break_part(given["fault"])
        answer = _ask(world, request, moment)
        if given.get("fault"):
            world.mend()
        world.settle()
        context = Context(moment_of(world, started))
        problems, then = _check_answer(case, answer, context)
        run = HttpRun(world, context, answer, subject_of(request, principal), before, given)
        problems += [f"then: {problem}" for problem in check_http_effects(then, run)]
        if case.get("assert") == "derived":
            problems += [f"derived: {problem}" for problem in check_http_effects(case.get("derived") or {}, run)]
        return problems
    finally:
        world.close()


def _ask(world: World, request: Mapping[str, Any], moment: Moment) -> Answer:
    filled = fill(request, moment, Credentials(world.mint_token, world.service_token))
    return world.http(filled["method"], filled["path"], filled.get("headers") or {}, filled.get("body"))


def _check_answer(case: Mapping[str, Any], answer: Answer, context: Context) -> tuple[Problems, Mapping[str, Any]]:
    """Differences from the nearest right answer, and the effects that go with the one that matched."""
    then = case.get("then") or {}
    problems = _answer_problems(case["response"], answer, context)
    if not problems:
        return [], then
    for entry in case.get("accept") or []:
        if not _answer_problems({**case["response"], **entry}, answer, context):
            return [], entry.get("then", then)
    return problems, then


def _answer_problems(response: Mapping[str, Any], answer: Answer, context: Context) -> Problems:
    problems = match(response.get("status"), answer.status, context, "status") if "status" in response else []
    subset = response.get("body_subset")
    if subset:
        problems += match(subset, answer.body, context, "body")
    return [f"{problem}; the answer was {answer.status} {answer.text[:600]}" for problem in problems]


def _load_files(world: World, case: Mapping[str, Any], moment: Moment) -> None:
    given, request, then = case.get("given") or {}, case["request"], case.get("then") or {}
    headers = {str(name).lower(): value for name, value in (request.get("headers") or {}).items()}
    found = _DATASET.search(request["path"])
    folder = ""
    if given.get("storage"):
        dataset = found["dataset"] if found else ""
        folder = world.dataset_folder(dataset, str(headers.get("x-channel-id") or ""))
    for name in given.get("storage") or []:
        world.put_file(f"{folder}/{name}".strip("/"), f"the file {name}\n".encode())
    if isinstance(then.get("signed_object_key"), str):
        key = str(fill(then["signed_object_key"], moment))
        world.put_file(key, key.encode())


def _check_certificates(part: Mapping[str, Any], answer: Answer, world: World, context: Context, name: str) -> Problems:
    problems: Problems = []
    for key, expected in part.items():
        problems += _CERTIFICATE_CHECKS[key](expected, answer, world, context)
    return [f"{name}: {problem}; the answer was {answer.status} {answer.text[:600]}" for problem in problems]


def _check_exception(expected: Any, answer: Answer, world: World, context: Context) -> Problems:
    failed = answer.status >= 400
    return [] if failed == (expected is not None) else [f"expected failure = {expected!r}, got {answer.status}"]


def _check_error(expected: Any, answer: Answer, world: World, context: Context) -> Problems:
    params = (answer.body or {}).get("params") or {} if isinstance(answer.body, Mapping) else {}
    told = {"code": params.get("err"), "message": params.get("errmsg"), "http_status": answer.status}
    return match(expected, told, context, "error")


def _check_events(expected: Any, answer: Answer, world: World, context: Context) -> Problems:
    problems: Problems = []
    for event in expected:
        topic = topic_name(event["topic"])
        sent = [{"key": message.key, "value": message.value} for message in world.messages(topic)]
        wanted = {key: value for key, value in event.items() if key != "topic"}
        problems += in_any_order([wanted], sent, context, f"event on {topic}")
    return problems


def _check_tables(expected: Any, answer: Answer, world: World, context: Context) -> Problems:
    return [
        problem
        for table, rows in expected.items()
        for problem in check_rows(table, rows, world.rows(table), context, loose=False)
    ]


_CERTIFICATE_CHECKS: Final[dict[str, Callable[[Any, Answer, World, Context], Problems]]] = {
    "status": lambda expected, answer, world, context: match(expected, answer.status, context, "status"),
    "body": lambda expected, answer, world, context: match(expected, answer.body, context, "body"),
    "exception": _check_exception,
    "error": _check_error,
    "events": _check_events,
    "tables": _check_tables,
    "emitted": lambda expected, answer, world, context: check_emitted(expected, Run(world, context)),
}
