from typing import Any

COURSE = "do_1130"


def update(service: Any, contents: list[dict], uid: str = "u1", **more: object) -> tuple[int, dict]:
    request = {"contents": contents, **more}
    return service.call("PATCH", "/v1/content/state/update", request, service.token(uid))


def lesson(contentid: str = "do_a", status: int = 2, **fields: object) -> dict:
    return {"contentId": contentid, "courseId": COURSE, "batchId": "01", "status": status, **fields}


def test_an_accepted_update_is_read_back_before_any_worker_has_run(service: Any) -> None:
    service.batch()
    service.enrol("u1")
    status, body = update(service, [lesson("do_a"), lesson("do_b", 1)])
    assert (status, body["result"]) == (200, {"do_a": "SUCCESS", "do_b": "SUCCESS"})
    assert body["id"] == "api.content.state.update"
    _, read = service.call(
        "POST", "/v1/content/state/read", {"courseId": COURSE, "batchId": "01"}, service.token("u1")
    )
    assert [(one["contentId"], one["status"], one["progress"]) for one in read["result"]["contentList"]] == [
        ("do_a", 2, 100),
        ("do_b", 1, 0),
    ]
