"""The picture shows the values, and nothing in it runs or reaches out."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lernline.certify.rendering import (
    PictureValues,
    default_template,
    format_day,
    qr_data_uri,
    render_svg,
    unknown_variables,
)
from lernline.certify.template import Signatory
from lernline.errors import BadRequest

PNG = "data:image/png;base64,iVBORw0KGgo="
VALUES = PictureValues(
    recipient_name="Asha O'Brien",
    recipient_id="u1",
    course_id="do_1",
    course_name="Water & ice",
    certificate_name="Merit",
    issuer_name="Council",
    issuer_url="https://edu.example/",
    completed_ms=1_772_323_200_000,
    qr_payload="https://edu.example/certs/1",
    signatories=(Signatory("A. Rao", "rao", "Director", PNG),),
)


def _svg(body: str, attributes: str = "") -> bytes:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>{body}</svg>'
    ).encode()


def _shown(body: str, values: PictureValues = VALUES) -> str:
    return render_svg(_svg(body), values).decode()


def _texts(svg: bytes) -> str:
    return " ".join("".join(ET.fromstring(svg).itertext()).split())


def test_the_default_template_shows_the_certificate() -> None:
    picture = render_svg(default_template(), VALUES)
    for text in ("Asha O'Brien", "Water & ice", "01 March 2026", "A. Rao", "Director", "Council"):
        assert text in _texts(picture)
    assert qr_data_uri(VALUES.qr_payload).encode() in picture
    assert b"${" not in picture


def test_the_default_template_names_no_unknown_variable() -> None:
    assert unknown_variables(default_template()) == []


def test_both_flavours_are_filled() -> None:
    body = (
        "<text>${recipientName} {{credentialSubject.recipientName}} {{ credentialSubject.trainingName }}"
        ' {{dateFormat issuanceDate "DD MMMM  YYYY"}} ${issuedDate}</text><image href="{{qrCode}}"/>'
    )
    picture = render_svg(_svg(body), VALUES)
    assert _texts(picture) == "Asha O'Brien Asha O'Brien Water & ice 01 March 2026 01 March 2026"
    assert qr_data_uri(VALUES.qr_payload).encode() in picture


def test_unknown_variables_are_listed_and_those_of_dropped_scripts_are_not() -> None:
    svg = _svg("<text x='${where}'>${recipientName} {{credentialSubject.shoeSize}}</text><script>`${i}`</script>")
    assert unknown_variables(svg) == ["credentialSubject.shoeSize", "where"]


def test_a_variable_that_nothing_fills_becomes_empty() -> None:
    assert "<text>[]</text>" in _shown("<text>[${signatory1Designation}${nobodyKnows}]</text>")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_a_name_is_text_whatever_it_holds(name: str) -> None:
    body = "<text class='${recipientName}'>${recipientName}</text>"
    picture = render_svg(_svg(body), msgspec.structs.replace(VALUES, recipient_name=name))
    (text,) = list(ET.fromstring(picture))
    allowed = "".join(
        letter for letter in name if letter in "\t\n\r" or (letter >= " " and letter not in "\ufffe\uffff")
    )
    expected = "".join(letter for letter in allowed if not "\ud800" <= letter <= "\udfff")
    assert len(text) == 0
    assert (text.text or "").replace("\r\n", "\n").replace("\r", "\n") == expected.replace("\r\n", "\n").replace(
        "\r", "\n"
    )


@pytest.mark.parametrize("name", ["</text><script>alert(1)</script>", "&amp;", "${courseName}", '"><image href="x"/>'])
def test_a_hostile_name_stays_a_name(name: str) -> None:
    picture = render_svg(_svg("<text>${recipientName}</text>"), msgspec.structs.replace(VALUES, recipient_name=name))
    assert _texts(picture) == name


@pytest.mark.parametrize(
    "body",
    [
        "<script>evil()</script>",
        "<SCRIPT>evil()</SCRIPT>",
        "<foreignObject><div xmlns='http://www.w3.org/1999/xhtml'>evil</div></foreignObject>",
        "<div xmlns='http://www.w3.org/1999/xhtml'>evil</div>",
        "<g onload='evil()'/>",
        "<g OnClick='evil()'/>",
        "<a href='javascript:evil()'><text>x</text></a>",
        "<a xlink:href=' javascript:evil()'/>",
        "<image href='https://evil.example/x.png'/>",
        "<image xlink:href='//evil.example/x.png'/>",
        "<use href='https://evil.example/x.svg#a'/>",
        "<use href='data:image/svg+xml,evil'/>",
        "<a href='data:text/html,evil'/>",
        "<rect fill='url(https://evil.example/x)'/>",
        "<rect style='fill:url( \"https://evil.example/x\" )'/>",
        "<rect style='fill:u\\72l(https://evil.example/x)'/>",
        "<style>@import 'https://evil.example/x.css';</style>",
        "<style>@font-face{src:url(https://evil.example/f.woff)}</style>",
        "<style>a{background:url('//evil.example/x')}</style>",
        "<set attributeName='href' to='javascript:evil()'/>",
        "<g><animate attributeName='href' values='javascript:evil()'/></g>",
        "<g xml:base='https://evil.example/'/>",
        "<image href='${signatory1Image}'/>",
    ],
)
def test_nothing_runs_and_nothing_reaches_out(body: str) -> None:
    values = msgspec.structs.replace(
        VALUES, signatories=(*VALUES.signatories, Signatory("E", "e", "E", "https://evil.example/e.png"))
    )
    assert "evil" not in _shown(body, values)


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("<rect fill='url(#shade)'/>", "url(#shade)"),
        ("<use xlink:href='#mark'/>", "#mark"),
        (f"<image href='{PNG}'/>", PNG),
        ("<image xlink:href='${signatory0Image}'/>", PNG),
        ("<style>text{fill:red}</style>", "text{fill:red}"),
        ("<style>@font-face{src:url(data:font/woff2;base64,AAAA)}</style>", "data:font/woff2;base64,AAAA"),
        ("<g>before<script/>after</g>", "beforeafter"),
    ],
)
def test_what_is_part_of_the_picture_stays(body: str, kept: str) -> None:
    assert kept in _shown(body)


@pytest.mark.parametrize(
    ("svg", "said"),
    [
        (b"not xml", "not a well-formed SVG"),
        (b"<html/>", "root element"),
        (b"<svg/>", "SVG namespace"),
        (b'<!DOCTYPE s [<!ENTITY a "b">]><svg xmlns="http://www.w3.org/2000/svg">&a;</svg>', "without entities"),
        (b'<?xml version="1.0" encoding="nonsense"?><svg xmlns="http://www.w3.org/2000/svg"/>', "well-formed"),
        (_svg("<g>" * 5_000 + "</g>" * 5_000), "nested"),
        (b" " * 5_000_001, "larger than"),
    ],
)
def test_what_is_no_template_is_refused(svg: bytes, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        render_svg(svg, VALUES)


def test_a_template_with_a_plain_doctype_is_read() -> None:
    doctype = b'<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">'
    assert b"Asha" in render_svg(doctype + _svg("<text>${recipientName}</text>"), VALUES)


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [("DD MMMM  YYYY", "05 March  2026"), ("D/M/YY", "5/3/26"), ("YYYY-MM-DD, MMM", "2026-03-05, Mar")],
)
def test_days_are_written_by_pattern(pattern: str, shown: str) -> None:
    assert format_day(1_772_668_800_000, pattern) == shown
