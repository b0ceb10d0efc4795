"""What every store promises of learners' state: what is committed comes back as it was, by one key or by many."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lernline.model import (
    ActivityKey,
    AggregateUpdate,
    Attempt,
    Batch,
    Changes,
    Credential,
    DeadLetter,
    Enrolment,
    EnrolmentKey,
    EnrolmentProgress,
    Event,
    Identity,
    IssuedCertificate,
    LessonKey,
    LessonState,
    Position,
    Question,
    UserProfile,
)
from lernline.store.port import Fenced, Store

KEY = EnrolmentKey("u1", "c1", "b1")
ODD_NAMES = ["", "a'b", 'a"b', "a,b", "[1]", "null", "123", "ä→🎓", "a b", "%", "a\nb"]
text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
instants = st.none() | st.integers(-(2**40), 2**45)
counts = st.integers(0, 1000)


def progress_of(key: EnrolmentKey = KEY, **more: object) -> EnrolmentProgress:
    values = {
        "key": key,
        "status": 1,
        "progress": 3,
        "completionpercentage": 50,
        "contentstatus": {"L1": 2, "L2": 1},
        "completedon": None,
        "datetime": 77,
        "lastreadcontentid": "L1",
        "lastreadcontentstatus": 2,
        "lastcontentaccesstime": 66,
        "rollup": "v1",
    }
    return EnrolmentProgress(**(values | more))  # type: ignore[arg-type]


def credential(identifier: str = "id-1", **more: object) -> Credential:
    values = {
        "id": identifier,
        "userid": "u1",
        "courseid": "c1",
        "batchid": "b1",
        "template_id": "t1",
        "template_version": "v",
        "template_name": "Merit",
        "document": b"\xff{}",
        "svg_template": "https://example.org/t.svg",
        "issued_on": 5,
    }
    return Credential(**(values | more))  # type: ignore[arg-type]


# ---- enrolments -------------------------------------------------------------------------------------------------


def test_an_enrolment_comes_back_as_it_was_committed(store: Store) -> None:
    row = Enrolment("u1", "c1", "b1", addedby="m1", enrolled_date=5, datetime=6)
    store.commit(Changes(enrolments=[row]))
    assert store.enrolments([KEY]) == {KEY: row}


def test_enrolments_that_do_not_exist_are_left_out(store: Store) -> None:
    store.commit(Changes(enrolments=[Enrolment(*KEY)]))
    asked = [KEY, EnrolmentKey("u1", "c1", "b2"), EnrolmentKey("u2", "c1", "b1"), EnrolmentKey("c1", "u1", "b1")]
    assert set(store.enrolments(asked)) == {KEY}
    assert store.enrolments([]) == {}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_of_any_characters_are_names(store: Store, name: str) -> None:
    key = EnrolmentKey(name, name, name)
    store.commit(Changes(enrolments=[Enrolment(*key)], lesson_states=[LessonState(*key, name, status=1)]))
    assert set(store.enrolments([key])) == {key}
    assert [state.contentid for state in store.lessons_of([key])[key]] == [name]
    assert set(store.lesson_states([LessonKey(*key, name)])) == {LessonKey(*key, name)}
    assert store.learners_of_batch(name) == [name]


def test_coming_back_keeps_all_progress(store: Store) -> None:
    store.commit(Changes(enrolments=[Enrolment(*KEY, addedby="m1", enrolled_date=5)]))
    store.commit(Changes(enrolment_progress=[progress_of()]))
    store.commit(Changes(issued=[(KEY, [IssuedCertificate("id-1", "Merit", "tok", "today")])]))
    before = store.enrolments([KEY])[KEY]
    store.commit(Changes(enrolments=[Enrolment(*KEY, active=False, datetime=8)]))
    store.commit(Changes(enrolments=[Enrolment(*KEY, active=True, datetime=9)]))
    assert store.enrolments([KEY])[KEY] == msgspec.structs.replace(before, active=True, datetime=9)


def test_progress_of_a_row_that_does_not_exist_creates_nothing(store: Store) -> None:
    store.commit(Changes(enrolment_progress=[progress_of()], issued=[(KEY, [])]))
    assert store.enrolments([KEY]) == {}


def test_progress_touches_only_its_own_columns(store: Store) -> None:
    store.commit(Changes(enrolments=[Enrolment(*KEY, addedby="m1", enrolled_date=5)]))
    store.commit(Changes(issued=[(KEY, [IssuedCertificate("id-1", "Merit")])]))
    store.commit(Changes(enrolment_progress=[progress_of(completedon=55, status=2)]))
    row = store.enrolments([KEY])[KEY]
    assert (row.addedby, row.enrolled_date, row.active) == ("m1", 5, True)
    assert [entry.identifier for entry in row.issued_certificates] == ["id-1"]
    assert (row.status, row.progress, row.completionpercentage, row.completedon) == (2, 3, 50, 55)
    assert (row.contentstatus, row.rollup, row.datetime) == ({"L1": 2, "L2": 1}, "v1", 77)
    assert (row.lastreadcontentid, row.lastreadcontentstatus, row.lastcontentaccesstime) == ("L1", 2, 66)


def test_a_certificate_without_an_access_code_has_an_empty_token_and_not_none() -> None:
    written = msgspec.to_builtins(IssuedCertificate("id-1", "Merit", lastIssuedOn="today"))
    assert written == {"identifier": "id-1", "name": "Merit", "token": "", "lastIssuedOn": "today"}


def test_issued_certificates_keep_every_member(store: Store) -> None:
    store.commit(Changes(enrolments=[Enrolment(*KEY)]))
    entry = IssuedCertificate("id", "Merit", "tok", "2026-03-01", "https://x/t.svg", "Merit", "t1", "v1")
    store.commit(Changes(issued=[(KEY, [entry, IssuedCertificate("old", "Old")])]))
    assert store.enrolments([KEY])[KEY].issued_certificates == [entry, IssuedCertificate("old", "Old")]


def test_a_learners_enrolments_come_newest_first_and_undated_ones_last(store: Store) -> None:
    rows = [
        Enrolment("u1", "c1", "old", enrolled_date=1),
        Enrolment("u1", "c1", "none"),
        Enrolment("u1", "c2", "new", enrolled_date=9, active=False),
        Enrolment("u2", "c1", "other", enrolled_date=5),
    ]
    store.commit(Changes(enrolments=rows))
    assert [row.batchid for row in store.enrolments_of_user("u1")] == ["new", "old", "none"]
    assert store.enrolments_of_user("nobody") == []


def test_learners_of_a_batch_are_sorted_and_active_unless_asked_otherwise(store: Store) -> None:
    store.commit(Changes(enrolments=[Enrolment(name, "c1", "b1", active=name != "u2") for name in ("u3", "u2", "u1")]))
    store.commit(Changes(enrolments=[Enrolment("u4", "c1", "b2")]))
    assert store.learners_of_batch("b1") == ["u1", "u3"]
    assert store.learners_of_batch("b1", active=False) == ["u2"]
    assert store.learners_of_batch("b1", active=None) == ["u1", "u2", "u3"]


# ---- lessons ----------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            LessonState,
            userid=text,
            courseid=text,
            batchid=text,
            contentid=text,
            status=st.integers(0, 2),
            progress=st.integers(0, 100),
            viewcount=counts,
            completedcount=counts,
            accessed=instants,
            accessed_received=st.integers(0, 2**45),
            completed=instants,
            completed_received=st.integers(0, 2**45),
            first_completed=instants,
            first_completed_received=instants,
            last_updated_time=instants,
            progressdetails=st.none() | text,
            details_received=instants,
        ),
        max_size=5,
        unique_by=lambda state: state.key,
    )
)
def test_lesson_rows_come_back_as_they_were_committed(store: Store, states: list[LessonState]) -> None:
    store.commit(Changes(lesson_states=states))
    assert store.lesson_states(state.key for state in states) == {state.key: state for state in states}


def test_a_lesson_row_is_replaced_as_a_whole(store: Store) -> None:
    store.commit(Changes(lesson_states=[LessonState(*KEY, "L1", status=1, accessed=4, progressdetails="x")]))
    newer = LessonState(*KEY, "L1", status=2, accessed_received=9)
    store.commit(Changes(lesson_states=[newer]))
    assert store.lessons_of([KEY]) == {KEY: [newer]}


def test_lessons_of_an_enrolment_are_ordered_by_content_and_never_another_enrolments(store: Store) -> None:
    states = [LessonState("u1", "c1", batch, content) for batch in ("b1", "b2") for content in ("L2", "L10", "L1")]
    store.commit(Changes(lesson_states=states))
    other = EnrolmentKey("u9", "c1", "b1")
    found = store.lessons_of([KEY, other])
    assert [state.contentid for state in found[KEY]] == ["L1", "L10", "L2"]
    assert {state.batchid for state in found[KEY]} == {"b1"}
    assert found[other] == []


def test_lesson_keys_are_matched_as_wholes_and_not_as_a_cross_product(store: Store) -> None:
    states = [LessonState(user, "c1", batch, "L1") for user in ("u1", "u2") for batch in ("b1", "b2")]
    store.commit(Changes(lesson_states=states))
    asked = [LessonKey("u1", "c1", "b1", "L1"), LessonKey("u2", "c1", "b2", "L1"), LessonKey("u1", "c1", "b1", "L9")]
    assert set(store.lesson_states(asked)) == set(asked[:2])


def test_identities_are_remembered_per_learner_and_once(store: Store) -> None:
    mine, hers = Identity("u1", "aa"), Identity("u2", "aa")
    store.commit(Changes(identities=[mine]))
    store.commit(Changes(identities=[mine]))
    assert store.seen([mine, hers, Identity("u1", "bb")]) == {mine}
    assert store.seen([]) == set()


# ---- attempts and aggregates ------------------------------------------------------------------------------------


def attempt(content: str = "A1", name: str = "t1", **more: object) -> Attempt:
    values = {"last_attempted_on": 5, "total_score": 1.5, "total_max_score": 2.0, "grand_total": "1.5/2.0"}
    return Attempt(*KEY, content, name, **(values | more))  # type: ignore[arg-type]


def test_attempts_come_back_without_their_questions_ordered_by_content_and_attempt(store: Store) -> None:
    question = Question("q1", 5, 1.0, 0.5, "mcq", "Q", [{"1": "x"}], [{"a": "y"}], "d", 3.0)
    rows = [attempt("A2"), attempt("A1", "t2", question=[question]), attempt("A1", "t10", digest="ff", created_on=1)]
    store.commit(Changes(attempts=rows))
    found = store.attempts([KEY, EnrolmentKey("u2", "c1", "b1")])
    assert found == {KEY: [rows[2], msgspec.structs.replace(rows[1], question=[]), rows[0]]}


def test_an_attempt_is_replaced_by_its_newer_version(store: Store) -> None:
    store.commit(Changes(attempts=[attempt(total_score=1.0)]))
    store.commit(Changes(attempts=[attempt(total_score=2.0, last_attempted_on=6)]))
    assert [(one.total_score, one.last_attempted_on) for one in store.attempts([KEY])[KEY]] == [(2.0, 6)]


def test_two_stages_share_an_aggregate_row_by_writing_only_their_own_keys(store: Store) -> None:
    key = ActivityKey("c1", "u1", "cb:b1")
    store.commit(Changes(aggregates=[AggregateUpdate(key, {"completedCount": 3.0}, 10)]))
    store.commit(Changes(aggregates=[AggregateUpdate(key, {"score:A1": 5.0, "max_score:A1": 7.5}, 11, ["{}"])]))
    store.commit(Changes(aggregates=[AggregateUpdate(key, {"completedCount": 4.0}, 12)]))
    expected = {"completedCount": 4.0, "score:A1": 5.0, "max_score:A1": 7.5}
    assert store.aggregates("c1", "b1", ["u1", "u2"]) == {"u1": expected}
    assert store.aggregates("c1", "b2", ["u1"]) == {}
    assert store.aggregates("c2", "b1", ["u1"]) == {}


def test_later_updates_of_one_aggregate_in_one_unit_of_work_win(store: Store) -> None:
    key = ActivityKey("c1", "u1", "cb:b1")
    updates = [AggregateUpdate(key, {"completedCount": float(number)}, number) for number in (1, 2, 3)]
    store.commit(Changes(aggregates=updates))
    assert store.aggregates("c1", "b1", ["u1"]) == {"u1": {"completedCount": 3.0}}


# ---- batches ----------------------------------------------------------------------------------------------------

FULL_BATCH = Batch(
    "c1",
    "b1",
    name="B",
    description="d",
    enrollmenttype="open",
    status=1,
    start_date=1,
    end_date=2,
    enrollment_enddate=3,
    createdby="m1",
    createdfor=["o1"],
    mentors=["m2", "m3"],
    created_date=4,
    updated_date=5,
    cert_templates={"t1": {"name": "Merit", "criteria": "{}"}},
    tandc=True,
    issuecertificate=False,
)


@pytest.mark.parametrize("batch", [FULL_BATCH, Batch("c1", "b1")])
def test_a_batch_comes_back_as_it_was_committed(store: Store, batch: Batch) -> None:
    store.commit(Changes(batches=[batch]))
    assert store.batches(["b1", "b2"]) == {"b1": batch}


def test_a_batch_is_replaced_as_a_whole(store: Store) -> None:
    store.commit(Changes(batches=[FULL_BATCH]))
    store.commit(Changes(batches=[Batch("c1", "b1", name="N")]))
    assert store.batches(["b1"])["b1"] == Batch("c1", "b1", name="N")


def test_batches_are_found_by_course_creator_and_mentor(store: Store) -> None:
    store.commit(
        Changes(
            batches=[
                Batch("c1", "b1", createdby="m1", mentors=["m2", "m3"]),
                Batch("c1", "b2", createdby="m2"),
                Batch("c2", "b3", createdby="m1", mentors=["m2"]),
            ]
        )
    )

    def found(**by: object) -> list[str]:
        return sorted(batch.batchid for batch in store.search_batches(**by))  # type: ignore[arg-type]

    assert found() == ["b1", "b2", "b3"]
    assert found(course_ids=["c1"]) == ["b1", "b2"]
    assert found(created_by="m1") == ["b1", "b3"]
    assert found(mentor="m2") == ["b1", "b3"]
    assert found(mentor="m") == []
    assert (found(created_by="M1"), found(mentor="M2")) == (["b1", "b3"], ["b1", "b3"])
    assert found(course_ids=["c1", "c2"], created_by="m1", mentor="m3") == ["b1"]


# ---- credentials, profiles, dead letters --------------------------------------------------------------------------


def test_credentials_come_back_oldest_first(store: Store) -> None:
    newer = credential("id-2", issued_on=9, sequence=2, superseded_by=None)
    store.commit(Changes(credentials=[newer, credential()]))
    assert store.credentials([KEY, EnrolmentKey("u2", "c1", "b1")]) == {KEY: [credential(), newer]}
    assert store.credential("id-2") == newer
    assert store.credential("id-3") is None


def test_a_learner_cannot_hold_two_credentials_of_one_template_and_sequence(store: Store) -> None:
    store.commit(Changes(credentials=[credential()]))
    with pytest.raises(Exception, match=r"(?i)unique|exists"):
        store.commit(Changes(credentials=[credential("id-2")]))
    assert store.credential("id-2") is None


def test_profiles_come_back_and_are_replaced(store: Store) -> None:
    full = UserProfile(userid="u1", firstname="Asha", lastname=None, email="enc==", roles=["A", "B"], state="Goa")
    store.save_profiles([full, UserProfile(userid="u2")])
    assert store.profiles(["u1", "u2", "u3"]) == {"u1": full, "u2": UserProfile(userid="u2")}
    store.save_profiles([UserProfile(userid="u1", firstname="B")])
    assert store.profiles(["u1"]) == {"u1": UserProfile(userid="u1", firstname="B")}


def letter(**more: object) -> DeadLetter:
    values = {"topic": "t", "key": None, "value": b"\xff", "stage": "s", "code": "C", "reason": "because", "at": 5}
    return DeadLetter(**(values | more))  # type: ignore[arg-type]


def test_dead_letters_come_back_newest_first_with_all_they_say(store: Store) -> None:
    full = letter(key="u1", stack="trace\n", headers={"accepted": "1"}, stage="other")
    store.commit(Changes(dead_letters=[letter(), full]))
    newest, oldest = store.dead_letters()
    assert msgspec.structs.replace(newest, id=0) == full
    assert msgspec.structs.replace(oldest, id=0) == letter()
    assert newest.id > oldest.id > 0
    assert [one.id for one in store.dead_letters(stage="s")] == [oldest.id]
    assert [one.id for one in store.dead_letters(limit=1)] == [newest.id]


def test_a_dead_letter_is_closed_once(store: Store) -> None:
    store.commit(Changes(dead_letters=[letter(), letter(), letter()]))
    first, second, third = (one.id for one in store.dead_letters())
    assert store.close_dead_letters([first, second, 999], "replayed") == 2
    assert store.close_dead_letters([first, third], "dropped") == 1
    assert store.dead_letters() == []
    closed = store.dead_letter(first)
    assert closed is not None
    assert closed.state == "replayed"
    assert store.dead_letter(999) is None
    assert store.close_dead_letters([], "dropped") == 0


# ---- units of work ------------------------------------------------------------------------------------------------


def everything() -> Changes:
    return Changes(
        lesson_states=[LessonState(*KEY, "L1")],
        identities=[Identity("u1", "aa")],
        enrolments=[Enrolment(*KEY)],
        aggregates=[AggregateUpdate(ActivityKey("c1", "u1", "cb:b1"), {"completedCount": 1.0}, 5)],
        attempts=[attempt()],
        batches=[FULL_BATCH],
        credentials=[credential()],
        dead_letters=[letter()],
        events=[Event("t", "u1", b"x")],
    )


def anything(store: Store) -> bool:
    return bool(
        store.lessons_of([KEY])[KEY]
        or store.seen([Identity("u1", "aa")])
        or store.enrolments([KEY])
        or store.aggregates("c1", "b1", ["u1"])
        or store.attempts([KEY])
        or store.batches(["b1"])
        or store.credential("id-1")
        or store.dead_letters()
    )


def test_a_unit_of_work_of_an_overtaken_owner_leaves_no_trace(store: Store) -> None:
    store.commit(Changes(), Position("g", 0, 5))
    with pytest.raises(Fenced):
        store.commit(everything(), Position("g", 0, 7))
    assert not anything(store)
    store.commit(everything(), Position("g", 5, 7))
    assert anything(store)


def test_a_unit_of_work_that_fails_at_its_end_leaves_no_trace(store: Store) -> None:
    changes = everything()
    changes.credentials.append(credential("id-2"))
    with pytest.raises(Exception, match=r"(?i)unique|exists"):
        store.commit(changes, Position("g", 0, 7))
    assert not anything(store)
    store.commit(everything(), Position("g", 0, 7))
    assert anything(store)


def test_groups_move_independently(store: Store) -> None:
    store.commit(Changes(), Position("g", 0, 5))
    store.commit(Changes(), Position("h", 0, 3))
    with pytest.raises(Fenced):
        store.commit(Changes(), Position("h", 5, 6))
    store.commit(Changes(), Position("h", 3, 6))


def test_an_error_of_the_database_names_no_value(store: Store) -> None:
    store.commit(Changes(credentials=[credential()]))
    with pytest.raises(Exception, match=r"(?i)unique|exists") as caught:
        store.commit(Changes(credentials=[credential("id-2", template_name="Asha Secret")]))
    assert "Asha Secret" not in str(caught.value)
