"""A certificate template as a batch holds it (``course_batch.cert_templates``, certificates.md 7), typed and judged.

The same two functions look at a template when it is attached and when it is used (C-8): ``parse_template`` refuses what
cannot be read, ``check_template`` lists everything that the generator would later miss (certificates.md 3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from lernline.certify.criteria import Criteria, parse_criteria
from lernline.errors import BadRequest

JSON_KEYS = ("criteria", "issuer", "signatoryList", "additionalProps", "notifyTemplate")
_VERSIONED = ("identifier", "name", "url", "criteria", "issuer", "signatoryList", "additionalProps")
_PROPS = ("enrollment", "assessment", "user", "location", "course")


class Issuer(Struct, frozen=True):
    """The organisation that the certificate names."""

    name: str = ""
    url: str = ""
    public_key: tuple[str, ...] = ()


class Signatory(Struct, frozen=True):
    """A person who signs the certificate; ``image`` is a URL or a data URI."""

    name: str = ""
    id: str = ""
    designation: str = ""
    image: str = ""


class Template(Struct, frozen=True):
    """One template of a batch.

    Attributes:
        identifier: asset id, the key in the batch's map.
        url: where the SVG lies, with its placeholder.
        additional_props: extra facts for ``related``, by kind (certificates.md 2.6).
        notify: settings of the e-mail, or None when nobody is to be told.
        version: hash over everything that decides who gets which certificate.
    """

    identifier: str
    name: str
    url: str
    criteria: Criteria
    issuer: Issuer
    signatories: tuple[Signatory, ...]
    additional_props: dict[str, tuple[str, ...]]
    notify: dict[str, Any] | None
    version: str


class Problem(Struct, frozen=True):
    """One thing that keeps a template from issuing certificates."""

    field: str
    message: str


def parse_template(raw: Mapping[str, Any]) -> Template:
    """Read one value of ``cert_templates``; objects may be JSON text (as stored) or objects (as sent by a client).

    Raises:
        BadRequest: names the field that cannot be read, and why.
    """
    values = _unfolded(raw)
    return Template(
        identifier=_text(values, "identifier"),
        name=_text(values, "name"),
        url=_text(values, "url"),
        criteria=parse_criteria(values.get("criteria") or {}),
        issuer=_issuer(values.get("issuer") or {}),
        signatories=_signatories(values.get("signatoryList") or []),
        additional_props=_additional_props(values.get("additionalProps") or {}),
        notify=_notify(values.get("notifyTemplate")),
        version=template_version(values),
    )


def check_template(template: Template) -> list[Problem]:
    """What a template still needs before a certificate can be issued from it; empty when it is fine."""
    needed = {
        "identifier": template.identifier,
        "name": template.name,
        "issuer.name": template.issuer.name,
        "issuer.url": template.issuer.url,
    }
    problems = [_missing(field) for field, value in needed.items() if not value.strip()]
    if not template.url.strip():
        problems.append(Problem("url", "the template needs url, the address of its SVG; the asset has no artifactUrl"))
    elif ".svg" not in template.url:
        problems.append(Problem("url", "the template's url must hold .svg; other pictures are never issued"))
    if not template.signatories:
        problems.append(Problem("signatoryList", "the template needs at least one signatory in signatoryList"))
    for position, signatory in enumerate(template.signatories):
        problems += [
            _missing(f"signatoryList[{position}].{field}")
            for field in ("name", "id", "designation", "image")
            if not getattr(signatory, field).strip()
        ]
    return problems


def judge_template(raw: Mapping[str, Any]) -> tuple[Template | None, list[Problem]]:
    """Parse and check in one go: the template (None when it cannot be read) and all that is wrong with it."""
    try:
        template = parse_template(raw)
    except BadRequest as problem:
        return None, [Problem("template", problem.message)]
    return template, check_template(template)


def refuse_bad_template(raw: Mapping[str, Any]) -> Template:
    """A template that is fit for use.

    Raises:
        BadRequest: one sentence with every problem.
    """
    template = parse_template(raw)
    problems = check_template(template)
    if problems:
        label = template.name or template.identifier
        raise BadRequest(
            f"The certificate template '{label}' cannot be used: {'; '.join(p.message for p in problems)}.",
            code="INVALID_DATA",
        )
    return template


def stored_form(values: Mapping[str, Any]) -> dict[str, str]:
    """The text map that ``cert_templates`` keeps: objects become JSON text, texts stay, null is left out."""
    return {
        key: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for key, value in values.items()
        if value is not None
    }


def template_version(values: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the canonical JSON of all that decides who gets which certificate.

    Preview and notification settings are not part of it: to change them must not issue anything again.
    """
    unfolded = _unfolded(values)
    chosen = {key: unfolded[key] for key in _VERSIONED if unfolded.get(key) not in (None, "")}
    return hashlib.sha256(msgspec.json.encode(chosen, order="deterministic")).hexdigest()


def _unfolded(raw: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(raw)
    for key in JSON_KEYS:
        text = values.get(key)
        if not isinstance(text, str):
            continue
        if not text.strip():
            del values[key]
            continue
        try:
            values[key] = msgspec.json.decode(text)
        except msgspec.DecodeError as problem:
            raise BadRequest(f"The template's {key} does not hold valid JSON.", code="INVALID_DATA") from problem
    return values


def _text(values: Mapping[str, Any], key: str, path: str = "") -> str:
    value = values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRequest(f"The template's {path}{key} must be a text.", code="INVALID_DATA")
    return value


def _issuer(value: object) -> Issuer:
    if not isinstance(value, Mapping):
        raise BadRequest("Data type of issuer should be Map.", code="DATA_TYPE_ERROR")
    keys = value.get("publicKey") or []
    if not isinstance(keys, list):
        raise BadRequest("The template's issuer.publicKey must be a list of texts.", code="INVALID_DATA")
    return Issuer(_text(value, "name", "issuer."), _text(value, "url", "issuer."), tuple(map(str, keys)))


def _signatories(value: object) -> tuple[Signatory, ...]:
    if not isinstance(value, list):
        raise BadRequest("Data type of signatoryList should be List.", code="DATA_TYPE_ERROR")
    signatories = []
    for position, item in enumerate(value):
        path = f"signatoryList[{position}]"
        if not isinstance(item, Mapping):
            raise BadRequest(f"The template's {path} must be an object.", code="INVALID_DATA")
        fields = {key: _text(item, key, f"{path}.") for key in ("name", "id", "designation", "image")}
        signatories.append(Signatory(**fields))
    return tuple(signatories)


def _additional_props(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        raise BadRequest("Data type of additionalProps should be Map.", code="DATA_TYPE_ERROR")
    props = {}
    for kind, names in value.items():
        if kind not in _PROPS:
            raise BadRequest(
                f"The template's additionalProps.{kind} is not known; known are {', '.join(_PROPS)}.",
                code="INVALID_DATA",
            )
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadRequest(f"The template's additionalProps.{kind} must be a list of texts.", code="INVALID_DATA")
        props[kind] = tuple(names)
    return props


def _notify(value: object) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise BadRequest("The template's notifyTemplate must be an object.", code="INVALID_DATA")
    return dict(value) or None


def _missing(field: str) -> Problem:
    return Problem(field, f"the template needs {field}")
