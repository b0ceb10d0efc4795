"""Health, description, preflights, strange requests, tokens (rest-api.md 1, rulings 28 and 34)."""

import stat
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from lernline.api.table import ROUTES
from lernline.api.tokens import EMBEDDED_KID, mint_token
from lernline.errors import Unavailable


def test_health_names_every_part_and_answers_503_while_one_is_away(service: Any) -> None:
    status, body = service.call("GET", "/health")
    assert (status, body["id"], body["result"]["response"]["healthy"]) == (200, "api.all.health", True)
    service.line.store.catalog_version = _away
    status, body = service.call("GET", "/health")
    assert (status, body["result"]["response"]["healthy"]) == (503, False)
    assert service.call("GET", "/service/health")[0] == 200
    assert service.call("POST", "/v1/course/batch/search", {})[0] == 200


def _away() -> int:
    raise Unavailable("the database is locked")


def test_any_preflight_is_answered_with_the_cors_header(service: Any) -> None:
    for path in ("/abcall", "/v1/content/state/update"):
        answer = service.client.options(path)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


def test_every_answer_carries_its_length_and_the_callers_message_id(service: Any) -> None:
    answer = service.client.get("/health", headers={"X-msgId": "m-1"})
    assert answer.json()["params"]["msgid"] == "m-1"
    assert answer.headers["x-response-length"] == str(len(answer.content))
    odd = service.client.get("/health", headers={"X-Request-ID": 'a"b\\c'})
    assert odd.json()["params"]["msgid"] == 'a"b\\c'


def test_what_is_not_there_is_told_in_the_envelope(service: Any) -> None:
    status, body = service.call("GET", "/v1/nothing/here")
    assert (status, body["responseCode"]) == (404, "RESOURCE_NOT_FOUND")
    status, body = service.call("GET", "/v1/content/state/read")
    assert (status, body["params"]["err"]) == (405, "METHOD_NOT_ALLOWED")


def test_the_description_names_every_path_of_the_table(service: Any) -> None:
    document = service.client.get("/openapi.json").json()
    assert set(document["paths"]) == {path for route in ROUTES for path in route.paths}
    assert document["paths"]["/v1/content/state/update"]["patch"]["security"] == [{"service": []}, {"user": []}]


def test_the_embedded_keys_are_secret_and_made_once(service: Any) -> None:
    first = mint_token(service.keys, "u1")
    private = service.keys / f"{EMBEDDED_KID}.key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    before = private.read_bytes()
    mint_token(service.keys, "u2")
    assert private.read_bytes() == before
    assert first.count(".") == 2
    secret = service.line.settings.keys / "service-token"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def read_as(service: Any, token: str) -> int:
    headers = {"x-authenticated-user-token": token}
    return int(service.call("POST", "/v1/content/state/read", {"courseId": "c", "batchId": "b"}, headers)[0])


def test_tokens_of_strange_make_are_refused(service: Any) -> None:
    good = mint_token(service.keys, "u1")
    assert read_as(service, good) == 200
    public = (service.keys / f"{EMBEDDED_KID}.pem").read_bytes()
    claims = {"iss": "lernline", "sub": "f:x:u1", "exp": 9_999_999_999}
    header = {"alg": "HS256", "kid": EMBEDDED_KID}
    confused = jwt.encode(
        header, claims, OctKey.import_key(b"0" * 32 + public.replace(b"-", b"_")), algorithms=["HS256"]
    )
    own = RSAKey.generate_key(2048)
    foreign = jwt.encode({"alg": "RS256", "kid": EMBEDDED_KID}, claims, own)
    unsigned = ".".join(good.split(".")[:2]) + "."
    embedded = RSAKey.import_key((service.keys / f"{EMBEDDED_KID}.key").read_bytes())
    other_issuer = jwt.encode({"alg": "RS256", "kid": EMBEDDED_KID}, claims | {"iss": "elsewhere"}, embedded)
    endless = jwt.encode({"alg": "RS256", "kid": EMBEDDED_KID}, {"iss": "lernline", "sub": "f:x:u1"}, embedded)
    managed = mint_token(service.keys, "child", parent="u1")
    for token in (confused, foreign, unsigned, other_issuer, endless, managed, "nonsense", ""):
        assert read_as(service, token) == 401


def test_consumer_headers_are_believed_from_the_gateway_alone(service: Any, started: Any) -> None:
    headers = {"X-Consumer-ID": "portal", "X-Channel-ID": "ch"}
    assert service.call("GET", "/v1/course/batch/read/1", None, headers)[0] == 404
    outside = started(gateway_addresses=("10.0.0.1",))
    assert outside.call("GET", "/v1/course/batch/read/1", None, headers)[0] == 401


def test_a_wrong_service_token_opens_nothing(service: Any) -> None:
    headers = {"x-service-token": "guess"} | service.token("u1")
    status, _ = service.call("POST", "/v1/content/state/read", {"courseId": "c", "batchId": "b"}, headers)
    assert status == 401
