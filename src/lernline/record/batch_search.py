"""How a batch looks to a client, and which batches a list names (rest-api.md 5.3, clients.md). Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from typing import Any

import msgspec

from lernline.errors import catalogued
from lernline.model import Batch
from lernline.record.batch_rules import current_status, dates_of
from lernline.times import format_time

DEFAULT_LIMIT = 30
WINDOW = 10_000
_FOLDED = ("criteria", "issuer", "signatoryList", "notifyTemplate", "additionalProps")
_IDS = ("batchId", "id", "identifier")
_COURSES = ("courseId", "collectionId")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


class BatchQuery(msgspec.Struct, frozen=True):
    """A checked list request. ``sort`` holds field and whether it descends."""

    filters: dict[str, Any]
    fields: tuple[str, ...] = ()
    sort: tuple[tuple[str, bool], ...] = (("createdDate", True),)
    limit: int = DEFAULT_LIMIT
    offset: int = 0
    text: str = ""

    def texts(self, *names: str) -> list[str]:
        """Plain values that the filters give under any of ``names``; empty when they are operators or absent."""
        for name in names:
            value = self.filters.get(name)
            if isinstance(value, str):
                return [value]
            if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
                return list(value)
        return []

    @property
    def batch_ids(self) -> list[str]:
        """Batches that the filters name."""
        return self.texts(*_IDS)

    @property
    def course_ids(self) -> list[str]:
        """Courses that the filters name."""
        return self.texts(*_COURSES)


def shape(batch: Batch, now_ms: int, zone: tzinfo) -> dict[str, Any]:
    """A batch as ``response`` of the read and as an item of the list; dates ``yyyy-MM-dd``, status a number.

    ``createdFor``, ``mentors``, ``tandc`` and ``issueCertificate`` are left out where nothing was ever set.
    """
    dates = dates_of(batch, zone)
    templates = {identifier: _unfolded(template) for identifier, template in batch.cert_templates.items()}
    document: dict[str, Any] = {
        "identifier": batch.batchid,
        "id": batch.batchid,
        "batchId": batch.batchid,
        "courseId": batch.courseid,
        "collectionId": batch.courseid,
        "name": batch.name,
        "description": batch.description,
        "enrollmentType": batch.enrollmenttype,
        "startDate": None if dates.start is None else dates.start.isoformat(),
        "endDate": None if dates.end is None else dates.end.isoformat(),
        "enrollmentEndDate": None if dates.enrolment_end is None else dates.enrolment_end.isoformat(),
        "status": current_status(batch, now_ms, zone),
        "createdBy": batch.createdby,
        "createdDate": None if batch.created_date is None else format_time(batch.created_date, zone),
        "updatedDate": None if batch.updated_date is None else format_time(batch.updated_date, zone),
        "cert_templates": templates,
        "certTemplates": templates,
    }
    optional = {
        "createdFor": batch.createdfor,
        "mentors": batch.mentors,
        "tandc": batch.tandc,
        "issueCertificate": batch.issuecertificate,
    }
    return document | {name: value for name, value in optional.items() if value is not None}


def _unfolded(template: Mapping[str, str]) -> dict[str, Any]:
    shown: dict[str, Any] = dict(template)
    for name in _FOLDED:
        if name in shown:
            try:
                shown[name] = msgspec.json.decode(shown[name])
            except msgspec.DecodeError:
                continue
    return shown


def parse_query(request: Mapping[str, Any]) -> BatchQuery:
    """Check a list request; absent or null filters mean all (A-16).

    Raises:
        BadRequest: a part has the wrong type; the message names it.
    """
    filters = request.get("filters")
    if filters is None:
        filters = {}
    if not isinstance(filters, dict):
        raise catalogued("DATA_TYPE_ERROR", "filters", "Map")
    fields = request.get("fields")
    if fields is not None and not (isinstance(fields, list) and all(isinstance(name, str) for name in fields)):
        raise catalogued("DATA_TYPE_ERROR", "fields", "Array")
    text = request.get("query")
    if text is not None and not isinstance(text, str):
        raise catalogued("DATA_TYPE_ERROR", "query", "String")
    return BatchQuery(
        filters={name: value for name, value in filters.items() if value is not None},
        fields=tuple(fields or ()),
        sort=_sort(request.get("sort_by")),
        limit=_whole(request, "limit", DEFAULT_LIMIT),
        offset=_whole(request, "offset", 0),
        text=(text or "").strip().casefold(),
    )


def _sort(value: object) -> tuple[tuple[str, bool], ...]:
    if value is None or value == {}:
        return (("createdDate", True),)
    if not isinstance(value, dict):
        raise catalogued("DATA_TYPE_ERROR", "sort_by", "Map")
    order = []
    for name, direction in value.items():
        if str(direction).casefold() not in {"asc", "desc"}:
            raise catalogued("INVALID_PARAMETER_VALUE", direction, f"sort_by.{name}")
        order.append((str(name), str(direction).casefold() == "desc"))
    return tuple(order)


def _whole(request: Mapping[str, Any], name: str, default: int) -> int:
    value = request.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise catalogued("DATA_TYPE_ERROR", name, "Integer")
    if not 0 <= value <= WINDOW:
        raise catalogued("INVALID_PARAMETER_VALUE", value, name)
    return value


def select(documents: Iterable[dict[str, Any]], query: BatchQuery) -> tuple[int, list[dict[str, Any]]]:
    """How many documents fit, and the page of them that the query asks for, in its order."""
    fitting = [document for document in documents if fits(document, query)]
    fitting.sort(key=lambda document: str(document["batchId"]))
    for name, descending in reversed(query.sort):
        known = [document for document in fitting if document.get(name) is not None]
        unknown = [document for document in fitting if document.get(name) is None]
        known.sort(key=lambda document: _sortable(document[name]), reverse=descending)
        fitting = known + unknown
    page = fitting[query.offset : query.offset + query.limit]
    if query.fields:
        page = [{name: document[name] for name in query.fields if name in document} for document in page]
    return len(fitting), page


def _sortable(value: object) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return (0, float(value), "")
    return (1, 0.0, str(value).casefold())


def fits(document: Mapping[str, Any], query: BatchQuery) -> bool:
    """Whether every filter holds: any of a list, all of a map of operators, texts and numbers alike, any case."""
    if query.text and not any(
        query.text in str(document.get(name) or "").casefold() for name in ("name", "description")
    ):
        return False
    return all(_holds(document.get(name), wanted) for name, wanted in query.filters.items())


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(value, list):
        return any(_holds(item, wanted) for item in value)
    if isinstance(wanted, list):
        return any(_same(value, one) for one in wanted)
    if isinstance(wanted, dict):
        return value is not None and all(_compares(value, name, limit) for name, limit in wanted.items())
    return _same(value, wanted)


def _same(value: Any, wanted: Any) -> bool:
    return value is not None and _plain(value) == _plain(wanted)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).casefold()


def _compares(value: Any, name: str, limit: Any) -> bool:
    if name == "startsWith":
        return _plain(value).startswith(_plain(limit))
    if name == "endsWith":
        return _plain(value).endswith(_plain(limit))
    holds = _OPERATORS.get(name)
    if holds is None:
        raise catalogued("INVALID_PARAMETER_VALUE", name, "filters")
    return holds(*_comparable(value, limit))


def _comparable(value: Any, limit: Any) -> tuple[Any, Any]:
    try:
        return float(value), float(limit)
    except (TypeError, ValueError):
        return _plain(value), _plain(limit)
