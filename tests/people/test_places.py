import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lernline.people.places import Location, Organisation, Places, UserRow, sign_in_type, state_and_district

# The machine may be busy: no example is judged by its time.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

LOCATIONS = {
    each.id: each
    for each in (
        Location("ka", "Karnataka", "state"),
        Location("blr", "Bengaluru", "district", parentid="ka"),
        Location("b1", "Block One", "block", parentid="blr"),
        Location("ap", "Andhra Pradesh", "state"),
        Location("gnt", "Guntur", "district", parentid="ap"),
        Location("s1", "Hill School", "school", parentid="b1", code="2917"),
        Location("loop", "Loop", "cluster", parentid="loop"),
    )
}
ORGANISATIONS = {
    each.id: each
    for each in (
        Organisation(id="custodian", isrootorg=True, locationids=["ap"]),
        Organisation(id="state-org", isrootorg=True, locationids=["ap"]),
        Organisation(id="school", orglocation='[{"id": "b1", "type": "block"}]'),
        Organisation(id="old-school", locationids=["gnt"]),
    )
}


def listed(*identifiers: str) -> str:
    return json.dumps([{"id": each, "type": "whatever"} for each in identifiers])


def places(user: UserRow, custodian: str | None = "custodian") -> Places:
    return state_and_district(user, custodian_org_id=custodian, organisations=ORGANISATIONS, locations=LOCATIONS)


def test_a_self_signed_up_user_has_the_declared_places() -> None:
    user = UserRow(
        userid="u", rootorgid="custodian", profilelocation=listed("ka", "blr"), organisationids=["old-school"]
    )
    assert places(user) == Places(state="Karnataka", district="Bengaluru")


def test_a_self_signed_up_user_who_declared_nothing_has_no_place_from_an_organisation() -> None:
    assert places(UserRow(userid="u", rootorgid="custodian", organisationids=["school", "old-school"])) == Places()


def test_self_declared_values_count_for_self_signed_up_users_alone() -> None:
    declared = {"state": "Kerala", "district": "Kollam"}
    assert places(UserRow(userid="u", rootorgid="custodian", declared=declared)) == Places("Kerala", "Kollam")
    assert places(UserRow(userid="u", rootorgid="state-org", declared=declared)) == Places()


def test_a_validated_user_has_what_the_sign_on_brought() -> None:
    user = UserRow(userid="u", rootorgid="state-org", profilelocation=listed("gnt"), organisationids=["school"])
    assert places(user) == Places(state="Andhra Pradesh", district="Guntur")


def test_a_validated_user_without_own_places_has_those_of_the_sub_organisation() -> None:
    user = UserRow(userid="u", rootorgid="state-org", organisationids=["state-org", "custodian", "gone", "school"])
    assert places(user) == Places(state="Karnataka", district="Bengaluru", block="Block One")


def test_an_older_row_names_its_locations_by_identifier_only() -> None:
    assert places(UserRow(userid="u", rootorgid="custodian", locationids=["blr"])) == Places("Karnataka", "Bengaluru")
    user = UserRow(userid="u", rootorgid="state-org", organisationids=["old-school"])
    assert places(user) == Places("Andhra Pradesh", "Guntur")


def test_a_later_source_fills_gaps_but_never_puts_a_district_beside_a_foreign_state() -> None:
    same = UserRow(userid="u", rootorgid="state-org", profilelocation=listed("ka"), organisationids=["school"])
    assert places(same) == Places(state="Karnataka", district="Bengaluru", block="Block One")
    foreign = UserRow(userid="u", rootorgid="state-org", profilelocation=listed("ka"), organisationids=["old-school"])
    assert places(foreign) == Places(state="Karnataka")


def test_values_that_a_dump_already_holds_are_believed_first() -> None:
    user = UserRow(userid="u", rootorgid="custodian", state=" Goa ", district="", profilelocation=listed("ka", "blr"))
    assert places(user) == Places(state="Goa")


def test_a_school_gives_its_name_and_code() -> None:
    found = places(UserRow(userid="u", rootorgid="state-org", profilelocation=listed("s1")))
    assert found == Places("Karnataka", "Bengaluru", "Block One", None, "Hill School", "2917")


def test_a_location_that_the_table_lacks_may_name_itself() -> None:
    text = '[{"type": "State", "id": "zz", "name": "Assam"}, {"type": "district", "id": "zz"}]'
    assert places(UserRow(userid="u", rootorgid="custodian", profilelocation=text)) == Places(state="Assam")


@pytest.mark.parametrize(
    "text", ["", "{", "null", "5", '"x"', '["x", null]', '{"id": "ka"}', '[{"id": 5}]', "[" * 3000]
)
def test_a_location_text_that_is_no_list_says_nothing(text: str) -> None:
    assert places(UserRow(userid="u", rootorgid="custodian", profilelocation=text)) == Places()


def test_a_location_that_is_its_own_parent_does_not_hang() -> None:
    assert places(UserRow(userid="u", rootorgid="custodian", locationids=["loop"])) == Places(cluster="Loop")


def test_without_a_custodian_nobody_counts_as_self_signed_up() -> None:
    user = UserRow(userid="u", rootorgid="custodian", organisationids=["old-school"])
    assert places(user, None).district == "Guntur"
    assert sign_in_type("custodian", None) is None


def test_the_sign_in_type_follows_from_the_root_organisation() -> None:
    assert sign_in_type("custodian", "custodian") == "Self-Signed-In"
    assert sign_in_type("state-org", "custodian") == "Validated"
    assert sign_in_type(None, "custodian") is None


@unhurried
@given(
    st.sampled_from([*LOCATIONS, "unknown"]),
    st.sampled_from(["custodian", "state-org"]),
    st.lists(st.sampled_from([*ORGANISATIONS, "gone"]), max_size=3),
)
def test_a_district_always_stands_beside_its_own_state(own: str, root: str, member_of: list[str]) -> None:
    user = UserRow(userid="u", rootorgid=root, profilelocation=listed(own), organisationids=member_of)
    found = places(user)
    home = {"Bengaluru": "Karnataka", "Guntur": "Andhra Pradesh"}
    assert found.district is None or found.state == home[found.district]
