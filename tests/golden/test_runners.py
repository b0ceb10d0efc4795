"""The runners themselves, on a world that does what a test tells it to."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
import pyzipper
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .cases import Case
from .effects import UnknownMemberError
from .given import flat_tree, relations_of_hierarchy, relations_of_sets
from .run_exhaust import run_exhaust
from .run_http import run_api, run_certificates_http
from .run_line import run_line_or_rule
from .world import Answer, CacheView, DeadLetter, Job, JobOutcome, Message, RuleCall, Start, World

NOW = 1_687_176_000_000  # 2023-06-19T12:00:00Z


class Scripted:
    """Keeps what it is given; what happens when an event or a request comes is a function of the test's."""

    def __init__(self, act: Callable[["Scripted", Any], Any] = lambda world, event: None) -> None:
        self.act = act
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.sent: dict[str, list[Message]] = {}
        self.waiting: list[Any] = []
        self.letters: list[DeadLetter] = []
        self.counted: dict[str, float] = {}
        self.stored: dict[str, bytes] = {}
        self.sets: dict[str, frozenset[str]] = {}
        self.courses: list[Mapping[str, Any]] = []
        self.users: dict[str, Mapping[str, Any]] = {}
        self.operations: dict[str, Callable[[RuleCall], Any]] = {}
        self.broken = False
        self.zone: tzinfo = ZoneInfo("Asia/Kolkata")

    def open(self, start: Start) -> World:
        self.start = start
        return cast("World", self)

    def now_ms(self) -> int:
        return NOW

    def close(self) -> None:
        self.closed = True

    def load_tables(self, tables: Mapping[str, Sequence[dict[str, Any]]]) -> None:
        for name, rows in tables.items():
            self.tables.setdefault(name, []).extend(rows)

    def load_relations(self, relations: Any) -> None:
        self.relations = relations

    def import_course(self, tree: Mapping[str, Any]) -> None:
        self.courses.append(tree)

    def load_content(self, documents: Any) -> None:
        self.documents = documents

    def load_users(self, users: Mapping[str, Mapping[str, Any]]) -> None:
        self.users |= users

    def load_tenant_preferences(self, preferences: Any) -> None:
        self.preferences = preferences

    def break_part(self, fault: Any) -> None:
        self.broken = True

    def mend(self) -> None:
        self.broken = False

    def send(self, topic: str, events: Sequence[Any]) -> None:
        self.waiting += events

    def settle(self) -> None:
        while self.waiting and not self.broken:
            self.act(self, self.waiting.pop(0))

    def pending(self) -> int:
        return len(self.waiting)

    def messages(self, topic: str) -> list[Message]:
        return self.sent.get(topic, [])

    def emit(self, topic: str, value: Any, key: str | None = None) -> None:
        self.sent.setdefault(topic, []).append(Message(key, value))

    def counters(self, topic: str) -> Mapping[str, float]:
        return self.counted

    def dead_letters(self) -> list[DeadLetter]:
        return self.letters

    def stopped(self, topic: str) -> bool:
        return False

    def rows(self, table: str) -> list[dict[str, Any]]:
        return self.tables.get(table, [])

    def cache(self) -> CacheView:
        return CacheView(sets=dict(self.sets))

    def http(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        status, answer = self.act(self, {"method": method, "path": path, "headers": headers, "body": body})
        return Answer(status, answer, json.dumps(answer))

    def mint_token(self, uid: str, roles: Sequence[str]) -> str:
        return f"token-{uid}"

    def service_token(self) -> str:
        return "service"

    def authorize(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> bool:
        return "x-authenticated-user-token" in headers

    def run_job(self, job: Job) -> JobOutcome:
        outcome = self.act(self, job)
        assert isinstance(outcome, JobOutcome)
        return outcome

    def files(self) -> list[str]:
        return list(self.stored)

    def read_file(self, key: str) -> bytes:
        return self.stored[key]


def case(folder: str, **recorded: Any) -> Case:
    return Case(folder, "f", None, recorded)


def fails(run: Callable[[], None], text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        run()


LINE = {
    "kind": "line",
    "given": {"tables": {"user_enrolments": [{"userid": "u", "courseid": "c", "batchid": "b", "status": 1}]}},
    "when": {"topic": "t", "events": [{"mid": "1"}, {"mid": "2"}]},
}


def test_a_line_case_compares_rows_messages_and_counters_with_what_the_stages_did() -> None:
    def act(world: Scripted, event: Any) -> None:
        world.tables["user_enrolments"][0]["status"] = 2
        world.emit("telemetry.raw", {"eid": "AUDIT", "of": event["mid"], "ets": NOW})
        world.counted["total-events-count"] = world.counted.get("total-events-count", 0) + 1

    then = {
        "tables": {"user_enrolments": [{"userid": "u", "status": 2}]},
        "emitted": {"sunbirddev.telemetry.raw": [{"of": "2", "ets": "<now-ms>"}, {"of": "1"}], "other": []},
        "emitted_counts": {"telemetry.raw": 2},
        "metrics": {"total-events-count": 2, "failed-events-count": 0},
        "checks": [
            {"check": "value_increases", "table": "user_enrolments", "key": {"userid": "u"}, "column": "status"}
        ],
        "no_exception": True,
    }
    run_line_or_rule(case("pipeline", **LINE, then=then), Scripted(act).open)
    for name, wrong, text in (
        ("tables", {"user_enrolments": "unchanged"}, "to be unchanged"),
        ("tables", {"user_enrolments": []}, "expected no rows"),
        ("emitted", {"telemetry.raw": [{"of": "1"}, {"of": "1"}]}, "none of 2 fits"),
        ("emitted", {"telemetry.raw": []}, "expected nothing"),
        ("emitted_counts", {"telemetry.raw": 3}, "expected 3, got 2"),
        ("metrics", {"failed-events-count": 1}, "expected 1, got 0"),
        ("checks", [{"check": "row_count_increases", "table": "user_enrolments"}], "more than 1 rows"),
        ("job", {"dead_letters": 1}, "dead letters"),
    ):
        wrong_case = case("pipeline", **LINE, then={name: wrong})
        fails(partial(run_line_or_rule, wrong_case, Scripted(act).open), text)


def test_what_is_derived_is_asserted_only_where_the_case_says_so() -> None:
    derived = {"emitted_counts": {"telemetry.raw": 1}}
    run_line_or_rule(case("pipeline", **LINE, then={}, derived=derived), Scripted().open)
    asserted = case("pipeline", **LINE, then={}, derived=derived, **{"assert": "derived"})
    fails(lambda: run_line_or_rule(asserted, Scripted().open), "derived: emitted count")


def test_an_assertion_that_the_runner_does_not_know_is_an_error() -> None:
    with pytest.raises(UnknownMemberError):
        run_line_or_rule(case("pipeline", **LINE, then={"moons": 1}), Scripted().open)


def test_a_pending_event_is_kept_through_a_fault_and_processed_after_it() -> None:
    def done(world: Scripted, event: Any) -> None:
        world.emit("out", event)

    faulty = {**LINE, "given": {"fault": {"part": "store"}}}
    then = {"job": {"$pending": True}, "emitted_counts": {"out": 2}}
    run_line_or_rule(case("pipeline", **faulty, then=then), Scripted(done).open)

    class Losing(Scripted):
        def break_part(self, fault: Any) -> None:
            self.waiting = []

    fails(lambda: run_line_or_rule(case("pipeline", **faulty, then=then), Losing(done).open), "was lost")


def test_the_relation_cache_is_compared_after_the_first_event_and_at_the_end() -> None:
    def grow(world: Scripted, event: Any) -> None:
        world.sets["c:c:leafnodes"] = world.sets.get("c:c:leafnodes", frozenset()) | {event["mid"]}

    then = {
        "redis": {
            "db10": {
                "sets": {"c:c:leafnodes": ["1", "2"], "c:u:leafnodes": []},
                "key_count": 1,
                "keys_absent": ["c:x:ancestors"],
                "after_first_event": {"sets": {"c:c:leafnodes": ["1"]}},
            }
        }
    }
    run_line_or_rule(case("pipeline", **LINE, then=then), Scripted(grow).open)
    wrong = {"redis": {"db10": {"sets": {"c:c:leafnodes": ["1"]}}}}
    fails(lambda: run_line_or_rule(case("pipeline", **LINE, then=wrong), Scripted(grow).open), "leafnodes")


def test_a_rule_case_compares_the_output_of_the_named_operation() -> None:
    def opened(operation: Callable[[RuleCall], Any]) -> Callable[[Start], World]:
        world = Scripted()
        world.operations["compute"] = operation
        return world.open

    rule = {"kind": "rule", "when": {"operation": "compute", "n": 2}}
    good = case("certificates", **rule, then={"result": 4})
    run_line_or_rule(good, opened(lambda call: call.inputs["n"] * 2))
    fails(lambda: run_line_or_rule(good, opened(lambda call: 5)), "expected 4, got 5")

    def refuse(call: RuleCall) -> Any:
        raise ValueError("no such form")

    failing = case("certificates", **rule, then={"exception": "X", "error": {"message": "no such form"}})
    run_line_or_rule(failing, opened(refuse))
    fails(lambda: run_line_or_rule(failing, opened(lambda call: 1)), "expected it to fail")
    with pytest.raises(ValueError, match="no such form"):
        run_line_or_rule(case("certificates", **rule, then={"exception": None}), opened(refuse))


def test_the_access_decision_is_compared_under_both_of_its_names() -> None:
    request = {"method": "GET", "path": "/x", "headers": {"x-authenticated-user-token": "{{token:u}}"}, "body": None}
    policy = {"kind": "rule", "when": {"operation": "authorize-request", "request": request}}
    run_line_or_rule(case("api", **policy, then={"policy": "allow"}), Scripted().open)
    run_line_or_rule(case("certificates", **policy, then={"allowed": True}), Scripted().open)
    fails(lambda: run_line_or_rule(case("api", **policy, then={"policy": "deny"}), Scripted().open), "deny")


HTTP = {
    "kind": "http",
    "principal": {"type": "user", "id": "u"},
    "given": {"enrolments": [{"userId": "u", "courseId": "c", "batchId": "b"}]},
    "request": {
        "method": "PATCH",
        "path": "/v1/content/state/update",
        "headers": {"x-authenticated-user-token": "{{token:u}}"},
        "body": {"request": {"contents": [{"courseId": "c", "batchId": "b", "contentId": "do_1", "status": 2}]}},
    },
}


def accepting(world: Scripted, request: Any) -> tuple[int, Any]:
    assert request["headers"] == {"x-authenticated-user-token": "token-u"}
    row = {"userid": "u", "courseid": "c", "batchid": "b", "contentid": "do_1", "status": 2}
    world.tables.setdefault("user_content_consumption", []).append(row)
    world.emit("coursebatch.job.request", {"edata": {"action": "batch-enrolment-update"}}, "u")
    return 200, {"result": {"do_1": "SUCCESS"}, "responseCode": "OK"}


def test_an_http_case_compares_the_answer_and_the_effects() -> None:
    response = {"status": 200, "body_subset": {"result": {"do_1": "SUCCESS"}}}
    then = {
        "user_content_consumption": {"status": 2},
        "event": {"key": "u", "edata": {"action": "batch-enrolment-update"}},
        "tables_written": ["user_content_consumption"],
        "not_written": ["do_2"],
        "response_must_not_contain": ["secret"],
    }
    run_api(case("api", **HTTP, response=response, then=then), Scripted(accepting).open)
    for name, wrong, text in (
        ("event", None, "expected none"),
        ("event", {"key": "x", "edata": {"action": "batch-enrolment-update"}}, "event"),
        ("tables_written", [], "no difference from before"),
        ("tables_written", ["job_request"], "no new or changed row"),
        ("not_written", ["do_1"], "a row of do_1"),
        ("response_must_not_contain", ["SUCCESS"], "holds"),
        ("user_content_consumption", {"status": 1}, "expected 1, got 2"),
    ):
        wrong_case = case("api", **HTTP, response=response, then={name: wrong})
        fails(partial(run_api, wrong_case, Scripted(accepting).open), text)
    refused = case("api", **HTTP, response={"status": 400}, then={})
    fails(lambda: run_api(refused, Scripted(accepting).open), "expected 400, got 200")


def test_another_right_answer_brings_its_own_effects() -> None:
    accept = [{"defect": "A-1", "status": 200, "then": {"not_written": ["do_2"]}}]
    response = {"status": 400, "body_subset": {"responseCode": "OK"}}
    lenient = case("api", **HTTP, response=response, then={"tables_written": []}, accept=accept)
    run_api(lenient, Scripted(accepting).open)
    strict = [{"defect": "A-1", "status": 500}]
    fails(
        lambda: run_api(case("api", **HTTP, response=response, then={}, accept=strict), Scripted(accepting).open),
        "expected 400",
    )


def test_what_a_case_leaves_out_is_implied() -> None:
    world = Scripted(accepting)
    run_api(case("api", **HTTP, response={"status": 200}, then={}), world.open)
    batch = world.tables["course_batch"][0]
    assert (batch["courseid"], batch["batchid"], batch["enrollmenttype"]) == ("c", "b", "open")
    assert batch["start_date"] < NOW - 2 * 86_400_000
    assert world.courses[0]["leafNodes"] == ["do_1", "c-unnamed-1"]
    assert set(world.users) == {"u"}


def test_a_flat_course_counts_its_own_leaves() -> None:
    assert flat_tree("c", ["a", "b"], {"leafNodesCount": 9})["leafNodesCount"] == 2


def test_relations_are_read_from_sets_and_from_a_hierarchy() -> None:
    hierarchy = {"c": {"leafNodes": ["a", "b"], "optionalNodes": ["b"], "ancestors": {"a": ["u", "c"], "b": ["c"]}}}
    sets = {
        "c:c:leafnodes": ["a", "b"],
        "c:u:leafnodes": ["a"],
        "c:c:optionalnodes": ["b"],
        "c:a:ancestors": ["u", "c"],
        "c:b:ancestors": ["c"],
    }
    assert relations_of_hierarchy(hierarchy) == relations_of_sets(sets)


def test_a_certificates_http_case_may_expect_a_failure() -> None:
    when = {"http": "POST /v1/x?reIssue=true", "headers": {"x-authenticated-user-token": "{{token:u}}"}, "body": {}}

    def act(world: Scripted, request: Any) -> tuple[int, Any]:
        assert request["path"] == "/v1/x?reIssue=true"
        return 400, {"params": {"err": "E", "errmsg": "no"}}

    failing = case("certificates", kind="http", when=when, then={"exception": "X", "status": 400})
    run_certificates_http(failing, Scripted(act).open)
    passing = case("certificates", kind="http", when=when, then={"exception": None})
    fails(lambda: run_certificates_http(passing, Scripted(act).open), "expected failure = None")


def sealed(plain: bytes, key: str) -> bytes:
    """A text-key envelope as the entry of an ordinary zip."""

    def encrypt(data: bytes, secret: bytes) -> bytes:
        padder = padding.PKCS7(128).padder()
        cipher = Cipher(algorithms.AES(secret), modes.CBC(bytes(16))).encryptor()
        return cipher.update(padder.update(data) + padder.finalize()) + cipher.finalize()

    digest = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest().upper().encode()
    wrapped = base64.b64encode(encrypt(b"k" * 32, digest))
    envelope = b"TEXT_KEY_ENCRYPTED_DATASET\n" + wrapped + b"\n" + encrypt(plain, b"k" * 32)
    packed = io.BytesIO()
    with pyzipper.AESZipFile(packed, "w") as archive:
        archive.writestr("b.csv", envelope)
    return packed.getvalue()


PATH = "reports/p/R/b_progress_{yyyymmdd}"
FILE = {
    "path": f"{PATH}.csv",
    "header": ["User UUID", "Progress"],
    "rows": [["u2", ""], ["u1", "100"]],
    "row_count": 2,
    "assertions": [
        {"column": "User UUID", "op": "same_multiset", "values": ["u2", "u1"]},
        {"column": "Progress", "op": "contains_all", "values": [None]},
        {"where": {"User UUID": "u1"}, "equals": {"Progress": "100"}},
    ],
}
REPORT = {
    "kind": "line",
    "given": {
        "tables": {"job_request": [{"tag": "t", "request_id": "R", "status": "SUBMITTED", "encryption_key": "test12"}]},
        "tenant_preferences": {"dataSecurityPolicy": {"level": "TEXT_KEY_ENCRYPTED_DATASET"}},
    },
    "when": {"job": "progress-exhaust", "model_params": {"csvColumns": ["userid"], "sparkRedisConnectionHost": "h"}},
    "pins": [{"path": "then.files[0].path", "defect": "X-5", "instead": f"{PATH}.zip"}],
}


def reporting(*, plain_too: bool = False) -> Callable[[Scripted, Any], JobOutcome]:
    def act(world: Scripted, job: Job) -> JobOutcome:
        assert job.params == {"csvColumns": ["userid"]}
        data = b"User UUID,Progress\nu1,100\nu2,\n"
        world.stored["reports/p/R/b_progress_20230619.zip"] = sealed(data, "test12")
        if plain_too:
            world.stored["reports/p/R/b_progress_20230619.csv"] = data
        world.tables["job_request"][0]["status"] = "SUCCESS"
        return JobOutcome(metrics={"totalRequests": 1})

    return act


def test_a_report_case_opens_the_sealed_file_and_compares_its_cells() -> None:
    then = {
        "files": [FILE],
        "job_request": [{"request_id": "R", "status": "SUCCESS"}],
        "metrics": {"totalRequests": 1},
    }
    run_exhaust(case("exhaust", **REPORT, then=then), Scripted(reporting()).open)
    fails(
        lambda: run_exhaust(case("exhaust", **REPORT, then=then), Scripted(reporting(plain_too=True)).open),
        "the plain file lies in the store",
    )
    for name, wrong, text in (
        ("header", ["User UUID"], "header"),
        ("rows", [["u1", "100"]], "rows"),
        ("row_count", 3, "row count"),
        ("assertions", [{"column": "Progress", "op": "same_multiset", "values": ["100"]}], "same_multiset"),
        ("assertions", [{"column": "Progress", "op": "any_of", "values": ["99"]}], "any_of"),
        ("assertions", [{"where": {"User UUID": "u3"}, "equals": {}}], "no row has"),
        ("assertions", [{"first_row_of": {"User UUID": "u1"}, "equals": {"Progress": ""}}], "Progress"),
        ("assertions", [{"User UUID in order": ["u2", "u1"]}], "User UUID"),
    ):
        wrong_case = case("exhaust", **REPORT, then={"files": [{**FILE, name: wrong}]})
        fails(partial(run_exhaust, wrong_case, Scripted(reporting()).open), text)
    none = case("exhaust", **{**REPORT, "pins": []}, then={"files": []})
    fails(lambda: run_exhaust(none, Scripted(reporting()).open), "expected none")
