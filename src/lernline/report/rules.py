"""Rules of report requests: ids, paths, what asking again does, limits (exhaust.md 1, rulings 11, 12, 26). Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NamedTuple

import msgspec

from lernline.errors import BadRequest
from lernline.report.definition import Options, ReportDefinition
from lernline.store.requests import MOST_ATTEMPTS, NEVER, JobRequest, RequestDetail, Spent

_REPORT_DAY = timezone(timedelta(hours=5, minutes=30))  # fixed, whatever the zone of the report (exhaust.md 5)
_LONGEST_MESSAGE = 300
_BACK_OFF_MS = (60_000, 300_000)
NO_BATCH = "Request should have either of batchId, batchFilter, searchFilter or encrption key"
_canonical = msgspec.json.Encoder(order="sorted")


def request_id(dataset: str, tag: str, requested_by: str, channel: str, day: str, *more: str) -> str:
    """Upper-case hex MD5 of the parts, joined by bars; ``more`` is the dataset's type, and a body's hash (ruling 11).

    ``day`` is ``yyyy-MM-dd``.
    """
    text = "|".join((dataset, tag, requested_by, channel, day, *more))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest().upper()


def body_hash(config: Mapping[str, Any], output_format: str, key_reference: str = "") -> str:
    """What a request asks for, beyond what its id holds."""
    return hashlib.sha256(_canonical.encode([config, output_format, key_reference])).hexdigest()[:32]


def report_path(job: str, request: str, batch_id: str, now_ms: int) -> str:
    """Path of a batch's file without its suffix; it names the report, and the day at +05:30."""
    file_key = job.removesuffix("-exhaust")
    day = datetime.fromtimestamp(now_ms // 1000, tz=UTC).astimezone(_REPORT_DAY)
    return "/".join(part for part in (job, request, f"{batch_id}_{file_key}_{day:%Y%m%d}") if part)


def object_key(stored: str, prefix: str = "") -> str:
    """Key of the object behind a stored download URL (rest-api.md 7.2)."""
    if stored.startswith(("http://", "https://")):
        return "/".join(stored.split("/")[4:])
    if stored.startswith(("wasb://", "wasbs://")):
        return "/".join(stored.split("/")[3:])
    return with_prefix(stored, prefix)


def with_prefix(path: str, prefix: str) -> str:
    """A path below the store's folder for reports."""
    return f"{prefix.strip('/')}/{path}" if prefix.strip("/") else path


def error_text(message: str) -> str:
    """A message as the table's column takes it."""
    return message if len(message) <= _LONGEST_MESSAGE else message[: _LONGEST_MESSAGE - 3] + "..."


class Selection(NamedTuple):
    """Which batches a request wants: ids, or what to search courses by."""

    batch_ids: tuple[str, ...]
    search: dict[str, Any] | None


def selection(config: Mapping[str, Any], limit: int) -> Selection:
    """What ``request_data`` asks for; batchId before batchFilter before searchFilter (exhaust.md 1.5).

    Raises:
        BadRequest: nothing, something of the wrong type, or more ids than ``limit`` (repeats counted).
    """
    if config.get("batchId") is not None:
        if not isinstance(config["batchId"], str):
            raise BadRequest("datasetConfig.batchId should be text")
        return Selection((config["batchId"],), None)
    if config.get("batchFilter") is not None:
        listed = config["batchFilter"]
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise BadRequest("datasetConfig.batchFilter should be a list of batch ids")
        if listed:
            if len(listed) > limit:
                raise BadRequest(f"Number of batches in request exceeded. It should be within {limit}")
            return Selection(tuple(dict.fromkeys(listed)), None)
    if config.get("searchFilter") is not None:
        if not isinstance(config["searchFilter"], dict):
            raise BadRequest("datasetConfig.searchFilter should be an object")
        return Selection((), config["searchFilter"])
    raise BadRequest(NO_BATCH)


def searched_courses(search: Mapping[str, Any]) -> tuple[str, ...]:
    """The course ids that a searchFilter names.

    Raises:
        BadRequest: it names none; other filters are not understood, and leaving them out would widen the report.
    """
    request = search.get("request", search)
    filters = request.get("filters") if isinstance(request, dict) else None
    if not isinstance(filters, dict) or not filters:
        raise BadRequest("searchFilter.request.filters is empty; name the courses in filters.identifier")
    unknown = sorted(set(filters) - {"identifier", "status"})
    identifiers = filters.get("identifier")
    identifiers = [identifiers] if isinstance(identifiers, str) else identifiers
    if unknown or not isinstance(identifiers, list) or not all(isinstance(one, str) for one in identifiers):
        named = ", ".join(unknown) or "identifier"
        raise BadRequest(f"searchFilter.request.filters.{named} is not supported; name the courses in identifier")
    return tuple(dict.fromkeys(identifiers))


def options_of(config: Mapping[str, Any], definition: ReportDefinition, default_layout: str) -> Options:
    """What a request chooses about the report.

    Raises:
        BadRequest: a choice that does not exist.
    """
    layout = config.get("layout", default_layout)
    if layout not in definition.layouts:
        raise BadRequest(f"datasetConfig.layout {layout!r} is unknown; use one of {', '.join(definition.layouts)}")
    units = config.get("units", "all")
    if units not in {"all", "level-1"}:
        raise BadRequest(f"datasetConfig.units {units!r} is unknown; use all or level-1")
    neutralise = config.get("neutraliseFormulas", False)
    if not isinstance(neutralise, bool):
        raise BadRequest("datasetConfig.neutraliseFormulas should be true or false")
    program = config.get("for")
    if program is not None and program != "excel":
        raise BadRequest(f"datasetConfig.for {program!r} is unknown; use excel, or leave it out")
    return Options(layout=layout, level_one=units == "level-1", neutralise=neutralise, excel=program == "excel")


def asked_again(held: JobRequest, asked: JobRequest, *, force: bool) -> JobRequest | None:
    """What becomes of a request whose id is held already: a fresh attempt, or None: the held one answers.

    A failed one starts again with everything new (A-26); with ``force`` a finished one too (ruling 26). What has
    been spent of the channel's limits stays spent.
    """
    if held.status == "FAILED" or (force and held.status == "SUCCESS"):
        return msgspec.structs.replace(asked, detail=msgspec.structs.replace(asked.detail, spent=held.detail.spent))
    return None


def same_question(held: JobRequest, asked: JobRequest) -> bool:
    """Whether a held request would answer this one: the same rows in the same form under the same key.

    A row of another program says nothing about its key, and is believed to have the same.
    """
    if body_hash(held.request_data, held.detail.output_format) != body_hash(
        asked.request_data, asked.detail.output_format
    ):
        return False
    return held.detail.key_reference in {None, asked.detail.key_reference} or held.status == "FAILED"


def is_twin(one: JobRequest, other: JobRequest, key: str | None, other_key: str | None) -> bool:
    """Whether one file answers both: same job, channel, requester, question and key (exhaust.md 1.3, X-18)."""
    return (
        (one.tag, one.request_id) != (other.tag, other.request_id)
        and (one.job_id, one.requested_channel, one.requested_by)
        == (other.job_id, other.requested_channel, other.requested_by)
        and body_hash(one.request_data, one.detail.output_format)
        == body_hash(other.request_data, other.detail.output_format)
        and key == other_key
    )


def published_to(twin: JobRequest, done: JobRequest) -> JobRequest:
    """A duplicate with the outcome of the request that was run."""
    return msgspec.structs.replace(
        twin,
        status=done.status,
        download_urls=done.download_urls,
        dt_file_created=done.dt_file_created,
        dt_job_completed=done.dt_job_completed,
        execution_time=done.execution_time,
        processed_batches=done.processed_batches,
        iteration=done.iteration,
        err_message=done.err_message,
        encryption_key=done.encryption_key,
        detail=msgspec.structs.replace(done.detail, key_reference=twin.detail.key_reference, spent=()),
        not_before=done.not_before,
    )


class Wait(NamedTuple):
    """Why a batch may not start yet, and when it may be looked at again (epoch ms)."""

    reason: str
    until_ms: int


def channel_wait(spent: Sequence[Spent], *, most_batches: int, most_bytes: int, window_ms: int) -> Wait | None:
    """Whether a channel has used up its window (ruling 12); ``spent`` is what lies in it, oldest first.

    A batch may start while both counts are under their limits, so that one batch may pass the byte limit.
    """
    batches, size = len(spent), sum(one.bytes for one in spent)
    if batches < most_batches and size < most_bytes:
        return None
    until = 0
    for one in spent:
        batches, size, until = batches - 1, size - one.bytes, one.at + window_ms
        if batches < most_batches and size < most_bytes:
            break
    over = "batches" if len(spent) >= most_batches else "bytes"
    return Wait(f"the channel has used its limit of {over} for now", until)


def failed(
    request: JobRequest, message: str, now_ms: int, *, final: bool, execution_ms: int | None = None
) -> JobRequest:
    """The request after a failure: one attempt more, tried again later unless that cannot help."""
    iteration = request.iteration + 1
    pause = _BACK_OFF_MS[min(request.iteration, len(_BACK_OFF_MS) - 1)]
    dead = final or iteration >= MOST_ATTEMPTS
    return msgspec.structs.replace(
        request,
        status="FAILED",
        iteration=iteration,
        err_message=error_text(message),
        dt_job_completed=now_ms,
        execution_time=execution_ms,
        encryption_key=None if dead else request.encryption_key,
        detail=msgspec.structs.replace(request.detail, final=final, batch="", eta_ms=None, waiting=""),
        lease_owner=None,
        lease_until=None,
        not_before=NEVER if dead else now_ms + pause,
    )


def fresh_detail(detail: RequestDetail, spent_since_ms: int) -> RequestDetail:
    """A detail without what a new attempt finds out anew and without spending that has left the window."""
    return msgspec.structs.replace(
        detail,
        waiting="",
        final=False,
        lag=0,
        eta_ms=None,
        skipped={},
        notes=(),
        spent=tuple(one for one in detail.spent if one.at >= spent_since_ms),
    )
