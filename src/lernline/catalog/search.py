"""Content search: what reports ask about collections, from the local catalog or the platform (rest-api.md 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Protocol, Self

import httpx
import msgspec
import stamina

from lernline.errors import BadRequest, Unavailable
from lernline.store.port import CatalogStore

SEARCH_PATH = "/composite/v1/search"
REPORTABLE = ("Live", "Unlisted", "Retired")
_FIELDS = ("identifier", "name", "channel", "status", "userConsent", "leafNodesCount")
_IDS_PER_REQUEST = 100


class CourseSummary(msgspec.Struct, frozen=True, rename="camel"):
    """What a report needs to know of a collection; ``user_consent`` is ``Yes`` or ``No`` (missing: ``No``)."""

    identifier: str
    name: str = ""
    channel: str = ""
    status: str = "Live"
    user_consent: str = "No"
    leaf_nodes_count: int = 0


class ContentSearch(Protocol):
    """A place that knows collections."""

    def find(self, identifiers: Sequence[str], statuses: Sequence[str] = REPORTABLE) -> list[CourseSummary]:
        """The collections of these identifiers that have one of these statuses, each once, in any order."""
        ...


def summarise(identifier: str, hierarchy: bytes | str) -> CourseSummary:
    """The summary of a stored hierarchy without reading its tree; a published tree without status is Live.

    Text that is no JSON object still names a course: only its identifier is known.
    """
    try:
        raw = msgspec.json.decode(hierarchy, type=_Raw)
    except (msgspec.DecodeError, RecursionError):
        raw = _Raw()
    return raw.summary(identifier)


class _Raw(msgspec.Struct, rename="camel"):
    """A collection as the search, or the root of a hierarchy, writes it; platforms are lax about types."""

    identifier: object = None
    name: object = None
    channel: object = None
    status: object = None
    user_consent: object = None
    leaf_nodes_count: object = None

    def summary(self, identifier: str) -> CourseSummary:
        count = self.leaf_nodes_count
        return CourseSummary(
            identifier,
            _text(self.name),
            _text(self.channel),
            _text(self.status) or "Live",
            _text(self.user_consent) or "No",
            int(count) if isinstance(count, int | float) else 0,
        )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


class LocalSearch:
    """Search over the rows of the local catalog.

    Args:
        read: the stored summaries of these identifiers, in one read; unknown ones are left out.
    """

    def __init__(self, read: Callable[[Sequence[str]], Iterable[CourseSummary]]) -> None:
        self._read = read

    def find(self, identifiers: Sequence[str], statuses: Sequence[str] = REPORTABLE) -> list[CourseSummary]:
        """See ``ContentSearch``."""
        wanted = list(dict.fromkeys(identifiers))
        return list(_fitting(self._read(wanted), wanted, statuses)) if wanted else []


def local_search(store: CatalogStore) -> LocalSearch:
    """Search over a store's catalog; a tree that was brought in without metadata speaks for itself."""

    def read(identifiers: Sequence[str]) -> Iterator[CourseSummary]:
        known = store.contents(identifiers)
        for one in known.values():
            yield CourseSummary(
                one.identifier, one.name, one.channel or "", one.status, one.user_consent, one.leaf_nodes_count
            )
        missing = [identifier for identifier in identifiers if identifier not in known]
        for identifier, hierarchy in (store.hierarchies(missing) if missing else {}).items():
            yield summarise(identifier, hierarchy)

    return LocalSearch(read)


def _fitting(
    found: Iterable[CourseSummary], identifiers: Sequence[str], statuses: Sequence[str]
) -> Iterator[CourseSummary]:
    wanted, allowed, seen = set(identifiers), set(statuses), set[str]()
    for course in found:
        if course.identifier in wanted and course.status in allowed and course.identifier not in seen:
            seen.add(course.identifier)
            yield course


class PlatformSearch:
    """Client of the platform's composite search.

    Args:
        base_url: scheme, host and prefix in front of ``path``.
        path: of the search; older installations answer at ``/v3/search``.
        headers: for instance the gateway's credential.
        timeout_s: for each request.
        attempts: how often a request is made in all when the platform is away (no answer, 429, 5xx).
        wait_s: first pause between two attempts; it doubles, up to 5 s.
        page_size: items asked for at once.
        client: used instead of an own one; it is then not closed here.
    """

    def __init__(
        self,
        base_url: str,
        *,
        path: str = SEARCH_PATH,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        attempts: int = 4,
        wait_s: float = 0.2,
        page_size: int = 200,
        client: httpx.Client | None = None,
    ) -> None:
        self._url = base_url.rstrip("/") + path
        self._headers = dict(headers or {})
        self._attempts = attempts
        self._wait_s = wait_s
        self._page_size = page_size
        self._timeout_s = timeout_s
        self._owned = client is None
        self._client = client or httpx.Client()

    def find(self, identifiers: Sequence[str], statuses: Sequence[str] = REPORTABLE) -> list[CourseSummary]:
        """See ``ContentSearch``.

        Raises:
            Unavailable: the search did not answer, or not in its form, in spite of the retries.
            BadRequest: the search refused the request; that will not change by itself.
        """
        wanted = list(dict.fromkeys(identifiers))
        found: list[CourseSummary] = []
        for start in range(0, len(wanted), _IDS_PER_REQUEST):
            asked = wanted[start : start + _IDS_PER_REQUEST]
            found += _fitting(self._pages({"identifier": asked, "status": list(statuses)}, set(asked)), asked, statuses)
        return found

    def _pages(self, filters: dict[str, list[str]], missing: set[str]) -> Iterator[CourseSummary]:
        """Items of every page until all are found or a page brings nothing new (a server may ignore the offset)."""
        seen: set[str] = set()
        offset = 0
        while missing:
            count, items = self._page(filters, offset)
            offset += len(items)
            fresh = [item for item in items if item.identifier not in seen]
            seen.update(item.identifier for item in fresh)
            missing -= seen
            yield from fresh
            if not fresh or offset >= count:
                return

    def _page(self, filters: dict[str, list[str]], offset: int) -> tuple[int, list[CourseSummary]]:
        body = {"request": {"filters": filters, "fields": _FIELDS, "limit": self._page_size, "offset": offset}}
        answer = self._post(msgspec.json.encode(body))
        try:
            result = msgspec.json.decode(answer, type=_Answer).result
            lists = [value for key, value in result.items() if key != "count" and isinstance(value, list)]
            raws = [msgspec.convert(item, _Raw) for items in lists for item in items]
        except (msgspec.MsgspecError, RecursionError) as problem:
            raise Unavailable("The content search answered something that is not a search result.") from problem
        count = result.get("count")
        items = [raw.summary(raw.identifier) for raw in raws if isinstance(raw.identifier, str)]
        return (count if isinstance(count, int) else len(items)), items

    def _post(self, body: bytes) -> bytes:
        retries = stamina.retry_context(
            on=_away, attempts=self._attempts, timeout=None, wait_initial=self._wait_s, wait_jitter=self._wait_s
        )
        headers = {"content-type": "application/json", **self._headers}
        try:
            for attempt in retries:
                with attempt:
                    answer = self._client.post(self._url, content=body, headers=headers, timeout=self._timeout_s)
                    answer.raise_for_status()
                    return answer.content
        except httpx.HTTPStatusError as problem:
            status = problem.response.status_code
            if _away(problem):
                raise Unavailable(
                    f"The content search answered {status} {self._attempts} times; try later."
                ) from problem
            raise BadRequest(
                f"The content search refused the request ({status}); check its address and credential in the settings."
            ) from problem
        except httpx.HTTPError as problem:
            raise Unavailable(
                f"The content search did not answer ({type(problem).__name__}); check its address in the settings."
            ) from problem
        raise AssertionError("stamina ends with a value or an error")

    def close(self) -> None:
        """Closes the connections, unless the client came from outside."""
        if self._owned:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class _Answer(msgspec.Struct):
    result: dict[str, object]


def _away(problem: Exception) -> bool:
    """Whether asking again may help."""
    if isinstance(problem, httpx.HTTPStatusError):
        return problem.response.status_code == 429 or problem.response.status_code >= 500
    return isinstance(problem, httpx.TransportError)
