"""What the runners ask of the system under test: a whole system that starts empty, in process, on a folder of its own.

Conventions: rows as ``tables.py`` describes (contract columns, epoch milliseconds, parsed maps and lists); topics by
their contract names without the ``{env}.`` prefix; keys of files relative to the blob store's root.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any, Protocol

from .tables import Row


class NotBuilt(Exception):
    """The room that this needs is not built, or not wired to the runner."""

    def __init__(self, room: str, what: str = "") -> None:
        super().__init__(f"not built yet: {room}" + (f" ({what})" if what else ""))
        self.room = room


@dataclass(frozen=True)
class Start:
    """How a world starts. ``clock_ms`` None = the machine's clock; ``config`` under the contract's names."""

    config: Mapping[str, Any] = field(default_factory=dict)
    clock_ms: int | None = None


@dataclass(frozen=True)
class Message:
    """A message of the log."""

    key: str | None
    value: Any


@dataclass(frozen=True)
class DeadLetter:
    """An event set aside: from which topic, the event as it came, and why."""

    topic: str
    event: Any
    reason: str


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; ``body`` is the parsed JSON, None where it is none."""

    status: int
    body: Any
    text: str


@dataclass(frozen=True)
class Relations:
    """What the catalog holds of one course: collection → leaves, collection → optional nodes, content → ancestors.

    The course itself is among the collections and among the ancestors.
    """

    course: str
    leaves: Mapping[str, frozenset[str]]
    optional: Mapping[str, frozenset[str]]
    ancestors: Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class CacheView:
    """What Redis would hold, read from Redis or from the system's own catalog and user directory.

    ``sets``: ``<course>:<node>:leafnodes|optionalnodes|ancestors``. ``strings``: unit id → its metadata as JSON text.
    ``hashes``: ``user:<id>`` → fields. Keys without members are left out.
    """

    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    strings: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One run of a job. ``params`` are the original's ``modelParams`` without those of its infrastructure."""

    name: str
    variant: str | None
    mode: str | None
    params: Mapping[str, Any]


@dataclass(frozen=True)
class JobOutcome:
    """What a run reports.

    ``metrics``: the values of the metric event (camelCase as in the cases; a list for jobs with one entry per group).
    ``rows``: the rows that the job computes, column → value, None when the job's result is files or stored rows.
    ``columns``: their order. ``events``: how many events it sent.
    """

    metrics: Any = None
    rows: Sequence[Row] | None = None
    columns: Sequence[str] = ()
    events: int = 0


@dataclass(frozen=True)
class RuleCall:
    """A call of a named operation: ``inputs`` is ``when`` without ``operation``, or ``inputs``, or one of ``cases``."""

    inputs: Mapping[str, Any]
    given: Mapping[str, Any]
    principal: Mapping[str, Any]
    folder: str


Operation = Callable[[RuleCall], Any]


class World(Protocol):
    """One system under test. Everything is synchronous."""

    @property
    def zone(self) -> tzinfo:
        """The service's time zone (default Asia/Kolkata)."""

    def now_ms(self) -> int:
        """The system's own clock."""

    def close(self) -> None:
        """Stop everything and forget the data."""

    # state before the case

    def load_tables(self, tables: Mapping[str, Sequence[Row]]) -> None:
        """Put rows in tables, only the columns that are set; not as events, nothing is emitted."""

    def load_relations(self, relations: Sequence[Relations]) -> None:
        """Make the catalog hold exactly these relations of the courses; they are believed as they stand (ruling 41)."""

    def import_course(self, tree: Mapping[str, Any]) -> None:
        """Import a published hierarchy as ``lernline course import`` does."""

    def load_content(self, documents: Sequence[Mapping[str, Any]]) -> None:
        """What content search and read know, without a tree."""

    def load_templates(self, assets: Sequence[Mapping[str, Any]], drawings: Mapping[str, str]) -> None:
        """Certificate template assets of the catalog; ``drawings``: each ``artifactUrl`` → the SVG behind it."""

    def load_users(self, users: Mapping[str, Mapping[str, Any]]) -> None:
        """Records of the user directory, as the platform's user read answers: user id → record."""

    def load_user_cache(self, hashes: Mapping[str, Mapping[str, str]]) -> None:
        """Entries of the user cache: user id → fields."""

    def load_group(self, group_id: str, members: Sequence[Mapping[str, Any]]) -> None:
        """Members of a group as the group service knows them."""

    def load_tenant_preferences(self, preferences: Mapping[str, Any]) -> None:
        """Preferences (``dataSecurityPolicy``, ``userPrivateFields``) of every tenant of the case."""

    def load_answers(self, answers: Any) -> None:
        """Answers of neighbouring services: ``given.http`` (list) or ``given.services`` (``METHOD url`` → answer)."""

    def put_file(self, key: str, data: bytes) -> None:
        """A file that already lies in the blob store."""

    def dataset_folder(self, dataset: str, channel: str) -> str:
        """The folder of the blob store where the files of a dataset and channel lie."""

    def break_part(self, fault: Mapping[str, Any]) -> None:
        """Make a part fail (``given.fault``) until ``mend``."""

    def mend(self) -> None:
        """The broken part works again."""

    # the line

    def send(self, topic: str, events: Sequence[Any]) -> None:
        """Append events as other producers do, in order; keys as the contract has them."""

    def settle(self) -> None:
        """Run every learning stage until nothing is pending; with a part broken, until nothing moves any more.

        The runner of reports stays off.
        """

    def pending(self) -> int:
        """Events that are in the log and neither done nor dead-lettered."""

    def messages(self, topic: str) -> Sequence[Message]:
        """Messages that the system itself has put on a topic (those given to ``send`` are left out), oldest first."""

    def counters(self, topic: str) -> Mapping[str, float]:
        """Counters of the stage that takes a topic, under the original's gauge names; absent = 0."""

    def dead_letters(self) -> Sequence[DeadLetter]:
        """Events set aside and ready for replay."""

    def stopped(self, topic: str) -> bool:
        """Whether the stage that takes a topic has stopped for good."""

    # state after the case

    def rows(self, table: str) -> Sequence[Row]:
        """All rows of a table."""

    def cache(self) -> CacheView:
        """The catalog's relations, the unit metadata and the user directory, as Redis would hold them."""

    def provider_calls(self) -> Sequence[Mapping[str, Any]]:
        """Calls made to the notification provider, each with ``success`` beside what was sent."""

    def http_calls(self) -> Sequence[str]:
        """``METHOD path`` of each call to the answers of ``load_answers``."""

    # HTTP

    def http(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> Answer:
        """Send a request to the served API from the configured gateway's address; ``body`` None = no body."""

    def mint_token(self, uid: str, roles: Sequence[str]) -> str:
        """A valid access token."""

    def service_token(self) -> str:
        """The internal service credential, for ``x-service-token``."""

    def authorize(self, method: str, path: str, headers: Mapping[str, str], body: Any) -> bool:
        """The access decision alone, without stored state."""

    def fetch(self, url: str) -> bytes:
        """The bytes behind a signed download URL."""

    def signed_minutes(self, url: str) -> float:
        """For how long a signed URL is good."""

    # reports

    def run_job(self, job: Job) -> JobOutcome:
        """One run of a job, until it is finished. All reports in the deployed (``v2``) column layout."""

    def files(self) -> Sequence[str]:
        """Keys of every file in the blob store, the report store's prefix included."""

    def read_file(self, key: str) -> bytes:
        """The bytes of a file."""

    @property
    def operations(self) -> Mapping[str, Operation]:
        """Named pure operations."""
