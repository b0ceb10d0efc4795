"""Commands of the catalog: bring in published courses and template assets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from lernline.catalog.relations import AssessmentKinds, Relations, derive, to_relation_sets
from lernline.catalog.tree import CourseTree, parse_hierarchy
from lernline.errors import BadRequest
from lernline.model import Changes, Content, Course

_encode = msgspec.json.Encoder().encode


def import_course(document: bytes, kinds: AssessmentKinds) -> tuple[Relations, Changes]:
    """A published hierarchy as the rows it becomes; all relations of the course are replaced at once (P-D25).

    ``document`` is the JSON of ``content_hierarchy.hierarchy``, or an answer of the hierarchy read that holds it.
    Metadata of the tree's contents (type, number of questions) goes along.

    Raises:
        BadRequest: the tree is broken (cycle, repeated id, no identifier).
    """
    raw = unwrapped(document)
    tree = parse_hierarchy(raw, strict=True)
    relations = derive(tree, kinds)
    if not relations.leaves:
        raise BadRequest(f"course {relations.course_id} has no lesson: publish it with at least one, then import it")
    changes = Changes(contents=contents_of(tree), courses=[course_of(raw, _encode(raw), relations)])
    return relations, changes


def course_of(raw: Mapping[str, Any], document: bytes, relations: Relations) -> Course:
    """A course as the catalog stores it, under the identifier that its relations name."""
    content = content_of(raw, leaf_nodes_count=len(relations.leaves))
    content = msgspec.structs.replace(content, identifier=relations.course_id)
    return Course(content, document, to_relation_sets(relations))


def unwrapped(document: bytes) -> dict[str, Any]:
    """The hierarchy itself, out of the answer of a read where it is one.

    Raises:
        BadRequest: not a JSON object.
    """
    try:
        raw = msgspec.json.decode(document)
    except (msgspec.MsgspecError, RecursionError) as problem:
        raise BadRequest(f"the hierarchy is not JSON: {problem}") from problem
    if isinstance(raw, dict) and isinstance(raw.get("result"), dict):
        raw = raw["result"].get("content", raw)
    if not isinstance(raw, dict):
        raise BadRequest("the hierarchy is not a JSON object; give the tree of one course")
    return raw


def content_of(raw: Mapping[str, Any], *, leaf_nodes_count: int | None = None) -> Content:
    """What the catalog keeps of a content's metadata; children are left out."""
    questions = raw.get("totalQuestions")
    stated = raw.get("leafNodesCount")
    count = leaf_nodes_count if leaf_nodes_count is not None else stated
    return Content(
        identifier=str(raw.get("identifier") or ""),
        name=str(raw.get("name") or ""),
        status=str(raw.get("status") or "Live"),
        channel=raw.get("channel") if isinstance(raw.get("channel"), str) else None,
        user_consent=str(raw.get("userConsent") or "No"),
        leaf_nodes_count=int(count) if isinstance(count, int | float) else 0,
        total_questions=int(questions) if isinstance(questions, int | float) else None,
        content_type=raw.get("contentType") if isinstance(raw.get("contentType"), str) else None,
        mime_type=raw.get("mimeType") if isinstance(raw.get("mimeType"), str) else None,
        document=_encode({name: value for name, value in raw.items() if name != "children"}),
    )


def contents_of(tree: CourseTree) -> list[Content]:
    """What the catalog keeps of a tree's contents."""
    return [
        Content(
            identifier=node.identifier,
            name=node.name,
            status=node.status or "Live",
            channel=node.channel or None,
            total_questions=node.total_questions,
            content_type=node.content_type,
            mime_type=node.mime_type,
        )
        for node in tree.nodes
        if not node.is_collection
    ]
