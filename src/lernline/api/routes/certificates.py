"""What anybody who holds a certificate's address may see of it (certificates.md 8, ruling 39)."""

from __future__ import annotations

from lernline.api import access
from lernline.api.call import Answer, Call, Route
from lernline.api.face import Face
from lernline.errors import NotFound


def read(face: Face, call: Call) -> Answer:
    """The signed credential as it was issued; it names its holder by salted hashes alone."""
    credential = face.line.store.credential(call.params["id"])
    if credential is None:
        raise NotFound("There is no certificate at this address.")
    return Answer(credential.document, "application/vc")


ROUTES = (Route("GET", "/certs/{id}", access.OPEN, read, "Read an issued certificate"),)
