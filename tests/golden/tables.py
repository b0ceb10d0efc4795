"""The contract's tables as the cases name them: keys, column kinds, and finding the row that a case lists.

Rows go to and come from the system under test in one form: contract names of columns, timestamps as epoch
milliseconds, maps as dicts, lists as lists, JSON columns parsed.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from .instants import end_of, instant, is_day, start_of
from .matching import Context, Problems, in_any_order, match
from .pins import NOTHING
from .placeholders import Moment, fill

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Key columns, and the columns whose values are not plain text or numbers."""

    keys: tuple[str, ...]
    times: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is known by name."""
        return self.keys + self.times + self.documents + self.others


TABLES: Final[dict[str, Table]] = {
    "user_content_consumption": Table(
        ("userid", "courseid", "batchid", "contentid"),
        ("datetime", "last_access_time", "last_completed_time", "last_updated_time"),
        (),
        (
            "status",
            "progress",
            "viewcount",
            "completedcount",
            "completionpercentage",
            "progressdetails",
            "lastaccesstime",
            "lastcompletedtime",
            "lastupdatedtime",
        ),
    ),
    "user_enrolments": Table(
        ("userid", "courseid", "batchid"),
        ("datetime", "completedon", "enrolled_date", "lastcontentaccesstime"),
        ("contentstatus", "certificates", "issued_certificates"),
        (
            "active",
            "addedby",
            "enrolleddate",
            "status",
            "progress",
            "completionpercentage",
            "certstatus",
            "lastreadcontentid",
            "lastreadcontentstatus",
        ),
    ),
    "user_activity_agg": Table(
        ("activity_type", "activity_id", "user_id", "context_id"),
        (),
        ("agg", "aggregates", "agg_last_updated", "agg_details"),
    ),
    "assessment_aggregator": Table(
        ("course_id", "batch_id", "user_id", "content_id", "attempt_id"),
        ("created_on", "last_attempted_on", "updated_on"),
        ("question",),
        ("total_score", "total_max_score", "grand_total"),
    ),
    "course_batch": Table(
        ("courseid", "batchid"),
        ("created_date", "start_date", "end_date", "updated_date", "enrollment_enddate"),
        ("createdfor", "mentors", "cert_templates"),
        (
            "name",
            "description",
            "enrollmenttype",
            "createdby",
            "createddate",
            "startdate",
            "enddate",
            "enrollmentenddate",
            "updateddate",
            "status",
            "tandc",
        ),
    ),
    "content_hierarchy": Table(("identifier",), (), (), ("hierarchy",)),
    "job_request": Table(
        ("tag", "request_id"),
        ("dt_job_submitted", "dt_job_completed", "dt_file_created"),
        ("request_data", "download_urls", "processed_batches"),
        (
            "job_id",
            "status",
            "requested_by",
            "requested_channel",
            "execution_time",
            "err_message",
            "iteration",
            "encryption_key",
            "batch_number",
        ),
    ),
    "user_consent": Table(
        ("user_id", "consumer_id", "object_id"),
        ("expiry", "created_on", "last_updated_on", "consented_on"),
        ("categories",),
    ),
    "system_settings": Table(("id",)),
    "tenant_preference_v2": Table(("orgid", "key"), (), ("data",)),
    "consumer_channel": Table(("consumer_id", "channel")),
    "dataset_metadata": Table(("dataset_id", "dataset_sub_id")),
    "cert_registry": Table(("id",)),
    "program_enrollment": Table(("program_id", "user_id")),
    "user": Table(("id",)),
    "sunbird.user": Table(("id",)),
    "sunbird.user_lookup": Table(("type", "value")),
    "sunbird.usr_external_identity": Table(("userid", "idtype", "provider")),
    "sunbird.user_organisation": Table(("userid", "organisationid")),
}
LEARNING_TABLES: Final = (
    "user_content_consumption",
    "user_enrolments",
    "user_activity_agg",
    "assessment_aggregator",
    "course_batch",
    "job_request",
)
_END_OF_DAY: Final = frozenset({"end_date", "enrollment_enddate"})
_ESCAPED_BRACKET: Final = re.compile(r"\\(?=[\[\]])")


def table_named(name: str) -> Table:
    """What is known of a table; of an unknown one nothing."""
    return TABLES.get(name, Table(()))


def column(table: str, name: str, *, loose: bool) -> str:
    """The contract's column for a name.

    ``loose``: case and underscores do not count, and of a text and a timestamp twin the timestamp is meant.
    """
    known = table_named(table)
    plain = name.lower()
    if not loose:
        return plain
    squashed = plain.replace("_", "")
    for candidate in known.times + known.columns:
        if candidate.replace("_", "") == squashed:
            return candidate
    return name


def stored(table: str, row: Mapping[str, Any], moment: Moment, *, loose: bool) -> Row:
    """A row of ``given`` as it is loaded."""
    known = table_named(table)
    result: Row = {}
    for name, value in fill(row, moment).items():
        key = "hierarchy" if name == "hierarchy_json" else column(table, name, loose=loose)
        result[key] = _stored_value(known, key, value, moment)
    if table == "user_enrolments":
        result.setdefault("active", True)
    return result


def _stored_value(known: Table, key: str, value: Any, moment: Moment) -> Any:
    if key == "hierarchy" and not isinstance(value, str):
        return json.dumps(value)
    if key not in known.times or value is None:
        return value
    if is_day(value):
        day = date.fromisoformat(value)
        return end_of(day, moment.zone) if key in _END_OF_DAY else start_of(day, moment.zone)
    at = instant(value)
    return value if at is None else at


def read_back(table: str, row: Mapping[str, Any]) -> Row:
    """A row as it is compared: JSON columns that the system keeps as text are parsed."""
    documents = table_named(table).documents
    return {key: _parse(value) if key in documents else value for key, value in row.items()}


def _parse(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def find_row(
    table: str, expected: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], context: Context, *, loose: bool
) -> Problems:
    """Differences between a listed row and the stored one that its key columns lead to."""
    keys = table_named(table).keys
    wanted = {_expected_name(table, name, loose): value for name, value in expected.items()}
    looked_up = {name: value for name, value in wanted.items() if name in keys}
    actual = [read_back(table, row) for row in rows]
    context = replace(context, cells="table", siblings=actual)
    found = [row for row in actual if not match(looked_up, {key: row.get(key) for key in looked_up}, context)]
    if not found:
        return [f"{table}: no row with {looked_up}; there are {len(rows)} rows"]
    differences = [_row_problems(table, wanted, row, context) for row in found]
    return min(differences, key=len)


def check_rows(
    table: str, expected: Any, rows: Sequence[Mapping[str, Any]], context: Context, *, loose: bool
) -> Problems:
    """Differences of a table from the listed rows; an empty list = the table has no rows."""
    if not isinstance(expected, list):
        return match(expected, [dict(row) for row in rows], replace(context, cells="table"), table)
    if not expected:
        return [f"{table}: expected no rows, got {len(rows)}: {list(rows)[:3]}"] if rows else []
    if any(row is not NOTHING and set(row) == {"$pending"} for row in expected):
        return [problem for row in expected for problem in match(row, None, context, table)]
    return [
        problem
        for row in expected
        if row is not NOTHING
        for problem in find_row(table, row, rows, context, loose=loose)
    ]


def _expected_name(table: str, name: str, loose: bool) -> str:
    return name if name in _CHECKS or name.endswith(_SUFFIXES) else column(table, name, loose=loose)


def _row_problems(table: str, wanted: Mapping[str, Any], row: Row, context: Context) -> Problems:
    wanted = dict(wanted)
    if wanted.get("agg_details_in_order") is True:
        wanted["agg_details_in_order"] = wanted.pop("agg_details")
    return [
        problem
        for name, value in wanted.items()
        if value is not NOTHING
        for problem in _cell_problems(name, value, row, context, f"{table}.{name}")
    ]


def _cell_problems(name: str, value: Any, row: Row, context: Context, path: str) -> Problems:
    if name in _CHECKS:
        return _CHECKS[name](value, row, context, path)
    if name.endswith(_SUFFIXES) and name not in row:
        return _check_suffix(name, value, row, context, path)
    if "[" in name:
        return match(value, _element(row, name), context, path)
    if name == "processed_batches" and value in (None, []):
        return [] if row.get(name) in (None, []) else [f"{path}: expected none, got {row.get(name)}"]
    return match(value, row.get(name), context, path)


def _element(row: Row, name: str) -> Any:
    base, _, place = name.rstrip("]").partition("[")
    value = _parse(row.get(base))
    return value[int(place)] if isinstance(value, list) and int(place) < len(value) else None


def _check_suffix(name: str, value: Any, row: Row, context: Context, path: str) -> Problems:
    suffix = next(ending for ending in _SUFFIXES if name.endswith(ending))
    held = _parse(row.get(name.removesuffix(suffix)))
    if suffix == "_count":
        return match(value, len(held or []), context, path)
    if suffix == "_keys_include":
        absent = [key for key in value if key not in (held or {})]
        return [f"{path}: keys {absent} are missing"] if absent else []
    return _values_include(value, held, context, path)


def _values_include(value: Any, held: Any, context: Context, path: str) -> Problems:
    """For each field, the listed values occur among the entries of a list of objects."""
    entries = [_parse(entry) for entry in held or []] if isinstance(held, list) else [held]
    problems: Problems = []
    for field, values in value.items():
        present = [entry.get(field) for entry in entries if isinstance(entry, Mapping)]
        for one in values if isinstance(values, list) else [values]:
            if all(match(one, candidate, context) for candidate in present):
                problems.append(f"{path}.{field}: {one} does not occur among {present}")
    return problems


def _details(value: Any, row: Row, context: Context, path: str, *, ordered: bool) -> Problems:
    if not isinstance(value, list):
        return match(value, row.get("agg_details"), context, path)
    held = [_detail(entry) for entry in row.get("agg_details") or []]
    if len(held) != sum(entry is not NOTHING for entry in value):
        return [f"{path}: expected {len(value)} entries, got {len(held)}"]
    return match(value, held, context, path) if ordered else in_any_order(value, held, context, path)


def _detail(entry: Any) -> Any:
    parsed = _parse(entry)
    if isinstance(parsed, Mapping):
        return {**parsed, "last_attempted_on_epoch_ms": instant(parsed.get("last_attempted_on"))}
    return parsed


def _question_ids(value: Any, row: Row, context: Context, path: str) -> Problems:
    held = sorted(str(question.get("id")) for question in row.get("question") or [])
    return [] if held == sorted(value) else [f"{path}: expected {sorted(value)}, got {held}"]


def _sizes(value: Any, row: Row, context: Context, path: str) -> Problems:
    source = {"questions": "question", "agg_details_length": "agg_details"}[path.rpartition(".")[2]]
    return match(value, len(row.get(source) or []), context, path)


def _template_keys(value: Any, row: Row, context: Context, path: str) -> Problems:
    return match({"unordered": list(value)}, list(row.get("cert_templates") or {}), context, path)


def same_profile_types(value: Any, held: Any, context: Context, path: str) -> Problems:
    """``profileusertypes`` as JSON, the backslash before a bracket removed."""
    wanted, got = (_ESCAPED_BRACKET.sub("", text) if isinstance(text, str) else text for text in (value, held))
    return match(_parse(wanted), _parse(got), context, path)


_Check = Callable[[Any, Row, Context, str], Problems]
_CHECKS: Final[dict[str, _Check]] = {
    "agg_details": lambda value, row, context, path: _details(value, row, context, path, ordered=False),
    "agg_details_in_order": lambda value, row, context, path: _details(value, row, context, path, ordered=True),
    "question_ids_any_order": _question_ids,
    "questions": _sizes,
    "agg_details_length": _sizes,
    "cert_templates_keys": _template_keys,
    "profileusertypes": lambda value, row, context, path: same_profile_types(
        value, row.get("profileusertypes"), context, path
    ),
}
_SUFFIXES: Final = ("_values_include", "_keys_include", "_count")
