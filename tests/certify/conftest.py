"""Facts and keys that the certificate tests share."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from lernline.certify.credential import CredentialFacts, ScoreShown
from lernline.certify.keys import Issuing, load_or_create_keys
from lernline.certify.template import Signatory


@pytest.fixture(scope="session")
def issuing(tmp_path_factory: pytest.TempPathFactory) -> Issuing:
    return load_or_create_keys(tmp_path_factory.mktemp("keys"), "edu.example")


@pytest.fixture(scope="session")
def own_key_issuing(tmp_path_factory: pytest.TempPathFactory) -> Issuing:
    return load_or_create_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def facts(issuing: Issuing) -> CredentialFacts:
    return CredentialFacts(
        credential_id=str(uuid.UUID(int=7)),
        issuer_did=issuing.current.did,
        issuer_name="Example Council",
        issuer_url="https://edu.example/",
        recipient_id="user-42",
        recipient_name="Asha O'Brien",
        course_id="do_113",
        course_name="Water cycle",
        batch_id="0131-batch",
        template_id="do_tmpl",
        template_name="Merit certificate",
        template_version="f00d",
        criteria="Complete all content; best assessment score >= 50 percent",
        completed_ms=1_772_323_200_000,
        issued_ms=1_772_400_000_000,
        signatories=(Signatory("A. Rao", "rao", "Director", "https://edu.example/rao.png"),),
        scores=(ScoreShown("do_9", "Quiz 1", 66.6666), ScoreShown("do_10", "Quiz 2", 100.0)),
        base_url="https://edu.example",
    )


@pytest.fixture
def example() -> bytes:
    return (Path(__file__).parent / "contract_example.json").read_bytes()
