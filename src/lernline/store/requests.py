"""The request table of reports and what stands beside it, as values and as a port (exhaust.md 1.2, rest-api.md 7.5).

Times are epoch milliseconds. What the contract's columns have no place for is in ``RequestDetail``, a column of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

Status = Literal["SUBMITTED", "PROCESSING", "SUCCESS", "FAILED"]
MOST_ATTEMPTS = 3
NEVER = 2**62  # a ``not_before`` that no clock reaches: the request is dead until somebody asks again (ruling 13)


class ProcessedBatch(msgspec.Struct, frozen=True):
    """A finished batch of a request: the checkpoint (exhaust.md 1.4). ``fileSize`` counts the bytes of plain CSV."""

    channel: str
    batchId: str  # noqa: N815  the contract's spelling
    filePath: str  # noqa: N815
    fileSize: int = 0  # noqa: N815


class Spent(msgspec.Struct, frozen=True):
    """One batch that counts towards its channel's limits: when it was finished and its bytes."""

    at: int
    bytes: int


class BatchOutcome(msgspec.Struct, frozen=True):
    """What a finished batch's file holds."""

    batch_id: str
    rows: int
    missing_profiles: int = 0
    withheld: int = 0


class RequestDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """Own column ``detail``.

    Attributes:
        output_format: as asked.
        key_reference: tells two keys apart without telling what they are; empty for no key, None where the row is
            another program's.
        log_end: end of the log when the request came; updates up to there belong into the report.
        batches: outcome of each finished batch.
        total_rows, done_rows: learners of the batches known so far, and those handled.
        percent: of the whole request, 0 to 100.
        eta_ms: how much longer the request is likely to take.
        batch: the one in hand.
        lag: updates that had come before the request and were not in the report when it was made.
        waiting: why a SUBMITTED request has to wait.
        skipped: batches that were asked for and left out, with the reason.
        notes: further things that the requester should know.
        final: a failure that trying again cannot mend.
        spent: what counts towards the channel's limits; survives a new attempt.
        zone: of the times in the files.
    """

    output_format: str = "csv"
    key_reference: str | None = None
    log_end: int | None = None
    batches: tuple[BatchOutcome, ...] = ()
    total_rows: int = 0
    done_rows: int = 0
    percent: int = 0
    eta_ms: int | None = None
    batch: str = ""
    lag: int = 0
    waiting: str = ""
    skipped: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    final: bool = False
    spent: tuple[Spent, ...] = ()
    zone: str = ""

    @property
    def rows(self) -> int:
        """Rows in all finished files."""
        return sum(one.rows for one in self.batches)

    @property
    def missing_profiles(self) -> int:
        """Rows whose learner the directory does not know."""
        return sum(one.missing_profiles for one in self.batches)

    @property
    def withheld(self) -> int:
        """Learners of unknown tenant who are not shown to the requester of another."""
        return sum(one.withheld for one in self.batches)


class JobRequest(msgspec.Struct, frozen=True):
    """A row of ``job_request``. ``encryption_key`` is what lies in the column, never the key itself."""

    tag: str
    request_id: str
    job_id: str
    status: Status
    request_data: dict[str, Any]
    requested_by: str
    requested_channel: str
    dt_job_submitted: int
    download_urls: tuple[str, ...] = ()
    dt_file_created: int | None = None
    dt_job_completed: int | None = None
    execution_time: int | None = None
    err_message: str | None = None
    iteration: int = 0
    encryption_key: str | None = None
    batch_number: int | None = None
    processed_batches: tuple[ProcessedBatch, ...] = ()
    detail: RequestDetail = RequestDetail()
    lease_owner: str | None = None
    lease_until: int | None = None
    not_before: int | None = None


class DatasetEntry(msgspec.Struct, frozen=True):
    """A row of ``dataset_metadata``; an empty ``authorized_roles`` means the contract's default."""

    dataset_id: str
    dataset_sub_id: str
    dataset_config: dict[str, Any] = {}
    visibility: str = ""
    dataset_type: str = ""
    version: str = ""
    authorized_roles: tuple[str, ...] = ()
    available_from: int | None = None
    sample_request: str | None = None
    sample_response: str | None = None
    validation_json: dict[str, Any] | None = None
    supported_formats: tuple[str, ...] = ()
    exhaust_type: str = ""


class LeaseLost(Exception):
    """The request was given to another runner, or asked for again, while this one worked on it."""


class RequestStore(Protocol):
    """The request table. Every method may raise ``Unavailable``; each is one transaction."""

    def decide(
        self, tag: str, ids: Sequence[str], decision: Callable[[Mapping[str, JobRequest]], JobRequest | None]
    ) -> JobRequest | None:
        """Let ``decision`` look at the requests that hold these ids and write what it gives, nobody coming between."""
        ...

    def request(self, tag: str, request_id: str) -> JobRequest | None:
        """One request."""
        ...

    def requests_of_tag(self, tag: str, limit: int, requested_by: str | None = None) -> list[JobRequest]:
        """Newest first; of one requester when ``requested_by`` is given."""
        ...

    def find_requests(
        self,
        *,
        job_id: str | None = None,
        status: str | None = None,
        channel: str | None = None,
        submitted: tuple[int, int] | None = None,
        limit: int = 10,
    ) -> list[JobRequest]:
        """Newest first; ``submitted`` is a half-open range of times."""
        ...

    def claim(self, job_ids: Sequence[str], owner: str, now_ms: int, until_ms: int) -> JobRequest | None:
        """Take the oldest request that may run and make it PROCESSING; two runners never get the same.

        May run: SUBMITTED or FAILED with fewer than three failed attempts whose time has come, and PROCESSING
        whose lease has ended.
        """
        ...

    def keep(self, request: JobRequest) -> None:
        """Write a request that ``request.lease_owner`` works on.

        Raises:
            LeaseLost: that owner does not hold it any more.
        """
        ...

    def finish(self, request: JobRequest, owner: str, twins: Sequence[JobRequest] = ()) -> None:
        """Write the outcome of a request and of its duplicates, and give up the lease.

        Raises:
            LeaseLost: the owner does not hold it any more; nothing is written.
        """
        ...

    def waiting(self, job_id: str, channel: str) -> list[JobRequest]:
        """Requests of a channel that may still run and that nobody works on."""
        ...

    def spent(self, channel: str, since_ms: int) -> list[Spent]:
        """The channel's finished batches since then, oldest first."""
        ...

    def datasets(self) -> list[DatasetEntry]:
        """Rows of the dataset registry."""
        ...

    def save_dataset(self, entry: DatasetEntry) -> None:
        """Add or replace one."""
        ...

    def consumer_enabled(self, consumer_id: str, channel: str) -> bool:
        """Whether the mapping lets a consumer ask for a channel."""
        ...

    def preferences(self, key: str, orgs: Sequence[str]) -> dict[str, str]:
        """A tenant preference of these organisations, as stored."""
        ...
