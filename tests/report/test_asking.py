"""Asking for reports at the desk, over the real request table."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lernline.clock import FixedClock
from lernline.errors import BadRequest, Forbidden, NotFound
from lernline.report.access import Asker
from lernline.store.requests import JobRequest
from report_worlds import ADMIN, CHANNEL, KEY, MENTOR, SERVICE, Office
from support.rows import table
from support.worlds import BATCH, DAY


def test_a_request_lands_in_the_table_and_comes_back_in_the_contracts_form(office: Office) -> None:
    job = office.ask(encryptionKey=KEY, output_format="csv")

    assert {
        name: job[name] for name in ("tag", "dataset", "requestedBy", "requestedChannel", "status", "attempts")
    } == {
        "tag": f"tag:{CHANNEL}",
        "dataset": "progress-exhaust",
        "requestedBy": "admin-1",
        "requestedChannel": CHANNEL,
        "status": "SUBMITTED",
        "attempts": 0,
    }
    assert job["datasetConfig"] == {"batchId": BATCH}
    assert job["downloadUrls"] == []
    assert "expiresAt" not in job
    (row,) = table(office.line, "SELECT * FROM job_request")
    assert (row["status"], row["iteration"]) == ("SUBMITTED", 0)


def test_the_key_is_nowhere_in_the_answer_and_encrypted_in_the_table(office: Office) -> None:
    job = office.ask(encryptionKey=KEY)

    assert KEY not in str(job)
    (row,) = table(office.line, "SELECT * FROM job_request")
    assert KEY not in str(row)
    assert office.keyring.opened(row["encryption_key"], row["request_id"]) == KEY


def test_a_stored_key_opens_for_its_own_request_alone(office: Office) -> None:
    locked = office.keyring.locked(KEY, "R1")
    with pytest.raises(BadRequest):
        office.keyring.opened(locked, "R2")
    assert office.keyring.opened("of another program", "R2") == "of another program"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "tag is empty"),
        ({"tag": "t"}, "dataset is empty"),
        ({"tag": "t", "dataset": "progress-exhaust"}, "datasetConfig is empty"),
        ({"tag": "t", "dataset": "progress-exhaust", "datasetConfig": {}}, "datasetConfig is empty"),
    ],
)
def test_what_is_missing_is_named_in_the_contracts_order(office: Office, body: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        office.desk.submit(SERVICE, CHANNEL, body)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"dataset": "weather"}, "weather"),
        ({"tag": 7}, r"\$\.tag"),
        ({"encryptionKey": "short"}, "encryptionKey"),
        ({"outputFormat": "docx"}, "output_format"),
        ({"datasetConfig": {"batchId": 7}}, r"datasetConfig\.batchId"),
        ({"datasetConfig": {"batchId": ""}}, r"datasetConfig\.batchId"),
        ({"datasetConfig": {"x": 1}}, "either of batchId"),
        ({"datasetConfig": {"batchFilter": ["b"] * 21}}, "within 20"),
        ({"datasetConfig": {"batchId": "b", "layout": "v3"}}, "layout"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(office: Office, more: dict[str, Any], part: str) -> None:
    body = {"tag": "t", "dataset": "progress-exhaust", "datasetConfig": {"batchId": "b"}} | more
    with pytest.raises(BadRequest, match=part):
        office.desk.submit(SERVICE, CHANNEL, body)
    assert table(office.line, "SELECT * FROM job_request") == []


def test_a_level_that_needs_a_key_is_refused_without_one(office: Office) -> None:
    office.prefer("PASSWORD_PROTECTED_DATASET")
    with pytest.raises(BadRequest, match="encryptionKey"):
        office.ask()
    assert office.ask(encryptionKey=KEY)["status"] == "SUBMITTED"


def test_a_level_that_needs_a_key_nobody_can_look_up_is_refused(office: Office) -> None:
    office.prefer("PUBLIC_KEY_ENCRYPTED_DATASET")
    for more in ({}, {"encryptionKey": KEY}):
        with pytest.raises(BadRequest, match="cannot be looked up yet") as refused:
            office.ask(**more)
        assert refused.value.code == "PUBLIC_KEY_MISSING"
    assert table(office.line, "SELECT * FROM job_request") == []


@pytest.mark.parametrize("stated", ["2021-01-01", "2021-01-01T00:00:00Z", 1_609_459_200_000])
def test_a_dataset_may_be_available_from_a_day_or_a_time(office: Office, stated: object) -> None:
    entry = {
        "dataset": "mine",
        "datasetType": "druid",
        "version": "v1",
        "visibility": "private",
        "authorizedRoles": ["ORG_ADMIN"],
        "availableFrom": stated,
    }
    office.desk.dataset_add(SERVICE, entry)
    (shown,) = [one for one in office.desk.dataset_list(SERVICE)["datasets"] if one["dataset"] == "mine"]
    assert shown["availableFrom"] == 1_609_459_200_000
    with pytest.raises(BadRequest, match="availableFrom"):
        office.desk.dataset_add(SERVICE, {**entry, "availableFrom": "soon"})


def test_a_registered_schema_judges_the_request(office: Office) -> None:
    schema = {"type": "object", "properties": {"datasetConfig": {"type": "object", "required": ["programId"]}}}
    entry = {
        "dataset": "mine",
        "datasetType": "druid",
        "version": "v1",
        "visibility": "private",
        "authorizedRoles": ["ORG_ADMIN"],
        "validationJson": schema,
    }
    assert office.desk.dataset_add(SERVICE, entry) == {"message": "Dataset mine added successfully"}
    with pytest.raises(BadRequest) as refused:
        office.desk.submit(SERVICE, CHANNEL, {"tag": "t", "dataset": "mine", "datasetConfig": {"x": 1}})
    assert refused.value.message == 'Request object has missing required properties (["programId"])'
    assert "mine" in [one["dataset"] for one in office.desk.dataset_list(ADMIN)["datasets"]]
    with pytest.raises(Forbidden):
        office.desk.submit(MENTOR, CHANNEL, {"tag": "t", "dataset": "mine", "datasetConfig": {"programId": 1}})


def test_a_schema_that_is_none_is_not_registered(office: Office) -> None:
    entry = dict.fromkeys(("dataset", "datasetType", "version", "visibility"), "x") | {"authorizedRoles": ["A"]}
    with pytest.raises(BadRequest, match="validationJson"):
        office.desk.dataset_add(SERVICE, {**entry, "validationJson": {"type": 7}})


def test_our_report_is_in_the_registry_with_its_schema(office: Office) -> None:
    listed = office.desk.dataset_list(MENTOR)
    assert listed["count"] == 1
    (entry,) = listed["datasets"]
    assert entry["dataset"] == "progress-exhaust"
    assert set(entry["validationJson"]["properties"]["datasetConfig"]["properties"]) >= {"batchId", "layout"}


def test_asking_again_on_the_same_day_is_the_same_request(office: Office, clock: FixedClock) -> None:
    first = office.ask(encryptionKey=KEY)
    clock.at_ms += 1000
    again = office.ask(encryptionKey=KEY)

    assert again == first
    clock.at_ms += DAY
    assert office.ask(encryptionKey=KEY)["requestId"] != first["requestId"]


def test_another_question_on_the_same_tag_is_another_request(office: Office) -> None:
    ids = {
        office.ask(config={"batchId": BATCH})["requestId"],
        office.ask(config={"batchId": "other"})["requestId"],
        office.ask(config={"batchId": BATCH, "layout": "v2"})["requestId"],
        office.ask(config={"batchId": BATCH}, encryptionKey=KEY)["requestId"],
        office.ask(asker=MENTOR, config={"batchId": BATCH})["requestId"],
    }
    assert len(ids) == 5
    assert office.ask(config={"batchId": "other"})["requestId"] in ids


def test_a_failed_request_starts_again_with_everything_new(office: Office) -> None:
    job = office.ask(config={"batchId": "nowhere"})
    failed = office.run(job)
    assert (failed.status, failed.err_message, failed.iteration) == ("FAILED", "No data found", 1)

    again = office.ask(config={"batchId": "nowhere"}, encryptionKey=KEY)
    held = office.held(again)
    assert again["requestId"] == job["requestId"]
    assert (held.status, held.iteration, held.err_message, held.not_before) == ("SUBMITTED", 0, None, None)
    assert office.keyring.opened(held.encryption_key, held.request_id) == KEY


def test_a_tag_is_read_bare_and_with_its_channel(office: Office) -> None:
    job = office.ask()
    for tag in ("tag", f"tag:{CHANNEL}"):
        assert office.desk.read(ADMIN, CHANNEL, tag, job["requestId"])["requestId"] == job["requestId"]
    with pytest.raises(NotFound):
        office.desk.read(ADMIN, CHANNEL, "tag", "unknown")


def test_a_mentor_sees_their_own_requests_alone(office: Office) -> None:
    theirs, mine = office.ask(asker=ADMIN), office.ask(asker=MENTOR)

    assert [one["requestId"] for one in office.desk.list(MENTOR, CHANNEL, "tag")["jobs"]] == [mine["requestId"]]
    assert office.desk.list(ADMIN, CHANNEL, "tag")["count"] == 2
    with pytest.raises(NotFound):
        office.desk.read(MENTOR, CHANNEL, "tag", theirs["requestId"])


def test_the_newest_request_is_listed_first(office: Office, clock: FixedClock) -> None:
    office.ask(config={"batchId": "a"})
    clock.at_ms += 1
    newest = office.ask(config={"batchId": "b"})
    assert [one["requestId"] for one in office.desk.list(ADMIN, CHANNEL, "tag", 1)["jobs"]] == [newest["requestId"]]


def test_search_takes_the_contracts_filters_and_stays_in_the_channel(office: Office) -> None:
    job = office.ask()
    filters = {"dataset": "progress-exhaust", "status": "SUBMITTED", "requestedDate": "2026-03-02", "channel": CHANNEL}
    assert [one["requestId"] for one in office.desk.search(SERVICE, {"filters": filters})["jobs"]] == [job["requestId"]]
    assert office.desk.search(SERVICE, {"filters": {**filters, "requestedDate": "2026-03-03"}})["count"] == 0
    elsewhere = Asker("user", "x", frozenset({"REPORT_ADMIN"}), "channel-2")
    assert office.desk.search(elsewhere, {"filters": {"status": "SUBMITTED"}})["count"] == 0
    with pytest.raises(Forbidden):
        office.desk.search(elsewhere, {"filters": {"channel": CHANNEL}})
    with pytest.raises(Forbidden):
        office.desk.search(MENTOR, {"filters": filters})
    for wrong, message in (({}, "Filters are empty"), ({"job_id": "x"}, "Unsupported filters")):
        with pytest.raises(BadRequest, match=message):
            office.desk.search(SERVICE, {"filters": wrong})


def test_requests_of_other_programs_are_shown(office: Office) -> None:
    row = {
        "tag": f"old:{CHANNEL}",
        "request_id": "R",
        "job_id": "progress-exhaust",
        "status": "SUCCESS",
        "request_data": {"batchId": "b"},
        "requested_by": "x",
        "requested_channel": CHANNEL,
        "dt_job_submitted": 1,
        "download_urls": ["https://host/container/a/b.csv", "progress-exhaust/R/b.zip"],
        "processed_batches": "no checkpoint of ours",
    }
    office.line.store.import_rows("job_request", [row])
    (job,) = office.desk.list(SERVICE, CHANNEL, "old")["jobs"]
    until = f"?until={job['expiresAt']}"
    assert job["downloadUrls"] == [
        f"https://files.example/a/b.csv{until}",
        f"https://files.example/progress-exhaust/R/b.zip{until}",
    ]


def test_the_same_question_at_the_same_instant_is_one_request(open_office: Callable[..., Office]) -> None:
    offices = [open_office() for _ in range(4)]
    ids: list[str] = []
    threads = [threading.Thread(target=lambda one=one: ids.append(one.ask()["requestId"])) for one in offices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids) == 4
    assert len(set(ids)) == 1
    for one in offices:
        one.line.close()


def submitted(number: int, **more: Any) -> JobRequest:
    base = JobRequest(f"t{number}:c", f"R{number}", "progress-exhaust", "SUBMITTED", {"batchId": "b"}, "u", "c", number)
    return msgspec.structs.replace(base, **more)


def test_the_oldest_request_that_may_run_is_taken(office: Office) -> None:
    now = DAY * 100
    rows = [
        submitted(1, status="SUCCESS"),
        submitted(2, status="FAILED", iteration=3),
        submitted(3, status="FAILED", iteration=2, not_before=now + 1),
        submitted(4, status="PROCESSING", lease_owner="other", lease_until=now + 1),
        submitted(5, status="PROCESSING", lease_owner="dead", lease_until=now),
        submitted(6, status="FAILED", iteration=2, not_before=now),
        submitted(7),
        submitted(8, job_id="another"),
        submitted(9, status="PROCESSING", dt_job_submitted=now - 1),
    ]
    for row in rows:
        office.table.decide(row.tag, [], lambda _, row=row: row)

    taken = []
    while (one := office.table.claim(("progress-exhaust",), "me", now, now + 10)) is not None:
        taken.append(one)
    assert [one.request_id for one in taken] == ["R5", "R6", "R7"]
    assert {(one.status, one.lease_owner, one.lease_until) for one in taken} == {("PROCESSING", "me", now + 10)}


def test_two_runners_never_take_the_same_request(open_office: Callable[..., Office]) -> None:
    offices = [open_office() for _ in range(4)]
    for number in range(40):
        row = submitted(number)
        offices[0].table.decide(row.tag, [], lambda _, row=row: row)
    taken: list[str] = []

    def take(number: int) -> None:
        while (one := offices[number].table.claim(("progress-exhaust",), f"r{number}", DAY, DAY * 2)) is not None:
            taken.append(one.request_id)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(f"R{number}" for number in range(40))
    for one in offices:
        one.line.close()
