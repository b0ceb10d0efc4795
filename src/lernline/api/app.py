"""The application: every route of the table on every one of its paths, and an envelope for everything else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import asgi
from litestar.types import Receive, Scope, Send

from lernline.api.call import Answer, Call, Route
from lernline.api.envelope import LmsEnvelope
from lernline.api.face import Endpoint, Face, new_trace
from lernline.api.openapi import describe
from lernline.api.routes.service import ROUTES as SERVICE_ROUTES
from lernline.api.table import ROUTES
from lernline.errors import CATALOGUE
from lernline.wiring import Line

_CORS = {"access-control-allow-origin": "*"}


def create_app(line: Line) -> Litestar:
    """The HTTP face of a line, an ASGI application. Its threads end with it; the line stays open."""
    face = Face(line)
    by_path: dict[str, list[Route]] = defaultdict(list)
    for route in (*ROUTES, _description_route()):
        for path in route.paths:
            by_path[path].append(route)
    handlers = [
        asgi(path.replace("}", ":str}"), copy_scope=False)(_mounted(Endpoint(face, routes)))
        for path, routes in by_path.items()
    ]
    return Litestar(
        route_handlers=handlers,
        exception_handlers={Exception: _elsewhere},
        on_shutdown=[face.close],
        openapi_config=None,
        logging_config=None,
    )


def _mounted(endpoint: Endpoint) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """The endpoint as a function, since the framework looks at a function's annotations."""
    answer: Any = endpoint

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(scope, receive, send)

    return serve


def _description_route() -> Route:
    document = describe(ROUTES)

    def description(face: Face, call: Call) -> Answer:  # noqa: ARG001  every handler is given both
        return Answer(document)

    return Route("GET", "/openapi.json", SERVICE_ROUTES[0].access, description, "This description")


def _elsewhere(request: Request[Any, Any, Any], problem: Exception) -> Response[bytes]:
    """What is on no route: preflights are answered, everything else is not found."""
    if request.method == "OPTIONS":
        headers = _CORS | {
            "access-control-allow-methods": "GET, POST, PATCH, OPTIONS",
            "access-control-allow-headers": "*",
        }
        return Response(b"", status_code=200, media_type="text/plain", headers=headers)
    envelope = LmsEnvelope(request.scope["path"])
    status = problem.status_code if isinstance(problem, HTTPException) else 500
    if status == 404:
        body = envelope.failure(404, "RESOURCE_NOT_FOUND", "There is nothing at this address.", new_trace())
    else:
        body = envelope.failure(500, "INTERNAL_ERROR", CATALOGUE["INTERNAL_ERROR"], new_trace())
        status = 500
    return Response(body, status_code=status, media_type="application/json", headers=_CORS)
