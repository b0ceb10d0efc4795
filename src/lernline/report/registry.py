"""The datasets that may be asked for: our reports and what operators have registered beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

import msgspec

from lernline.errors import BadRequest
from lernline.report.definition import ReportDefinition
from lernline.report.progress import PROGRESS
from lernline.store.requests import DatasetEntry
from lernline.times import parse_date, parse_time, start_of_day

DEFINITIONS: Mapping[str, ReportDefinition] = {one.job_id: one for one in (PROGRESS,)}

_REQUIRED = ("dataset", "datasetType", "version", "visibility", "authorizedRoles")


def definition_of(job_id: str) -> ReportDefinition:
    """The definition of a report; ``progress`` is short for ``progress-exhaust``.

    Raises:
        BadRequest: there is none.
    """
    found = DEFINITIONS.get(job_id) or DEFINITIONS.get(f"{job_id}-exhaust")
    if found is None:
        raise BadRequest(f"there is no report {job_id!r}; choose among {', '.join(DEFINITIONS)}")
    return found


def built_in() -> list[DatasetEntry]:
    """Our own reports as the registry shows them."""
    return [
        DatasetEntry(
            dataset_id=one.job_id,
            dataset_sub_id=one.job_id,
            visibility="private",
            dataset_type="On-demand exhaust",
            version="v1",
            authorized_roles=one.authorized_roles,
            validation_json={
                "$schema": "http://json-schema.org/draft-04/schema#",
                "type": "object",
                "required": ["tag", "dataset", "datasetConfig"],
                "properties": {"datasetConfig": one.schema},
            },
            supported_formats=("csv",),
            exhaust_type="On-demand exhaust",
        )
        for one in DEFINITIONS.values()
    ]


def all_entries(stored: Sequence[DatasetEntry]) -> list[DatasetEntry]:
    """Ours and the stored ones; a stored row of the same name wins, so that operators can narrow roles."""
    entries = {(one.dataset_id, one.dataset_sub_id): one for one in (*built_in(), *stored)}
    return [entries[key] for key in sorted(entries)]


def entry_for(stored: Sequence[DatasetEntry], dataset: str, kind: str | None) -> DatasetEntry:
    """The entry of a dataset (and of its type, for those that have types).

    Raises:
        BadRequest: nobody has registered it.
    """
    for entry in all_entries(stored):
        if entry.dataset_id == dataset and entry.dataset_sub_id == (kind or dataset):
            return entry
    raise BadRequest(f"dataset {kind or dataset!r} is unknown; see /dataset/list for those that may be asked for")


def check_schema(request: Mapping[str, Any], schema: Mapping[str, Any] | None) -> None:
    """Check a request against its dataset's JSON schema.

    Raises:
        BadRequest: ``Request `` and the first violation, missing properties in the original's words.
    """
    if not schema:
        return
    problem = next(iter(_validator(schema).iter_errors(dict(request))), None)
    if problem is None:
        return
    if problem.validator == "required":
        missing = sorted(set(problem.validator_value) - set(problem.instance))
        raise BadRequest(f"Request object has missing required properties ({msgspec.json.encode(missing).decode()})")
    where = ".".join(str(step) for step in problem.absolute_path)
    raise BadRequest(f"Request {where or 'object'} is not valid: {_said(problem)}")


def _validator(schema: Mapping[str, Any]) -> Any:
    """A validator that fetches nothing from anywhere."""
    import jsonschema  # type: ignore[import-untyped]  # noqa: PLC0415  only where a schema is checked
    from referencing import Registry  # noqa: PLC0415  as above

    dialect = jsonschema.validators.validator_for(schema, default=jsonschema.Draft4Validator)
    try:
        dialect.check_schema(dict(schema))
    except jsonschema.SchemaError as problem:
        raise BadRequest(f"validationJson is not a JSON schema: {problem.validator} is not satisfied") from None
    return dialect(dict(schema), registry=Registry())


def _said(problem: Any) -> str:
    """What a violation is, without repeating what was sent."""
    return f"it does not satisfy {problem.validator} {msgspec.json.encode(problem.validator_value).decode()}"


def entry_from(request: Mapping[str, Any]) -> DatasetEntry:
    """The entry that a registration asks for.

    Raises:
        BadRequest: ``X is empty`` for the first required field that is, or a field has the wrong type.
    """
    for name in _REQUIRED:
        if not request.get(name):
            raise BadRequest(f"{name} is empty")
    if request.get("validationJson"):
        _validator(request["validationJson"])
    config = request.get("datasetConfig") or {}
    kind = config.get("type") if isinstance(config, dict) else None
    try:
        return msgspec.convert(
            {
                "dataset_id": request["dataset"],
                "dataset_sub_id": request.get("datasetSubId") or kind or request["dataset"],
                "dataset_config": config,
                "visibility": request["visibility"],
                "dataset_type": request["datasetType"],
                "version": request["version"],
                "authorized_roles": request["authorizedRoles"],
                "available_from": _instant(request.get("availableFrom")),
                "sample_request": request.get("sampleRequest"),
                "sample_response": request.get("sampleResponse"),
                "validation_json": request.get("validationJson"),
                "supported_formats": request.get("supportedFormats") or (),
                "exhaust_type": request.get("exhaustType") or "",
            },
            DatasetEntry,
        )
    except msgspec.ValidationError as problem:
        raise BadRequest(f"the dataset cannot be registered: {problem}") from None


def _instant(value: object) -> object:
    """Epoch ms of a day (its start in UTC) or of a time; what is neither is left for the type to refuse."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return start_of_day(parse_date(value), UTC)
    except ValueError:
        pass
    try:
        return parse_time(value)
    except ValueError:
        raise BadRequest("availableFrom is not a date (yyyy-MM-dd) or a time with its zone") from None


def as_json(entry: DatasetEntry) -> dict[str, Any]:
    """An entry as ``/dataset/list`` shows it."""
    return {
        "dataset": entry.dataset_id,
        "datasetSubId": entry.dataset_sub_id,
        "datasetConfig": entry.dataset_config,
        "datasetType": entry.dataset_type,
        "visibility": entry.visibility,
        "version": entry.version,
        "authorizedRoles": list(entry.authorized_roles),
        "availableFrom": entry.available_from,
        "sampleRequest": entry.sample_request,
        "sampleResponse": entry.sample_response,
        "validationJson": entry.validation_json,
        "supportedFormats": list(entry.supported_formats),
        "exhaustType": entry.exhaust_type,
    }
