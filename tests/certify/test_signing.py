"""Signatures cover everything, and the quick way gives what the library gives."""

from __future__ import annotations

import json
import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lernline.certify import linked_data
from lernline.certify.canonical import Canonicalizer
from lernline.certify.credential import (
    CredentialFacts,
    ScoreShown,
    build_credential,
    credential_uuid,
    hashed_recipient,
    recipient_salt,
)
from lernline.certify.keys import Issuing
from lernline.certify.linked_data import (
    CREDENTIALS_V2,
    OPEN_BADGES_V3,
    ContextDamagedError,
    UnsignedContent,
    canonical_nquads,
    pinned_context,
)
from lernline.certify.signing import Signer, signature_holds, xsd_time
from lernline.certify.template import Signatory

NOW = 1_772_400_000_500
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


def test_the_signature_holds_and_stands_in_a_list(facts: CredentialFacts, issuing: Issuing) -> None:
    signed = Signer(issuing.current).sign(build_credential(facts), NOW)
    (proof,) = signed["proof"]
    assert proof["created"] == "2026-03-01T21:20:00.500Z"
    assert proof["verificationMethod"] == "did:web:edu.example#key-1"
    assert signature_holds(signed, proof, issuing.current.verification.public)


def test_the_same_facts_give_the_same_signature(facts: CredentialFacts, issuing: Issuing) -> None:
    document = build_credential(facts)
    assert Signer(issuing.current).sign(document, NOW) == Signer(issuing.current).sign(document, NOW)


def test_all_that_makes_the_certificate_is_in_the_signed_content(facts: CredentialFacts) -> None:
    signed = canonical_nquads(build_credential(facts))
    for fact in (
        facts.recipient_id,
        facts.recipient_name,
        facts.batch_id,
        facts.course_id,
        facts.template_id,
        facts.template_version,
        facts.criteria,
        '"66.67"',
        '"100"',
        xsd_time(facts.completed_ms),
        xsd_time(facts.issued_ms),
        "A. Rao",
        "Director",
        "(rao)",
        facts.issuer_name,
    ):
        assert fact in signed


def test_a_hidden_recipient_is_proved_by_whoever_knows_the_id(facts: CredentialFacts) -> None:
    hidden = msgspec.structs.replace(facts, recipient_salt="salt")
    document = build_credential(hidden)
    assert facts.recipient_id not in json.dumps(document)
    assert hashed_recipient(facts.recipient_id, "salt") in canonical_nquads(document)


def test_the_id_of_a_certificate_follows_from_its_cause() -> None:
    one = credential_uuid(b"s", "u", "c", "b", "t", "v", 1)
    assert one == credential_uuid(b"s", "u", "c", "b", "t", "v", 1)
    other = credential_uuid(b"s", "u", "c", "b", "t", "v", 2), credential_uuid(b"s", "uc", "", "b", "t", "v", 1)
    assert len({one, *other}) == 3


def test_ids_and_salts_cannot_be_worked_out_without_the_installation_s_secret() -> None:
    facts = ("u", "c", "b", "t", "v", 1)
    one, other = credential_uuid(b"one", *facts), credential_uuid(b"other", *facts)
    assert one != other
    assert uuid.UUID(one).version == 4
    assert len({one, recipient_salt(b"one", one), recipient_salt(b"other", one)}) == 3
    assert one.replace("-", "") not in recipient_salt(b"one", one)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(texts, texts), max_size=4), st.lists(st.tuples(texts, texts), max_size=3), texts, texts)
def test_the_quick_way_and_the_library_agree(
    facts: CredentialFacts,
    scores: list[tuple[str, str]],
    signatories: list[tuple[str, str]],
    name: str,
    batch: str,
) -> None:
    document = build_credential(
        msgspec.structs.replace(
            facts,
            recipient_name=name,
            batch_id=batch,
            scores=tuple(ScoreShown(content, title, 50.0) for content, title in scores),
            signatories=tuple(Signatory(who, who, post, "") for who, post in signatories),
        )
    )
    assert Canonicalizer().nquads(document) == canonical_nquads(document)


def test_nameless_parts_that_look_alike_agree_too(facts: CredentialFacts) -> None:
    twin = Signatory("A", "a", "D", "")
    document = build_credential(msgspec.structs.replace(facts, signatories=(twin, twin, twin)))
    canonicalizer = Canonicalizer()
    for name in ("one", "two"):
        document["name"] = name
        assert canonicalizer.nquads(document) == canonical_nquads(document)


def test_a_frame_that_was_made_from_other_texts_gives_the_same_result(facts: CredentialFacts) -> None:
    canonicalizer = Canonicalizer()
    for name in ('plain "quoted" \\ back', "tab\tand\nline", "\ue000lernline-mark:0", "urn:lernline-mark:3", ""):
        document = build_credential(msgspec.structs.replace(facts, recipient_name=name, recipient_id=name))
        assert canonicalizer.nquads(document) == canonical_nquads(document)


@pytest.mark.parametrize("way", [canonical_nquads, Canonicalizer().nquads])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shoeSize": "44"}, "shoeSize is not defined"),
        ({"id": "not absolute"}, "not an absolute identifier"),
        ({"id": "relative"}, "'relative' is not an absolute identifier"),
        ({"id": "//edu.example/1"}, "not an absolute identifier"),
        ({"type": ["VerifiableCredential", "OpenBadgeCredential", "Shoe"]}, "'Shoe' is not an absolute"),
        ({"name": None}, "name is null"),
        ({"name": "bell \x07"}, "control character"),
        ({"@context": [CREDENTIALS_V2, "https://evil.example/context"]}, "not one that this release knows"),
        ({"@context": [CREDENTIALS_V2, {"name": "https://evil.example/"}]}, "inline @context"),
        ({"@context": [OPEN_BADGES_V3, CREDENTIALS_V2]}, "begins with"),
        ({"@context": CREDENTIALS_V2}, "must be a list"),
        ({"evidence": [{"type": ["Evidence"], "@index": "lie"}]}, "@index may not stand"),
        ({"evidence": [{"@context": {"x": "y:z"}}]}, "@context may not stand"),
    ],
)
def test_what_no_signature_would_cover_is_refused(
    facts: CredentialFacts, way: Any, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(UnsignedContent, match=said):
        way({**build_credential(facts), **change})


def test_a_document_made_to_keep_the_verifier_busy_is_refused(facts: CredentialFacts) -> None:
    document = build_credential(facts)
    twins = [{"type": ["AchievementSubject"], "result": [{"type": ["Result"]}] * 9} for _ in range(2)]
    document["credentialSubject"] = json.loads(json.dumps(twins))
    with pytest.raises(UnsignedContent, match="too many equal nameless parts"):
        canonical_nquads(document)


def test_absurd_nesting_is_refused(facts: CredentialFacts) -> None:
    document = build_credential(facts)
    nested: dict[str, Any] = {"name": "core"}
    for _ in range(50):
        nested = {"evidence": nested}
    with pytest.raises(UnsignedContent, match="levels deep"):
        canonical_nquads({**document, "evidence": nested})


def test_a_changed_context_file_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned_context.cache_clear()
    monkeypatch.setitem(linked_data._PINNED, CREDENTIALS_V2, ("credentials-v2.json", "0" * 64))
    with pytest.raises(ContextDamagedError, match=r"credentials-v2\.json"):
        pinned_context(CREDENTIALS_V2)
    pinned_context.cache_clear()
