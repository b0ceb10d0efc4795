"""The only file that knows the product: a ``World`` made of Lernline's rooms.

A method of a room that is not wired raises ``NotBuilt`` with that room's name.
"""

import asyncio
import json
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import tzinfo
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, NoReturn

import httpx
import msgspec
from sqlalchemy import select

from lernline.api.auth import Authenticator
from lernline.api.principals import Principal
from lernline.api.table import authorize
from lernline.api.tokens import mint_token, service_token
from lernline.blob.links import LinkSigner
from lernline.catalog.service import content_of, import_course
from lernline.certify.criteria import EnrolmentFacts, read_scores
from lernline.certify.requests import (
    IssuedEntry,
    LearnerFacts,
    LineSettings,
    decide_issue,
    evaluate_template,
    parse_issue_event,
    validate_generate_request,
)
from lernline.certify.template import refuse_bad_template
from lernline.clock import Clock, FixedClock, SystemClock
from lernline.commands.server import run_server
from lernline.errors import Forbidden, Unavailable
from lernline.model import Changes, Content, Course, Event, Identity
from lernline.people.profile import profile_of
from lernline.report.keyring import Keyring
from lernline.report.registry import DEFINITIONS
from lernline.report.rules import report_path, request_id
from lernline.settings import Settings
from lernline.store.sql.tables import metadata
from lernline.stream.embedded import EmbeddedLog
from lernline.times import parse_time
from lernline.wiring import STATIONS, Line

from .instants import instant
from .tables import Row
from .world import (
    Answer,
    CacheView,
    DeadLetter,
    Job,
    JobOutcome,
    Message,
    NotBuilt,
    Operation,
    Relations,
    RuleCall,
    Start,
)

_SETTINGS: Final = {
    "assessment.skip.missingRecords": "assessment_skip_missing_records",
    "assessment_skip_missing_records": "assessment_skip_missing_records",
    "assessment.attempts.limit": "assessment_attempts_limit",
    "assessment.metrics.supported.contenttype": "assessment_content_types",
    "assessment.metrics.supported.primaryCategories": "assessment_primary_categories",
    "enrollment_list_size": "enrollment_list_size",
    "sunbird_default_channel": "default_channel",
    "sunbird_time_zone": "time_zone",
    "exhaust.batches.limit.per.channel": "exhaust_batches_limit_per_channel",
    "exhaust.file.size.limit.per.channel": "exhaust_file_size_limit_per_channel",
    "data_exhaust.batch.limit.per.request": "exhaust_batch_limit_per_request",
    "channel.data_exhaust.expiryMins": "exhaust_download_minutes",
    "collection.exhaust.store.prefix": "exhaust_store_prefix",
    "report.password.minimum": "report_password_min_length",
}
_SHORTEST_KEY: Final = 5  # keys in these fixtures are short; the shortest is a setting (ruling 29)
_LISTS: Final = frozenset({"assessment_content_types", "assessment_primary_categories"})
GATEWAY: Final = "127.0.0.1"  # the address that requests of the runner come from
_ALL_LETTERS: Final = 10_000
_LONGEST_LINK_MS: Final = 7 * 24 * 3_600_000
_LINK_STEP_MS: Final = 500


def open_world(start: Start) -> "ProductWorld":
    """A system that starts empty."""
    return ProductWorld(start)


class ProductWorld:
    """Lernline in one process, on a temporary folder."""

    def __init__(self, start: Start) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="lernline-golden-")
        clock: Clock = SystemClock() if start.clock_ms is None else FixedClock(start.clock_ms)
        self._line = Line(_settings(Path(self._folder.name), start.config), clock)
        self._sent: set[int] = set()
        self._broken = False
        self._closing = ExitStack()
        self._counted: dict[str, Counter[str]] = {}

    @cached_property
    def _client(self) -> httpx.Client:
        """A client of the served API, which is started when a case first asks something of it."""
        stop = threading.Event()
        serving = threading.Thread(target=run_server, args=(self._line, stop))
        serving.start()
        self._closing.callback(serving.join)
        self._closing.callback(stop.set)
        address = (self._line.settings.host, self._line.settings.port)
        while serving.is_alive():
            with suppress(ConnectionRefusedError), socket.create_connection(address, timeout=5):
                break
            time.sleep(0.005)
        return self._closing.enter_context(httpx.Client(base_url=self._line.public_url, timeout=20))

    @property
    def zone(self) -> tzinfo:
        return self._line.zone

    def now_ms(self) -> int:
        return self._line.clock.now_ms()

    def close(self) -> None:
        self._closing.close()
        self._line.close()
        self._folder.cleanup()

    # state before the case

    def load_tables(self, tables: Mapping[str, Sequence[Row]]) -> None:
        for name, rows in tables.items():
            table = _table(name)
            if table not in metadata.tables:
                _missing("people and pipeline complete", f"table {name}")
            self._line.store.import_rows(table, self._kept(rows) if table == "job_request" else rows)

    def _kept(self, requests: Sequence[Row]) -> list[dict[str, Any]]:
        """Request rows as they lie in the table: keys are never kept as they were sent."""
        keyring = Keyring(self._line.settings.keys / "reports")
        return [
            {**row, "encryption_key": keyring.locked(row["encryption_key"], row["request_id"])}
            if row.get("encryption_key")
            else dict(row)
            for row in requests
        ]

    def load_relations(self, relations: Sequence[Relations]) -> None:
        courses = [
            Course(Content(one.course, name=one.course, leaf_nodes_count=_size(one)), b"", _sets(one))
            for one in relations
        ]
        self._line.store.commit(Changes(courses=courses))

    def import_course(self, tree: Mapping[str, Any]) -> None:
        _, changes = import_course(json.dumps(tree).encode(), self._line.kinds)
        self._line.store.commit(changes)

    def load_content(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self._line.store.commit(Changes(contents=[content_of(document) for document in documents]))

    def load_templates(self, assets: Sequence[Mapping[str, Any]], drawings: Mapping[str, str]) -> None:
        self.load_content(assets)

    def load_users(self, users: Mapping[str, Mapping[str, Any]]) -> None:
        profiles = []
        for uid, record in users.items():
            root = record.get("rootOrg") or {}
            known = {name.lower(): value for name, value in record.items() if isinstance(value, str)}
            home = {"userid": uid, "rootorgid": root.get("id"), "userchannel": root.get("channel")}
            roles = {
                *record.get("roles", ()),
                *(one for org in record.get("organisations", ()) for one in org["roles"]),
            }
            profile = profile_of({**known, **home}.items())
            profiles.append(msgspec.structs.replace(profile, roles=sorted(str(role) for role in roles)))
        self._line.store.save_profiles(profiles)

    def load_user_cache(self, hashes: Mapping[str, Mapping[str, str]]) -> None:
        profiles = [profile_of({**fields, "userid": uid}.items()) for uid, fields in hashes.items()]
        self._line.store.save_profiles(profiles)

    def load_group(self, group_id: str, members: Sequence[Mapping[str, Any]]) -> None:
        _missing("people and pipeline complete", "groups")

    def load_tenant_preferences(self, preferences: Mapping[str, Any]) -> None:
        rows = [
            {"orgid": "default", "key": key, "data": json.dumps(value)}
            for key, value in preferences.items()
            if isinstance(value, Mapping)
        ]
        self._line.store.import_rows("tenant_preference_v2", rows)

    def load_answers(self, answers: Any) -> None:
        _missing("people and pipeline complete", "neighbouring services")

    def put_file(self, key: str, data: bytes) -> None:
        self._line.blob.put(key, [data])

    def dataset_folder(self, dataset: str, channel: str) -> str:
        _missing("exhausts complete", "dataset files")

    def break_part(self, fault: Mapping[str, Any]) -> None:
        if fault.get("part") == "group-service":
            _missing("people and pipeline complete", "groups")
        self._broken = True
        vars(self._line.store)["commit"] = _refuse
        vars(self._line.stream)["append"] = _refuse

    def mend(self) -> None:
        self._broken = False
        for holder, name in ((self._line.store, "commit"), (self._line.stream, "append")):
            vars(holder).pop(name, None)

    # the line

    def send(self, topic: str, events: Sequence[Any]) -> None:
        if events:
            messages = [Event(topic, _key(one), json.dumps(one).encode()) for one in events]
            last = EmbeddedLog(self._line.db, self._line.clock).append(messages)
            self._sent |= set(range(last - len(events) + 1, last + 1))

    def settle(self) -> None:
        try:
            self._line.drain(self._count)
        except Unavailable:
            if not self._broken:
                raise

    def pending(self) -> int:
        stages = [self._line.stage(station) for station in STATIONS]
        return sum(self._line.stream.lag(stage.group, stage.topics) for stage in stages)

    def messages(self, topic: str) -> Sequence[Message]:
        query = "SELECT position, key, value FROM event_log WHERE topic = ? ORDER BY position"
        with self._line.db.reading() as connection:
            found = connection.exec_driver_sql(query, (topic,)).all()
        return [Message(key, json.loads(value)) for position, key, value in found if position not in self._sent]

    def counters(self, topic: str) -> Mapping[str, float]:
        names = [stage.name for stage in map(self._line.stage, STATIONS) if topic in stage.topics]
        return dict(sum((self._counted.get(name, Counter()) for name in names), Counter[str]()))

    def dead_letters(self) -> Sequence[DeadLetter]:
        letters = self._line.store.dead_letters(limit=_ALL_LETTERS)
        return [DeadLetter(one.topic, json.loads(one.value), f"{one.code} {one.reason}") for one in letters]

    def stopped(self, topic: str) -> bool:
        return False  # a worker of ours never stops for good: ``settle`` would have raised

    def _count(self, stage: str, counts: dict[str, int]) -> None:
        self._counted.setdefault(stage, Counter()).update(counts)

    # state after the case

    def rows(self, table: str) -> Sequence[Row]:
        known = metadata.tables.get(_table(table))
        if known is None:
            _missing("people and pipeline complete", f"table {table}")
        with self._line.db.reading() as connection:
            return [dict(row) for row in connection.execute(select(known)).mappings()]

    def cache(self) -> CacheView:
        sets = {row["relationship_key"]: frozenset(json.loads(row["node_ids"])) for row in self._rows_of_relations()}
        strings = {
            unit["identifier"]: json.dumps(unit)
            for row in self.rows("content_hierarchy")
            for unit in _units(json.loads(row["hierarchy"] or "{}"), str(row["identifier"]))
            if sets.get(f"{row['identifier']}:{unit['identifier']}:leafnodes")
        }
        hashes = {
            f"user:{row['id']}": {name: str(value) for name, value in row.items() if value is not None}
            for row in self.rows("user")
        }
        return CacheView(sets, strings, hashes)

    def _rows_of_relations(self) -> Sequence[Row]:
        return self.rows("hierarchy_relations")

    def provider_calls(self) -> Sequence[Mapping[str, Any]]:
        _missing("people and pipeline complete", "notifications")

    def http_calls(self) -> Sequence[str]:
        _missing("people and pipeline complete", "neighbouring services")

    # HTTP

    def http(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        content = b"" if body is None else json.dumps(body).encode()
        sent = dict(headers) if body is None else {"content-type": "application/json", **headers}
        answer = self._client.request(method, path, headers=sent, content=content)
        return Answer(answer.status_code, _json_or_none(answer.content), answer.text)

    def mint_token(self, uid: str, roles: Sequence[str]) -> str:
        return mint_token(self._line.settings.keys / "tokens", uid, tuple(roles))

    def service_token(self) -> str:
        return service_token(self._line.settings.keys)

    def authorize(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> bool:
        return authorize(method, path, headers, body, self._principal(headers))

    def _principal(self, headers: Mapping[str, str]) -> Principal:
        """Who these headers are believed to be from, by the served API's own authenticator."""
        with ThreadPoolExecutor(1) as executor:
            authenticator = Authenticator(self._line.settings, self._line.clock, executor)
            raw = {name.lower().encode(): value.encode() for name, value in headers.items()}
            return asyncio.run(authenticator.principal(raw, GATEWAY))

    def fetch(self, url: str) -> bytes:
        answer = self._client.get(url)
        return answer.content if answer.status_code == HTTPStatus.OK else b""

    def signed_minutes(self, url: str) -> float:
        """Minutes between now and the instant from which the link is refused, found by asking at other times."""
        token = url.rpartition("/")[2]
        good, ended = 0, _LONGEST_LINK_MS
        while ended - good > _LINK_STEP_MS:
            middle = (good + ended) // 2
            if self._opens(token, self.now_ms() + middle):
                good = middle
            else:
                ended = middle
        return ended / 60_000

    def _opens(self, token: str, at_ms: int) -> bool:
        try:
            LinkSigner(self._line.settings.keys / "links", FixedClock(at_ms)).verify(token)
        except Forbidden:
            return False
        return True

    # reports

    def run_job(self, job: Job) -> JobOutcome:
        if job.name not in DEFINITIONS or (job.mode or "OnDemand").lower() == "standalone":
            _missing("exhausts complete", job.name)
        tally = self._line.runner(default_layout="v2").run_waiting((job.name,))
        return JobOutcome(
            metrics={
                "totalRequests": tally.total,
                "failedRequests": tally.failed,
                "successRequests": tally.success,
                "duplicateRequests": tally.duplicate,
            }
        )

    def files(self) -> Sequence[str]:
        return [stored.key for stored in self._line.blob.list("")]

    def read_file(self, key: str) -> bytes:
        return b"".join(self._line.blob.get(key))

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {
            "identity-memory": self._remember,
            "evaluate-template": self._evaluate,
            "validate-generate-request": _validate,
            "decide-issue": _decide,
            "report-path": _report_path,
            "request-id": _request_id,
        }

    def _remember(self, call: RuleCall) -> dict[str, Any]:
        results: list[bool | None] = []
        for step in call.inputs["steps"]:
            name, text = next(iter(step.items()))
            identity = Identity("learner", str(text).encode().hex())
            if name == "is_unique":
                results.append(not self._line.store.seen([identity]))
            else:
                self._line.store.commit(Changes(identities=[identity]))
                results.append(None)
        return {"results": results}

    def _evaluate(self, call: RuleCall) -> dict[str, Any]:
        config = call.given.get("config") or {}
        request = parse_issue_event(call.inputs["event"])[0]
        template = refuse_bad_template(call.inputs["template"])
        facts = _facts(call.given, request.course_id)
        types = _listed(config.get("assessment.metrics.supported.contenttype") or ["SelfAssess"])
        placeholder = config.get("cloud_store_base_path_placeholder") or "CLOUD_BASE_PATH"
        base = config.get("cloud_storage_cname_url") or config.get("cloud_storage_base_url")
        settings = LineSettings(
            f"{config.get('cert_domain_url')}/certs",
            storage_placeholder=placeholder,
            storage_base=f"{base}/{config.get('content_cloud_storage_container')}" if base else placeholder,
            supported_types=types,
        )
        event = evaluate_template(request, template, facts, settings, now_ms=self.now_ms(), message_id="LP.0.0")
        return {"generate_event": event}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _settings(folder: Path, config: Mapping[str, Any]) -> Settings:
    values: dict[str, Any] = {
        "data": folder,
        "worker_batch_wait_ms": 0,
        "port": _free_port(),
        "gateway_addresses": (GATEWAY,),
        "report_password_min_length": _SHORTEST_KEY,
    }
    for name, value in config.items():
        own = _SETTINGS.get(name)
        if own is not None and value not in ("", None):
            values[own] = _listed(value) if own in _LISTS else value
    return Settings(**values)


def _table(name: str) -> str:
    """Lernline's name of a table of the cases."""
    return {"consumer_channel": "consumer_channel_mapping"}.get(name, name.removeprefix("sunbird."))


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _key(event: Any) -> str | None:
    """The learner that a message is keyed by."""
    edata = event.get("edata") if isinstance(event, Mapping) else None
    for holder in (edata, event):
        if isinstance(holder, Mapping) and isinstance(holder.get("userId"), str):
            return str(holder["userId"])
    return None


def _size(relations: Relations) -> int:
    return len(relations.leaves.get(relations.course, ()))


def _sets(relations: Relations) -> dict[str, list[str]]:
    kinds = {"leafnodes": relations.leaves, "optionalnodes": relations.optional, "ancestors": relations.ancestors}
    return {
        f"{relations.course}:{node}:{kind}": sorted(members)
        for kind, nodes in kinds.items()
        for node, members in nodes.items()
    }


def _units(node: Mapping[str, Any], course: str) -> list[Mapping[str, Any]]:
    """Every collection below a course that has children of its own."""
    found: list[Mapping[str, Any]] = []
    for child in node.get("children") or []:
        if child.get("children") and child.get("identifier") != course:
            found.append(child)
        found += _units(child, course)
    return found


def _validate(call: RuleCall) -> dict[str, Any]:
    validate_generate_request(call.inputs["event"])
    return {}


def _decide(call: RuleCall) -> dict[str, Any]:
    row = call.given.get("enrolment_row")
    issued = None if row is None else [IssuedEntry.read(entry) for entry in row.get("issued_certificates") or []]
    return {"result": decide_issue(call.inputs["event"], issued)}


def _facts(given: Mapping[str, Any], course: str) -> LearnerFacts:
    """What the rows and documents of a rule case say of the learner."""
    row = given.get("enrolment_row")
    aggregates = given.get("user_activity_agg_row") or {}
    known = {
        content: {name.lower(): value for name, value in document.items()}
        for content, document in (given.get("content_cache") or {}).items()
    }
    types = {content: str(document.get("contenttype") or "") for content, document in known.items()}
    read = _answer(given.get("content_read_api"), "result.content") or {}
    if read.get("identifier") and read.get("contentType"):
        types.setdefault(str(read["identifier"]), str(read["contentType"]))
    document = given.get("course_cache") or {}
    document = document.get(course, document)
    if not document.get("name"):
        document = _answer(given.get("content_read_api"), "result.content") or {}
    columns = {}
    for name, value in (row or {}).items():
        columns[name] = instant(value) if name in {"completedon", "enrolled_date"} else value
    return LearnerFacts(
        enrolment=None
        if row is None
        else EnrolmentFacts(row.get("active", True), row.get("status") or 0, columns.get("completedon")),
        issued=tuple(IssuedEntry.read(entry) for entry in (row or {}).get("issued_certificates") or []),
        enrolment_columns=columns,
        scores=read_scores(aggregates.get("agg") or {}, aggregates.get("aggregates") or {}, types),
        user=_user(given.get("user_read_api")),
        course_name=str(document.get("name") or ""),
    )


def _user(answer: Any) -> Any:
    """The learner's profile: none where the account is blocked; a directory that does not answer is away."""
    status = answer.get("status", 200) if isinstance(answer, Mapping) else 200
    blocked = status == HTTPStatus.BAD_REQUEST and "UOS_USRRED0006" in json.dumps(answer)
    if status != HTTPStatus.OK and not blocked:
        raise Unavailable(f"the user directory answers {status}")
    return _answer(answer, "result.response")


def _answer(answer: Any, path: str) -> Any:
    """What lies at a path of a neighbour's answer; the case gives the whole body or that one part."""
    if not isinstance(answer, Mapping) or answer.get("status", 200) != 200:
        return None
    if path in answer:
        return answer[path]
    value = answer.get("body")
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _json_or_none(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None


def _refuse(*_: object, **__: object) -> NoReturn:
    raise Unavailable("this part is away for the case")


def _request_id(call: RuleCall) -> str:
    one = call.inputs
    more = [one["type"]] if one.get("type") else []
    return request_id(one["dataset"], one["tag"], one["requestedBy"], one["channel"], one["day"], *more)


def _report_path(call: RuleCall) -> str:
    one = call.inputs
    now = one.get("utc_now")
    at_ms = parse_time(now) if now else SystemClock().now_ms()
    return report_path(one["job"], one["request_id"], one["batch_id"], at_ms)


def _missing(room: str, what: str) -> NoReturn:
    raise NotBuilt(room, what)
