"""Putting the state of ``given`` into a world."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .placeholders import Moment, fill, tokens_in
from .tables import Row, stored
from .world import Relations, World

COLLECTION: Final = "application/vnd.ekstep.content-collection"
_CONTENT_PATH: Final = re.compile(r"/v\d/search$|/composite/|content/v\d/(read|search)|/asset/v\d/read/")
_SPELLED: Final = {"totalquestions": "totalQuestions", "contenttype": "contentType", "mimetype": "mimeType"}
_DRAWING: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="800" height="600" viewBox="0 0 800 600">'
    '<rect width="800" height="600" fill="#fff"/>'
    '<text x="400" y="200" text-anchor="middle">${recipientName}</text>'
    '<text x="400" y="260" text-anchor="middle">${courseName}</text>'
    '<text x="400" y="320" text-anchor="middle">${issuedDate}</text>'
    '<image x="40" y="440" width="120" height="120" href="${qrCodeImage}"/></svg>'
)
_TABLE_OF: Final = {
    "batches": "course_batch",
    "enrolments": "user_enrolments",
    "consumption": "user_content_consumption",
    "assessments": "assessment_aggregator",
    "user_activity_agg": "user_activity_agg",
    "job_request": "job_request",
    "dataset_metadata": "dataset_metadata",
    "consumer_channel": "consumer_channel",
    "cert_registry": "cert_registry",
}


@dataclass(frozen=True)
class Subject:
    """Whom and what a request is about; empty where it does not say."""

    learner: str
    course: str
    batch: str


def subject_of(request: Mapping[str, Any], principal: Mapping[str, Any]) -> Subject:
    """Learner, course and batch that a request names, the learner else the one who asks."""
    inner = (request.get("body") or {}).get("request") or {}
    inner = inner if isinstance(inner, Mapping) else {}
    batch = inner.get("batch")
    items = [inner, batch if isinstance(batch, Mapping) else {}]
    items += [item for key in ("contents", "assessments") for item in _objects(inner.get(key))]
    return Subject(
        _first(items, "userId") or str(principal.get("id") or principal.get("on_behalf_of") or ""),
        _first(items, "courseId", "collectionId"),
        _first(items, "batchId"),
    )


def relations_of_sets(sets: Mapping[str, Sequence[str]]) -> list[Relations]:
    """The relations that a relation cache's sets hold: ``<course>:<node>:leafnodes|optionalnodes|ancestors``."""
    found: dict[str, dict[str, dict[str, frozenset[str]]]] = {}
    for key, members in sets.items():
        course, node, kind = key.split(":")
        found.setdefault(course, {}).setdefault(kind, {})[node] = frozenset(members)
    return [
        Relations(course, kinds.get("leafnodes", {}), kinds.get("optionalnodes", {}), kinds.get("ancestors", {}))
        for course, kinds in found.items()
    ]


def relations_of_hierarchy(hierarchy: Mapping[str, Mapping[str, Any]]) -> list[Relations]:
    """The relations of ``given.hierarchy``; units are those that the leaves' ancestors name."""
    result = []
    for course, tree in hierarchy.items():
        leaves = [str(leaf) for leaf in tree.get("leafNodes") or []]
        optional = frozenset(tree.get("optionalNodes") or [])
        ancestors = {leaf: frozenset(tree.get("ancestors", {}).get(leaf) or []) | {course} for leaf in leaves}
        nodes = {course} | {unit for units in ancestors.values() for unit in units}
        held = {node: frozenset(leaf for leaf in leaves if node in ancestors[leaf]) for node in nodes}
        skipped = {node: held[node] & optional for node in nodes if held[node] & optional}
        result.append(Relations(course, held, skipped, ancestors))
    return result


def load_request_state(
    world: World, given: Mapping[str, Any], request: Mapping[str, Any], principal: Mapping[str, Any], moment: Moment
) -> None:
    """The state of an http case: tables, catalog, directory, group, templates, files."""
    subject = subject_of(request, principal)
    tables = _request_tables(given, subject, moment)
    if "hierarchy" in given:
        world.load_relations(relations_of_hierarchy(given["hierarchy"]))
    else:
        _import_flat_courses(world, given, request, tables)
    documents = fill(given.get("content") or [], moment)
    if documents:
        world.load_content(documents)
    if given.get("cert_templates"):
        load_templates_of(world, given, moment)
    world.load_users(given["users"] if "users" in given else _token_users(request, principal))
    if "group_members" in given:
        inner = (request.get("body") or {}).get("request") or {}
        world.load_group(str(inner.get("groupId") or ""), fill(given["group_members"], moment))
    if any(tables.values()):
        world.load_tables({name: rows for name, rows in tables.items() if rows})


def told_by_search_and_read(
    answers: Sequence[Mapping[str, Any]], courses: Sequence[str]
) -> tuple[list[dict[str, Any]], list[Mapping[str, Any]]]:
    """What answers of content search and content read tell of contents, and the answers of other services.

    An answer is reduced to the fields that are read: a search of one collection may leave out which, it is then the
    event's. An answer that tells of no content (nothing found, an error) leaves the catalog without that content.
    """
    documents: list[dict[str, Any]] = []
    others: list[Mapping[str, Any]] = []
    for answer in answers:
        path = str(answer.get("path") or answer.get("url") or "").partition("?")[0]
        if not _CONTENT_PATH.search(path):
            others.append(answer)
            continue
        body = answer.get("response") or answer.get("body") or {}
        found = (body.get("result") or {}).get("content") if isinstance(body, Mapping) else None
        named = [path.rpartition("/")[2]] if "/read/" in path else list(courses)
        listed = found if isinstance(found, list) else [found] if isinstance(found, Mapping) else []
        for place, document in enumerate(listed):
            identifier = document.get("identifier") or (named[place] if place < len(named) else None)
            if identifier:
                documents.append({**document, "identifier": identifier})
    return documents, others


def cached_contents(strings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Contents of the content cache: key → metadata as JSON text or object; the cache's names are in lower case."""
    documents = []
    for key, value in strings.items():
        document = _parsed_object(value)
        if document is None or "children" in document:
            continue
        spelled = {_SPELLED.get(str(name).lower(), name): item for name, item in document.items()}
        documents.append({**spelled, "identifier": key})
    return documents


def _parsed_object(value: Any) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, Mapping) else None


def load_tables(world: World, tables: Mapping[str, Sequence[Mapping[str, Any]]], moment: Moment) -> None:
    """Rows of ``given.tables``, under the contract's column names."""
    rows = {name: [stored(name, row, moment, loose=False) for row in listed] for name, listed in tables.items()}
    if any(rows.values()):
        world.load_tables({name: listed for name, listed in rows.items() if listed})


def _request_tables(given: Mapping[str, Any], subject: Subject, moment: Moment) -> dict[str, list[Row]]:
    tables = {
        table: [stored(table, row, moment, loose=True) for row in given.get(key) or []]
        for key, table in _TABLE_OF.items()
    }
    for attempt in tables["assessment_aggregator"]:
        attempt.setdefault("user_id", subject.learner)
        attempt.setdefault("course_id", subject.course)
        attempt.setdefault("batch_id", subject.batch)
    for content in given.get("consumption_completed") or []:
        done = {"contentid": content, "status": 2, "progress": 100, "viewcount": 1, "completedcount": 1}
        owner = {"userid": subject.learner, "courseid": subject.course, "batchid": subject.batch}
        tables["user_content_consumption"].append({**owner, **done})
    _add_implied_batches(tables, moment)
    return tables


def _add_implied_batches(tables: dict[str, list[Row]], moment: Moment) -> None:
    known = {(row.get("courseid"), row.get("batchid")) for row in tables["course_batch"]}
    named = [
        (row.get("courseid") or row.get("course_id"), row.get("batchid") or row.get("batch_id"))
        for table in ("user_enrolments", "user_content_consumption", "assessment_aggregator")
        for row in tables[table]
    ]
    for course, batch in dict.fromkeys(named):
        if course and batch and (course, batch) not in known and batch not in {pair[1] for pair in known}:
            row = {"courseId": course, "batchId": batch, "name": batch, "status": 1}
            dated = {**row, "enrollmentType": "open", "startDate": "{{today-3}}"}
            tables["course_batch"].append(stored("course_batch", dated, moment, loose=True))


def _import_flat_courses(
    world: World, given: Mapping[str, Any], request: Mapping[str, Any], tables: Mapping[str, Sequence[Row]]
) -> None:
    """Where no tree is given: a flat course of the contents that the case names, plus one more."""
    courses = dict.fromkeys(str(row["courseid"]) for row in tables["course_batch"] if row.get("courseid"))
    known = {str(document.get("identifier")): document for document in given.get("content") or []}
    named = list(_named_contents([request.get("body"), list(tables.values()), given.get("consumption_completed")]))
    for course in courses:
        contents = list(dict.fromkeys(content for content, of in named if of in {course, ""}))
        contents += [content for content in given.get("consumption_completed") or [] if content not in contents]
        wanted = int(known.get(course, {}).get("leafNodesCount") or 0)
        extra = max(1, wanted - len(contents))
        contents += [f"{course}-unnamed-{number}" for number in range(1, extra + 1)]
        world.import_course(flat_tree(course, contents, known.get(course, {})))


def flat_tree(course: str, contents: Sequence[str], document: Mapping[str, Any]) -> dict[str, Any]:
    """A published hierarchy with every content directly below the course."""
    children = [
        {
            "identifier": content,
            "name": content,
            "mimeType": "application/pdf",
            "contentType": "Resource",
            "primaryCategory": "Learning Resource",
            "objectType": "Content",
            "visibility": "Default",
            "status": "Live",
            "parent": course,
            "index": place,
            "depth": 1,
        }
        for place, content in enumerate(contents, start=1)
    ]
    root = {
        "name": course,
        "mimeType": COLLECTION,
        "contentType": "Course",
        "primaryCategory": "Course",
        "objectType": "Content",
        "visibility": "Default",
        "status": "Live",
        "channel": "in.ekstep",
    }
    own = {"identifier": course, "leafNodes": list(contents), "leafNodesCount": len(contents), "depth": 0}
    return {**root, **document, **own, "children": children}


def _named_contents(value: Any, course: str = "") -> Iterator[tuple[str, str]]:
    """Content ids of a document, each with the course that the object around it names."""
    if isinstance(value, Mapping):
        course = str(value.get("courseId") or value.get("collectionId") or value.get("courseid") or course)
        for key, item in value.items():
            if key.lower().replace("_", "") == "contentid" and isinstance(item, str):
                yield item, course
            elif key == "contentIds" and isinstance(item, list):
                yield from ((content, course) for content in item if isinstance(content, str))
            else:
                yield from _named_contents(item, course)
    elif isinstance(value, list):
        for item in value:
            yield from _named_contents(item, course)


def load_templates_of(world: World, given: Mapping[str, Any], moment: Moment) -> None:
    """Template assets; the runner supplies the SVG behind each."""
    assets = fill(given["cert_templates"], moment)
    complete = [{"artifactUrl": f"https://templates.example/{a['identifier']}.svg", **a} for a in assets]
    world.load_templates(complete, {asset["artifactUrl"]: _DRAWING for asset in complete})


def _token_users(request: Mapping[str, Any], principal: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every user of a token, as a plain member of one organisation."""
    named = tokens_in(request)
    if principal.get("type") == "user":
        named.setdefault(str(principal["id"]), ())
    organisation = {"id": "organisation-1", "channel": "in.ekstep"}
    return {
        uid: {
            "id": uid,
            "userId": uid,
            "firstName": uid,
            "lastName": None,
            "rootOrgId": organisation["id"],
            "rootOrg": organisation,
            "channel": organisation["channel"],
            "organisations": [{"organisationId": organisation["id"], "roles": ["PUBLIC"]}],
            "roles": ["PUBLIC", *roles],
        }
        for uid, roles in named.items()
    }


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _first(items: Sequence[Mapping[str, Any]], *keys: str) -> str:
    return next((str(item[key]) for item in items for key in keys if isinstance(item.get(key), str)), "")
