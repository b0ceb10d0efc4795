"""A request as the API and the command line show it (rest-api.md 7.2). The key is never among it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lernline.report.rules import object_key
from lernline.store.requests import JobRequest

Link = Callable[[str, int], str]


def job(request: JobRequest, now_ms: int, link: Link, *, minutes: int, prefix: str = "") -> dict[str, Any]:
    """The contract's job object, and our finer state under ``detail``.

    Args:
        request: what is shown.
        now_ms: of the answer.
        link: an absolute address at which the object with a key can be had until a time (epoch ms).
        minutes: life of the links.
        prefix: folder of the blob store under which reports lie.
    """
    ended = request.status in {"SUCCESS", "FAILED"}
    expires = now_ms + minutes * 60_000
    links = [link(object_key(url, prefix), expires) for url in request.download_urls] if ended else []
    shown: dict[str, Any] = {
        "requestId": request.request_id,
        "tag": request.tag,
        "dataset": request.job_id,
        "requestedBy": request.requested_by,
        "requestedChannel": request.requested_channel,
        "status": request.status,
        "lastUpdated": request.dt_job_completed or request.dt_job_submitted,
        "datasetConfig": request.request_data,
        "attempts": request.iteration,
        "jobStats": {
            "dtJobSubmitted": request.dt_job_submitted,
            "dtJobCompleted": request.dt_job_completed,
            "executionTime": request.execution_time,
        },
        "downloadUrls": links,
        "detail": _detail(request, now_ms),
    }
    if links:
        shown["expiresAt"] = expires
    message = request.err_message or request.detail.waiting
    if message:
        shown["statusMessage"] = message
    return shown


def _detail(request: JobRequest, now_ms: int) -> dict[str, Any]:
    detail = request.detail
    shown: dict[str, Any] = {
        "percent": 100 if request.status == "SUCCESS" else detail.percent,
        "rows": detail.rows,
        "doneRows": detail.done_rows,
        "totalRows": detail.total_rows,
        "missingProfiles": detail.missing_profiles,
        "withheld": detail.withheld,
        "outputFormat": detail.output_format,
    }
    if request.dt_job_completed is not None:
        shown["ageMs"] = max(0, now_ms - request.dt_job_completed)
    optional = {
        "etaMs": detail.eta_ms,
        "batch": detail.batch,
        "lag": detail.lag,
        "waiting": detail.waiting,
        "skipped": detail.skipped,
        "notes": list(detail.notes),
        "zone": detail.zone,
    }
    return shown | {name: value for name, value in optional.items() if value}
