"""The picture of a certificate that was issued, from what the certificate and its batch's template say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from lernline.certify.rendering import PictureValues, default_template, render_svg
from lernline.certify.template import judge_template
from lernline.times import parse_time

if TYPE_CHECKING:
    from lernline.model import Credential
    from lernline.wiring import Line


def picture(line: Line, credential: Credential, drawing: bytes | None) -> bytes:
    """An SVG of a certificate.

    Args:
        line: knows the batch's template (for the signatories) and the address of the QR code.
        credential: as stored.
        drawing: the SVG template; None for Lernline's own.

    Raises:
        BadRequest: the drawing is not an SVG that can be read safely.
    """
    document: dict[str, Any] = msgspec.json.decode(credential.document)
    subject = document["credentialSubject"]
    batch = line.store.batches([credential.batchid]).get(credential.batchid)
    raw = {} if batch is None else batch.cert_templates.get(credential.template_id, {})
    template, _ = judge_template({"identifier": credential.template_id} | raw)
    values = PictureValues(
        recipient_name=next(
            (one["identityHash"] for one in subject["identifier"] if one.get("identityType") == "name"), ""
        ),
        recipient_id=credential.userid,
        course_id=credential.courseid,
        course_name=subject["achievement"]["name"],
        certificate_name=credential.template_name,
        issuer_name=document["issuer"].get("name", ""),
        issuer_url=document["issuer"].get("url", ""),
        completed_ms=parse_time(document["awardedDate"]),
        qr_payload=line.certifier.address(credential.id),
        signatories=() if template is None else template.signatories,
        zone=line.zone,
    )
    return render_svg(drawing or default_template(), values)
