"""State updates over real HTTP: what is taken, what is refused and how (rest-api.md 3, rulings 9, 27, 28, 33)."""

import time
from typing import Any

import msgspec
import pytest

from lernline.api.tokens import mint_token
from lernline.errors import CATALOGUE
from lernline.stream import topics

COURSE = "do_1130"
DAY = 86_400_000
PATH = "/v1/content/state/update"


@pytest.fixture
def learner(service: Any) -> Any:
    service.batch()
    service.enrol("u1")
    return service


def lesson(contentid: str | None = "do_a", status: Any = 2, **fields: Any) -> dict[str, Any]:
    return {"contentId": contentid, "courseId": COURSE, "batchId": "01", "status": status, **fields}


def attempt(**fields: Any) -> dict[str, Any]:
    return {
        "assessmentTs": 1_700_000_000_000,
        "courseId": COURSE,
        "batchId": "01",
        "contentId": "do_q",
        "userId": "u1",
        "attemptId": "a1",
        "events": [{"eid": "ASSESS", "actor": {"id": "somebody else"}, "edata": {"score": 1, "item": {"id": "q1"}}}],
        **fields,
    }


def send(service: Any, request: dict[str, Any], uid: str = "u1", **headers: str) -> tuple[int, dict[str, Any]]:
    return service.call("PATCH", PATH, request, service.token(uid) | headers)


def test_an_accepted_update_is_read_back_before_any_worker_has_run(learner: Any) -> None:
    status, body = send(learner, {"contents": [lesson("do_a"), lesson("do_b", 1, progress=40)]})
    assert (status, body["result"]) == (200, {"do_a": "SUCCESS", "do_b": "SUCCESS"})
    assert (body["id"], body["ver"], body["responseCode"]) == ("api.content.state.update", "v1", "OK")
    asked = {"courseId": COURSE, "batchId": "01"}
    _, read = learner.call("POST", "/v1/content/state/read", asked, learner.token("u1"))
    assert [(one["contentId"], one["status"], one["progress"]) for one in read["result"]["contentList"]] == [
        ("do_a", 2, 100),
        ("do_b", 1, 40),
    ]


@pytest.mark.parametrize("path", [PATH, "/api/course/v1/content/state/update", "/v1/user/content/state"])
def test_every_path_of_the_update_answers_with_the_id_of_the_service_path(learner: Any, path: str) -> None:
    status, body = learner.call("PATCH", path, {"contents": [lesson()]}, learner.token("u1"))
    assert (status, body["id"]) == (200, "api.content.state.update")


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"contents": [lesson(status=None)]}, "CONTENT_STATUS_MISSING_ERROR"),
        ({"contents": [lesson(contentid=None)]}, "CONTENT_ID_REQUIRED_ERROR"),
        ({"contents": [lesson(courseId=" ")]}, "COURSE_ID_REQUIRED_ERROR"),
        ({"contents": [lesson(courseId=None, lastUpdatedTime="18-12-2017")]}, "DATE_FORMAT_ERRROR"),
        ({"contents": [lesson(lastAccessTime="yesterday")]}, "DATE_FORMAT_ERRROR"),
        ({"contents": [lesson(lastAccessTime="2999-01-01 00:00:00:000+0000")]}, "INVALID_PARAMETER_VALUE"),
        ({"contents": [lesson(status="done")]}, "DATA_TYPE_ERROR"),
        ({"contents": {}}, "DATA_TYPE_ERROR"),
        ({"assessments": [attempt(assessmentTs=None)]}, "ATTEMPTED_DATE_REQUIRED"),
        ({"assessments": [attempt(batchId="")]}, "COURSE_BATCH_ID_MISSING"),
        ({"assessments": [attempt(attemptId=None)]}, "ATTEMPT_ID_REQUIRED_ERROR"),
        ({"assessments": [{k: v for k, v in attempt().items() if k != "events"}]}, "EVENTS_DATA_MISSING"),
        ({"assessments": [attempt(events="none")]}, "DATA_TYPE_ERROR"),
        ({"assessments": [attempt(events=[{"edata": {"score": "five"}}])]}, "DATA_TYPE_ERROR"),
        ({}, "MANDATORY_PARAMETER_MISSING"),
    ],
)
def test_a_wrong_update_is_refused_with_its_code_and_leaves_nothing(
    learner: Any, request_: dict[str, Any], code: str
) -> None:
    status, body = send(learner, request_)
    assert (status, body["params"]["err"], body["responseCode"]) == (400, code, "CLIENT_ERROR")
    assert learner.events(topics.PROGRESS_UPDATE) == []


def test_a_wrong_type_is_refused_naming_the_field(learner: Any) -> None:
    _, body = send(learner, {"contents": [lesson(), lesson(status="done")]})
    assert body["params"]["errmsg"] == "Data type of contents[1].status should be int."


def test_values_out_of_range_are_clamped_with_a_warning(learner: Any) -> None:
    status, body = send(learner, {"contents": [lesson(status=7, progress=250)]})
    assert (status, body["result"]["do_a"]) == (200, "SUCCESS")
    assert len(body["result"]["warnings"]) == 2
    assert learner.events(topics.PROGRESS_UPDATE)[0]["edata"]["contents"][0]["status"] == 2


def test_a_partly_refused_update_says_which_item_and_why(learner: Any) -> None:
    contents = [lesson(), lesson("do_b", batchId="99"), lesson("do_c", batchId=""), lesson("do_d", userId="u9")]
    status, body = send(learner, {"contents": contents})
    result = body["result"]
    assert (status, result["do_a"], result["BATCH_NOT_EXISTS"]) == (200, "SUCCESS", ["99"])
    assert {one["contentId"]: one["code"] for one in result["errors"]} == {
        "do_b": "BATCH_NOT_EXISTS",
        "do_c": "COURSE_BATCH_ID_MISSING",
        "do_d": "UNAUTHORIZED_USER",
    }
    assert {name: result[name] for name in ("do_b", "do_c", "do_d")} == {
        one["contentId"]: one["code"] for one in result["errors"]
    }
    foreign = learner.events(topics.INVALID_UPDATES)[0]
    assert foreign["invalidContents"][0]["userId"] == "u9"


def test_an_update_of_which_nothing_is_accepted_is_a_400(learner: Any) -> None:
    status, body = send(learner, {"contents": [lesson()]}, uid="stranger")
    assert (status, body["params"]["err"]) == (400, "USER_NOT_ENROLLED_COURSE")
    assert body["params"]["errmsg"] == "User is not enrolled to given course batch."
    assert body["result"]["do_a"] == "NOT_ENROLLED"
    assert body["result"]["errors"][0]["contentId"] == "do_a"


@pytest.mark.parametrize(
    ("batchid", "err", "marker"),
    [
        ("99", "INVALID_COURSE_BATCH_ID", "BATCH_NOT_EXISTS"),
        ("over", "COURSE_BATCH_ALREADY_COMPLETED", "NOT_A_ON_GOING_BATCH"),
        ("soon", "COURSE_BATCH_NOT_STARTED", "NOT_A_ON_GOING_BATCH"),
    ],
)
def test_a_batch_that_takes_nothing_is_refused_in_the_catalogue_s_words_and_listed_as_before(
    learner: Any, batchid: str, err: str, marker: str
) -> None:
    now = learner.line.clock.now_ms()
    learner.batch("over", start_date=now - 9 * DAY, end_date=now - 3 * DAY)
    learner.batch("soon", start_date=now + 3 * DAY)
    status, body = send(learner, {"contents": [lesson(batchId=batchid), lesson("do_b", batchId=batchid)]})
    assert (status, body["params"]["err"]) == (400, err)
    assert body["params"]["errmsg"] == CATALOGUE.get(err, "Batch soon has not begun.")
    assert body["result"][marker] == [batchid]
    assert (body["result"]["do_a"], body["result"]["do_b"]) == (marker, marker)
    assert learner.events(topics.PROGRESS_UPDATE) == []


def test_an_assessment_lies_in_the_log_under_its_learner(learner: Any) -> None:
    status, body = send(learner, {"assessments": [attempt()]})
    assert (status, body["result"]) == (200, {"do_q": "SUCCESS", "01": "SUCCESS"})
    stored = learner.events(topics.ASSESSMENT)[0]
    assert (stored["userId"], stored["events"][0]["actor"]["id"]) == ("u1", "u1")


def test_an_assessment_of_somebody_else_is_forbidden(learner: Any) -> None:
    status, body = send(learner, {"assessments": [attempt(userId="u2")]})
    assert (status, body["params"]["err"]) == (403, "FORBIDDEN")


@pytest.mark.parametrize("more", [{}, {"contents": []}, {"contents": [], "assessments": []}])
def test_ids_without_lessons_ask_for_the_enrolment_to_be_recomputed(learner: Any, more: dict[str, Any]) -> None:
    status, body = send(learner, {"userId": "u1", "courseId": COURSE, "batchId": "01", **more})
    assert (status, body["result"]) == (200, {"response": "SUCCESS"})
    assert learner.events(topics.ENROLMENT_SYNC)[0]["edata"]["action"] == "user-enrolment-sync"


def test_the_force_sync_of_a_portal_is_accepted(learner: Any) -> None:
    asked = {"userId": "u1", "courseId": COURSE, "batchId": "01"}
    status, _ = learner.call("POST", "/api/user/v1/activity/agg", asked, learner.token("u1"))
    assert (status, len(learner.events(topics.ENROLMENT_SYNC))) == (200, 1)
    assert learner.call("POST", "/v1/activity/agg", {**asked, "userId": "u2"}, learner.token("u1"))[0] == 403


def test_an_aggregate_counts_lessons_in_and_leaves_those_not_begun_out(learner: Any) -> None:
    asked = {"userId": "u1", "courseId": COURSE, "batchId": "01"}

    def send_some(*statuses: int) -> int:
        contents = [{"contentId": f"do_{place}", "status": status} for place, status in enumerate(statuses)]
        status, _ = learner.call("POST", "/v1/activity/agg", {**asked, "contents": contents}, learner.token("u1"))
        return int(status)

    assert send_some(0, 2) == 200
    assert send_some(0, 0) == 200
    assert send_some(2, 3) == 400
    (event,) = learner.events(topics.PROGRESS_UPDATE)
    assert [one["contentId"] for one in event["edata"]["contents"]] == ["do_1"]
    assert learner.events(topics.ENROLMENT_SYNC) == []


def test_a_token_past_its_end_may_still_update_within_the_grace_and_nothing_else(learner: Any) -> None:
    ended = {"x-authenticated-user-token": mint_token(learner.keys, "u1", ttl=-60)}
    status, _ = learner.call("PATCH", PATH, {"contents": [lesson()]}, ended)
    assert status == 200
    status, body = learner.call("POST", "/v1/content/state/read", {"courseId": COURSE, "batchId": "01"}, ended)
    assert (status, body["params"]["err"]) == (401, "UNAUTHORIZED_USER")


def test_a_token_past_the_grace_is_refused(learner: Any) -> None:
    ended = {"x-authenticated-user-token": mint_token(learner.keys, "u1", ttl=-25 * 3600)}
    assert learner.call("PATCH", PATH, {"contents": [lesson()]}, ended)[0] == 401


def test_a_managed_user_is_the_learner_of_what_their_parent_sends(learner: Any) -> None:
    learner.enrol("child")
    headers = learner.token("parent") | {
        "x-authenticated-for": mint_token(learner.keys, "child", parent="parent"),
    }
    status, _ = learner.call("PATCH", PATH, {"userId": "child", "contents": [lesson()]}, headers)
    assert (status, learner.events(topics.PROGRESS_UPDATE)[0]["edata"]["userId"]) == (200, "child")
    wrong = learner.token("other") | {"x-authenticated-for": headers["x-authenticated-for"]}
    assert learner.call("PATCH", PATH, {"contents": [lesson()]}, wrong)[0] == 401


def test_a_service_may_name_any_learner(learner: Any) -> None:
    status, _ = learner.call("PATCH", PATH, {"userId": "u1", "contents": [lesson()]}, learner.service_headers)
    assert status == 200


@pytest.mark.parametrize("body", [b"", b"{", b'{"request": {"contents": [{"status": NaN}]}}', b"[]", b"\xff\xfe"])
def test_a_body_that_is_no_update_is_a_400_with_code_and_message_id(learner: Any, body: bytes) -> None:
    answer = learner.client.patch(PATH, content=body, headers=learner.token("u1"))
    params = answer.json()["params"]
    assert (answer.status_code, bool(params["err"]), bool(params["msgid"])) == (400, True, True)


def test_a_body_of_ten_megabytes_is_refused_as_too_large(learner: Any) -> None:
    body = msgspec.json.encode({"request": {"contents": [lesson("x" * 10_000_000)]}})
    answer = learner.client.patch(PATH, content=body, headers=learner.token("u1"))
    assert (answer.status_code, answer.json()["params"]["err"]) == (413, "REQUEST_TOO_LARGE")
    chunked = learner.client.patch(
        PATH, content=iter([body[:6_000_000], body[6_000_000:]]), headers=learner.token("u1")
    )
    assert chunked.status_code == 413


def test_a_locked_database_gives_503_and_nothing_half_written(learner: Any) -> None:
    learner.line.db.wait_seconds = 0.2
    with learner.line.store.writing():
        started = time.monotonic()
        answer = learner.client.patch(
            PATH, content=msgspec.json.encode({"request": {"contents": [lesson()]}}), headers=learner.token("u1")
        )
        assert time.monotonic() - started < 15
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert learner.events(topics.PROGRESS_UPDATE) == []


def test_a_fault_inside_tells_the_client_nothing(learner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret inner state")

    monkeypatch.setattr("lernline.api.routes.states.parse_update", broken)
    status, body = send(learner, {"contents": [lesson()]})
    assert (status, body["params"]["err"]) == (500, "INTERNAL_ERROR")
    assert "secret" not in str(body)
