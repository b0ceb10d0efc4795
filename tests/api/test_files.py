"""Files behind signed links, and who may ask for reports (rest-api.md 7, rulings 30 and 37)."""

from typing import Any

from lernline.blob.links import LinkSigner
from lernline.model import UserProfile

BIG = b"0123456789abcdef" * 200_000


def link(service: Any, key: str, minutes: int) -> str:
    signer = LinkSigner(service.line.settings.keys / "links", service.line.clock)
    return f"/files/{signer.sign(key, service.line.clock.now_ms() + minutes * 60_000)}"


def test_a_signed_link_gives_the_whole_file_and_only_until_it_ends(service: Any) -> None:
    service.line.blob.put("progress-exhaust/R/b_progress.csv", [BIG])
    answer = service.client.get(link(service, "progress-exhaust/R/b_progress.csv", 1))
    assert (answer.status_code, answer.content == BIG) == (200, True)
    assert answer.headers["content-disposition"].endswith("b_progress.csv")
    assert service.client.get(link(service, "progress-exhaust/R/b_progress.csv", -1)).status_code == 403
    assert service.client.get("/files/guess").status_code == 403
    assert service.client.get(link(service, "progress-exhaust/none.csv", 1)).status_code == 404


def test_a_request_is_for_people_of_the_channel_with_a_role(service: Any) -> None:
    def status(token: dict[str, str], **headers: str) -> int:
        answer = service.client.get("/api/dataset/v1/request/list/do_1_01", headers=token | headers)
        assert answer.json()["id"] == "ekstep.analytics.dataset.request.list"
        return int(answer.status_code)

    mentor = service.token("m1", "COURSE_MENTOR", channel="ch")
    own = {"X-Channel-ID": "ch"}
    assert status(mentor, **own) == 200
    assert status(mentor, **{"X-Channel-ID": "other"}) == 403
    assert status(mentor) == 403
    assert status(mentor, **own, **{"X-Authenticated-Userid": "m2"}) == 403
    assert status(service.token("u1", channel="ch"), **own) == 403
    assert status({}, **own) == 401
    service.profiles(UserProfile(userid="u1", rootorgid="ch", roles=["REPORT_ADMIN"]))
    assert status(service.token("u1"), **own) == 200


def test_the_directory_s_roles_and_tenant_count_where_it_states_any(service: Any) -> None:
    def status(uid: str, path: str = "/request/list/x", method: str = "GET", **token: Any) -> int:
        headers = service.token(uid, "ORG_ADMIN", channel="ch", **token) | {"X-Channel-ID": "ch"}
        body = {"filters": {"channel": "ch"}} if method == "POST" else None
        return int(service.call(method, path, body, headers)[0])

    assert (status("u1"), status("u1", "/request/search", "POST")) == (200, 200)
    service.profiles(UserProfile(userid="u1", rootorgid="ch", roles=["PUBLIC"]))
    assert (status("u1"), status("u1", "/request/search", "POST")) == (403, 403)
    service.profiles(UserProfile(userid="u2", rootorgid="ch"), UserProfile(userid="u3", rootorgid="elsewhere"))
    assert (status("u2"), status("u3")) == (200, 403)
