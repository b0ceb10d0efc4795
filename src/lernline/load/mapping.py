"""From rows of a platform's tables to rows of ours: what is derived once, and what must not stay behind. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lernline.people.places import Location, Organisation, UserRow, sign_in_type, state_and_district

Row = dict[str, Any]

TARGETS = {"report_user_enrolments": "user_enrolments"}
"""Tables that are loaded under another name."""

LOOKUPS = frozenset(
    {"user_organisation", "user_declarations", "user_roles", "usr_external_identity", "user_lookup", "report_config"}
)
"""Tables that are not kept; the first four tell something about the users of the same dump."""

_OWN_COLUMNS: dict[str, tuple[str, ...]] = {
    "user_enrolments": ("rollup",),
    "user_content_consumption": (
        "accessed",
        "accessed_received",
        "completed",
        "completed_received",
        "first_completed",
        "first_completed_received",
        "details_received",
    ),
    "assessment_aggregator": ("digest",),
}
_CUSTODIAN = "custodianOrgId"
_DECLARED = {"school-name": "schoolname", "school-udise-code": "schooludisecode"}


def stored(table: str, rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Rows as they are kept: members of maps that are null left out, own columns of an older row cleared.

    A cleared column makes Lernline believe the loaded columns: what it had computed itself is no longer about this row.
    """
    cleared = dict.fromkeys(_OWN_COLUMNS.get(table, ()))
    kept = [{name: _without_nulls(value) for name, value in row.items()} | cleared for row in rows]
    if table == "hierarchy_relations":
        for row in kept:
            row["courseid"] = row["relationship_key"].partition(":")[0]
            row["node_ids"] = row.get("node_ids") or []
    return kept


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value


def relation_leaves(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Number of leaves of each course that relation rows speak of; 0 where only its parts are in these rows."""
    leaves: dict[str, int] = {}
    for row in rows:
        course, _, rest = row["relationship_key"].partition(":")
        leaves.setdefault(course, 0)
        if rest == f"{course}:leafnodes":
            leaves[course] = len(row.get("node_ids") or ())
    return leaves


class People:
    """What the other tables of a dump tell about its users."""

    def __init__(self) -> None:
        self.custodian: str | None = None
        self.organisations: dict[str, Organisation] = {}
        self.locations: dict[str, Location] = {}
        self._memberships: dict[str, list[str]] = defaultdict(list)
        self._declared: dict[str, dict[str, str]] = {}
        self._roles: dict[str, list[str]] = defaultdict(list)
        self._identities: dict[str, str] = {}

    def learn(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take note of rows; tables that say nothing about users are passed over."""
        note = {
            "system_settings": self._setting,
            "organisation": self._organisation,
            "location": self._location,
            "user_organisation": self._membership,
            "user_declarations": self._declaration,
            "user_roles": self._role,
            "usr_external_identity": self._identity,
        }.get(table)
        if note is not None:
            for row in rows:
                note(row)

    def _setting(self, row: Mapping[str, Any]) -> None:
        if _CUSTODIAN in {row["id"], row.get("field")} and row.get("value"):
            self.custodian = row["value"]

    def _organisation(self, row: Mapping[str, Any]) -> None:
        self.organisations[row["id"]] = Organisation(
            id=row["id"],
            orgname=row.get("orgname"),
            isrootorg=row.get("isrootorg") or row.get("istenant"),
            orglocation=row.get("orglocation"),
            locationids=row.get("locationids"),
        )

    def _location(self, row: Mapping[str, Any]) -> None:
        self.locations[row["id"]] = Location(
            row["id"], row.get("name") or "", row.get("type") or "", row.get("parentid"), row.get("code")
        )

    def _membership(self, row: Mapping[str, Any]) -> None:
        if not row.get("isdeleted"):
            self._memberships[row["userid"]].append(row["organisationid"])

    def _declaration(self, row: Mapping[str, Any]) -> None:
        info: Mapping[str, Any] = row.get("userinfo") or {}
        names = ((name.removeprefix("declared-"), value) for name, value in info.items() if value)
        self._declared[row["userid"]] = {_DECLARED.get(name, name): str(value) for name, value in names}

    def _role(self, row: Mapping[str, Any]) -> None:
        self._roles[row["userid"]].append(row["role"])

    def _identity(self, row: Mapping[str, Any]) -> None:
        if row.get("userid"):
            self._identities[row["userid"]] = row.get("originalexternalid") or row["externalid"]

    def profile(self, row: Mapping[str, Any]) -> Row:
        """A ``user`` row with the fields of the user cache derived (ruling 15); what is given is kept."""
        userid = row["id"]
        places = state_and_district(
            UserRow(
                userid=userid,
                rootorgid=row.get("rootorgid"),
                profilelocation=row.get("profilelocation"),
                locationids=row.get("locationids"),
                state=row.get("state"),
                district=row.get("district"),
                block=row.get("block"),
                cluster=row.get("cluster"),
                declared=self._declared.get(userid),
                organisationids=self._memberships.get(userid, ()),
            ),
            custodian_org_id=self.custodian,
            organisations=self.organisations,
            locations=self.locations,
        )
        root = self.organisations.get(row.get("rootorgid") or "")
        derived: dict[str, Any] = {
            "userid": userid,
            **{name: getattr(places, name) for name in places.__struct_fields__},
            "orgname": root.orgname if root is not None else None,
            "userchannel": row.get("channel"),
            "usersignintype": sign_in_type(row.get("rootorgid"), self.custodian),
            "externalid": self._identities.get(userid) or self._declared.get(userid, {}).get("ext-id"),
            "roles": self._roles.get(userid, []),
            **_types(row),
            **_framework(row.get("framework")),
        }
        languages = row.get("language")
        given = {name: value for name, value in row.items() if value is not None} | {
            "framework": derived["framework"],
            "language": _json(languages) if languages else None,
        }
        return dict.fromkeys(row) | derived | {name: value for name, value in given.items() if value is not None}


def _types(row: Mapping[str, Any]) -> Row:
    """``usertype`` and ``usersubtype``: all types, distinct, in order (pipeline.md 7.3)."""
    entries = _decoded(row.get("profileusertypes")) or _decoded(row.get("profileusertype"))
    listed = entries if isinstance(entries, list) else [entries]
    known = [one for one in listed if isinstance(one, dict)]
    return {
        column: ",".join(dict.fromkeys(str(one[field]) for one in known if one.get(field))) or None
        for column, field in (("usertype", "type"), ("usersubtype", "subType"))
    }


def _framework(value: object) -> Row:
    """The five fields of the user's framework (pipeline.md 7.3)."""
    lists: Mapping[str, Sequence[str]] = value if isinstance(value, dict) else {}
    return {
        "board": next(iter(lists.get("board") or ()), None),
        "framework": next(iter(lists.get("id") or ()), None),
        "medium": _json(lists.get("medium") or []) if lists else None,
        "grade": _json(lists.get("gradeLevel") or []) if lists else None,
        "subject": _json(lists.get("subject") or []) if lists else None,
    }


def _decoded(text: object) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
