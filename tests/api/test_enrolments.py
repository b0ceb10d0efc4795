"""Enrolments over real HTTP (rest-api.md 4.1, 4.2; rulings 36 and 38; clients.md rulings 5 and 9)."""

import json
from typing import Any

import pytest

from lernline.catalog.service import import_course
from lernline.model import UserProfile
from lernline.stream import topics

COURSE = "do_1130"
COLLECTION = "application/vnd.ekstep.content-collection"


@pytest.fixture
def open_batch(service: Any) -> Any:
    nodes = [
        {"identifier": f"l{n}", "name": f"L{n}", "mimeType": "video/mp4", "contentType": "Resource"} for n in (1, 2)
    ]
    tree = {
        "identifier": COURSE,
        "name": "Water",
        "status": "Live",
        "channel": "tenant1",
        "mimeType": COLLECTION,
        "children": nodes,
    }
    _, changes = import_course(json.dumps(tree).encode(), service.line.kinds)
    service.line.store.commit(changes)
    service.batch(createdby="c1", mentors=["m1"])
    return service


def enrol(service: Any, headers: dict[str, str], *, path: str = "/v1/course/enroll", **fields: Any) -> tuple[int, Any]:
    status, body = service.call("POST", path, {"courseId": COURSE, "batchId": "01", **fields}, headers)
    return status, body["params"]["err"]


def listed(service: Any, uid: str, headers: dict[str, str], query: str = "") -> list[dict[str, Any]]:
    _, body = service.call("GET", f"/api/course/v1/user/enrollment/list/{uid}{query}", None, headers)
    return body["result"]["courses"]


def test_a_learner_enrols_leaves_and_comes_back_with_their_progress(open_batch: Any) -> None:
    me = open_batch.token("u1")
    assert enrol(open_batch, me) == (200, None)
    assert enrol(open_batch, me) == (400, "USER_ALREADY_ENROLLED_COURSE")
    lesson = {"contentId": "l1", "courseId": COURSE, "batchId": "01", "status": 2}
    assert open_batch.call("PATCH", "/v1/content/state/update", {"contents": [lesson]}, me)[0] == 200
    assert enrol(open_batch, me, path="/api/course/v1/unenrol") == (200, None)
    assert enrol(open_batch, me, path="/api/course/v1/unenrol") == (400, "USER_NOT_ENROLLED_COURSE")
    assert listed(open_batch, "u1", me) == []
    assert enrol(open_batch, me, path="/api/course/v1/enrol") == (200, None)
    open_batch.line.drain()
    (course,) = listed(open_batch, "u1", me)
    assert (course["progress"], course["completionPercentage"], course["status"]) == (1, 50, 1)
    kinds = [one["edata"]["type"] for one in open_batch.events(topics.TELEMETRY)]
    assert [kind for kind in kinds if "enrol" in kind] == ["enrol", "unenrol", "enrol"]


def test_the_list_shows_an_update_before_any_worker_has_run(open_batch: Any) -> None:
    me = open_batch.token("u1")
    enrol(open_batch, me)
    lesson = {"contentId": "l1", "courseId": COURSE, "batchId": "01", "status": 2}
    open_batch.call("PATCH", "/v1/content/state/update", {"contents": [lesson]}, me)
    (course,) = listed(open_batch, "u1", me)
    assert (course["progress"], course["leafNodesCount"], course["contentStatus"]) == (1, 2, {"l1": 2})
    assert (course["lastReadContentId"], course["courseName"], course["batch"]["batchId"]) == ("l1", "Water", "01")
    assert isinstance(course["lastContentAccessTime"], int)


def test_a_learner_who_names_another_is_forbidden(open_batch: Any) -> None:
    assert enrol(open_batch, open_batch.token("u1"), userId="u2") == (403, "FORBIDDEN")
    assert enrol(open_batch, open_batch.token("u1"), path="/v1/course/admin/enroll", userId="u2") == (403, "FORBIDDEN")
    assert enrol(open_batch, {}) == (401, "UNAUTHORIZED_USER")


def test_mentors_of_the_batch_administrators_and_services_may_name_others(open_batch: Any) -> None:
    others = "/v1/course/admin/enroll"
    assert enrol(open_batch, open_batch.token("m1", "COURSE_MENTOR"), path=others, userId="u2") == (200, None)
    assert enrol(open_batch, open_batch.token("m9", "COURSE_MENTOR"), path=others, userId="u3") == (403, "FORBIDDEN")
    assert enrol(open_batch, open_batch.token("a1", "ORG_ADMIN"), path=others, userId="u3") == (200, None)
    assert enrol(open_batch, open_batch.service_headers, path=others, userId="u4") == (200, None)


def test_an_invite_only_batch_is_entered_by_invitation_alone(open_batch: Any) -> None:
    open_batch.batch(enrollmenttype="invite-only", mentors=["m1"])
    me = open_batch.token("u1")
    assert enrol(open_batch, me) == (400, "ENROLLMENT_TYPE_VALIDATION")
    mentor = open_batch.token("m1", "COURSE_MENTOR")
    assert enrol(open_batch, mentor, path="/v1/course/admin/enroll", userId="u1") == (200, None)
    assert enrol(open_batch, me, path="/v1/course/unenroll") == (200, None)
    assert enrol(open_batch, me) == (400, "ENROLLMENT_TYPE_VALIDATION")


def test_a_batch_that_has_ended_takes_nobody_and_lets_nobody_go(open_batch: Any) -> None:
    now = open_batch.line.clock.now_ms()
    open_batch.enrol("u2")
    open_batch.batch(end_date=now - 2 * 86_400_000)
    assert enrol(open_batch, open_batch.token("u1")) == (400, "COURSE_BATCH_ALREADY_COMPLETED")
    leaving = enrol(open_batch, open_batch.token("u2"), path="/v1/course/unenroll")
    assert leaving == (400, "COURSE_BATCH_ALREADY_COMPLETED")


def test_nobody_leaves_a_course_that_is_complete_by_what_is_stored(open_batch: Any) -> None:
    open_batch.enrol("u1", status=1, progress=2, contentstatus={"l1": 2, "l2": 2})
    leaving = enrol(open_batch, open_batch.token("u1"), path="/v1/course/unenroll")
    assert leaving == (400, "COURSE_BATCH_ALREADY_COMPLETED")


def test_what_names_no_tenant_is_for_the_administrators_of_the_installation_itself(open_batch: Any) -> None:
    open_batch.enrol("u1")
    open_batch.course("do_free", channel=None)
    open_batch.batch("02", "do_free")
    open_batch.enrol("u1", "02", "do_free")

    def seen(channel: str | None) -> Any:
        admin = open_batch.token("a1", "ORG_ADMIN", channel=channel)
        status, body = open_batch.call("POST", "/v2/user/courses/admin/list", {"userId": "u1"}, admin)
        return sorted(one["batchId"] for one in body["result"]["courses"]) if status == 200 else status

    assert seen(None) == ["02"]
    assert seen(open_batch.line.settings.default_channel) == ["02"]
    assert seen("channel-a") == 403
    open_batch.profiles(UserProfile(userid="u1", userchannel="channel-a"))
    assert seen("channel-a") == ["01", "02"]


def test_another_learners_list_is_for_mentors_and_administrators_of_the_tenant(open_batch: Any) -> None:
    open_batch.enrol("u1")
    open_batch.batch("02", mentors=["m2"])
    open_batch.enrol("u1", "02")
    private = "/api/course/private/v1/user/enrollment/list/u1"

    def seen(headers: dict[str, str]) -> Any:
        status, body = open_batch.call("GET", private, None, headers)
        return sorted(one["batchId"] for one in body["result"]["courses"]) if status == 200 else status

    assert seen(open_batch.token("u1")) == ["01", "02"]
    assert seen(open_batch.token("m2")) == ["02"]
    assert seen(open_batch.token("u2")) == 403
    assert seen(open_batch.token("a1", "ORG_ADMIN", channel="tenant9")) == 403
    assert seen(open_batch.token("a1", "ORG_ADMIN", channel="tenant1")) == ["01", "02"]
    open_batch.profiles(UserProfile(userid="u1", rootorgid="org1"), UserProfile(userid="a2", rootorgid="org1"))
    assert seen(open_batch.token("a2", "ORG_ADMIN")) == ["01", "02"]
    assert seen({}) == 401
    assert open_batch.call("GET", "/v1/user/courses/list/u1", None, open_batch.token("u2"))[0] == 403


def test_a_retired_course_is_listed_on_request_alone(open_batch: Any) -> None:
    open_batch.course("do_old", status="Retired")
    open_batch.batch("09", "do_old")
    open_batch.enrol("u1", "09", "do_old")
    me = open_batch.token("u1")
    assert listed(open_batch, "u1", me) == []
    (course,) = listed(open_batch, "u1", me, "?retired=true")
    assert (course["courseId"], course["courseStatus"]) == ("do_old", "Retired")


def test_the_list_by_body_takes_filters_and_the_caller_as_learner(open_batch: Any) -> None:
    open_batch.enrol("u1")
    open_batch.course("do_2")
    open_batch.batch("02", "do_2")
    open_batch.enrol("u1", "02", "do_2")
    me = open_batch.token("u1")
    _, body = open_batch.call("POST", "/api/course/v2/user/enrollment/list", {"courseIds": ["do_2"]}, me)
    assert [one["batchId"] for one in body["result"]["courses"]] == ["02"]
    assert open_batch.call("POST", "/v2/user/courses/list", {"userId": "u1"})[0] == 401
