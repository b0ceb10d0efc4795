"""What anybody with a certificate's address may see of it, and the keys to check it with (certificates.md 8 and 11)."""

from __future__ import annotations

import msgspec

from lernline.api import access
from lernline.api.call import Answer, Call, Route
from lernline.api.face import Face
from lernline.errors import NotFound

_SVG = "image/svg+xml"
# a picture comes from a template that somebody uploaded: whatever it holds, it may run and fetch nothing
_PICTURE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox",
    "x-content-type-options": "nosniff",
    "vary": "accept",
}


def read(face: Face, call: Call) -> Answer:
    """The signed credential as it was issued, or its picture. The name is in clear, the user id is a salted hash."""
    name = call.params["id"]
    credential = face.line.store.credential(name.removesuffix(".svg"))
    if credential is None:
        raise NotFound("There is no certificate at this address.")
    if name.endswith(".svg") or call.query.get("format") == "svg" or _prefers_picture(call.header("accept")):
        return Answer(face.line.picture(credential), _SVG, headers=_PICTURE_HEADERS)
    return Answer(credential.document, "application/vc", headers={"vary": "accept"})


def did_document(face: Face, call: Call) -> Answer:  # noqa: ARG001  every handler is given the call
    """The issuer's keys, retired ones included, where its domain points here."""
    if "/" in face.line.settings.certificate_domain or not face.line.settings.certificate_domain:
        raise NotFound("There is nothing at this address.")
    return _keys(face)


def did_document_of_path(face: Face, call: Call) -> Answer:  # noqa: ARG001  as above
    """The same for a domain with a path, at that path."""
    return _keys(face)


def did_routes(domain: str) -> tuple[Route, ...]:
    """The address at which a domain with a path has its keys; nothing for one without."""
    _, slash, path = domain.partition("/")
    if not slash:
        return ()
    return (Route("GET", f"/{path}/did.json", access.OPEN, did_document_of_path, "The issuer's public keys"),)


def _keys(face: Face) -> Answer:
    return Answer(msgspec.json.encode(face.line.issuing.did_document()), "application/did+ld+json")


def _prefers_picture(accept: str) -> bool:
    """Whether a picture is named in ``Accept`` and no kind of JSON is wanted as much; wildcards name neither."""
    wanted = {"picture": 0.0, "json": 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if kind in {_SVG, "application/vc"} or kind.endswith(("/json", "+json")):
            name = "picture" if kind == _SVG else "json"
            wanted[name] = max(wanted[name], _quality(parameters))
    return wanted["picture"] > wanted["json"]


def _quality(parameters: list[str]) -> float:
    stated = next((one.removeprefix("q=") for one in parameters if one.startswith("q=")), "1")
    try:
        return float(stated)
    except ValueError:
        return 0.0


ROUTES = (
    Route("GET", "/certs/{id}", access.OPEN, read, "Read an issued certificate, or see its picture"),
    Route("GET", "/.well-known/did.json", access.OPEN, did_document, "The issuer's public keys"),
)
