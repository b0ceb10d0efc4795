"""Running ``rule`` cases: a named pure operation, its inputs and its output, in every folder's form."""

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from .effects import READERS_ONLY, sections
from .instants import instant
from .matching import Context, Problems, match
from .placeholders import Credentials, Moment, fill, fill_run_date
from .world import NotBuilt, Operation, RuleCall, World

_FAILURE: Final = frozenset({"exception", "error"})
Shape = Callable[[Mapping[str, Any], Operation, Mapping[str, Any], World], dict[str, Any]]


def run_rule(folder: str, case: Mapping[str, Any], world: World) -> Problems:
    """Differences between the operation's outputs and the asserted ones."""
    operation = case["when"]["operation"]
    moment = Moment(world.now_ms(), world.now_ms(), world.zone)
    expected = [(name, part) for name, part in sections(case) if part]
    if operation == "authorize-request":
        return _run_policy(case, world, moment, expected)
    if operation not in world.operations:
        raise NotBuilt("rules", operation)
    output, error = _call(folder, case, world, operation, expected)
    context = Context(moment, pending_kept=None)
    problems: Problems = []
    for name, recorded in expected:
        part = fill_run_date(recorded, world.now_ms())
        problems += [f"{name}: {problem}" for problem in _check_failure(part, error, context)]
        for key, value in part.items():
            if key in READERS_ONLY or key in _FAILURE:
                continue
            cells = replace(context, cells="table") if key in _TIMES else context
            problems += match(value, output.get(key), cells, f"{name}.{key}")
    must_fail = any(part.get("exception") is not None for _, part in expected)
    if error is not None and not must_fail:
        raise error
    return problems


def _call(
    folder: str, case: Mapping[str, Any], world: World, operation: str, expected: Sequence[tuple[str, Any]]
) -> tuple[dict[str, Any], Exception | None]:
    when, given = case["when"], case.get("given") or {}
    wanted = {key: value for _, part in expected for key, value in part.items()}
    function = world.operations[operation]
    try:
        if folder == "exhaust" or (folder == "pipeline" and operation in _SHAPES):
            return _SHAPES[operation](when, function, wanted, world), None
        inputs = {key: value for key, value in when.items() if key != "operation"}
        if set(inputs) == {"inputs"}:
            inputs = inputs["inputs"]
        output = function(RuleCall(inputs, given, case.get("principal") or {}, folder))
    except NotBuilt:
        raise
    except Exception as error:  # noqa: BLE001  whether a rule may fail is what the case says
        return {}, error
    return dict(output) if isinstance(output, Mapping) else {"result": output}, None


def _check_failure(part: Mapping[str, Any], error: Exception | None, context: Context) -> Problems:
    problems: Problems = []
    if part.get("exception") is not None and error is None:
        problems.append(f"expected it to fail ({part['exception']}), it did not")
    if "error" in part and error is not None:
        details = {
            "code": getattr(error, "code", None),
            "message": getattr(error, "message", str(error)),
            "http_status": getattr(error, "status", None),
        }
        problems += match(part["error"], details, context, "error")
    return problems


def _run_policy(case: Mapping[str, Any], world: World, moment: Moment, expected: Sequence[tuple[str, Any]]) -> Problems:
    """The access decision, written ``policy`` in one folder and ``allowed`` in another."""
    request = fill(case["when"]["request"], moment, Credentials(world.mint_token, world.service_token))
    allowed = world.authorize(request["method"], request["path"], request.get("headers") or {}, request.get("body"))
    output = {"policy": "allow" if allowed else "deny", "allowed": allowed}
    return [problem for name, part in expected for problem in match(dict(part), output, Context(moment), name)]


def _each(when: Mapping[str, Any], function: Operation) -> list[Any]:
    """The outputs for every set of inputs, in order."""
    listed = when["cases"] if "cases" in when else [when.get("inputs") or {}]
    return [_one(function, inputs) for inputs in listed]


def _one(function: Operation, inputs: Mapping[str, Any]) -> Any:
    return function(RuleCall(inputs, {}, {}, "exhaust"))


def _results(when: Mapping[str, Any], function: Operation, wanted: Mapping[str, Any], world: World) -> dict[str, Any]:
    return {"results": _each(when, function)}


def _single(when: Mapping[str, Any], function: Operation, wanted: Mapping[str, Any], world: World) -> dict[str, Any]:
    """The operation's own output object; with ``cases`` each of its members is a list in the same order."""
    outputs = [dict(out) if isinstance(out, Mapping) else {"results": out} for out in _each(when, function)]
    if "cases" not in when:
        return outputs[0]
    names = dict.fromkeys(name for output in outputs for name in output)
    return {name: [output.get(name) for output in outputs] for name in names}


def _enrolment_dates(
    when: Mapping[str, Any], function: Operation, wanted: Mapping[str, Any], world: World
) -> dict[str, Any]:
    """One effective instant per row, as a list and by its place."""
    found = [_one(function, {"row": row}) for row in when["inputs"]["rows"]]
    moments = [instant(value) for value in found]
    return {"enrolleddate": moments, "enrolleddate_by_row_index": {str(at): ms for at, ms in enumerate(moments)}}


def _batch_dates(
    when: Mapping[str, Any], function: Operation, wanted: Mapping[str, Any], world: World
) -> dict[str, Any]:
    inputs = when["inputs"]
    found = [_one(function, {"row": row, "zone": inputs["zone"]}) for row in inputs["rows"]]
    return {name: [dates[name] for dates in found] for name in ("startdate", "enddate")}


def _request_ids(
    when: Mapping[str, Any], function: Operation, wanted: Mapping[str, Any], world: World
) -> dict[str, Any]:
    ids = _each(when, function)
    vectors = [
        {**vector, "request_id": _one(function, {key: vector[key] for key in vector if key != "request_id"})}
        for vector in wanted.get("vectors") or []
    ]
    return {"request_ids": "differ" if len(set(ids)) == len(ids) else "same", "vectors": vectors, "results": ids}


def _paths(when: Mapping[str, Any], function: Operation, wanted: Mapping[str, Any], world: World) -> dict[str, Any]:
    """Paths, and the examples that carry their own inputs beside the outputs."""
    examples = []
    for example in wanted.get("timezone_examples") or []:
        inputs = {"job": "progress-exhaust", "request_id": "R", "batch_id": "b", "utc_now": example["utc_now"]}
        examples.append({**example, "yyyymmdd": str(_one(function, inputs)).rpartition("_")[2]})
    per_report = {}
    for job in wanted.get("per_report") or {}:
        path = str(_one(function, {"job": job, "request_id": "R", "batch_id": "b"}))
        per_report[job] = path.removeprefix(f"{job}/R/b_").rpartition("_")[0]
    return {"paths": _each(when, function), "timezone_examples": examples, "per_report": per_report}


def _sealed(when: Mapping[str, Any], function: Operation, wanted: Mapping[str, Any], world: World) -> dict[str, Any]:
    """The layout of the sealed bytes, read from the bytes themselves."""
    inputs = when["inputs"]
    sealed: bytes = _one(function, {**inputs, "plain": b"x" * int(inputs["plain_length"])})
    first, second, body = sealed.split(b"\n", 2)
    return {
        "line_1": first.decode(),
        "line_2_length": len(second),
        "body_length": len(body),
        "key_bits": len(base64.b64decode(second)) * 8 if inputs.get("public_key_pem") else None,
    }


def _opened(when: Mapping[str, Any], function: Operation, wanted: Mapping[str, Any], world: World) -> dict[str, Any]:
    """The plain report; what is met on the way is asserted where the operation tells it."""
    inputs = when["inputs"]
    data = base64.b64decode(inputs["file_base64"])
    told = _one(function, {"file": data, "user_key": inputs["user_key"]})
    details = dict(told) if isinstance(told, Mapping) else {"plain": told}
    plain: bytes = details.pop("plain")
    first, second, _ = data.split(b"\n", 2)
    return {
        "line_1": first.decode(),
        "line_2": second.decode(),
        "line_2_length": len(second),
        "user_key_digest": hashlib.md5(str(inputs["user_key"]).encode(), usedforsecurity=False).hexdigest().upper(),
        "plain_csv_base64": base64.b64encode(plain).decode(),
        "plain_sha256": hashlib.sha256(plain).hexdigest(),
        **details,
    }


_TIMES: Final = frozenset({"enrolleddate", "enrolleddate_by_row_index"})
_SHAPES: Final[dict[str, Shape]] = {
    "effective-enrolment-end-date": _results,
    "effective-enrolment-date": _enrolment_dates,
    "effective-batch-dates": _batch_dates,
    "request-id": _request_ids,
    "report-path": _paths,
    "decrypt-stored-field": _results,
    "seal-report": _sealed,
    "open-sealed-report": _opened,
    "collection-progress": _results,
    "identity-memory": _single,
    "failed-event": _single,
}
