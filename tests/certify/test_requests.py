"""Issue event in, generate event out, and the generator's checks."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from lernline.certify.criteria import EnrolmentFacts, ScoreFact
from lernline.certify.requests import (
    IssuedEntry,
    IssueRequest,
    LearnerFacts,
    LineSettings,
    decide_issue,
    evaluate_template,
    judge,
    parse_issue_event,
    recipient_name,
    validate_generate_request,
)
from lernline.certify.template import Template, parse_template
from lernline.errors import BadRequest, NotFound

MISSING = "MANDATORY_PARAMETER_MISSING"
INVALID = "INVALID_PARAM_VALUE"
SETTINGS = LineSettings(base_path="https://edu.example/certs", storage_base="https://obj.example/container")
REQUEST = IssueRequest("u1", "do_1", "b-1")


def _template(**changes: Any) -> Template:
    return parse_template(
        {
            "identifier": "t1",
            "name": "Completion",
            "url": "CLOUD_BASE_PATH/t1.svg",
            "criteria": {"enrollment": {"status": 2}},
            "issuer": {"name": "Council", "url": "https://edu.example/"},
            "signatoryList": [{"name": "A", "id": "a", "designation": "CEO", "image": "https://edu.example/a.png"}],
            **changes,
        }
    )


def _facts(**changes: Any) -> LearnerFacts:
    given: dict[str, Any] = {
        "enrolment": EnrolmentFacts(active=True, status=2, completed_on_ms=1_685_577_600_000),
        "issued": (),
        "enrolment_columns": {"completedon": 1_685_577_600_000},
        "scores": (),
        "user": {"firstName": "Asha", "lastName": "Rao", "rootOrgId": "org1"},
        "course_name": "Water cycle",
    }
    return LearnerFacts(**{**given, **changes})


def _event(template: Template | None = None, request: IssueRequest = REQUEST, **changes: Any) -> dict[str, Any] | None:
    return evaluate_template(
        request, template or _template(), _facts(**changes), SETTINGS, now_ms=1_685_577_700_000, message_id="LMS.1"
    )


def test_an_event_with_many_learners_asks_for_each_once() -> None:
    event = {"edata": {"action": "Issue-Certificate", "userIds": ["a", "b", "a"], "batchId": "b", "courseId": "c"}}
    assert [request.user_id for request in parse_issue_event(event)] == ["a", "b"]


def test_an_event_of_another_action_is_nobodys_business() -> None:
    assert parse_issue_event({"edata": {"action": "batch-enrolment-update"}}) == ()
    assert parse_issue_event({}) == ()


@pytest.mark.parametrize("field", ["userIds", "batchId", "courseId"])
def test_an_issue_event_without_an_id_is_refused_by_name(field: str) -> None:
    edata = {"action": "issue-certificate", "userIds": ["a"], "batchId": "b", "courseId": "c"}
    del edata[field]
    with pytest.raises(BadRequest, match=f"edata.{field}"):
        parse_issue_event({"edata": edata})


def test_the_generate_event_passes_the_generators_own_checks() -> None:
    event = _event()
    assert event is not None
    validate_generate_request(event)
    edata = event["edata"]
    assert edata["issuedDate"] == "2023-06-01"
    assert edata["data"] == [{"recipientName": "Asha Rao", "recipientId": "u1"}]
    assert edata["svgTemplate"] == "https://obj.example/container/t1.svg"
    assert edata["oldId"] == ""
    assert edata["related"] == {"batchId": "b-1", "courseId": "do_1", "type": "Completion"}


def test_additional_facts_are_added_and_cannot_replace_the_ids() -> None:
    template = _template(
        criteria={"enrollment": {"status": 2}, "assessment": {"score": {">=": 50}}},
        additionalProps={
            "enrollment": ["completedOn"],
            "assessment": ["score"],
            "user": ["rootOrgId", "batchId"],
            "location": ["state", "school"],
            "course": ["name"],
        },
    )
    user = {"firstName": "A", "rootOrgId": "o", "batchId": "evil", "userLocations": [{"type": "state", "name": "KA"}]}
    event = _event(template, scores=(ScoreFact("do_9", "SelfAssess", 3.0, 4.0),), user=user)
    assert event is not None
    assert event["edata"]["related"] == {
        "batchId": "b-1",
        "courseId": "do_1",
        "type": "Completion",
        "enrollment": {"completedOn": 1_685_577_600_000},
        "assessment": {"score": {"do_9": 75.0}},
        "rootOrgId": "o",
        "location": {"state": "KA"},
        "course": {"name": "Water cycle"},
    }


def test_an_unknown_enrolment_column_is_refused_by_name() -> None:
    with pytest.raises(BadRequest, match="favouriteColour"):
        _event(_template(additionalProps={"enrollment": ["favouriteColour"]}))


def test_a_score_alone_is_dated_by_the_clock() -> None:
    event = _event(
        _template(criteria={"assessment": {"score": {">=": 50}}}),
        enrolment=EnrolmentFacts(active=True, status=1),
        scores=(ScoreFact("do_9", "SelfAssess", 1.0, 1.0),),
    )
    assert event is not None
    assert event["edata"]["issuedDate"] == "2023-06-01"


def test_a_learner_without_profile_or_name_is_awaited() -> None:
    assert _event(user=None) is None
    assert "does not know the learner yet" in judge(REQUEST, _template(), _facts(user=None), SETTINGS).wait_for
    assert _event(user={"firstName": " ", "lastName": None}) is None


def test_a_held_certificate_is_not_issued_again_unless_asked() -> None:
    template = _template()
    held = IssuedEntry("Renamed", "cert-1", "t1", template.version)
    assert _event(template, issued=(held,)) is None
    again = _event(template, request=IssueRequest("u1", "do_1", "b-1", reissue=True), issued=(held,))
    assert again is not None
    assert again["edata"]["oldId"] == "cert-1"
    assert judge(REQUEST, template, _facts(issued=(held,)), SETTINGS).reasons() == [
        "the certificate cert-1 is already issued"
    ]


def test_two_templates_of_one_name_do_not_block_each_other() -> None:
    other = IssuedEntry("Completion", "cert-1", "t2", "v")
    assert _event(issued=(other,)) is not None


def test_an_older_entry_is_matched_by_name_ignoring_case() -> None:
    assert _event(issued=(IssuedEntry("COMPLETION", "cert-1"),)) is None


def test_a_new_version_is_a_new_certificate_and_a_reissue_replaces_the_old_one() -> None:
    older = IssuedEntry("Completion", "cert-1", "t1", "older-version")
    plain = _event(issued=(older,))
    assert plain is not None
    assert plain["edata"]["oldId"] == ""
    again = _event(request=IssueRequest("u1", "do_1", "b-1", reissue=True), issued=(older,))
    assert again is not None
    assert again["edata"]["oldId"] == "cert-1"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"firstName": "Rajesh", "lastName": ""}, "Rajesh"),
        ({"firstName": "Suresh", "lastName": None}, "Suresh"),
        ({"firstName": " A ", "lastName": "null"}, "A"),
        ({"lastName": "O'Brien"}, "O'Brien"),
        ({}, ""),
    ],
)
def test_names_leave_out_what_is_not_there(user: dict[str, Any], expected: str) -> None:
    assert recipient_name(user) == expected


@pytest.mark.parametrize(
    ("path", "value", "code", "message"),
    [
        ("name", " ", MISSING, "Mandatory parameter edata.name is missing."),
        ("name", None, MISSING, "Mandatory parameter edata.name is missing."),
        ("svgTemplate", "", MISSING, "Mandatory parameter edata.svgTemplate is missing."),
        ("data", [], MISSING, "Mandatory parameter edata.data is missing."),
        ("data.0.recipientName", "", MISSING, "Mandatory parameter edata.data.recipientName is missing."),
        ("issuer", {}, MISSING, "Mandatory parameter edata.issuer is missing."),
        ("issuer.url", "", MISSING, "Mandatory parameter edata.issuer.url is missing."),
        ("signatoryList", None, MISSING, "Mandatory parameter edata.signatoryList is missing."),
        ("signatoryList.0.image", "", MISSING, "Mandatory parameter edata.signatoryList.image is missing."),
        ("criteria.narrative", "", MISSING, "Mandatory parameter edata.criteria.narrative is missing."),
        ("tag", "a b", INVALID, "Invalid value a b for parameter tag."),
        ("tag", "a$b", INVALID, "Invalid value a$b for parameter tag."),
        ("basePath", "nowhere", INVALID, "Invalid value nowhere for parameter certificate.basePath."),
        ("keys", {"id": ""}, MISSING, "Mandatory parameter edata.keys.id is missing."),
    ],
)
def test_the_generators_checks_name_the_field(path: str, value: object, code: str, message: str) -> None:
    event = copy.deepcopy(_event())
    assert event is not None
    target: Any = event["edata"]
    *parents, last = path.split(".")
    for step in parents:
        target = target[int(step)] if step.isdigit() else target[step]
    target[last] = value
    with pytest.raises(BadRequest) as refused:
        validate_generate_request(event)
    assert (refused.value.code, refused.value.message) == (code, message)


def test_the_signing_key_must_be_the_issuers() -> None:
    event = _event(_template(issuer={"name": "C", "url": "https://c.example", "publicKey": ["1", "2"]}))
    assert event is not None
    event["edata"]["keys"] = {"id": "2"}
    validate_generate_request(event)
    event["edata"]["keys"] = {"id": "3"}
    with pytest.raises(BadRequest, match="public key attribute must contain"):
        validate_generate_request(event)


def test_a_batch_whose_id_has_hyphens_gets_certificates() -> None:
    event = _event(request=IssueRequest("u1", "do_1", "7d3c-11ee_a"))
    assert event is not None
    validate_generate_request(event)


def test_an_empty_event_misses_its_data() -> None:
    with pytest.raises(BadRequest, match="edata is missing"):
        validate_generate_request({})


def test_the_decision_needs_an_enrolment() -> None:
    event = _event()
    assert event is not None
    with pytest.raises(NotFound, match="not enrolled"):
        decide_issue(event, None)
    assert decide_issue(event, ())


def test_the_decision_goes_by_id_and_version_then_by_name() -> None:
    event = _event()
    assert event is not None
    version = event["edata"]["templateVersion"]
    assert not decide_issue(event, (IssuedEntry("other", "x", "t1", version),))
    assert decide_issue(event, (IssuedEntry("Completion", "x", "t1", "older"),))
    assert not decide_issue(event, (IssuedEntry("completion", "x"),))
    event["edata"]["oldId"] = "x"
    assert decide_issue(event, (IssuedEntry("completion", "x"),))
