"""Health, metrics and the API's own description (rest-api.md 1.5, ruling 34)."""

from __future__ import annotations

from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST

from lernline.api import access
from lernline.api.call import Answer, Call, Route
from lernline.api.face import Face
from lernline.errors import LernlineError, Unavailable
from lernline.telemetry import exposition


def health(face: Face, call: Call) -> dict[str, Any]:  # noqa: ARG001  every handler is given the call
    """Whether work can be accepted, with each part's state; 503 names the part that is away."""
    checks = [_check("store", face), _check("stream", face)]
    bad = [check for check in checks if not check["healthy"]]
    if bad:
        raise _Unhealthy(checks, bad[0]["name"])
    return _complete(checks)


def shallow(face: Face, call: Call) -> dict[str, Any]:  # noqa: ARG001
    """Whether the process answers."""
    return _complete([{"name": "lms-service", "healthy": True, "err": "", "errmsg": ""}])


def metrics(face: Face, call: Call) -> Answer:  # noqa: ARG001
    """Counters of all processes of the installation, and how far behind its stages are, for a Prometheus server."""
    return Answer(exposition(face.line.lags()), CONTENT_TYPE_LATEST)


class _Unhealthy(Unavailable):
    """A part is away."""

    def __init__(self, checks: list[dict[str, Any]], part: str) -> None:
        super().__init__(f"The {part} cannot be used now; nothing is accepted until it is back.")
        self.result = _complete(checks, healthy=False)


def _complete(checks: list[dict[str, Any]], *, healthy: bool = True) -> dict[str, Any]:
    return {"response": {"name": "Complete health check api", "healthy": healthy, "checks": checks}}


def _check(part: str, face: Face) -> dict[str, Any]:
    try:
        if part == "store":
            face.line.store.catalog_version()
        else:
            face.line.stream.end()
    except LernlineError as problem:
        return {"name": part, "healthy": False, "err": problem.code, "errmsg": problem.message}
    return {"name": part, "healthy": True, "err": "", "errmsg": ""}


ROUTES = (
    Route("GET", "/health", access.OPEN, health, "Whether work can be accepted", aliases=("/health/ready",)),
    Route("GET", "/service/health", access.OPEN, shallow, "Whether the process answers", aliases=("/health/live",)),
    Route("GET", "/metrics", access.OPEN, metrics, "Counters for Prometheus"),
)
