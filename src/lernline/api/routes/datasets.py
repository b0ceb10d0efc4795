"""Dataset requests, the registry of datasets, and the files behind signed links (rest-api.md 7)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec

from lernline.api import access
from lernline.api.call import Answer, Call, Route
from lernline.api.face import Face
from lernline.errors import BadRequest
from lernline.report.access import Asker, not_authorised

_ID = "ekstep.analytics.dataset"


def submit(face: Face, call: Call) -> dict[str, Any]:
    """Ask for a report."""
    return face.line.reports.submit(*_for_channel(face, call), call.request)


def read(face: Face, call: Call) -> dict[str, Any]:
    """One request."""
    return face.line.reports.read(*_for_channel(face, call), call.params["tag"], call.query.get("requestId", ""))


def list_of(face: Face, call: Call) -> dict[str, Any]:
    """Requests of a tag."""
    limit = call.query.get("limit")
    if limit is not None and not limit.isdecimal():
        raise BadRequest("limit should be a number of requests")
    asker, channel = _for_channel(face, call)
    if limit is None:
        return face.line.reports.list(asker, channel, call.params["tag"])
    return face.line.reports.list(asker, channel, call.params["tag"], int(limit))


def search(face: Face, call: Call) -> dict[str, Any]:
    """Requests by filters."""
    return face.line.reports.search(_asker(face, call), call.request)


def dataset_add(face: Face, call: Call) -> dict[str, Any]:
    """Register a dataset."""
    return face.line.reports.dataset_add(_asker(face, call), call.request)


def dataset_list(face: Face, call: Call) -> dict[str, Any]:
    """All datasets."""
    return face.line.reports.dataset_list(_asker(face, call))


def download(face: Face, call: Call) -> Answer:
    """The file that a signed link is for."""
    key = face.line.links.verify(call.params["token"])
    stat = face.line.blob.stat(key)
    name = quote(key.rpartition("/")[2])
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{name}", "cache-control": "private, no-store"}
    media_type = "application/zip" if key.endswith(".zip") else "text/csv; charset=utf-8"
    length = stat.size if stat is not None else None
    return Answer(b"", media_type, headers=headers, chunks=face.line.blob.get(key), length=length)


def _asker(face: Face, call: Call) -> Asker:
    """The principal as reports know it; a user's roles and tenant are the directory's where it knows them.

    Raises:
        Forbidden: the stated user is another than the token's, or no role fits the dataset.
    """
    principal = call.principal
    if principal.kind == "user" and principal.userid:
        profile = face.line.store.profiles([principal.userid]).get(principal.userid)
        if profile is not None:
            roles = frozenset(profile.roles) or principal.roles
            principal = msgspec.structs.replace(principal, roles=roles, tenant=profile.rootorgid or principal.tenant)
    return Asker(
        principal.kind, principal.userid or principal.id, principal.roles, principal.tenant, principal.on_behalf_of
    )


def _for_channel(face: Face, call: Call) -> tuple[Asker, str]:
    """Who asks, and for which channel; a channel that is missing is the report station's to refuse."""
    asker, channel = _asker(face, call), call.header("x-channel-id")
    headers = {name: call.header(name) for name in ("x-channel-id", "x-authenticated-userid")}
    request = call.request if call.body else {}
    principal = msgspec.structs.replace(call.principal, roles=asker.roles)
    if channel and not access.DATASET.permits(access.Ask(principal, headers, call.params, request)):
        raise not_authorised(asker)
    return asker, channel


ROUTES = (
    Route(
        "POST",
        "/request/submit",
        access.DATASET,
        submit,
        "Ask for a report",
        public=("/dataset/v1/request/submit",),
        judges_itself=True,
        dataset_id=f"{_ID}.request.submit",
    ),
    Route(
        "GET",
        "/request/read/{tag}",
        access.DATASET,
        read,
        "Read a request for a report",
        public=("/dataset/v1/request/read/{tag}",),
        judges_itself=True,
        dataset_id=f"{_ID}.request.info",
    ),
    Route(
        "GET",
        "/request/list/{tag}",
        access.DATASET,
        list_of,
        "List the requests of a tag",
        public=("/dataset/v1/request/list/{tag}",),
        judges_itself=True,
        dataset_id=f"{_ID}.request.list",
    ),
    Route(
        "POST",
        "/request/search",
        access.DATASET_ADMIN,
        search,
        "Search requests for reports",
        public=("/dataset/v1/request/search",),
        judges_itself=True,
        dataset_id=f"{_ID}.request.search",
    ),
    Route(
        "POST",
        "/dataset/v1/add",
        access.DATASET_ADMIN,
        dataset_add,
        "Register a dataset",
        aliases=("/dataset/add",),
        judges_itself=True,
        dataset_id=f"{_ID}.add",
    ),
    Route(
        "GET",
        "/dataset/v1/list",
        access.DATASET_LIST,
        dataset_list,
        "List the datasets",
        aliases=("/dataset/list",),
        judges_itself=True,
        dataset_id=f"{_ID}.list",
    ),
    Route("GET", "/files/{token}", access.OPEN, download, "Download a file through a signed link"),
)
