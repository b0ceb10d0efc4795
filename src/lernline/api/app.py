"""The application: every route of the table on every one of its paths, and an envelope for everything else.

It is a bare ASGI callable. A web framework's layers between connection and endpoint took a fifth of the time that a
state update may cost, and of what they offer only the finding of a route was left to do.
"""

from __future__ import annotations

from collections import defaultdict

from lernline.api import access
from lernline.api.call import Answer, Call, Route
from lernline.api.envelope import LmsEnvelope
from lernline.api.face import PREFLIGHT, Endpoint, Face, Receive, Scope, Send, new_trace, respond
from lernline.api.openapi import describe
from lernline.api.routes.certificates import did_routes
from lernline.api.table import ROUTES
from lernline.wiring import Line


class App:
    """The HTTP face of a line, an ASGI application."""

    def __init__(self, face: Face, routes: tuple[Route, ...]) -> None:
        self._face = face
        self._plain: dict[str, Endpoint] = {}
        self._named: dict[str, tuple[Endpoint, str]] = {}
        by_path: dict[str, list[Route]] = defaultdict(list)
        for route in routes:
            for path in route.paths:
                by_path[path].append(route)
        for path, some in by_path.items():
            endpoint = Endpoint(face, some)
            stem, brace, name = path.partition("/{")
            if brace:
                self._named[stem] = (endpoint, name.removesuffix("}"))
            else:
                self._plain[path] = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or follow the server's life."""
        if scope["type"] == "http":
            endpoint = self._plain.get(scope["path"]) or self._with_name(scope)
            await (endpoint or _nowhere)(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    def _with_name(self, scope: Scope) -> Endpoint | None:
        """The endpoint of a path whose last segment is a name; the name goes into the scope."""
        stem, _, value = scope["path"].rpartition("/")
        found = self._named.get(stem) if value else None
        if found is None:
            return None
        scope["path_params"] = {found[1]: value}
        return found[0]

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self._face.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def create_app(line: Line) -> App:
    """The HTTP face of a line. Its threads end with it; the line stays open."""
    document = describe(ROUTES)

    def description(_face: Face, _call: Call) -> Answer:
        return Answer(document)

    own = Route("GET", "/openapi.json", access.OPEN, description, "This description")
    return App(Face(line), (*ROUTES, own, *did_routes(line.settings.certificate_domain)))


async def _nowhere(scope: Scope, _receive: Receive, send: Send) -> None:
    """What is on no route: preflights are answered (rest-api.md 1.2), everything else is not found."""
    if scope["method"] == "OPTIONS":
        await respond(send, 200, b"", b"text/plain", PREFLIGHT)
        return
    envelope = LmsEnvelope(scope["path"])
    body = envelope.failure(404, "RESOURCE_NOT_FOUND", "There is nothing at this address.", new_trace())
    await respond(send, 404, body, b"application/json")
