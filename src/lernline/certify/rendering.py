"""The certificate's picture: a template's SVG with the learner's values, made safe (certificates.md 8, C-19 to C-21).

Values go into the parsed tree, never into the text, so the serializer escapes them. Afterwards everything that could
run or reach out is removed: scripts, foreign content, animations, event attributes, references to anything but the
picture itself and embedded images. A picture behind an http address is therefore not drawn: embed it as a data URI
beforehand. Both flavours of variables are known, ``${recipientName}`` and ``{{credentialSubject.recipientName}}``.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from importlib.resources import files
from typing import Final

import segno
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from msgspec import Struct

from lernline.certify.template import Signatory
from lernline.errors import BadRequest

SVG_NAMESPACE: Final = "http://www.w3.org/2000/svg"
_XLINK: Final = "http://www.w3.org/1999/xlink"
_XML: Final = "http://www.w3.org/XML/1998/namespace"
_LARGEST_SVG: Final = 5_000_000
_DEEPEST: Final = 200
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)

_VARIABLE: Final = re.compile(r"\$\{\s*([^{}]*?)\s*\}|\{\{\{?\s*([^{}]*?)\s*\}?\}\}")
_DATE_FORMAT: Final = re.compile(r"""dateFormat\s+(?:issuanceDate|validFrom|awardedDate)\s+["']([^"']*)["']""")
_DATE_TOKEN: Final = re.compile(r"YYYY|YY|MMMM|MMM|MM|M|DD|D")
_SIGNATORY: Final = re.compile(r"signatory(\d)(Image|Designation|Name)")

_DROPPED: Final = frozenset(
    {"script", "foreignobject", "iframe", "object", "embed", "audio", "video", "handler", "listener"}
    | {"animate", "animatemotion", "animatetransform", "animatecolor", "set", "discard"}
)
_REFERENCES: Final = frozenset({"href", "src"})
_RASTER: Final = re.compile(r"data:image/(?:png|jpe?g|gif|webp);base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)
_NESTED_SVG: Final = re.compile(r"data:image/svg\+xml[;,].*", re.IGNORECASE | re.DOTALL)
_URL: Final = re.compile(r"""url\(\s*(['"]?)(.*?)\1\s*\)""", re.IGNORECASE | re.DOTALL)
_FONT: Final = re.compile(r"data:(?:font/|application/(?:x-)?font)[^,]*;base64,[A-Za-z0-9+/=\s]*", re.IGNORECASE)
_STYLE_TRICKS: Final = re.compile(r"\\|@import|expression\s*\(|javascript:|image-set|\bsrc\s*\(", re.IGNORECASE)
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class PictureValues(Struct, frozen=True):
    """What a certificate's picture shows.

    Attributes:
        completed_ms: the day that is printed as the date (epoch milliseconds).
        qr_payload: text of the QR code, usually the address of the certificate.
        expires_ms: end of validity, or None.
        zone: zone of the printed days.
    """

    recipient_name: str
    recipient_id: str
    course_id: str
    course_name: str
    certificate_name: str
    issuer_name: str
    issuer_url: str
    completed_ms: int
    qr_payload: str
    signatories: tuple[Signatory, ...] = ()
    description: str = ""
    expires_ms: int | None = None
    zone: tzinfo = UTC


def default_template() -> bytes:
    """The project's own plain template, A4 landscape."""
    return (files("lernline.certify") / "templates" / "default.svg").read_bytes()


def unknown_variables(svg: bytes) -> list[str]:
    """Variables of a template that no certificate can fill; a template that has any is refused at upload.

    Raises:
        BadRequest: the text is not an SVG, or not one that can be read safely.
    """
    root = _parse(svg)
    texts = [text for element in root.iter() for text in (element.text, element.tail, *element.attrib.values()) if text]
    names = {_name(found) for text in texts for found in _VARIABLE.finditer(text)}
    return sorted(name for name in names if not _is_known(name))


def render_svg(svg: bytes, values: PictureValues) -> bytes:
    """The template with its variables filled in, safe to show in a browser.

    A variable that nothing fills (a second signatory's, or one that ``unknown_variables`` lists) becomes empty.

    Raises:
        BadRequest: the template is not a readable SVG.
    """
    root = _parse(svg)
    _fill(root, values)
    for element in root.iter():
        _make_safe(element)
    ET.register_namespace("", SVG_NAMESPACE)
    ET.register_namespace("xlink", _XLINK)
    picture: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return picture


def qr_data_uri(payload: str) -> str:
    """A QR code (error correction Q, four pixels a module) as a PNG data URI."""
    uri: str = segno.make(payload, error="q", micro=False).png_data_uri(scale=4, border=2)
    return uri


def format_day(ms: int, pattern: str, zone: tzinfo = UTC) -> str:
    """A day by a pattern of ``YYYY YY MMMM MMM MM M DD D``; other characters stand for themselves."""
    moment = datetime.fromtimestamp(ms / 1000, tz=zone)
    month = _MONTHS[moment.month - 1]
    tokens = {
        "YYYY": f"{moment.year:04d}",
        "YY": f"{moment.year % 100:02d}",
        "MMMM": month,
        "MMM": month[:3],
        "MM": f"{moment.month:02d}",
        "M": str(moment.month),
        "DD": f"{moment.day:02d}",
        "D": str(moment.day),
    }
    return _DATE_TOKEN.sub(lambda found: tokens[found[0]], pattern)


def _parse(svg: bytes) -> ET.Element:
    if len(svg) > _LARGEST_SVG:
        raise BadRequest("The certificate template is larger than 5 MB.")
    try:
        root: ET.Element = fromstring(svg)
    except (ET.ParseError, DefusedXmlException, ValueError, LookupError) as problem:
        raise BadRequest("The certificate template is not a well-formed SVG without entities.") from problem
    if root.tag != f"{{{SVG_NAMESPACE}}}svg":
        raise BadRequest("The certificate template's root element must be svg in the SVG namespace.")
    _drop_undrawn(root)
    return root


def _name(found: re.Match[str]) -> str:
    return found[1] if found[1] is not None else found[2]


def _is_known(name: str) -> bool:
    return name in _FILLED_BY or any(form.fullmatch(name) for form in (_DATE_FORMAT, _SIGNATORY))


def _value(name: str, values: PictureValues) -> str:
    if filled_by := _FILLED_BY.get(name):
        return filled_by(values)
    if date := _DATE_FORMAT.fullmatch(name):
        return format_day(values.completed_ms, date[1], values.zone)
    if (place := _SIGNATORY.fullmatch(name)) and int(place[1]) < len(values.signatories):
        return str(getattr(values.signatories[int(place[1])], place[2].lower()))
    return ""


def _printed(ms: int | None, zone: tzinfo) -> str:
    return "" if ms is None else format_day(ms, "DD MMMM YYYY", zone)


_FILLED_BY: Final[dict[str, Callable[[PictureValues], str]]] = {
    "certificateName": lambda values: values.course_name or values.certificate_name,
    "certificateDescription": lambda values: values.description,
    "courseName": lambda values: values.course_name,
    "issuedDate": lambda values: _printed(values.completed_ms, values.zone),
    "expiryDate": lambda values: _printed(values.expires_ms, values.zone),
    "recipientId": lambda values: values.recipient_id,
    "recipientName": lambda values: values.recipient_name,
    "issuerName": lambda values: values.issuer_name,
    "qrCodeImage": lambda values: qr_data_uri(values.qr_payload),
    "qrCode": lambda values: qr_data_uri(values.qr_payload),
    "credentialSubject.recipientName": lambda values: values.recipient_name,
    "credentialSubject.trainingName": lambda values: values.course_name or values.certificate_name,
    "credentialSubject.trainingId": lambda values: values.course_id,
    "credentialSubject.type": lambda values: values.certificate_name,
    "issuer.name": lambda values: values.issuer_name,
    "issuer.url": lambda values: values.issuer_url,
    "issuanceDate": lambda values: format_day(values.completed_ms, "YYYY-MM-DD", values.zone),
}


def _fill(root: ET.Element, values: PictureValues) -> None:
    known: dict[str, str] = {}

    def value_of(found: re.Match[str]) -> str:
        name = _name(found)
        if name not in known:
            known[name] = _NOT_XML.sub("", _value(name, values))
        return known[name]

    for element in root.iter():
        if element.text:
            element.text = _VARIABLE.sub(value_of, element.text)
        if element.tail:
            element.tail = _VARIABLE.sub(value_of, element.tail)
        for attribute, value in element.attrib.items():
            element.attrib[attribute] = _VARIABLE.sub(value_of, value)


def _drop_undrawn(root: ET.Element) -> None:
    """Remove what is not drawing: scripts, foreign namespaces, animations; refuse absurd nesting."""
    pending = [(root, 0)]
    while pending:
        element, depth = pending.pop()
        if depth > _DEEPEST:
            raise BadRequest(f"The certificate template is nested more than {_DEEPEST} levels deep.")
        for child in list(element):
            namespace, name = _split(child.tag)
            if namespace == SVG_NAMESPACE and name.lower() not in _DROPPED:
                pending.append((child, depth + 1))
            else:
                _remove(element, child)


def _make_safe(element: ET.Element) -> None:
    for attribute, value in list(element.attrib.items()):
        kept = _safe_attribute(_local(element.tag), attribute, value)
        if kept is None:
            del element.attrib[attribute]
        else:
            element.attrib[attribute] = kept
    if _local(element.tag) == "style":
        element.text = _safe_style(element.text or "")


def _remove(parent: ET.Element, child: ET.Element) -> None:
    """Take a child out and leave the text that follows it."""
    position = list(parent).index(child)
    if child.tail:
        if position:
            before = parent[position - 1]
            before.tail = (before.tail or "") + child.tail
        else:
            parent.text = (parent.text or "") + child.tail
    parent.remove(child)


def _safe_attribute(element: str, attribute: str, value: str) -> str | None:
    namespace, name = _split(attribute)
    if namespace not in {"", _XLINK} and not (namespace == _XML and name in {"space", "lang"}):
        return None
    name = name.lower()
    if name.startswith("on"):
        return None
    if name in _REFERENCES:
        return value if _is_inner(element, value.strip()) else None
    if "url" in value.lower() or name == "style":
        return _safe_style(value)
    return value


def _is_inner(element: str, reference: str) -> bool:
    if reference.startswith("#"):
        return True
    if element not in {"image", "feimage"}:
        return False
    return _RASTER.fullmatch(reference) is not None or _NESTED_SVG.fullmatch(reference) is not None


def _safe_style(style: str) -> str:
    """Styles without references to the outside; a style with escapes or imports is given up whole."""
    if _STYLE_TRICKS.search(style):
        return ""
    cleaned = _URL.sub(_inner_url, style)
    return cleaned if cleaned.lower().count("url(") == len(_URL.findall(cleaned)) else ""


def _inner_url(found: re.Match[str]) -> str:
    reference = found[2].strip()
    inner = reference.startswith("#") or _RASTER.fullmatch(reference) or _FONT.fullmatch(reference)
    return found[0] if inner else "none"


def _split(tag: str) -> tuple[str, str]:
    namespace, brace, name = tag.rpartition("}")
    return (namespace[1:], name) if brace else ("", tag)


def _local(tag: str) -> str:
    return _split(tag)[1].lower()
