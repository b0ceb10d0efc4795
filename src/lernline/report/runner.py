"""Runs what was asked for: takes a request, waits for the line, makes each batch's file, says how it went.

States, limits, checkpoint and messages are those of exhaust.md 1.3 to 1.5 with the improvements X-1 to X-7, X-12,
X-18, X-20 and X-22.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Protocol

import msgspec
import structlog

from lernline.blob.port import BlobStore
from lernline.catalog.search import ContentSearch
from lernline.clock import Clock
from lernline.errors import BadRequest, LernlineError
from lernline.report import freshness, rules, sealing
from lernline.report.definition import Context, Options, ReportDefinition
from lernline.report.delivery import deliver
from lernline.report.engine import BatchReport, Count
from lernline.report.keyring import Keyring
from lernline.report.ledger import Ledger, Progress
from lernline.report.metrics import Tally, metric_event
from lernline.report.planning import CourseTrees, Plan, Planned, plan, shape_of
from lernline.report.policy import DEFAULT_ORG, PREFERENCE, Seal, check_key, effective, seal_for
from lernline.report.registry import DEFINITIONS
from lernline.settings import Settings
from lernline.store.port import LearningStore, ReportStore, UserDirectory
from lernline.store.requests import BatchOutcome, JobRequest, LeaseLost, ProcessedBatch, RequestStore, Spent
from lernline.telemetry import report_missing_profiles, report_rows
from lernline.times import zone_named

_log = structlog.get_logger()
_LEASE_MS = 30_000


class Learners(LearningStore, ReportStore, UserDirectory, Protocol):
    """The store, as far as reports read it."""


class Sources(msgspec.Struct, frozen=True):
    """Where a report's rows come from."""

    learners: Learners
    courses: CourseTrees
    search: ContentSearch
    log: freshness.Backlog


class _Job(msgspec.Struct, frozen=True):
    """What holds for all batches of a request."""

    definition: ReportDefinition
    options: Options
    plan: Plan
    seal: Seal
    key: str | None
    public_key: bytes | None


class Runner:
    """Takes requests one at a time; run several, in any number of processes, for more.

    Args:
        requests: the request table.
        sources: where rows come from.
        blobs: where files go.
        keyring: opens the requesters' keys.
        clock: of the installation.
        settings: limits, zone, page size.
        owner: name of this runner in leases; unique among those that run.
        default_layout: of requests that name none.
        public_key: a tenant's RSA key as PEM, None where it has none.
        on_progress: told about once a second how far a request is.
        lease_ms: how long a request of a runner that died waits for another.
    """

    def __init__(
        self,
        requests: RequestStore,
        sources: Sources,
        blobs: BlobStore,
        keyring: Keyring,
        clock: Clock,
        settings: Settings,
        *,
        owner: str,
        default_layout: str = "default",
        public_key: Callable[[str], bytes | None] = lambda _: None,
        on_progress: Progress = lambda _: None,
        lease_ms: int = _LEASE_MS,
    ) -> None:
        self._requests = requests
        self._sources = sources
        self._blobs = blobs
        self._keyring = keyring
        self._clock = clock
        self._settings = settings
        self._owner = owner
        self._default_layout = default_layout
        self._public_key = public_key
        self._on_progress = on_progress
        self._lease_ms = lease_ms
        self._zone = zone_named(settings.report_zone)

    def run_waiting(self, job_ids: tuple[str, ...] = tuple(DEFINITIONS)) -> Tally:
        """Run requests until none can be taken now."""
        tally = Tally()
        while self.run_once(job_ids, tally) is not None:
            pass
        return tally

    def run_once(self, job_ids: tuple[str, ...] = tuple(DEFINITIONS), tally: Tally | None = None) -> JobRequest | None:
        """Take the next request and run it; None when there is none.

        The request comes back as it was left: SUCCESS, FAILED, or SUBMITTED when its channel has to wait.

        Raises:
            Unavailable: the request table is away.
        """
        tally = Tally() if tally is None else tally
        now = self._clock.now_ms()
        claimed = self._requests.claim(job_ids, self._owner, now, now + self._lease_ms)
        if claimed is None:
            return None
        twins = self._twins(claimed)
        since = now - self._window_ms
        claimed = msgspec.structs.replace(
            claimed, err_message=None, detail=rules.fresh_detail(claimed.detail, since), not_before=None
        )
        try:
            with Ledger(self._requests, claimed, self._clock, self._lease_ms, self._on_progress) as ledger:
                ended = self._run(ledger, now)
            if ended.status == "SUBMITTED":
                twins = []
            self._requests.finish(ended, self._owner, [rules.published_to(twin, ended) for twin in twins])
        except LeaseLost:
            _log.warning("report_lease_lost", request_id=claimed.request_id)
            return claimed
        one = Tally(1 + len(twins), int(ended.status == "SUCCESS"), int(ended.status == "FAILED"), len(twins))
        tally.add(one)
        self._on_progress(ended)
        self._tell(ended, one, now)
        _log.info("report_ended", request_id=ended.request_id, status=ended.status, rows=ended.detail.rows)
        return ended

    def _tell(self, ended: JobRequest, tally: Tally, began_ms: int) -> None:
        """Put the metric event on the log; a request that went back to wait is no run yet."""
        definition = DEFINITIONS[ended.job_id]
        layout = ended.request_data.get("layout", self._default_layout)
        name = definition.metric_names.get(str(layout))
        if name is not None and ended.status != "SUBMITTED":
            self._sources.log.append([metric_event(name, tally, began_ms, self._clock.now_ms())])

    @property
    def _window_ms(self) -> int:
        return int(self._settings.exhaust_limit_window_minutes * 60_000)

    def _run(self, ledger: Ledger, began_ms: int) -> JobRequest:
        """The request as it is to be written at the end."""
        try:
            job = self._prepare(ledger)
            waiting = self._make_all(ledger, job)
        except LeaseLost:
            raise
        except LernlineError as problem:
            return self._failed(ledger, problem.message, began_ms, final=isinstance(problem, BadRequest))
        except Exception as problem:  # noqa: BLE001  one request's trouble must not end the runner (X-3)
            # the exception's own text may hold a learner's data
            _log.error(
                "report_failed",
                request_id=ledger.request.request_id,
                error=type(problem).__name__,
                stack="".join(traceback.format_tb(problem.__traceback__)),
            )
            return self._failed(ledger, f"Internal Server Error: {type(problem).__name__}", began_ms, final=False)
        return self._ended(ledger.request, waiting, began_ms)

    def _prepare(self, ledger: Ledger) -> _Job:
        request, settings = ledger.request, self._settings
        definition = DEFINITIONS[request.job_id]
        options = rules.options_of(request.request_data, definition, self._default_layout)
        planned = plan(
            self._sources.learners,
            self._sources.search,
            request.request_data,
            settings.exhaust_batch_limit_per_request,
        )
        channel = request.requested_channel
        policy = effective(
            self._requests.preferences(PREFERENCE, (channel, DEFAULT_ORG)),
            channel,
            request.job_id,
            definition.default_level,
        )
        key = self._keyring.opened(request.encryption_key, request.request_id)
        public_key = self._public_key(channel)
        seal = seal_for(policy, key_given=key is not None, public_key_given=public_key is not None)
        if seal.needs_key:
            check_key(key, settings.report_password_min_length)
        notes = []
        if key is not None and not seal.needs_key:
            notes.append(f"the tenant's policy {policy.level} does not use the encryptionKey")
        lag = freshness.wait(self._sources.log, request.detail.log_end, settings.exhaust_lag_wait_seconds)
        if lag:
            notes.append(f"{lag} updates had not been worked off when the report was made")
        ledger.note(lag=lag, notes=tuple(notes), skipped=planned.skipped, zone=settings.report_zone)
        return _Job(definition, options, planned, seal, key, public_key)

    def _make_all(self, ledger: Ledger, job: _Job) -> rules.Wait | None:
        """Make the files that are missing; gives why the rest has to wait, if it has to."""
        done = {one.batchId for one in ledger.request.processed_batches}
        left = [one for one in job.plan.batches if one.batch.batchid not in done]
        folder = rules.with_prefix(
            f"{job.definition.job_id}/{ledger.request.request_id}", self._settings.exhaust_store_prefix
        )
        self._blobs.sweep(folder)
        for number, planned in enumerate(left):
            wait = self._wait_of(ledger.request.requested_channel)
            if wait is not None:
                return wait
            self._make(ledger, job, planned, (len(job.plan.batches) - len(left) + number, len(job.plan.batches)))
        return None

    def _wait_of(self, channel: str) -> rules.Wait | None:
        settings = self._settings
        return rules.channel_wait(
            self._requests.spent(channel, self._clock.now_ms() - self._window_ms + 1),
            most_batches=settings.exhaust_batches_limit_per_channel,
            most_bytes=settings.exhaust_file_size_limit_per_channel,
            window_ms=self._window_ms,
        )

    def _make(self, ledger: Ledger, job: _Job, planned: Planned, place: tuple[int, int]) -> None:
        """One batch: rows, seal and upload in one stream, then the checkpoint (ruling 19)."""
        request, batch = ledger.request, planned.batch
        path = rules.report_path(job.definition.job_id, request.request_id, batch.batchid, self._clock.now_ms())
        report = self._report(request, job, planned)
        entry = path.rpartition("/")[2] + ".csv"
        whole = rules.with_prefix(path, self._settings.exhaust_store_prefix)

        size = deliver(
            self._blobs,
            whole + job.seal.suffix,
            _watched(report, ledger, place),
            lambda plain: sealing.seal(plain, job.seal, entry, key=job.key, public_key=job.public_key),
        )
        self._blobs.delete(whole + (".csv" if job.seal.suffix == ".zip" else ".zip"))
        now, count = self._clock.now_ms(), report.count
        report_rows.labels(request.job_id).inc(count.rows)
        report_missing_profiles.labels(request.job_id).inc(count.missing_profiles)
        detail = ledger.request.detail
        ledger.follow(Count(), place[0] + 1, place[1], "")
        ledger.note(
            batches=(
                *(one for one in detail.batches if one.batch_id != batch.batchid),
                BatchOutcome(batch.batchid, count.rows, count.missing_profiles, count.withheld),
            ),
            spent=(*detail.spent, Spent(now, size)),
        )
        ledger.update(
            processed_batches=(
                *request.processed_batches,
                ProcessedBatch(request.requested_channel, batch.batchid, path + job.seal.suffix, size),
            )
        )

    def _report(self, request: JobRequest, job: _Job, planned: Planned) -> BatchReport:
        batch, course, learners = planned.batch, planned.course, self._sources.learners
        relations = self._sources.courses.get([batch.courseid]).get(batch.courseid)
        owner = course.channel or self._settings.default_channel  # a course without a tenant is the installation's own
        return BatchReport(
            job.definition,
            Context(batch, course, relations, job.options),
            lambda: learners.batch_reads(batch, shape_of(batch.courseid, relations)),
            learners.profile_table,
            zone=self._zone,
            page_size=self._settings.exhaust_page_size,
            only_tenant=None if owner == request.requested_channel else request.requested_channel,
        )

    def _ended(self, request: JobRequest, wait: rules.Wait | None, began_ms: int) -> JobRequest:
        """SUCCESS with all files in order, or SUBMITTED again when the channel has to wait."""
        now = self._clock.now_ms()
        if wait is not None:
            return msgspec.structs.replace(
                request,
                status="SUBMITTED",
                detail=msgspec.structs.replace(request.detail, waiting=wait.reason, batch="", eta_ms=None),
                lease_owner=None,
                lease_until=None,
                not_before=wait.until_ms,
            )
        paths = {one.batchId: one.filePath for one in request.processed_batches}
        return msgspec.structs.replace(
            request,
            status="SUCCESS",
            download_urls=tuple(paths.values()),
            dt_file_created=now,
            dt_job_completed=now,
            execution_time=now - began_ms,
            err_message=None,
            encryption_key=None,
            detail=msgspec.structs.replace(request.detail, percent=100, batch="", eta_ms=None),
            lease_owner=None,
            lease_until=None,
        )

    def _failed(self, ledger: Ledger, message: str, began_ms: int, *, final: bool) -> JobRequest:
        now = self._clock.now_ms()
        return rules.failed(ledger.request, message, now, final=final, execution_ms=now - began_ms)

    def _twins(self, request: JobRequest) -> list[JobRequest]:
        """Requests that the same files answer (exhaust.md 1.3)."""
        waiting = self._requests.waiting(request.job_id, request.requested_channel)
        if not waiting:
            return []
        try:
            key = self._keyring.opened(request.encryption_key, request.request_id)
            return [
                one
                for one in waiting
                if rules.is_twin(request, one, key, self._keyring.opened(one.encryption_key, one.request_id))
            ]
        except BadRequest:
            return []  # a key that does not open is the trouble of the request that holds it


def _watched(report: BatchReport, ledger: Ledger, place: tuple[int, int]) -> Generator[bytes | memoryview]:
    """The report's pieces; stops when the request is somebody else's."""
    with closing(report.csv()) as pieces:
        for piece in pieces:
            ledger.follow(report.count, *place, report.batch_id)
            ledger.check()
            yield piece
