"""One route and one call of it: what a route states, and what its handler is given."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs

import msgspec

from lernline.api.access import Access
from lernline.api.principals import Principal
from lernline.errors import BadRequest, catalogued
from lernline.record.desk import Actor

if TYPE_CHECKING:
    from lernline.api.face import Face

Method = Literal["GET", "POST", "PATCH"]


@dataclass(frozen=True)
class Answer:
    """An answer that goes out as it is, without an envelope; ``chunks`` follow the body and are read on a thread.

    ``length`` is the size of the whole in bytes, where it is known before the chunks are read.
    """

    body: bytes
    media_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Iterator[bytes] | None = None
    length: int | None = None


class Call:
    """A request whose principal has been admitted.

    ``trace`` is the request's id, ``params`` what the path names, ``body`` the raw body.
    """

    __slots__ = ("_query", "_request", "body", "headers", "params", "principal", "trace")

    def __init__(
        self,
        principal: Principal,
        headers: Mapping[bytes, bytes],
        params: Mapping[str, str],
        query: bytes,
        body: bytes,
        trace: str,
    ) -> None:
        self.principal = principal
        self.headers = headers
        self.params = params
        self.body = body
        self.trace = trace
        self._query = query
        self._request: dict[str, Any] | None = None

    @property
    def request(self) -> dict[str, Any]:
        """The body's ``request`` object.

        Raises:
            BadRequest: there is no body, it is no JSON object, or ``request`` is none.
        """
        if self._request is None:
            self._request = _request_of(self.body)
        return self._request

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; the last value of each counts."""
        pairs = parse_qs(self._query.decode("latin-1"), keep_blank_values=True)
        return {name: values[-1] for name, values in pairs.items()}

    def header(self, name: str) -> str:
        """A header's text, empty when it was not sent; ``name`` in lower case."""
        return self.headers.get(name.encode(), b"").decode("latin-1").strip()

    @property
    def actor(self) -> Actor:
        """The principal as the commands know it."""
        principal = self.principal
        return Actor(
            userid=principal.userid,
            name=principal.id or principal.kind,
            roles=principal.roles,
            tenant=principal.tenant,
            service=principal.kind == "service",
            trace=self.trace,
        )


def _request_of(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise BadRequest('The request has no body; send a JSON object with "request".')
    whole = decode(body)
    request = whole.get("request") if isinstance(whole, dict) else None
    if request is None:
        raise catalogued("MANDATORY_PARAMETER_MISSING", "request")
    if not isinstance(request, dict):
        raise catalogued("DATA_TYPE_ERROR", "request", "Map")
    return request


def decode(body: bytes) -> Any:
    """JSON of a body.

    Raises:
        BadRequest: it is none; the sentence says where it breaks off.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadRequest(f"The body is not valid JSON: {problem}") from None


Handler = Callable[["Face", Call], Any]
AsyncHandler = Callable[["Face", Call], Awaitable[Any]]


@dataclass(frozen=True)
class Route:
    """One operation of the API under its service path and all its other paths.

    Attributes:
        method: HTTP method.
        path: service path, parameters in braces.
        access: who may call it.
        handler: gives the result; a plain function runs on a thread, an ``async`` one on the loop.
        summary: one line for the API's description.
        public: gateway paths (rest-api.md 2); each answers with ``/api`` before it and without.
        aliases: further service paths.
        dataset_id: id of the dataset envelope; empty means the learning service's envelope.
        body: type that describes the request for the API's description.
        judges_itself: the handler applies the access rule to its typed request.
    """

    method: Method
    path: str
    access: Access
    handler: Handler | AsyncHandler
    summary: str
    public: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    dataset_id: str = ""
    body: Any = None
    judges_itself: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path it answers on."""
        public = tuple(prefix + path for path in self.public for prefix in ("/api", ""))
        return tuple(dict.fromkeys((self.path, *self.aliases, *public)))

    @property
    def is_async(self) -> bool:
        """Whether the handler runs on the loop."""
        return inspect.iscoroutinefunction(self.handler)
