"""Verification offline: the genuine passes, everything else says why not."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from lernline.certify.credential import CredentialFacts, build_credential
from lernline.certify.keys import Issuing, VerificationKey, from_multikey, keys_of_did_document
from lernline.certify.signing import Signer
from lernline.certify.verification import verify_credential

NOW = 1_772_500_000_000
EXAMPLE_KEY = VerificationKey(
    "did:web:edu.example#key-1",
    "did:web:edu.example",
    from_multikey("z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"),
)


def _paths(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _paths(item, (*path, key))]
    if isinstance(value, list):
        return [found for position, item in enumerate(value) for found in _paths(item, (*path, position))]
    return [path]


def _signed(facts: CredentialFacts, issuing: Issuing) -> dict[str, Any]:
    return Signer(issuing.current).sign(build_credential(facts), facts.issued_ms)


def test_the_contracts_example_verifies(example: bytes) -> None:
    report = verify_credential(example, now_ms=NOW, trusted=[EXAMPLE_KEY])
    assert report.valid, report.lines()
    assert report.issuer_known
    assert [check.name for check in report.checks] == ["form", "issuer", "proof", "validity"]


def test_what_we_sign_verifies_with_the_published_did_document(facts: CredentialFacts, issuing: Issuing) -> None:
    keys = keys_of_did_document(issuing.did_document())
    assert verify_credential(json.dumps(_signed(facts, issuing)).encode(), now_ms=NOW, trusted=keys).valid


def test_a_change_anywhere_is_noticed(facts: CredentialFacts, issuing: Issuing) -> None:
    """Every leaf of the document, the proof's own included, is changed once."""
    signed = _signed(facts, issuing)
    paths = _paths(signed)
    assert len(paths) > 50
    for path in paths:
        forged = json.loads(json.dumps(signed))
        target = forged
        for step in path[:-1]:
            target = target[step]
        value = target[path[-1]]
        target[path[-1]] = (not value) if isinstance(value, bool) else f"{value}x"
        report = verify_credential(json.dumps(forged).encode(), now_ms=NOW, trusted=issuing.keys)
        assert not report.valid, path


@pytest.mark.parametrize(
    "addition",
    [
        {"grade": "A+"},
        {"description": "with distinction"},
        {"@index": "A+"},
        {"validUntil": None},
        {"validUntil": "2099-01-01T00:00:00Z"},
    ],
)
def test_an_addition_is_noticed(facts: CredentialFacts, issuing: Issuing, addition: dict[str, Any]) -> None:
    forged = {**_signed(facts, issuing), **addition}
    report = verify_credential(json.dumps(forged).encode(), now_ms=NOW, trusted=issuing.keys)
    assert [check.name for check in report.checks if not check.passed] == ["proof"]


def test_a_part_taken_away_is_noticed(facts: CredentialFacts, issuing: Issuing) -> None:
    signed = _signed(facts, issuing)
    for key in ("evidence", "awardedDate", "name"):
        forged = {name: value for name, value in signed.items() if name != key}
        assert not verify_credential(json.dumps(forged).encode(), now_ms=NOW, trusted=issuing.keys).valid


def test_another_issuer_cannot_sign_in_the_issuers_name(
    facts: CredentialFacts, issuing: Issuing, own_key_issuing: Issuing
) -> None:
    forged = Signer(own_key_issuing.current).sign(build_credential(facts), facts.issued_ms)
    report = verify_credential(json.dumps(forged).encode(), now_ms=NOW, trusted=issuing.keys)
    assert "does not belong to did:web:edu.example" in report.lines()[-1]


def test_a_did_key_proves_itself_and_the_report_says_what_that_is_worth(
    facts: CredentialFacts, own_key_issuing: Issuing, issuing: Issuing
) -> None:
    own = msgspec.structs.replace(facts, issuer_did=own_key_issuing.current.did, base_url="")
    document = json.dumps(_signed(own, own_key_issuing)).encode()
    report = verify_credential(document, now_ms=NOW)
    assert report.valid, report.lines()
    assert not report.issuer_known
    assert "make sure that you know this DID" in report.checks[1].line
    assert not verify_credential(document, now_ms=NOW, trusted=issuing.keys).valid
    assert verify_credential(document, now_ms=NOW, trusted=own_key_issuing.keys).issuer_known


def test_a_web_issuer_needs_its_did_document(facts: CredentialFacts, issuing: Issuing) -> None:
    report = verify_credential(json.dumps(_signed(facts, issuing)).encode(), now_ms=NOW)
    assert "give its DID document" in report.lines()[-1]


def test_a_certificate_holds_only_between_its_dates(facts: CredentialFacts, issuing: Issuing) -> None:
    document = json.dumps(
        _signed(msgspec.structs.replace(facts, valid_until_ms=facts.issued_ms + 1000), issuing)
    ).encode()

    def last_line(now_ms: int) -> str:
        return verify_credential(document, now_ms=now_ms, trusted=issuing.keys).lines()[-1]

    assert "valid only from" in last_line(facts.issued_ms - 1)
    assert last_line(facts.issued_ms + 1000).startswith("ok")
    assert "was valid until" in last_line(facts.issued_ms + 1001)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cryptosuite": "eddsa-jcs-2022"}, "no proof of the suite"),
        ({"type": "Ed25519Signature2020"}, "type must be DataIntegrityProof"),
        ({"proofPurpose": "authentication"}, "another purpose"),
        ({"verificationMethod": "did:web:evil.example#key-1"}, "does not belong to"),
        ({"verificationMethod": None}, "names no key"),
        ({"previousProof": "urn:uuid:1"}, "Chained proofs"),
        ({"@context": {"a": "b:c"}}, "its own @context"),
        ({"expires": "2020-01-01T00:00:00Z"}, "has expired"),
        ({"expires": "tomorrow"}, "not a time with a zone"),
        ({"proofValue": "z" + "1" * 900_000}, "does not fit"),
        ({"proofValue": "u123"}, "does not fit"),
        ({"proofValue": None}, "does not fit"),
        ({"shoeSize": "44"}, "cannot cover"),
    ],
)
def test_an_odd_proof_is_refused_with_its_reason(
    facts: CredentialFacts, issuing: Issuing, change: dict[str, Any], said: str
) -> None:
    signed = _signed(facts, issuing)
    signed["proof"] = [{**signed["proof"][0], **change}]
    report = verify_credential(json.dumps(signed).encode(), now_ms=NOW, trusted=issuing.keys)
    assert not report.valid
    assert said in report.lines()[-1]


@pytest.mark.parametrize("proof", [None, [], {}, "text", [[]]])
def test_a_credential_without_a_proof_is_refused(facts: CredentialFacts, issuing: Issuing, proof: object) -> None:
    forged = {**_signed(facts, issuing), "proof": proof}
    report = verify_credential(json.dumps(forged).encode(), now_ms=NOW, trusted=issuing.keys)
    assert "no proof of the suite" in report.lines()[-1]


def test_a_second_proof_must_hold_as_well(facts: CredentialFacts, issuing: Issuing) -> None:
    signed = _signed(facts, issuing)
    signed["proof"] = [signed["proof"][0], {**signed["proof"][0], "created": "2020-01-01T00:00:00Z"}]
    assert not verify_credential(json.dumps(signed).encode(), now_ms=NOW, trusted=issuing.keys).valid


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"", "not valid JSON"),
        (b"[1]", "JSON object is expected"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"type":["VerifiableCredential"]}', "not an Open Badges 3.0 credential"),
        (b'{"type":5}', "not an Open Badges 3.0 credential"),
        (b'{"a":1,"a":2}', "one key twice"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not valid JSON"),
        (b" " * 1_000_001, "too large"),
    ],
)
def test_what_is_no_credential_is_refused_in_words(document: bytes, said: str) -> None:
    report = verify_credential(document, now_ms=NOW)
    assert not report.valid
    assert said in report.lines()[-1]


def test_a_name_written_twice_is_refused(facts: CredentialFacts, issuing: Issuing) -> None:
    document = json.dumps(_signed(facts, issuing))
    doubled = document.replace('"name": "Merit certificate"', '"name": "Gold", "name": "Merit certificate"')
    assert doubled != document
    report = verify_credential(doubled.encode(), now_ms=NOW, trusted=issuing.keys)
    assert "one key twice" in report.lines()[-1]
