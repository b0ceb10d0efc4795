"""What is public of a certificate: the document, its picture, the issuer's keys (certificates.md 8 and 11)."""

from typing import Any

import pytest

from lernline.certify.issuing import Due
from lernline.certify.keys import keys_of_did_document
from lernline.certify.template import Signatory
from lernline.model import Changes, Credential, EnrolmentKey


def test_a_certificate_is_read_by_whoever_holds_its_address(service: Any) -> None:
    assert service.client.get("/certs/none").status_code == 404
    issued = Credential("c1", "u1", "co", "01", "t", "v", "Merit", b'{"id":"urn:uuid:c1"}', "", 1)
    service.line.store.commit(Changes(credentials=[issued]))
    answer = service.client.get("/certs/c1")
    assert (answer.status_code, answer.content) == (200, issued.document)


def test_a_certificate_is_shown_as_a_picture_to_whoever_wants_one(service: Any) -> None:
    identifier = issue(service)
    path = f"/certs/{identifier}"
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/png,image/svg+xml,*/*;q=0.8"
    for asked, accept in ((f"{path}.svg", ""), (f"{path}?format=svg", ""), (path, browser)):
        answer = service.client.get(asked, headers={"accept": accept})
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "Asha Rao" in answer.text
    for accept in ("*/*", "application/vc", "image/svg+xml;q=0.1, application/json", "image/svg+xml;q=x"):
        answer = service.client.get(path, headers={"accept": accept})
        assert answer.headers["content-type"] == "application/vc"
    assert service.client.get("/certs/none.svg").status_code == 404


def issue(service: Any) -> str:
    key = EnrolmentKey("u-asha", "do_1", "01")
    signatory = Signatory("A", "a", "Head", "data:image/png;base64,aGk=")
    facts = ("t", "v", "Merit", "https://x/t.svg", "Council", "https://x", (signatory,), "Complete all content")
    credential, _ = service.line.certifier.issue(Due(key, "Asha Rao", "Water cycle", *facts, 1_772_400_000_000), 1)
    service.line.store.commit(Changes(credentials=[credential]))
    return str(credential.id)


@pytest.mark.parametrize(
    ("domain", "path"),
    [("edu.example", "/.well-known/did.json"), ("edu.example/orgs/o1", "/orgs/o1/did.json")],
)
def test_the_issuer_s_keys_are_served_where_its_did_says(started: Any, domain: str, path: str) -> None:
    running = started(certificate_domain=domain)
    answer = running.client.get(path)
    assert answer.status_code == 200
    assert keys_of_did_document(answer.json()) == running.line.issuing.keys
    others = {"/.well-known/did.json", "/orgs/o1/did.json"} - {path}
    assert {running.client.get(one).status_code for one in others} == {404}


def test_without_a_domain_there_is_no_did_document(service: Any) -> None:
    assert service.client.get("/.well-known/did.json").status_code == 404
