"""Batches, their participants and templates, and the course tree (rest-api.md 4.3, 5, 6.1)."""

from __future__ import annotations

from typing import Any

from lernline.api import access
from lernline.api.call import Call, Route
from lernline.api.face import Face
from lernline.record import batches, templates

SUCCESS = {"response": "SUCCESS"}


def create(face: Face, call: Call) -> dict[str, Any]:
    """Create a batch."""
    return {**SUCCESS, "batchId": batches.create(face.line, call.request, call.actor)}


def update(face: Face, call: Call) -> dict[str, Any]:
    """Change a batch."""
    batches.update(face.line, call.request, call.actor)
    return SUCCESS


def read(face: Face, call: Call) -> dict[str, Any]:
    """One batch."""
    return {"response": batches.read(face.line, call.params["batchid"])}


def search(face: Face, call: Call) -> dict[str, Any]:
    """Batches that fit filters."""
    return {"response": batches.find(face.line, call.request)}


def participants(face: Face, call: Call) -> dict[str, Any]:
    """Learners of a batch."""
    return {"batch": batches.participants(face.line, call.request, call.actor)}


def add_template(face: Face, call: Call) -> dict[str, Any]:
    """Attach a certificate template."""
    templates.add(face.line, call.request, call.actor)
    return SUCCESS


def remove_template(face: Face, call: Call) -> dict[str, Any]:
    """Take a certificate template off."""
    templates.remove(face.line, call.request, call.actor)
    return SUCCESS


def hierarchy(face: Face, call: Call) -> dict[str, Any]:
    """The tree of a course."""
    return {"content": batches.hierarchy(face.line, call.params["courseid"])}


ROUTES = (
    Route(
        "POST",
        "/v1/course/batch/create",
        access.BATCH_WRITE,
        create,
        "Create a course batch",
        public=("/course/v1/batch/create",),
        aliases=("/private/v1/course/batch/create",),
    ),
    Route(
        "PATCH",
        "/v1/course/batch/update",
        access.BATCH_WRITE,
        update,
        "Change a course batch",
        public=("/course/v1/batch/update",),
    ),
    Route(
        "GET",
        "/v1/course/batch/read/{batchid}",
        access.BATCH_READ,
        read,
        "Read a course batch",
        public=("/course/v1/batch/read/{batchid}",),
    ),
    Route(
        "POST",
        "/v1/course/batch/search",
        access.OPEN,
        search,
        "List course batches",
        public=("/course/v1/batch/list",),
    ),
    Route(
        "POST",
        "/v1/batch/participants/list",
        access.PARTICIPANTS,
        participants,
        "List the learners of a batch",
        public=("/course/v1/batch/participants/list",),
    ),
    Route(
        "PATCH",
        "/v1/course/batch/cert/template/add",
        access.BATCH_WRITE,
        add_template,
        "Attach a certificate template to a batch",
        public=("/course/batch/cert/v1/template/add",),
    ),
    Route(
        "PATCH",
        "/v1/course/batch/cert/template/remove",
        access.BATCH_WRITE,
        remove_template,
        "Take a certificate template off a batch",
        public=("/course/batch/cert/v1/template/remove",),
    ),
    Route(
        "GET",
        "/v1/course/hierarchy/{courseid}",
        access.OPEN,
        hierarchy,
        "Read the published tree of a course",
        public=("/course/v1/hierarchy/{courseid}",),
    ),
)
