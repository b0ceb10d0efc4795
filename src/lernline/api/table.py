"""All routes, and the decision of who may call them (the golden operation ``authorize-request``)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lernline.api.access import Ask
from lernline.api.call import Route
from lernline.api.principals import Principal
from lernline.api.routes import batches, certificates, datasets, enrolments, service, states

ROUTES: tuple[Route, ...] = (
    *states.ROUTES,
    *enrolments.ROUTES,
    *batches.ROUTES,
    *datasets.ROUTES,
    *certificates.ROUTES,
    *service.ROUTES,
)

_PARAMETER = re.compile(r"\{(\w+)\}")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", path))


_PATTERNS = [(route, _pattern(path)) for route in ROUTES for path in route.paths]


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The route of a method and path, and what the path names; None where there is none."""
    plain = urlsplit(path).path
    for route, pattern in _PATTERNS:
        found = pattern.fullmatch(plain)
        if found is not None and route.method == method:
            return route, found.groupdict()
    return None


def authorize(method: str, service_path: str, headers: Mapping[str, str], body: object, principal: Principal) -> bool:
    """Whether a request may be made at all, judged without stored state. A path that nobody serves is refused.

    ``body`` is the decoded JSON body or None.
    """
    found = find(method, service_path)
    if found is None:
        return False
    route, params = found
    request: Any = body.get("request") if isinstance(body, dict) else None
    lower = {name.lower(): value for name, value in headers.items()}
    return route.access.permits(Ask(principal, lower, params, request if isinstance(request, dict) else {}))
