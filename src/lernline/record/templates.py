"""Commands that attach certificate templates to a batch and take them off (certificates.md 7, clients.md ruling 8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lernline import events
from lernline.errors import BadRequest, Forbidden, catalogued
from lernline.model import Batch, Changes, Content, Event
from lernline.record import batch_rules
from lernline.record import template_rules as rules
from lernline.record.desk import Actor, Desk
from lernline.stream.topics import TELEMETRY

_KEPT = "removed-cert-templates:"


def add(desk: Desk, request: Mapping[str, Any], actor: Actor) -> None:
    """Attach a template; what it lacks is taken from its asset and from the version that was removed before.

    Raises:
        BadRequest: says which part is missing or wrong, and which removed template can be restored.
        Forbidden: the user does not lead the batch.
    """
    asked = rules.parse_request(request)
    if not asked.names_only_itself:
        rules.check_sent(asked.template)
    batch = _batch(desk, asked, actor)
    kept = _kept(desk, batch.batchid)
    asset = desk.store.contents([asked.identifier]).get(asked.identifier)
    try:
        template = rules.merged(asked, _asset(asset), kept.get(asked.identifier))
    except BadRequest as problem:
        others = {name: version for name, version in kept.items() if name not in batch.cert_templates}
        raise BadRequest(problem.message + rules.restorable(others), code=problem.code) from problem
    shelf = [_shelf(batch, asked.identifier, kept)] if asked.identifier in batch.cert_templates else []
    _commit(desk, batch, batch.cert_templates | {asked.identifier: template}, shelf, actor)


def remove(desk: Desk, request: Mapping[str, Any], actor: Actor) -> None:
    """Take a template off; its version is kept for ``add`` to fall back on. The asset need not exist (C-27).

    Raises:
        BadRequest: an id is missing, or the batch has no such template.
        Forbidden: the user does not lead the batch.
    """
    asked = rules.parse_request(request)
    batch = _batch(desk, asked, actor)
    if asked.identifier not in batch.cert_templates:
        raise BadRequest(f"Given cert template not found: {asked.identifier}", code="TEMPLATE_NOT_FOUND")
    shelf = [_shelf(batch, asked.identifier, _kept(desk, batch.batchid))]
    left = {name: template for name, template in batch.cert_templates.items() if name != asked.identifier}
    _commit(desk, batch, left, shelf, actor)


def _batch(desk: Desk, asked: rules.TemplateRequest, actor: Actor) -> Batch:
    batch = desk.store.batches([asked.batchid]).get(asked.batchid)
    if batch is None:
        raise BadRequest("No such batchId exists", code="INVALID_COURSE_BATCH_ID")
    if batch.courseid != asked.courseid:
        raise BadRequest("batchId is not linked with courseId", code="INVALID_COURSE_ID")
    if not actor.administrator and not batch_rules.may_lead(batch, actor.userid or ""):
        raise catalogued("UNAUTHORIZED_USER", kind=Forbidden)
    return batch


def _asset(content: Content | None) -> dict[str, Any] | None:
    """The asset's metadata, its JSON texts unfolded."""
    if content is None:
        return None
    asset = msgspec.json.decode(content.document)
    asset = asset if isinstance(asset, dict) else {}
    for name in ("issuer", "signatoryList", "data"):
        if isinstance(asset.get(name), str):
            try:
                asset[name] = msgspec.json.decode(asset[name])
            except msgspec.DecodeError:
                del asset[name]
    return {"name": content.name} | asset


def _kept(desk: Desk, batchid: str) -> dict[str, dict[str, str]]:
    """Versions that were taken off this batch, by template."""
    shelf = desk.store.contents([_KEPT + batchid]).get(_KEPT + batchid)
    return {} if shelf is None else msgspec.json.decode(shelf.document, type=dict[str, dict[str, str]])


def _shelf(batch: Batch, identifier: str, kept: dict[str, dict[str, str]]) -> Content:
    """The record of versions taken off this batch, with the one that is attached now."""
    document = msgspec.json.encode(kept | {identifier: batch.cert_templates[identifier]})
    return Content(_KEPT + batch.batchid, status="Removed", document=document)


def _commit(desk: Desk, batch: Batch, templates: dict[str, dict[str, str]], shelf: list[Content], actor: Actor) -> None:
    now = desk.clock.now_ms()
    course = desk.store.contents([batch.courseid]).get(batch.courseid)
    audit = events.batch_audit(
        "update",
        batch.batchid,
        batch.courseid,
        ["cert_templates"],
        now,
        actor=actor.name,
        trace=actor.trace,
        channel=(course.channel if course is not None else None) or desk.settings.default_channel,
    )
    changed = msgspec.structs.replace(batch, cert_templates=templates, updated_date=now)
    desk.store.commit(Changes(batches=[changed], contents=shelf, events=[Event(TELEMETRY, batch.batchid, audit)]))
