"""The picture of a certificate that was issued, from what the certificate and its batch's template say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

import msgspec

from lernline.certify.rendering import PictureValues, default_template, render_svg
from lernline.certify.template import judge_template
from lernline.model import Credential
from lernline.times import parse_time


def picture(
    credential: Credential, template: Mapping[str, Any], address: str, zone: tzinfo, drawing: bytes | None = None
) -> bytes:
    """An SVG of a certificate. It shows what is signed and never the learner's id: pictures are passed around.

    Args:
        credential: as stored.
        template: the batch's template, for the signatories; empty when the batch does not have it any more.
        address: text of the QR code.
        zone: of the printed days.
        drawing: the SVG template; None for Lernline's own.

    Raises:
        BadRequest: the drawing is not an SVG that can be read safely.
    """
    document: dict[str, Any] = msgspec.json.decode(credential.document)
    subject = document["credentialSubject"]
    judged, _ = judge_template({"identifier": credential.template_id, **template})
    values = PictureValues(
        recipient_name=next(
            (one["identityHash"] for one in subject["identifier"] if one.get("identityType") == "name"), ""
        ),
        recipient_id="",
        course_id=credential.courseid,
        course_name=subject["achievement"]["name"],
        certificate_name=credential.template_name,
        issuer_name=document["issuer"].get("name", ""),
        issuer_url=document["issuer"].get("url", ""),
        completed_ms=parse_time(document["awardedDate"]),
        qr_payload=address,
        signatories=() if judged is None else judged.signatories,
        zone=zone,
    )
    return render_svg(drawing or default_template(), values)
