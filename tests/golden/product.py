"""The only file that knows the product: a ``World`` made of Lernline's rooms.

A method of a room that is not wired raises ``NotBuilt`` with that room's name.
"""

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from .tables import Row
from .world import Answer, CacheView, DeadLetter, Job, JobOutcome, Message, NotBuilt, Operation, Relations, Start


def open_world(start: Start) -> "ProductWorld":
    """A system that starts empty."""
    return ProductWorld(start)


class ProductWorld:
    """Lernline in one process, on a temporary folder."""

    def __init__(self, start: Start) -> None:
        self._start = start

    @property
    def zone(self) -> tzinfo:
        return ZoneInfo("Asia/Kolkata")

    def now_ms(self) -> int:
        _missing("the house", "clock")

    def close(self) -> None:
        return None

    def load_tables(self, tables: Mapping[str, Sequence[Row]]) -> None:
        _missing("store", "load tables")

    def load_relations(self, relations: Sequence[Relations]) -> None:
        _missing("catalog", "load relations")

    def import_course(self, tree: Mapping[str, Any]) -> None:
        _missing("catalog", "import a course")

    def load_content(self, documents: Sequence[Mapping[str, Any]]) -> None:
        _missing("catalog", "content search")

    def load_templates(self, assets: Sequence[Mapping[str, Any]], drawings: Mapping[str, str]) -> None:
        _missing("certify", "template assets")

    def load_users(self, users: Mapping[str, Mapping[str, Any]]) -> None:
        _missing("people", "user directory")

    def load_user_cache(self, hashes: Mapping[str, Mapping[str, str]]) -> None:
        _missing("people", "user cache")

    def load_group(self, group_id: str, members: Sequence[Mapping[str, Any]]) -> None:
        _missing("people and pipeline complete", "groups")

    def load_tenant_preferences(self, preferences: Mapping[str, Any]) -> None:
        _missing("report", "tenant preferences")

    def load_answers(self, answers: Any) -> None:
        _missing("people and pipeline complete", "neighbouring services")

    def put_file(self, key: str, data: bytes) -> None:
        _missing("blob", "put")

    def dataset_folder(self, dataset: str, channel: str) -> str:
        _missing("exhausts complete", "dataset files")

    def break_part(self, fault: Mapping[str, Any]) -> None:
        _missing("store", "faults")

    def mend(self) -> None:
        _missing("store", "faults")

    def send(self, topic: str, events: Sequence[Any]) -> None:
        _missing("stream", "append")

    def settle(self) -> None:
        _missing("stream", "workers")

    def pending(self) -> int:
        _missing("stream", "pending events")

    def messages(self, topic: str) -> Sequence[Message]:
        _missing("stream", "read a topic")

    def counters(self, topic: str) -> Mapping[str, float]:
        _missing("stream", "counters")

    def dead_letters(self) -> Sequence[DeadLetter]:
        _missing("stream", "dead letters")

    def stopped(self, topic: str) -> bool:
        _missing("stream", "workers")

    def rows(self, table: str) -> Sequence[Row]:
        _missing("store", "read a table")

    def cache(self) -> CacheView:
        _missing("catalog", "relations")

    def provider_calls(self) -> Sequence[Mapping[str, Any]]:
        _missing("people and pipeline complete", "notifications")

    def http_calls(self) -> Sequence[str]:
        _missing("people and pipeline complete", "neighbouring services")

    def http(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        _missing("api", "serve")

    def mint_token(self, uid: str, roles: Sequence[str]) -> str:
        _missing("api", "tokens")

    def service_token(self) -> str:
        _missing("api", "tokens")

    def authorize(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> bool:
        _missing("api", "access rules")

    def fetch(self, url: str) -> bytes:
        _missing("blob", "signed URLs")

    def signed_minutes(self, url: str) -> float:
        _missing("blob", "signed URLs")

    def run_job(self, job: Job) -> JobOutcome:
        _missing("report", job.name)

    def files(self) -> Sequence[str]:
        _missing("blob", "list")

    def read_file(self, key: str) -> bytes:
        _missing("blob", "get")

    @property
    def operations(self) -> Mapping[str, Operation]:
        return {}


def _missing(room: str, what: str) -> NoReturn:
    raise NotBuilt(room, what)
