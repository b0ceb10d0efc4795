"""Enrolments: enrol, unenrol, a learner's list (rest-api.md 4.1 and 4.2)."""

from __future__ import annotations

from typing import Any

from lernline.api import access
from lernline.api.call import Call, Route
from lernline.api.face import Face
from lernline.errors import catalogued
from lernline.record import enrolments
from lernline.record.enrolment_rules import ListQuery, parse_key, parse_list, parse_list_query

SUCCESS = {"response": "SUCCESS"}


def enrol(face: Face, call: Call) -> dict[str, Any]:
    """Enrol the caller, or whom they may name."""
    enrolments.enrol(face.line, parse_key(call.request, call.principal.userid), call.actor)
    return SUCCESS


def unenrol(face: Face, call: Call) -> dict[str, Any]:
    """End an enrolment of the caller, or of whom they may name."""
    key = parse_key(call.request, call.principal.userid)
    enrolments.unenrol(face.line, key, call.actor, face.line.updates.enrolments)
    return SUCCESS


def enrol_other(face: Face, call: Call) -> dict[str, Any]:
    """Enrol the learner that the body names."""
    enrolments.enrol(face.line, parse_key(call.request, None), call.actor)
    return SUCCESS


def unenrol_other(face: Face, call: Call) -> dict[str, Any]:
    """End the enrolment that the body names."""
    enrolments.unenrol(face.line, parse_key(call.request, None), call.actor, face.line.updates.enrolments)
    return SUCCESS


def list_of(face: Face, call: Call) -> dict[str, Any]:
    """A learner's enrolments, the learner in the path."""
    return _listed(face, call, call.params["uid"], parse_list_query(call.query))


def search(face: Face, call: Call) -> dict[str, Any]:
    """A learner's enrolments, the learner in the body or the caller."""
    stated = call.request.get("userId")
    if stated is not None and not isinstance(stated, str):
        raise catalogued("DATA_TYPE_ERROR", "userId", "String")
    userid = stated or call.principal.userid
    if not userid:
        raise catalogued("MANDATORY_PARAMETER_MISSING", "userId")
    return _listed(face, call, userid, parse_list(call.request))


def _listed(face: Face, call: Call, userid: str, query: ListQuery) -> dict[str, Any]:
    courses = enrolments.list_enrolments(face.line, userid, query, call.actor, face.line.updates.enrolments)
    return {"courses": courses}


ROUTES = (
    Route(
        "POST",
        "/v1/course/enroll",
        access.ENROL,
        enrol,
        "Enrol in a batch",
        public=("/course/v1/enrol", "/course/v1/enroll"),
    ),
    Route(
        "POST",
        "/v1/course/unenroll",
        access.ENROL,
        unenrol,
        "Leave a batch",
        public=("/course/v1/unenrol", "/course/v1/unenroll"),
    ),
    Route("POST", "/v1/course/admin/enroll", access.ENROL_OTHERS, enrol_other, "Enrol a learner"),
    Route("POST", "/v1/course/admin/unenroll", access.ENROL_OTHERS, unenrol_other, "End a learner's enrolment"),
    Route(
        "GET",
        "/v1/user/courses/list/{uid}",
        access.OWN_ENROLMENTS,
        list_of,
        "List one's own enrolments",
        public=("/course/v1/user/enrollment/list/{uid}",),
    ),
    Route(
        "GET",
        "/private/v1/user/courses/list/{uid}",
        access.SOMEBODYS_ENROLMENTS,
        list_of,
        "List a learner's enrolments for their mentor or administrator",
        public=("/course/private/v1/user/enrollment/list/{uid}",),
    ),
    Route(
        "POST",
        "/v2/user/courses/list",
        access.ENROLMENT_SEARCH,
        search,
        "Search a learner's enrolments",
        public=("/course/v2/user/enrollment/list",),
        aliases=("/private/v2/user/courses/list", "/v2/user/courses/admin/list"),
    ),
)
