"""From a connection to an answer: read, identify, admit, handle, envelope. The same for every route."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import structlog

from lernline.api.access import Ask
from lernline.api.auth import Authenticator
from lernline.api.call import Answer, Call, Route
from lernline.api.envelope import DatasetEnvelope, Envelope, LmsEnvelope
from lernline.api.gather import Gatherer
from lernline.api.principals import Principal
from lernline.errors import CATALOGUE, BadRequest, Forbidden, LernlineError, TooLarge, Unauthenticated, catalogued
from lernline.record.update_rules import StateUpdate
from lernline.record.updates import StateQuery, UpdateOutcome
from lernline.telemetry import request_seconds, requests_answered
from lernline.wiring import Line

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

RETRY_AFTER = 1
_THREADS = 8
_MOST_WAITING = 5_000
_TRACE_LENGTH = 128

log = structlog.get_logger()


class Face:
    """What all routes share: the line, the threads, the gathered services, the principals."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.executor = ThreadPoolExecutor(_THREADS, thread_name_prefix="api")
        self.authenticator = Authenticator(line.settings, line.clock, self.executor)
        size = line.settings.api_batch_size
        self.updates: Gatherer[StateUpdate, UpdateOutcome] = Gatherer(
            line.updates.accept, self.executor, batch_size=size, most_waiting=_MOST_WAITING
        )
        self.reads: Gatherer[StateQuery, Any] = Gatherer(
            line.updates.read, self.executor, batch_size=size, most_waiting=_MOST_WAITING
        )
        self._grace_ms = int(line.settings.token_grace_hours * 3_600_000)

    async def on_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run something that reads or writes away from the loop."""
        return await asyncio.get_running_loop().run_in_executor(self.executor, function, *args)

    def close(self) -> None:
        """Let running work end and release the threads."""
        self.executor.shutdown(wait=True)

    def admit(self, route: Route, principal: Principal) -> Principal:
        """The principal, if its kind may come in and its token has not ended (ruling 28).

        Raises:
            Unauthenticated: no credential, or one that is not believed.
            Forbidden: a good credential of a kind that the route does not admit.
        """
        if principal.expires is not None:
            ends = principal.expires + (self._grace_ms if route.access.grace else 0)
            if self.line.clock.now_ms() >= ends:
                principal = Principal("anonymous", problem="The token has ended.")
        admits = route.access.admits
        if principal.kind in admits or "anonymous" in admits:
            return principal
        if principal.kind == "anonymous":
            raise catalogued("UNAUTHORIZED_USER", kind=Unauthenticated)
        raise catalogued("FORBIDDEN", kind=Forbidden)


class Endpoint:
    """Everything that answers on one path: an ASGI callable."""

    def __init__(self, face: Face, routes: Sequence[Route]) -> None:
        self._bound = {route.method: _Bound(face, route) for route in routes}
        self._methods = ", ".join(sorted(self._bound)).encode()
        self._any = next(iter(self._bound.values()))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        bound = self._bound.get(scope["method"])
        if bound is not None:
            await bound.answer(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await respond(send, 200, b"", b"text/plain", ((b"allow", self._methods), *PREFLIGHT))
        else:
            message = f"This address answers {self._methods.decode()}, not {scope['method'][:16]}."
            body = self._any.envelope.failure(405, "METHOD_NOT_ALLOWED", message, new_trace())
            await respond(send, 405, body, b"application/json", ((b"allow", self._methods),))


class _Bound:
    """One route with its envelope and its metrics."""

    def __init__(self, face: Face, route: Route) -> None:
        self._face = face
        self._route = route
        self._most = face.line.settings.max_body_bytes
        self._is_async = route.is_async
        self._seconds = request_seconds.labels(route.path)
        self._answered: dict[int, Any] = {}
        self.envelope: Envelope = DatasetEnvelope(route.dataset_id) if route.dataset_id else LmsEnvelope(route.path)

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, whatever happens to it: nothing is raised, nothing inner is told."""
        started = time.perf_counter()
        headers = dict(scope["headers"])
        trace = _trace(headers)
        extra: tuple[tuple[bytes, bytes], ...] = ()
        media_type = b"application/json"
        try:
            result = await self._result(scope, headers, receive, trace)
            if isinstance(result, Answer) and result.chunks is not None:
                await self._stream(send, result)
                return
            if isinstance(result, Answer):
                status, body, media_type = result.status, result.body, result.media_type.encode()
                extra = tuple((name.encode(), value.encode()) for name, value in result.headers.items())
            else:
                status, body = 200, self.envelope.success(result, trace)
        except LernlineError as problem:
            status = problem.status
            details = getattr(problem, "result", None)
            body = self.envelope.failure(status, problem.code, problem.message, trace, details)
            if status in {429, 503}:
                extra = ((b"retry-after", str(RETRY_AFTER).encode()),)
        except Exception:
            log.exception("request failed", route=self._route.path, trace=trace)
            status = 500
            body = self.envelope.failure(status, "INTERNAL_ERROR", CATALOGUE["INTERNAL_ERROR"], trace)
        await respond(send, status, body, media_type, extra)
        counter = self._answered.get(status)
        if counter is None:
            counter = self._answered[status] = requests_answered.labels(self._route.path, str(status))
        counter.inc()
        self._seconds.observe(time.perf_counter() - started)

    async def _result(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, trace: str) -> Any:
        face, route = self._face, self._route
        if int(headers.get(b"content-length") or 0) > self._most:
            raise self._too_large()
        client = scope.get("client")
        principal = face.authenticator.remembered(headers)
        if principal is None:
            principal = await face.authenticator.principal(headers, client[0] if client else "")
        principal = face.admit(route, principal)
        body = await self._body(receive) if route.method != "GET" else b""
        call = Call(principal, headers, scope.get("path_params") or {}, scope["query_string"], body, trace)
        if not route.judges_itself:
            self._judge(call)
        if self._is_async:
            return await route.handler(face, call)
        return await face.on_thread(route.handler, face, call)

    async def _stream(self, send: Send, answer: Answer) -> None:
        """A file, chunk by chunk; when it breaks off the connection is cut, which a client notices."""
        headers = [(b"content-type", answer.media_type.encode()), *CORS]
        headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        if answer.length is not None:
            headers.append((b"content-length", str(answer.length).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        while (chunk := await self._face.on_thread(next, answer.chunks, None)) is not None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def _judge(self, call: Call) -> None:
        """The route's rule, over the whole request.

        Raises:
            Unauthenticated, Forbidden: it does not permit this.
        """
        route = self._route
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in call.headers.items()}
        request = call.request if route.method != "GET" else {}
        if route.access.permits(Ask(call.principal, headers, call.params, request)):
            return
        raise catalogued("FORBIDDEN", kind=Forbidden)

    async def _body(self, receive: Receive) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._most:
                raise self._too_large()
            chunks.append(chunk)
            if not message.get("more_body", False):
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body is larger than {self._most} bytes; send it in parts.")


CORS = ((b"access-control-allow-origin", b"*"),)
PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, PATCH, OPTIONS"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
)


async def respond(
    send: Send, status: int, body: bytes, media_type: bytes, extra: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    """Send one whole answer with the contract's headers (rest-api.md 1.2)."""
    length = str(len(body)).encode()
    headers = [
        (b"content-type", media_type),
        (b"content-length", length),
        (b"x-response-length", length),
        *CORS,
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_random_bits = random.Random().getrandbits  # noqa: S311  ids that tell requests apart, not secrets


def new_trace() -> str:
    """A fresh request id of a UUID's form."""
    digits = f"{_random_bits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _trace(headers: dict[bytes, bytes]) -> str:
    """The request's own id, if it sent a plausible one."""
    stated = headers.get(b"x-msgid") or headers.get(b"x-request-id")
    if stated and len(stated) <= _TRACE_LENGTH:
        text = stated.decode("latin-1").strip()
        if text.isprintable() and text:
            return text
    return new_trace()


class Refused(LernlineError):
    """A refusal that carries a result beside its code (ruling 27)."""

    def __init__(self, message: str, code: str, result: dict[str, Any]) -> None:
        super().__init__(message, code=code)
        self.result = result


def decode_typed(decoder: msgspec.json.Decoder[Any], body: bytes) -> Any:
    """A body as its type.

    Raises:
        BadRequest: no JSON, or a field has the wrong type; the message names the field.
    """
    if not body.strip():
        raise catalogued("INVALID_REQUESTED_DATA")
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as problem:
        raise wrong_type(problem) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadRequest(f"The body is not valid JSON: {problem}") from None


def wrong_type(problem: msgspec.ValidationError) -> LernlineError:
    """``Expected `int`, got `str` - at `$.request.contents[0].status``` in the contract's words."""
    what, _, where = str(problem).partition(" - at ")
    field = where.strip("`").removeprefix("$.").removeprefix("request.") or "request"
    wanted = what.partition("Expected ")[2].partition(",")[0].strip("`").replace(" | null", "") or "valid"
    return catalogued("DATA_TYPE_ERROR", field, wanted)
