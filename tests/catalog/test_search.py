import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lernline.catalog.search import CourseSummary, LocalSearch, PlatformSearch, summarise
from lernline.errors import BadRequest, Unavailable


class Platform:
    """A search service that keeps its requests and answers from a list of items."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = items
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.failures: list[int] = []
        self.body: bytes | None = None
        self.key = "content"
        self.pages = True
        self.url = ""

    def answer(self, body: dict[str, Any]) -> bytes:
        if self.body is not None:
            return self.body
        request = body["request"]
        fitting = [
            item
            for item in self.items
            if item["identifier"] in request["filters"]["identifier"] and item["status"] in request["filters"]["status"]
        ]
        if not self.pages:
            return json.dumps({"result": {"count": 712392, self.key: self.items}}).encode()
        page = fitting[request["offset"] : request["offset"] + request["limit"]]
        return json.dumps({"result": {"count": len(fitting), self.key: page[:1], "other": page[1:]}}).encode()


@contextmanager
def serve(platform: Platform) -> Iterator[Platform]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            platform.requests.append({"path": self.path, **body})
            platform.headers.append(dict(self.headers.items()))
            status = platform.failures.pop(0) if platform.failures else 200
            answer = platform.answer(body) if status == 200 else b"{}"
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    platform.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield platform
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def course(identifier: str, status: str = "Live", **fields: Any) -> dict[str, Any]:
    return {"identifier": identifier, "name": f"Course {identifier}", "channel": "ch", "status": status, **fields}


def test_the_platform_is_asked_once_per_identifier_and_its_lists_are_read_whatever_they_are_called() -> None:
    items = [course("a", userConsent="Yes", leafNodesCount=3), course("b", "Retired"), course("c", "Draft")]
    with serve(Platform(items)) as platform, PlatformSearch(platform.url, headers={"x-key": "k"}) as search:
        found = search.find(["a", "b", "a", "c", "nobody"])
    assert found == [
        CourseSummary("a", "Course a", "ch", "Live", "Yes", 3),
        CourseSummary("b", "Course b", "ch", "Retired", "No", 0),
    ]
    asked = platform.requests[0]
    assert asked["path"] == "/composite/v1/search"
    assert asked["request"]["filters"] == {
        "identifier": ["a", "b", "c", "nobody"],
        "status": ["Live", "Unlisted", "Retired"],
    }
    assert set(asked["request"]["fields"]) >= {"channel", "identifier", "name", "userConsent", "status"}
    assert {name.lower(): value for name, value in platform.headers[0].items()}["x-key"] == "k"


def test_every_page_is_read() -> None:
    names = [f"do_{n}" for n in range(250)]
    with serve(Platform([course(name) for name in names])) as platform:
        search = PlatformSearch(platform.url, page_size=30)
        found = search.find(names)
        search.close()
    assert [each.identifier for each in found] == names
    assert len(platform.requests) == 4 + 4 + 2


def test_a_platform_that_ignores_filters_and_offset_gives_each_wanted_course_once() -> None:
    platform = Platform([course("a"), course("a"), course("b"), course("c", "Draft")])
    platform.pages = False
    with serve(platform), PlatformSearch(platform.url) as search:
        assert [each.identifier for each in search.find(["a", "c", "x"])] == ["a"]
    assert len(platform.requests) == 2


def test_a_search_for_nothing_asks_nobody() -> None:
    with PlatformSearch("http://127.0.0.1:9") as search:
        assert search.find([]) == []


def test_a_platform_that_is_busy_is_asked_again() -> None:
    with serve(Platform([course("a")])) as platform, PlatformSearch(platform.url, wait_s=0.001) as search:
        platform.failures = [503, 429]
        assert len(search.find(["a"])) == 1
    assert len(platform.requests) == 3


def test_a_platform_that_stays_away_is_unavailable_after_the_attempts() -> None:
    with serve(Platform([])) as platform, PlatformSearch(platform.url, wait_s=0.001, attempts=3) as search:
        platform.failures = [500] * 9
        with pytest.raises(Unavailable, match="answered 500 3 times"):
            search.find(["a"])
    assert len(platform.requests) == 3
    with (
        PlatformSearch(platform.url, wait_s=0.001, attempts=2) as search,
        pytest.raises(Unavailable, match="did not answer"),
    ):
        search.find(["a"])


def test_a_slow_platform_runs_into_the_time_out() -> None:
    release = threading.Event()

    class Slow(Platform):
        def answer(self, body: dict[str, Any]) -> bytes:
            release.wait(10)
            return super().answer(body)

    with serve(Slow([course("a")])) as platform:
        with (
            PlatformSearch(platform.url, timeout_s=0.05, attempts=1) as search,
            pytest.raises(Unavailable, match="ReadTimeout"),
        ):
            search.find(["a"])
        release.set()


def test_a_refusal_is_not_repeated() -> None:
    with serve(Platform([])) as platform, PlatformSearch(platform.url) as search:
        platform.failures = [401]
        with pytest.raises(BadRequest, match=r"refused the request \(401\)"):
            search.find(["a"])
    assert len(platform.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"result": 3}', b'{"result": {"content": [1]}}'])
def test_an_answer_in_another_form_is_unavailable_not_empty(body: bytes) -> None:
    platform = Platform([])
    platform.body = body
    with (
        serve(platform),
        PlatformSearch(platform.url) as search,
        pytest.raises(Unavailable, match="not a search result"),
    ):
        search.find(["a"])


def test_the_local_catalog_answers_the_same_question_in_one_read() -> None:
    reads: list[list[str]] = []
    stored = {
        "a": b'{"name": "A", "channel": "ch", "userConsent": "Yes", "leafNodesCount": 2, "children": []}',
        "b": b'{"status": "Retired"}',
        "c": b'{"status": "Draft"}',
        "d": b"broken",
    }

    def read(identifiers: Any) -> Iterator[CourseSummary]:
        reads.append(list(identifiers))
        return (summarise(name, stored[name]) for name in identifiers if name in stored)

    search = LocalSearch(read)
    assert search.find(["a", "b", "a", "c", "d", "x"]) == [
        CourseSummary("a", "A", "ch", "Live", "Yes", 2),
        CourseSummary("b", status="Retired"),
        CourseSummary("d"),
    ]
    assert [each.identifier for each in search.find(["a", "b"], ["Retired"])] == ["b"]
    assert search.find([]) == []
    assert reads == [["a", "b", "c", "d", "x"], ["a", "b"]]
