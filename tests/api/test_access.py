"""One rule per route, and the decisions of the rules (rest-api.md 1.3, rulings 10, 28, 36, 37)."""

from typing import Any

import pytest

from lernline.api.access import Access
from lernline.api.principals import ANONYMOUS, SERVICE, Principal
from lernline.api.table import ROUTES, authorize, find

OPEN_TO_ALL = {
    "/v1/course/batch/search",
    "/v1/course/hierarchy/{courseid}",
    "/health",
    "/service/health",
    "/metrics",
    "/files/{token}",
    "/certs/{id}",
    "/.well-known/did.json",
}


def user(uid: str, *roles: str) -> Principal:
    return Principal("user", id=uid, roles=frozenset(roles))


def test_every_route_states_its_rule_and_no_path_is_served_twice() -> None:
    assert all(isinstance(route.access, Access) and route.access.admits for route in ROUTES)
    served = [(route.method, path) for route in ROUTES for path in route.paths]
    assert len(served) == len(set(served))


def test_only_the_routes_that_say_so_admit_anonymous_callers() -> None:
    assert {route.path for route in ROUTES if "anonymous" in route.access.admits} <= OPEN_TO_ALL


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_service_may_call_everything_but_nobody_unknown_may(route: Any) -> None:
    path = route.path.replace("{", "").replace("}", "")
    headers = {"X-Channel-ID": "ch"}
    assert authorize(route.method, path, headers, {"request": {}}, SERVICE)
    anonymous = authorize(route.method, path, headers, {"request": {}}, ANONYMOUS)
    assert anonymous == ("anonymous" in route.access.admits)


def test_a_path_that_nobody_serves_is_refused_to_everybody() -> None:
    assert find("GET", "/v1/nothing") is None
    assert not authorize("GET", "/v1/nothing", {}, None, SERVICE)


@pytest.mark.parametrize(
    ("method", "path", "request_", "principal", "allowed"),
    [
        ("POST", "/v1/course/enroll", {"userId": "u2"}, user("u1"), False),
        ("POST", "/v1/course/enroll", {"userId": "u1"}, user("u1"), True),
        ("POST", "/v1/content/state/read", {"userId": "u2"}, user("u1"), False),
        ("PATCH", "/v1/content/state/update", {"userId": "u2"}, user("u1"), False),
        ("PATCH", "/v1/content/state/update", {"assessments": [{"userId": "u2"}]}, user("u1"), False),
        ("PATCH", "/v1/content/state/update", {"assessments": [{"userId": "u1"}]}, user("u1"), True),
        ("GET", "/v1/user/courses/list/u2?fields=name", {}, user("u1"), False),
        ("POST", "/v1/course/batch/create", {}, user("u1", "PUBLIC"), False),
        ("POST", "/v1/course/batch/create", {}, user("u1", "CONTENT_CREATOR"), True),
        ("POST", "/request/submit", {"dataset": "progress-exhaust"}, user("u1", "PROGRAM_MANAGER"), False),
        ("POST", "/request/submit", {"dataset": "progress-exhaust"}, user("u1", "ORG_ADMIN"), True),
        ("POST", "/request/submit", {"dataset": "druid-dataset"}, user("u1", "PROGRAM_MANAGER"), True),
        ("POST", "/request/search", {}, user("u1", "COURSE_MENTOR"), False),
    ],
)
def test_the_rules_decide(
    method: str, path: str, request_: dict[str, Any], principal: Principal, allowed: bool
) -> None:
    assert authorize(method, path, {"x-channel-id": "ch"}, {"request": request_}, principal) == allowed


def test_a_dataset_request_needs_the_channel_and_the_tokens_own_user() -> None:
    asked = {"request": {"dataset": "progress-exhaust"}}
    admin = user("u1", "ORG_ADMIN")
    assert not authorize("POST", "/request/submit", {}, asked, admin)
    headers = {"X-Channel-ID": "ch", "X-Authenticated-Userid": "u2"}
    assert not authorize("POST", "/request/submit", headers, asked, admin)


def test_a_managed_user_is_who_the_rules_look_at() -> None:
    managed = Principal("user", id="parent", managed="child")
    path = "/v1/course/enroll"
    assert authorize("POST", path, {}, {"request": {"userId": "child"}}, managed)
    assert not authorize("POST", path, {}, {"request": {"userId": "parent"}}, managed)
