"""The typed values that the stations and the ports exchange, named after the contract's tables.

Times are epoch milliseconds. A field that the contract's table does not have is marked *own*: it is kept in a
column beside the contract's and is what makes merging independent of the order of arrival.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class EnrolmentKey(NamedTuple):
    """One learner in one batch of one course (key of ``user_enrolments``)."""

    userid: str
    courseid: str
    batchid: str


class LessonKey(NamedTuple):
    """One lesson of one enrolment (key of ``user_content_consumption``)."""

    userid: str
    courseid: str
    batchid: str
    contentid: str

    @property
    def enrolment(self) -> EnrolmentKey:
        """The enrolment that the lesson belongs to."""
        return EnrolmentKey(self.userid, self.courseid, self.batchid)


class LessonUpdate(msgspec.Struct, frozen=True, gc=False):
    """One update of one lesson, as accepted: what the learner's client said and when it came.

    ``identity`` tells repeated deliveries of the same update (ruling 5).
    """

    contentid: str
    status: int
    received: int
    identity: str
    progress: int = 0
    accessed: int | None = None
    completed: int | None = None
    details: str | None = None


class LessonState(msgspec.Struct, frozen=True, gc=False):
    """A row of ``user_content_consumption``.

    Times that a client stated and times of receipt are kept apart (*own*), since a stated time always beats
    the time of receipt (ruling 20).
    """

    userid: str
    courseid: str
    batchid: str
    contentid: str
    status: int = 0
    progress: int = 0
    viewcount: int = 0
    completedcount: int = 0
    accessed: int | None = None
    accessed_received: int | None = None
    completed: int | None = None
    completed_received: int | None = None
    first_completed: int | None = None
    first_completed_received: int | None = None
    last_updated_time: int | None = None
    progressdetails: str | None = None
    details_received: int | None = None

    @property
    def key(self) -> LessonKey:
        """The row's key."""
        return LessonKey(self.userid, self.courseid, self.batchid, self.contentid)

    @property
    def last_access_time(self) -> int | None:
        """Latest stated access, else latest receipt."""
        return self.accessed_received if self.accessed is None else self.accessed

    @property
    def last_completed_time(self) -> int | None:
        """Latest stated completion, else latest receipt of one."""
        return self.completed_received if self.completed is None else self.completed

    @property
    def completed_first_at(self) -> int | None:
        """Earliest stated completion, else earliest receipt of one (ruling 3)."""
        return self.first_completed_received if self.first_completed is None else self.first_completed


class IssuedCertificate(msgspec.Struct, frozen=True, omit_defaults=True):
    """An entry of ``user_enrolments.issued_certificates`` (certificates.md 6); the template's members are own."""

    identifier: str = ""
    name: str = ""
    token: str = msgspec.field(default_factory=str)  # written even when empty: without an access code it is ""
    lastIssuedOn: str = ""  # noqa: N815  the contract's spelling
    templateUrl: str | None = None  # noqa: N815
    type: str | None = None
    templateId: str | None = None  # noqa: N815
    templateVersion: str | None = None  # noqa: N815


class Enrolment(msgspec.Struct, frozen=True):
    """A row of ``user_enrolments``.

    ``rollup`` (*own*) is the version of the course tree that ``contentstatus`` and ``progress`` were last
    computed with by Lernline; None means the row was written by somebody else and the lesson rows decide.
    """

    userid: str
    courseid: str
    batchid: str
    active: bool = True
    addedby: str | None = None
    enrolled_date: int | None = None
    datetime: int | None = None
    status: int = 0
    progress: int = 0
    completionpercentage: int | None = None
    contentstatus: dict[str, int] = {}
    completedon: int | None = None
    lastreadcontentid: str | None = None
    lastreadcontentstatus: int | None = None
    lastcontentaccesstime: int | None = None
    issued_certificates: list[IssuedCertificate] = []
    certificates: list[dict[str, Any]] = []
    rollup: str | None = None

    @property
    def key(self) -> EnrolmentKey:
        """The row's key."""
        return EnrolmentKey(self.userid, self.courseid, self.batchid)


class EnrolmentProgress(msgspec.Struct, frozen=True):
    """The columns of ``user_enrolments`` that the progress station owns, for one row that exists."""

    key: EnrolmentKey
    status: int
    progress: int
    completionpercentage: int
    contentstatus: dict[str, int]
    completedon: int | None
    datetime: int
    lastreadcontentid: str | None
    lastreadcontentstatus: int | None
    lastcontentaccesstime: int | None
    rollup: str


class ActivityKey(NamedTuple):
    """Key of ``user_activity_agg``; ``activity_type`` is always ``Course`` and ``context_id`` is ``cb:<batch>``."""

    activity_id: str
    user_id: str
    context_id: str


class AggregateUpdate(msgspec.Struct, frozen=True):
    """Keys of one ``user_activity_agg.aggregates`` map, set to absolute values; other keys of the map stay.

    ``details`` replaces ``agg_details`` when it is not None.
    """

    key: ActivityKey
    values: dict[str, float]
    at: int
    details: list[str] | None = None


class Question(msgspec.Struct, frozen=True):
    """The user type ``question`` of ``assessment_aggregator``; ``duration`` in seconds."""

    id: str
    assess_ts: int | None = None
    max_score: float = 0.0
    score: float = 0.0
    type: str | None = None
    title: str | None = None
    resvalues: list[dict[str, str]] = []
    params: list[dict[str, str]] = []
    description: str | None = None
    duration: float = 0.0


class Attempt(msgspec.Struct, frozen=True):
    """A row of ``assessment_aggregator``; ``digest`` (*own*) decides between two payloads of one time (ruling 6)."""

    user_id: str
    course_id: str
    batch_id: str
    content_id: str
    attempt_id: str
    last_attempted_on: int
    total_score: float
    total_max_score: float
    grand_total: str
    question: list[Question] = []
    created_on: int | None = None
    updated_on: int | None = None
    digest: str = ""

    @property
    def enrolment(self) -> EnrolmentKey:
        """The enrolment that the attempt belongs to."""
        return EnrolmentKey(self.user_id, self.course_id, self.batch_id)


class Batch(msgspec.Struct, frozen=True):
    """A row of ``course_batch``. Dates are instants; end dates stand at the last millisecond of their day."""

    courseid: str
    batchid: str
    name: str = ""
    description: str | None = None
    enrollmenttype: str | None = None
    status: int = 0
    start_date: int | None = None
    end_date: int | None = None
    enrollment_enddate: int | None = None
    createdby: str | None = None
    createdfor: list[str] | None = None
    mentors: list[str] | None = None
    created_date: int | None = None
    updated_date: int | None = None
    cert_templates: dict[str, dict[str, str]] = {}
    tandc: bool | None = None
    issuecertificate: bool | None = None


class Event(msgspec.Struct, frozen=True):
    """A message to be put on a topic: ``key`` keeps the order of one learner, ``value`` is UTF-8 JSON."""

    topic: str
    key: str | None
    value: bytes
    headers: dict[str, str] = {}


class DeadLetter(msgspec.Struct, frozen=True):
    """A record that was set aside: what it was, who refused it, and why."""

    topic: str
    key: str | None
    value: bytes
    stage: str
    code: str
    reason: str
    at: int
    stack: str = ""
    headers: dict[str, str] = {}
    id: int = 0
    state: str = "waiting"


class Identity(NamedTuple):
    """That one update of a learner has been counted; ``digest`` is hex text."""

    userid: str
    digest: str


class Credential(msgspec.Struct, frozen=True):
    """An issued credential as it is stored: one per learner, batch, template and sequence."""

    id: str
    userid: str
    courseid: str
    batchid: str
    template_id: str
    template_version: str
    template_name: str
    document: bytes
    svg_template: str
    issued_on: int
    sequence: int = 1
    superseded_by: str | None = None


class UserProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The user cache's fields (pipeline.md 7.3) under its names; None where nothing is known. ``roles`` is own.

    Every value is text as the cache holds it: lists stay the JSON text they are (``board`` too, whose first element a
    report takes), ``email`` and ``phone`` may be ciphertext. The representation shows the identifier only.
    """

    userid: str
    firstname: str | None = None
    lastname: str | None = None
    email: str | None = None
    phone: str | None = None
    maskedemail: str | None = None
    maskedphone: str | None = None
    rootorgid: str | None = None
    userchannel: str | None = None
    orgname: str | None = None
    state: str | None = None
    district: str | None = None
    block: str | None = None
    cluster: str | None = None
    schoolname: str | None = None
    schooludisecode: str | None = None
    externalid: str | None = None
    board: str | None = None
    framework: str | None = None
    medium: str | None = None
    grade: str | None = None
    subject: str | None = None
    language: str | None = None
    usertype: str | None = None
    usersubtype: str | None = None
    profileusertypes: str | None = None
    usersignintype: str | None = None
    userlogintype: str | None = None
    roles: list[str] = []

    @property
    def name(self) -> str:
        """First and last name, each trimmed, empty parts left out (ruling 24)."""
        parts = ((part or "").strip() for part in (self.firstname, self.lastname))
        return " ".join(part for part in parts if part and part != "null")

    def __repr__(self) -> str:
        return f"UserProfile(userid={self.userid!r}, …)"


class Content(msgspec.Struct, frozen=True):
    """What the catalog knows of one content or collection without its tree; ``document`` is the whole JSON."""

    identifier: str
    name: str = ""
    status: str = "Live"
    channel: str | None = None
    user_consent: str = "No"
    leaf_nodes_count: int = 0
    total_questions: int | None = None
    content_type: str | None = None
    mime_type: str | None = None
    document: bytes = b"{}"


class Course(msgspec.Struct, frozen=True):
    """A published course: its metadata, its tree as JSON text, and the members of each of its relation keys."""

    content: Content
    hierarchy: bytes
    relation_sets: dict[str, list[str]]


class Changes(msgspec.Struct):
    """Everything one unit of work writes, committed together or not at all (design 3.2)."""

    lesson_states: list[LessonState] = []
    identities: list[Identity] = []
    enrolment_progress: list[EnrolmentProgress] = []
    enrolments: list[Enrolment] = []
    aggregates: list[AggregateUpdate] = []
    attempts: list[Attempt] = []
    batches: list[Batch] = []
    credentials: list[Credential] = []
    issued: list[tuple[EnrolmentKey, list[IssuedCertificate]]] = []
    contents: list[Content] = []
    courses: list[Course] = []
    dead_letters: list[DeadLetter] = []
    closed_letters: list[tuple[int, str]] = []
    events: list[Event] = []
    counts: dict[str, int] = {}

    def count(self, name: str, by: int = 1) -> None:
        """Add to one of the stage's counters; they become metrics once the unit of work is committed."""
        self.counts[name] = self.counts.get(name, 0) + by


class Position(NamedTuple):
    """How far a consumer group has read: it stood at ``start`` and this unit of work moves it to ``end``."""

    group: str
    start: int
    end: int
