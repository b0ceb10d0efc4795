"""``then`` of an API case: what the call leaves behind once the line is at rest."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from .effects import READERS_ONLY, UnknownMemberError
from .given import Subject
from .matching import Context, Problems, in_any_order, match
from .placeholders import fill
from .tables import LEARNING_TABLES, Row, check_rows, column, find_row, read_back, table_named
from .world import Answer, Message, World

TOPIC_OF_ACTION: Final = {
    "batch-enrolment-update": "coursebatch.job.request",
    "user-enrolment-sync": "batch.enrolment.sync.request",
    "issue-certificate": "issue.certificate.request",
}
INVALID_TOPIC: Final = "contentstate.invalid"
ASSESSMENT_TOPIC: Final = "telemetry.assess"
AUDIT_TOPIC: Final = "telemetry.raw"
_URL: Final = re.compile(r"https?://[^\s\"'\\]+")


@dataclass(frozen=True)
class HttpRun:
    """A finished call: the world at rest, the answer, whom it was about, and what was there before."""

    world: World
    context: Context
    answer: Answer
    subject: Subject
    before: Mapping[str, Sequence[Row]]
    given: Mapping[str, Any]


def check_http_effects(then: Mapping[str, Any], run: HttpRun) -> Problems:
    """Differences between the listed effects and what is there."""
    problems: Problems = []
    for name, expected in then.items():
        if name in READERS_ONLY:
            continue
        if name in LEARNING_TABLES:
            problems += _check_table(name, expected, run)
        elif name in _EFFECTS:
            problems += _EFFECTS[name](expected, run)
        else:
            raise UnknownMemberError(f"the runner does not know the effect {name!r}")
    return problems


def _check_table(table: str, expected: Any, run: HttpRun) -> Problems:
    rows = run.world.rows(table)
    if isinstance(expected, list) or set(expected) & {"length", "$length", "unordered"}:
        return check_rows(table, expected, rows, run.context, loose=True)
    key = _own_key(table, run.subject)
    wanted = _with_aggregates(expected) if table == "user_activity_agg" else dict(expected)
    return find_row(table, {**key, **wanted}, rows, run.context, loose=True)


def _own_key(table: str, subject: Subject) -> dict[str, Any]:
    """The key of the row of the request's learner, course and batch, as far as the table has such columns."""
    if table == "user_activity_agg":
        context_id = {"context_id": f"cb:{subject.batch}"} if subject.batch else {}
        return {"activity_id": subject.course, "user_id": subject.learner, **context_id}
    named = {"userid": subject.learner, "courseid": subject.course, "batchid": subject.batch}
    keys = {name.replace("_", ""): name for name in table_named(table).keys}
    return {keys[name]: value for name, value in named.items() if name in keys and value}


def _with_aggregates(expected: Mapping[str, Any]) -> dict[str, Any]:
    """A name that is no column of the table is a key of its aggregates."""
    known = {*table_named("user_activity_agg").columns, "agg_details_length", "agg_details_in_order"}
    row: dict[str, Any] = {}
    aggregates: dict[str, Any] = {}
    for name, value in expected.items():
        if column("user_activity_agg", name, loose=True) in known:
            row[name] = value
        else:
            aggregates[name] = value
    if aggregates:
        row["aggregates"] = {**row.get("aggregates", {}), **aggregates}
    return row


def _check_written(expected: Sequence[str], run: HttpRun) -> Problems:
    changed = [name for name in LEARNING_TABLES if _has_new(run.before[name], run.world.rows(name), name)]
    if expected:
        return [f"{name}: no new or changed row" for name in expected if name not in changed]
    moved = [name for name in LEARNING_TABLES if _lines(run.before[name], name) != _lines(run.world.rows(name), name)]
    return [f"{name}: expected no difference from before" for name in moved]


def _lines(rows: Sequence[Mapping[str, Any]], table: str) -> list[str]:
    return sorted(repr(sorted(read_back(table, row).items(), key=lambda item: item[0])) for row in rows)


def _has_new(before: Sequence[Row], after: Sequence[Row], table: str) -> bool:
    return bool(set(_lines(after, table)) - set(_lines(before, table)))


def _check_not_written(expected: Sequence[str], run: HttpRun) -> Problems:
    held = {row.get("contentid") for row in run.world.rows("user_content_consumption")}
    return [f"user_content_consumption: there is a row of {content}" for content in expected if content in held]


def _check_job_count(expected: Any, run: HttpRun) -> Problems:
    return match(expected, len(run.world.rows("job_request")), run.context, "job_request count")


def _check_event(expected: Any, run: HttpRun) -> Problems:
    if expected is None:
        sent = [(topic, message.value) for topic in TOPIC_OF_ACTION.values() for message in run.world.messages(topic)]
        return [f"event: expected none, got {sent[:2]}"] if sent else []
    action = (expected.get("edata") or {}).get("action")
    topics = [TOPIC_OF_ACTION[action]] if action in TOPIC_OF_ACTION else list(TOPIC_OF_ACTION.values())
    return _one_of([message for topic in topics for message in run.world.messages(topic)], expected, run, "event")


def _check_invalid_event(expected: Any, run: HttpRun) -> Problems:
    sent = run.world.messages(INVALID_TOPIC)
    if expected is None:
        return [f"invalid event: expected none, got {len(sent)}"] if sent else []
    return _one_of(sent, expected, run, "invalid event")


def _one_of(sent: Sequence[Message], expected: Any, run: HttpRun, path: str) -> Problems:
    """At least one message matches; ``key`` is the message's key, every other member the message's own."""
    candidates = []
    for message in sent:
        value = message.value if isinstance(message.value, Mapping) else {}
        candidates.append({**value, "key": message.key})
    return in_any_order([expected], candidates, run.context, path)


def _check_assessment(expected: Mapping[str, Any], run: HttpRun) -> Problems:
    updates = [message.value for message in run.world.messages(ASSESSMENT_TOPIC)]
    wanted = {key: value for key, value in expected.items() if key != "events_actor_id"}
    problems = in_any_order([wanted], updates, run.context, "assessment")
    if "events_actor_id" in expected:
        actors = [(event.get("actor") or {}).get("id") for update in updates for event in update.get("events") or []]
        wrong = [actor for actor in actors if match(expected["events_actor_id"], actor, run.context)]
        if wrong or not actors:
            problems.append(f"assessment: expected {expected['events_actor_id']} as every actor, got {actors}")
    return problems


def _audits(run: HttpRun) -> list[Mapping[str, Any]]:
    sent = [message.value for message in run.world.messages(AUDIT_TOPIC)]
    return [value for value in sent if isinstance(value, Mapping) and value.get("eid") == "AUDIT"]


def _check_audit(expected: Mapping[str, Any], run: HttpRun) -> Problems:
    found = [{path: _at(event, path) for path in expected} for event in _audits(run)]
    return in_any_order([dict(expected)], found, run.context, "audit")


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _audit_facts(run: HttpRun) -> list[tuple[str, str]]:
    return [(str(_at(event, "edata.type")), str(_at(event, "object.id"))) for event in _audits(run)]


def _was_sent(wanted: Any, run: HttpRun) -> bool:
    facts = _audit_facts(run)
    if isinstance(wanted, str):
        return any(kind == wanted for kind, _ in facts)
    if isinstance(wanted, list):
        return any({kind, about} == set(wanted) for kind, about in facts)
    members = {str(value) for value in wanted.values()}
    return any(members <= {kind, about} for kind, about in facts)


def _check_audits_sent(expected: Sequence[Any], run: HttpRun) -> Problems:
    return [f"audit {one}: not sent; sent {_audit_facts(run)}" for one in expected if not _was_sent(one, run)]


def _check_audits_not_sent(expected: Sequence[Any], run: HttpRun) -> Problems:
    return [f"audit {one}: was sent" for one in expected if _was_sent(one, run)]


def _check_certificate_count(expected: Any, run: HttpRun) -> Problems:
    sent = run.world.messages(TOPIC_OF_ACTION["issue-certificate"])
    return match(_number(expected), len(sent), run.context, "certificate requests")


def _check_completions(expected: Any, run: HttpRun) -> Problems:
    completions = [event for event in _audits(run) if _at(event, "edata.type") == "enrol-complete"]
    learner = run.subject.learner
    own = [event for event in completions if learner in {_at(event, "object.id"), _at(event, "actor.id")}]
    return match(_number(expected), len(own), run.context, "enrol-complete audits")


def _number(expected: Any) -> Any:
    return int(expected) if isinstance(expected, bool) else expected


def _check_without(expected: Sequence[str], run: HttpRun) -> Problems:
    return [f"the response holds {text!r}" for text in expected if text in run.answer.text]


def _check_other_id(expected: str, run: HttpRun) -> Problems:
    earlier = run.given.get(expected)
    while isinstance(earlier, Mapping):
        earlier = earlier.get("requestId") or earlier.get("request_id") or earlier.get("result")
    got = _at(run.answer.body, "result.requestId")
    return [f"result.requestId: expected another than {earlier}, got {got}"] if got in {None, earlier} else []


def _urls(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [url for item in value.values() for url in _urls(item)]
    if isinstance(value, list):
        return [url for item in value for url in _urls(item)]
    return [value] if isinstance(value, str) and _URL.fullmatch(value) else []


def _check_signed_key(expected: Any, run: HttpRun) -> Problems:
    urls = _urls(run.answer.body)
    if len(set(urls)) != 1:
        return [f"expected one download URL, got {urls}"]
    key = str(fill(expected, run.context.moment))
    behind = run.world.fetch(urls[0])
    return [] if behind == key.encode() else [f"behind the URL lies not the object {key}: {behind[:80]!r}"]


def _check_signed_minutes(expected: Any, run: HttpRun) -> Problems:
    urls = _urls(run.answer.body)
    if not urls:
        return ["there is no download URL"]
    minutes = round(run.world.signed_minutes(urls[0]), 1)
    return match(expected, minutes, replace(run.context, cells="json"), "minutes that the URL is good for")


_EFFECTS: Final[dict[str, Callable[[Any, HttpRun], Problems]]] = {
    "tables_written": _check_written,
    "not_written": _check_not_written,
    "job_request_count": _check_job_count,
    "event": _check_event,
    "invalid_event": _check_invalid_event,
    "assessment": _check_assessment,
    "audit": _check_audit,
    "audit_events": _check_audits_sent,
    "no_audit_events": _check_audits_not_sent,
    "certificate_event": _check_certificate_count,
    "enrol_complete_audit": _check_completions,
    "response_must_not_contain": _check_without,
    "requestId_differs_from": _check_other_id,
    "signed_object_key": _check_signed_key,
    "signed_for_minutes": _check_signed_minutes,
}
