"""Where a learner lives, for a report's State and District (ruling 15). Pure.

A self-signed-up user (root organisation = the custodian organisation) declared it. An organisation-validated user has
what the organisation's sign-on brought along, else the location of the sub-organisation they belong to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

_MAX_PARENTS = 10


class Location(msgspec.Struct, frozen=True):
    """A row of ``location``; ``type`` is state, district, block, cluster or school."""

    id: str
    name: str
    type: str
    parentid: str | None = None
    code: str | None = None


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    """The part of an ``organisation`` row that says where it is.

    Attributes:
        orglocation: JSON text, a list of ``{"id", "type"}``.
        locationids: the older form, identifiers only.
    """

    id: str
    orgname: str | None = None
    isrootorg: bool | None = None
    orglocation: str | None = None
    locationids: Sequence[str] | None = None


class UserRow(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a ``user`` row that says where a user is.

    Attributes:
        profilelocation: JSON text, a list of ``{"id", "type"}`` (filled at declaration or by the sign-on).
        locationids: the older form, identifiers only.
        state: and the others: values that a dump already derived; they are believed first.
        declared: self-declared values by location type, for instance ``{"state": "Kerala"}``; only counted for
            self-signed-up users.
        organisationids: organisations the user belongs to, in order of preference.
    """

    userid: str
    rootorgid: str | None = None
    profilelocation: str | None = None
    locationids: Sequence[str] | None = None
    state: str | None = None
    district: str | None = None
    block: str | None = None
    cluster: str | None = None
    declared: Mapping[str, str] | None = None
    organisationids: Sequence[str] = ()


class Places(msgspec.Struct, frozen=True, omit_defaults=True):
    """The names of a learner's places under the user cache's field names; None where nothing says."""

    state: str | None = None
    district: str | None = None
    block: str | None = None
    cluster: str | None = None
    schoolname: str | None = None
    schooludisecode: str | None = None


def sign_in_type(rootorgid: str | None, custodian_org_id: str | None) -> str | None:
    """``usersignintype``: Self-Signed-In for users of the custodian organisation, Validated for all others."""
    if not rootorgid or not custodian_org_id:
        return None
    return "Self-Signed-In" if rootorgid == custodian_org_id else "Validated"


def state_and_district(
    user: UserRow,
    *,
    custodian_org_id: str | None,
    organisations: Mapping[str, Organisation],
    locations: Mapping[str, Location],
) -> Places:
    """The places of a user.

    Args:
        user: the row.
        custodian_org_id: value of the system setting ``custodianOrgId``; unknown: nobody counts as self-signed-up.
        organisations: at least those that the user belongs to, by id.
        locations: the location table by id.

    Sources are asked in the order of ruling 15; a later one fills what an earlier left open unless it speaks of
    another state or district, so that a district never stands beside a foreign state.
    """
    self_signed_up = custodian_org_id is not None and user.rootorgid == custodian_org_id
    given = {"state": user.state, "district": user.district, "block": user.block, "cluster": user.cluster}
    sources: list[Mapping[str, str | None]] = [given]
    if self_signed_up and user.declared:
        sources.append(user.declared)
    sources.append(_named(_entries(user.profilelocation), locations))
    sources.append(_named(({"id": each} for each in user.locationids or ()), locations))
    if not self_signed_up:
        sources += [_organisation_places(each, locations) for each in _suborganisations(user, organisations)]
    places: dict[str, str] = {}
    for source in sources:
        clean = {kind: name.strip() for kind, name in source.items() if name and name.strip()}
        if all(places.get(kind, name) == name for kind, name in clean.items() if kind in ("state", "district")):
            places = {**clean, **places}
    return Places(**{kind: places.get(kind) for kind in Places.__struct_fields__})


def _suborganisations(user: UserRow, organisations: Mapping[str, Organisation]) -> Iterator[Organisation]:
    for identifier in user.organisationids:
        organisation = organisations.get(identifier)
        if organisation is not None and identifier != user.rootorgid and not organisation.isrootorg:
            yield organisation


def _organisation_places(organisation: Organisation, locations: Mapping[str, Location]) -> dict[str, str | None]:
    listed: list[Mapping[str, object]] = [
        *_entries(organisation.orglocation),
        *({"id": each} for each in organisation.locationids or ()),
    ]
    return _named(listed, locations)


def _entries(text: str | None) -> list[dict[str, object]]:
    """The entries of a location list; text that is none says nothing."""
    if not text:
        return []
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return []
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _named(entries: Iterable[Mapping[str, object]], locations: Mapping[str, Location]) -> dict[str, str | None]:
    """Names by location type, parents of what is listed included; what is listed itself comes first."""
    names: dict[str, str | None] = {}
    inherited: dict[str, str | None] = {}
    for entry in entries:
        location = locations.get(str(entry.get("id")))
        if location is None:
            kind, name = entry.get("type"), entry.get("name")
            if isinstance(kind, str) and isinstance(name, str):
                names.setdefault(kind.lower(), name)
            continue
        _note(names, location)
        above, steps = location.parentid, 0
        while above is not None and above in locations and steps < _MAX_PARENTS:
            parent = locations[above]
            _note(inherited, parent)
            above, steps = parent.parentid, steps + 1
    return {**inherited, **names}


def _note(names: dict[str, str | None], location: Location) -> None:
    kind = location.type.lower()
    if kind == "school":
        names.setdefault("schoolname", location.name)
        names.setdefault("schooludisecode", location.code)
    else:
        names.setdefault(kind, location.name)
