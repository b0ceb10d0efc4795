"""Ids, paths, policies, limits and what asking again does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lernline.errors import BadRequest, Forbidden, Unauthenticated
from lernline.report import access, rules
from lernline.report.access import Asker
from lernline.report.policy import LEVELS, PLAIN, PUBLIC_KEY, TEXT_KEY, Policy, check_key, effective, seal_for
from lernline.report.progress import PROGRESS
from lernline.store.requests import NEVER, JobRequest, RequestDetail, Spent

REQUEST = JobRequest("t:c", "R", "progress-exhaust", "PROCESSING", {"batchId": "b"}, "u", "c", 1)


def test_the_request_id_is_the_originals() -> None:
    made = rules.request_id(
        "progress-exhaust",
        "do_2137002173427875841205_01370023185341644822",
        "fca2925f-1eee-4654-9177-fece3fd6afc9",
        "01269878797503692810",
        "2023-05-03",
    )
    assert made == "768A4C249657E994FC3F8FB2D86281FA"


@pytest.mark.parametrize(("utc", "day"), [(1_687_199_399_000, "20230619"), (1_687_199_400_000, "20230620")])
def test_the_day_of_a_file_begins_at_half_past_five(utc: int, day: str) -> None:
    assert rules.report_path("progress-exhaust", "R", "b", utc) == f"progress-exhaust/R/b_progress_{day}"
    assert rules.report_path("progress-exhaust", "", "b", utc) == f"progress-exhaust/b_progress_{day}"


@pytest.mark.parametrize(
    ("stored", "key"),
    [
        ("progress-exhaust/R/b.zip", "reports/progress-exhaust/R/b.zip"),
        ("https://host/container/a/b.csv", "a/b.csv"),
        ("wasb://c@host/a/b.csv", "a/b.csv"),
    ],
)
def test_the_object_behind_a_stored_url_is_found(stored: str, key: str) -> None:
    assert rules.object_key(stored, "reports/") == key


def test_a_long_message_is_cut_to_what_the_column_takes() -> None:
    assert rules.error_text("x" * 300) == "x" * 300
    assert rules.error_text("x" * 301) == "x" * 297 + "..."


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"batchId": "a", "batchFilter": ["b"]}, ("a",)),
        ({"batchId": ""}, ("",)),
        ({"batchFilter": ["b", "a", "b"]}, ("b", "a")),
    ],
)
def test_batches_are_chosen_in_the_contracts_order(config: dict[str, Any], wanted: tuple[str, ...]) -> None:
    assert rules.selection(config, 3).batch_ids == wanted


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, rules.NO_BATCH),
        ({"batchFilter": []}, rules.NO_BATCH),
        ({"batchFilter": ["a"] * 4}, "Number of batches in request exceeded. It should be within 3"),
        ({"batchId": 7}, "datasetConfig.batchId should be text"),
        ({"batchFilter": [7]}, "datasetConfig.batchFilter should be a list of batch ids"),
        ({"searchFilter": "x"}, "datasetConfig.searchFilter should be an object"),
    ],
)
def test_a_choice_of_batches_that_cannot_be_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        rules.selection(config, 3)
    assert refused.value.message == message


def test_a_search_by_something_else_than_courses_is_refused_and_not_widened() -> None:
    assert rules.searched_courses({"request": {"filters": {"identifier": ["a", "b", "a"]}}}) == ("a", "b")
    for search in ({}, {"request": {"filters": {"channel": "x"}}}, {"request": {"filters": {"identifier": [1]}}}):
        with pytest.raises(BadRequest):
            rules.searched_courses(search)


@pytest.mark.parametrize(
    "wrong", [{"layout": "v9"}, {"units": "some"}, {"neutraliseFormulas": "yes"}, {"for": "lotus"}, {"for": 1}]
)
def test_an_option_that_does_not_exist_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        rules.options_of(wrong, PROGRESS, "default")


SPENT = st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 50)), max_size=8)


@given(SPENT, st.integers(1, 5), st.integers(1, 60))
def test_a_channel_waits_exactly_until_enough_has_left_its_window(
    past: list[tuple[int, int]], batches: int, size: int
) -> None:
    spent = [Spent(*pair) for pair in sorted(past)]
    window = 1000

    def free(now: int) -> bool:
        within = [one for one in spent if one.at > now - window]
        return len(within) < batches and sum(one.bytes for one in within) < size

    wait = rules.channel_wait(spent, most_batches=batches, most_bytes=size, window_ms=window)
    assert (wait is None) == free(1000)
    if wait is not None:
        assert free(wait.until_ms)
        assert not free(wait.until_ms - 1)


def test_a_failure_is_tried_again_later_and_later_and_three_times_at_most() -> None:
    one = rules.failed(REQUEST, "away", 1000, final=False)
    two = rules.failed(one, "away", 1000, final=False)
    three = rules.failed(two, "away", 1000, final=False)

    assert (one.not_before or 0) < (two.not_before or 0) < (three.not_before or 0) == NEVER
    assert [one.iteration, two.iteration, three.iteration] == [1, 2, 3]


def test_a_failure_that_stays_is_not_tried_again_and_its_key_is_dropped() -> None:
    held = msgspec.structs.replace(REQUEST, encryption_key="lk1:x")
    assert rules.failed(held, "away", 1000, final=False).encryption_key == "lk1:x"
    dead = rules.failed(held, "No data found", 1000, final=True)
    assert (dead.not_before, dead.encryption_key, dead.detail.final) == (NEVER, None, True)


def test_a_new_attempt_forgets_all_but_what_was_spent() -> None:
    spent = (Spent(5, 7),)
    held = msgspec.structs.replace(REQUEST, status="FAILED", iteration=3, detail=RequestDetail(spent=spent, final=True))
    fresh = msgspec.structs.replace(REQUEST, status="SUBMITTED")

    again = rules.asked_again(held, fresh, force=False)
    assert again is not None
    assert (again.iteration, again.detail) == (0, RequestDetail(spent=spent))
    done = msgspec.structs.replace(held, status="SUCCESS")
    assert rules.asked_again(done, fresh, force=False) is None
    assert rules.asked_again(done, fresh, force=True) is not None
    assert rules.asked_again(msgspec.structs.replace(held, status="PROCESSING"), fresh, force=True) is None


def test_requests_of_two_channels_are_never_twins() -> None:
    other = msgspec.structs.replace(REQUEST, tag="t2:c")
    assert rules.is_twin(REQUEST, other, None, None)
    assert not rules.is_twin(REQUEST, REQUEST, None, None)
    assert not rules.is_twin(REQUEST, other, "one key", "another")
    for change in (
        {"requested_channel": "d"},
        {"requested_by": "v"},
        {"request_data": {"batchId": "c"}},
        {"job_id": "j"},
    ):
        assert not rules.is_twin(REQUEST, msgspec.structs.replace(other, **change), None, None)


def preference(level: str, **jobs: str) -> str:
    named = {job.replace("_", "-"): {"level": own} for job, own in jobs.items()}
    return msgspec.json.encode({"level": level, "job": named}).decode()


def test_the_jobs_own_level_wins_and_an_empty_one_says_nothing() -> None:
    def level(data: str) -> Policy:
        return effective({"c": data}, "c", "progress-exhaust", PLAIN)

    assert level(preference(PLAIN, progress_exhaust=TEXT_KEY)) == Policy(TEXT_KEY, stated=True)
    assert level(preference(TEXT_KEY, progress_exhaust="")) == Policy(TEXT_KEY, stated=True)
    assert level(preference("")) == Policy(PLAIN, stated=False)


@given(st.sampled_from(LEVELS), st.sampled_from(LEVELS))
def test_a_tenant_is_never_weaker_than_the_installation(tenant: str, installation: str) -> None:
    found = effective({"c": preference(tenant), "default": preference(installation)}, "c", "j", PLAIN)
    assert LEVELS.index(found.level) == max(LEVELS.index(tenant), LEVELS.index(installation))  # type: ignore[arg-type]


@pytest.mark.parametrize("data", ["no json", '{"level":"SECRET"}', '{"level":7}', "[]"])
def test_a_preference_that_cannot_be_read_publishes_nothing(data: str) -> None:
    with pytest.raises(BadRequest):
        effective({"c": data}, "c", "j", PLAIN)


def test_the_seal_follows_the_policy_and_fails_closed() -> None:
    stated, own = Policy(PLAIN, stated=True), Policy(PLAIN, stated=False)
    assert [seal_for(stated, key_given=given).kind for given in (True, False)] == ["zip", "zip"]
    assert [seal_for(own, key_given=given).kind for given in (True, False)] == ["aes-zip", "csv"]
    for level in LEVELS[1:3]:
        assert seal_for(Policy(level, stated=True), key_given=True).needs_key
        with pytest.raises(BadRequest):
            seal_for(Policy(level, stated=True), key_given=False)
    with pytest.raises(BadRequest) as refused:
        seal_for(Policy(PUBLIC_KEY, stated=True), key_given=True)
    assert refused.value.code == "PUBLIC_KEY_MISSING"
    assert seal_for(Policy(PUBLIC_KEY, stated=True), key_given=False, public_key_given=True).kind == "public-key"


@pytest.mark.parametrize("key", ["", "   ", "short", "        "])
def test_a_key_that_protects_nothing_is_refused(key: str) -> None:
    with pytest.raises(BadRequest):
        check_key(key, 8)
    check_key(None, 8)
    check_key("long enough", 8)


USER = Asker("user", "u", frozenset({"COURSE_MENTOR"}), "Org-1")


def test_a_user_speaks_for_their_own_channel_with_a_fitting_role() -> None:
    access.admit(USER, "org-1", roles=("COURSE_MENTOR",), consumer_enabled=False)
    for asker, channel, roles in (
        (USER, "org-2", ()),
        (USER, "org-1", ("ORG_ADMIN",)),
        (Asker("user", "u", frozenset(), "org-1"), "org-1", ()),
    ):
        with pytest.raises(Forbidden, match=r"You are not authorized\."):
            access.admit(asker, channel, roles=roles, consumer_enabled=True)


def test_a_user_whose_tenant_nobody_knows_is_told_that_they_were_not_found() -> None:
    stranger = Asker("user", "u", frozenset({"ORG_ADMIN"}), None)
    with pytest.raises(Forbidden, match=r"user not found\.") as refused:
        access.admit(stranger, "org-1", roles=(), consumer_enabled=False)
    assert refused.value.code == "USER_NOT_FOUND"


def test_others_need_a_channel_and_consumers_the_mapping() -> None:
    with pytest.raises(Unauthenticated):
        access.admit(Asker("anonymous"), "c", roles=(), consumer_enabled=True)
    with pytest.raises(Forbidden, match="X-Channel-ID is missing in request header"):
        access.admit(Asker("consumer", "k"), " ", roles=(), consumer_enabled=True)
    with pytest.raises(Forbidden, match="Given X-Consumer-ID='k' and X-Channel-ID='c' are not authorized"):
        access.admit(Asker("consumer", "k"), "c", roles=(), consumer_enabled=False)
    access.admit(Asker("consumer", "k"), "c", roles=(), consumer_enabled=True)
    access.admit(Asker("service"), "c", roles=(), consumer_enabled=False)


def test_a_user_cannot_ask_in_somebody_elses_name() -> None:
    assert access.requester(USER, "somebody") == "u"
    assert access.requester(Asker("consumer", "k", on_behalf_of="v"), None) == "v"
    assert access.requester(Asker("service", "s"), "w") == "w"
