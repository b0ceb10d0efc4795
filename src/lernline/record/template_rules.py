"""How a request becomes a certificate template of a batch (certificates.md 7 with C-5, C-8, C-27; ruling 39).

Pure. Whether a template is fit for use is decided by ``certify.template``, the same rules that the generator applies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lernline.certify.template import refuse_bad_template, stored_form
from lernline.errors import BadRequest, catalogued

_MERGED = ("issuer", "signatoryList", "notifyTemplate", "additionalProps", "previewUrl", "criteria")
_SIGNATORY = ("name", "id", "designation", "image")


class TemplateRequest(msgspec.Struct, frozen=True):
    """The ids of a template request and the template as it was sent."""

    courseid: str
    batchid: str
    identifier: str
    template: dict[str, Any]

    @property
    def names_only_itself(self) -> bool:
        """Whether nothing but the identifier was sent: the wish to have a removed template back."""
        return not any(value for name, value in self.template.items() if name != "identifier")


def parse_request(request: Mapping[str, Any]) -> TemplateRequest:
    """The part that add and remove share.

    Raises:
        BadRequest: an id or the template is missing, or of the wrong type.
    """
    about = request.get("batch")
    about = about if isinstance(about, dict) else {}
    courseid, batchid = _needed(about, "courseId"), _needed(about, "batchId")
    template = about.get("template")
    if template is None:
        raise catalogued("MANDATORY_PARAMETER_MISSING", "template")
    return TemplateRequest(courseid, batchid, _needed(_map(template, "template"), "identifier"), template)


def check_sent(template: Mapping[str, Any]) -> None:
    """The form of a template as it was sent, in the contract's order; what it lacks may come from its asset.

    Raises:
        BadRequest: names the part.
    """
    criteria = template.get("criteria")
    if criteria is None:
        raise catalogued("MANDATORY_PARAMETER_MISSING", "criteria")
    _check_criteria(_map(criteria, "criteria"))
    signatories = template.get("signatoryList")
    if signatories is not None and not isinstance(signatories, list):
        raise catalogued("DATA_TYPE_ERROR", "signatoryList", "List")
    for place, signatory in enumerate(signatories or ()):
        for name in _SIGNATORY:
            value = _map(signatory, f"signatoryList[{place}]").get(name)
            if not isinstance(value, str) or not value.strip():
                raise BadRequest(
                    f"Signatory list missing attribute: signatoryList[{place}].{name} must not be blank.",
                    code="INVALID_DATA",
                )
    for name in ("issuer", "additionalProps"):
        if template.get(name) is not None:
            _map(template[name], name)


def _check_criteria(criteria: Mapping[str, Any]) -> None:
    if not any(criteria.get(part) for part in ("enrollment", "assessment", "user")):
        raise catalogued("MANDATORY_PARAMETER_MISSING", "Enrollment or Status")
    for part, key in (("enrollment", "status"), ("assessment", "score"), ("user", "rootOrgId")):
        if criteria.get(part) and _map(criteria[part], part).get(key) is None:
            raise catalogued("MANDATORY_PARAMETER_MISSING", key)


def merged(
    asked: TemplateRequest, asset: Mapping[str, Any] | None, removed: Mapping[str, str] | None
) -> dict[str, str]:
    """The template as the batch will keep it: field by field from the request, its asset, the version removed before.

    An empty issuer or signatory list counts as not given (ruling 39). A request that names nothing but the identifier
    brings the removed version back as it was (clients.md ruling 8).

    Raises:
        BadRequest: nobody knows the template, or the result is not fit for use; the sentence says why.
    """
    if removed is not None and asked.names_only_itself:
        refuse_bad_template(removed)
        return dict(removed)
    check_sent(asked.template)
    if asset is None and removed is None:
        raise BadRequest(f"Given cert template not found: {asked.identifier}", code="TEMPLATE_NOT_FOUND")
    asset, removed = asset or {}, removed or {}
    extras = {name: value for name, value in asked.template.items() if isinstance(value, str)}
    values: dict[str, Any] = extras | {"identifier": asked.identifier}
    for name in _MERGED:
        chosen = asked.template.get(name) or asset.get(name) or removed.get(name)
        if chosen:
            values[name] = chosen
    data = asset.get("data")
    title = data.get("title") if isinstance(data, dict) else None
    values["name"] = title or asset.get("name") or removed.get("name") or ""
    values["url"] = asset.get("artifactUrl") or removed.get("url") or ""
    if not (values.get("issuer") and values.get("signatoryList")):
        raise BadRequest(
            f"Issuer or signatoryList is empty. Invalid template Id: {asked.identifier}", code="INVALID_TEMPLATE"
        )
    refuse_bad_template(values)
    return stored_form(values)


def restorable(removed: Mapping[str, Mapping[str, str]]) -> str:
    """A sentence on how to have removed templates back; empty when there is none."""
    if not removed:
        return ""
    names = "; ".join(
        f"'{template.get('name') or identifier}' ({identifier})" for identifier, template in removed.items()
    )
    return (
        f" Removed before and kept: {names}. To restore one, add it again with nothing but its identifier in template."
    )


def _map(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise catalogued("DATA_TYPE_ERROR", name, "Map")
    return value


def _needed(about: Mapping[str, Any], name: str) -> str:
    value = about.get(name)
    if value is not None and not isinstance(value, str):
        raise catalogued("DATA_TYPE_ERROR", name, "String")
    if value is None or not value.strip():
        raise catalogued("MANDATORY_PARAMETER_MISSING", name)
    return value.strip()
