"""Batches, participants and templates over real HTTP (rest-api.md 4.3, 5, 6.1; clients.md)."""

from datetime import date, timedelta
from typing import Any

import pytest

from lernline.model import Changes, Content, UserProfile
from lernline.stream import topics
from lernline.times import day_of, zone_named

COURSE = "do_1130"
MENTOR = "COURSE_MENTOR"
SIGNATORY = {"name": "A. Signatory", "id": "s1", "designation": "CEO", "image": "https://council.example/s.png"}
ISSUER = {"name": "Example Council", "url": "https://council.example/"}
CRITERIA = {"enrollment": {"status": 2}}


@pytest.fixture
def creator(service: Any) -> Any:
    service.course()
    return service


def today(service: Any) -> date:
    return day_of(service.line.clock.now_ms(), zone_named("Asia/Kolkata"))


def create(service: Any, uid: str = "c1", **fields: Any) -> tuple[int, dict[str, Any]]:
    request = {"courseId": COURSE, "name": "B", "enrollmentType": "open", "startDate": str(today(service)), **fields}
    return service.call("POST", "/v1/course/batch/create", request, service.token(uid, "COURSE_CREATOR"))


def created(service: Any, **fields: Any) -> str:
    status, body = create(service, **fields)
    assert status == 200, body
    return str(body["result"]["batchId"])


def update(service: Any, batchid: str, uid: str = "c1", **fields: Any) -> tuple[int, dict[str, Any]]:
    request = {"id": batchid, "courseId": COURSE, **fields}
    return service.call("PATCH", "/v1/course/batch/update", request, service.token(uid, MENTOR))


def read(service: Any, batchid: str) -> dict[str, Any]:
    _, body = service.call("GET", f"/v1/course/batch/read/{batchid}", None, service.token("anybody"))
    return body["result"]["response"]


def test_a_batch_that_was_created_is_read_and_listed_as_portals_expect(creator: Any) -> None:
    batchid = created(creator, endDate="", mentors=[], tandc=True, issueCertificate=True)
    assert batchid.isdigit()
    shown = read(creator, batchid)
    assert (shown["status"], shown["startDate"], shown["endDate"]) == (1, str(today(creator)), None)
    assert (shown["createdBy"], shown["mentors"], shown["cert_templates"]) == ("c1", [], {})
    asked = {"filters": {"courseId": COURSE, "status": ["0", "1", "2"], "createdBy": "c1"}}
    _, body = creator.call("POST", "/api/course/v1/batch/list", {**asked, "sort_by": {"createdDate": "desc"}})
    assert (body["id"], body["result"]["response"]["count"]) == ("api.course.batch.search", 1)
    assert body["result"]["response"]["content"][0]["status"] == 1
    assert [one["edata"]["type"] for one in creator.events(topics.TELEMETRY)] == ["create"]


def test_an_unknown_batch_is_not_found(service: Any) -> None:
    status, body = service.call("GET", "/api/course/v1/batch/read/404", None, service.token("u1"))
    assert (status, body["params"]["err"], body["id"]) == (404, "RESOURCE_NOT_FOUND", "api.course.batch.read")


@pytest.mark.parametrize("course", [{"status": "Draft"}, {"status": "Retired"}, {"leaf_nodes_count": 0}])
def test_a_course_that_is_not_published_or_empty_takes_no_batch(service: Any, course: dict[str, Any]) -> None:
    service.course(**course)
    status, body = create(service)
    assert (status, body["params"]["err"]) == (400, "INVALID_COURSE_ID")


def test_a_learner_without_the_role_may_not_create(creator: Any) -> None:
    request = {"courseId": COURSE, "name": "B", "enrollmentType": "open", "startDate": str(today(creator))}
    assert creator.call("POST", "/v1/course/batch/create", request, creator.token("u1"))[0] == 403
    assert creator.call("POST", "/v1/course/batch/create", request)[0] == 401
    assert creator.call("POST", "/private/v1/course/batch/create", request)[0] == 401
    assert creator.call("POST", "/private/v1/course/batch/create", request, creator.service_headers)[0] == 200


def test_a_patch_changes_what_it_names_and_nothing_else(creator: Any) -> None:
    end = today(creator) + timedelta(days=9)
    batchid = created(creator, endDate=str(end), mentors=["m1"], description="old")
    assert update(creator, batchid, description="new")[0] == 200
    shown = read(creator, batchid)
    assert (shown["description"], shown["endDate"], shown["mentors"]) == ("new", str(end), ["m1"])
    assert update(creator, batchid, endDate="", mentors=[])[0] == 200
    assert (read(creator, batchid)["endDate"], read(creator, batchid)["mentors"]) == (None, [])


def test_nobody_becomes_mentor_by_naming_themselves(creator: Any) -> None:
    batchid = created(creator)
    status, body = update(creator, batchid, uid="intruder", mentors=["intruder"])
    assert (status, body["params"]["err"]) == (403, "UNAUTHORIZED_USER")
    assert "mentors" not in read(creator, batchid)


def test_a_mentor_who_is_unknown_or_of_another_organisation_is_refused(creator: Any) -> None:
    creator.profiles(UserProfile(userid="c1", rootorgid="org1"), UserProfile(userid="m2", rootorgid="org2"))
    assert create(creator, mentors=["m1"])[1]["params"]["err"] == "INVALID_USER_ID"
    assert create(creator, mentors=["m2"])[1]["params"]["err"] == "USER_NOT_ASSOCIATED_TO_ROOT_ORG"


def test_participants_are_for_who_leads_the_batch(creator: Any) -> None:
    batchid = created(creator, mentors=["m1"])
    creator.enrol("u2", batchid)
    creator.enrol("u1", batchid)
    creator.enrol("u3", batchid, active=False)
    path, request = "/api/course/v1/batch/participants/list", {"batch": {"batchId": batchid}}
    _, body = creator.call("POST", path, request, creator.token("m1"))
    assert body["result"]["batch"] == {"count": 2, "participants": ["u1", "u2"]}
    assert creator.call("POST", path, request, creator.token("u1"))[0] == 403


@pytest.mark.parametrize("request_", [{"filters": []}, {"fields": "name"}, {"limit": "many"}, {"sort_by": {"a": "up"}}])
def test_a_list_with_a_part_of_the_wrong_kind_is_refused(service: Any, request_: dict[str, Any]) -> None:
    assert service.call("POST", "/v1/course/batch/search", request_)[0] == 400


def template(service: Any, action: str, fields: dict[str, Any], batchid: str) -> tuple[int, dict[str, Any]]:
    request = {"batch": {"courseId": COURSE, "batchId": batchid, "template": fields}}
    path = f"/api/course/batch/cert/v1/template/{action}"
    return service.call("PATCH", path, request, service.token("c1", "COURSE_CREATOR"))


@pytest.fixture
def certified(creator: Any) -> tuple[Any, str]:
    asset = b'{"name":"Merit","artifactUrl":"CLOUD_BASE_PATH/t1.svg","data":{"title":"Merit"}}'
    bare = b'{"name":"Bare","artifactUrl":"CLOUD_BASE_PATH/t2.svg"}'
    creator.line.store.commit(
        Changes(contents=[Content("t1", name="Merit", document=asset), Content("t2", name="Bare", document=bare)])
    )
    return creator, created(creator)


FULL = {"identifier": "t1", "criteria": CRITERIA, "issuer": ISSUER, "signatoryList": [SIGNATORY], "previewUrl": "p"}


def test_an_attached_template_is_shown_with_its_preview(certified: tuple[Any, str]) -> None:
    service, batchid = certified
    assert template(service, "add", FULL, batchid)[0] == 200
    shown = read(service, batchid)["cert_templates"]["t1"]
    assert (shown["previewUrl"], shown["name"], shown["criteria"]) == ("p", "Merit", CRITERIA)


def test_a_blank_designation_is_refused_with_the_way_back_to_the_removed_template(certified: tuple[Any, str]) -> None:
    service, batchid = certified
    template(service, "add", FULL, batchid)
    assert template(service, "remove", {"identifier": "t1"}, batchid)[0] == 200
    assert read(service, batchid)["cert_templates"] == {}
    without_asset = {"identifier": "t2", "criteria": CRITERIA}
    status, body = template(service, "add", without_asset, batchid)
    assert status == 400
    assert "'Merit' (t1)" in body["params"]["errmsg"]
    director = {"name": "Director", "designation": "", "id": "Director/Director", "image": ""}
    status, body = template(service, "add", {**FULL, "identifier": "t2", "signatoryList": [director]}, batchid)
    assert (status, body["params"]["err"]) == (400, "INVALID_DATA")
    assert "signatoryList[0].designation" in body["params"]["errmsg"]
    assert template(service, "add", {"identifier": "t1"}, batchid)[0] == 200
    assert read(service, batchid)["cert_templates"]["t1"]["issuer"] == ISSUER


def test_a_template_that_the_batch_does_not_have_cannot_be_removed(certified: tuple[Any, str]) -> None:
    service, batchid = certified
    status, body = template(service, "remove", {"identifier": "t9"}, batchid)
    assert (status, body["params"]["errmsg"]) == (400, "Given cert template not found: t9")


def test_the_tree_of_a_course_is_read_without_login(service: Any) -> None:
    status, body = service.call("GET", "/api/course/v1/hierarchy/do_none")
    assert (status, body["params"]["err"]) == (404, "RESOURCE_NOT_FOUND")
