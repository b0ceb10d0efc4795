"""The API's description (OpenAPI 3.1), made from the route table so that it cannot fall behind it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from lernline import __version__
from lernline.api.call import Route

_SCHEMES = {
    "user": {"type": "apiKey", "in": "header", "name": "x-authenticated-user-token"},
    "service": {"type": "apiKey", "in": "header", "name": "x-service-token"},
    "consumer": {"type": "apiKey", "in": "header", "name": "X-Consumer-ID"},
}
_ANY_REQUEST = {
    "type": "object",
    "properties": {"request": {"type": "object"}},
    "required": ["request"],
}
_ENVELOPE = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "ver": {"type": "string"},
        "ts": {"type": "string"},
        "params": {"type": "object"},
        "responseCode": {"type": "string"},
        "result": {"type": "object"},
    },
}
_FAILURES = {
    "400": "The request is wrong; params.err says how",
    "401": "No credential that is believed",
    "403": "Not permitted",
    "413": "The body is too large",
    "500": "A fault of the service",
    "503": "A part is away; try again",
}


def describe(routes: Sequence[Route]) -> bytes:
    """The document, as JSON."""
    bodies = [route.body for route in routes if route.body is not None]
    _, components = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        for place, path in enumerate(route.paths):
            paths.setdefault(path, {})[route.method.lower()] = _operation(route, path, first=place == 0)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Lernline", "version": __version__},
            "paths": paths,
            "components": {"schemas": {**components, "Envelope": _ENVELOPE}, "securitySchemes": _SCHEMES},
        }
    )


def _operation(route: Route, path: str, *, first: bool) -> dict[str, Any]:
    kinds = sorted(route.access.admits)
    answer = {"application/json": {"schema": {"$ref": "#/components/schemas/Envelope"}}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{path}").strip("_"),
        "deprecated": False,
        "security": [] if "anonymous" in kinds else [{kind: []} for kind in kinds],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{(\w+)\}", path)
        ],
        "responses": {"200": {"description": "Done", "content": answer}}
        | {status: {"description": text, "content": answer} for status, text in _FAILURES.items()},
    }
    if not first:
        operation["description"] = f"Another path of `{route.path}`."
    if route.method != "GET":
        schema = _ANY_REQUEST if route.body is None else {"$ref": f"#/components/schemas/{route.body.__name__}"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation
