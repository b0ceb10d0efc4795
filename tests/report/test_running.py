"""What was asked for, run over a real line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lernline.clock import FixedClock
from lernline.errors import Unavailable
from lernline.model import Changes, UserProfile
from lernline.report.metrics import Tally, metric_event
from lernline.report.sealing import open_envelope
from lernline.store.requests import NEVER, JobRequest
from report_worlds import ADMIN, CHANNEL, KEY, Office, rows_of, unzipped
from support.updates import lesson, saying
from support.worlds import BATCH, COURSE, LESSONS, NOW, course_tree, enrol, import_tree, open_batch, set_up

PATH = "progress-exhaust/{}/batch-1_progress_20260302"


@pytest.fixture
def school(office: Office) -> Office:
    """A batch of three learners: one of them far, one unknown to the directory."""
    set_up(office.line)
    enrol(office.line, "asha", "bala", "chitra")
    office.line.updates.accept([saying("asha", *(lesson("asha", one) for one in LESSONS[:3]))])
    office.line.drain()
    return office


def test_a_request_ends_with_a_file_that_holds_every_learner(school: Office) -> None:
    job = school.ask()
    done = school.run(job)

    path = PATH.format(job["requestId"]) + ".csv"
    assert (done.status, done.download_urls, done.err_message) == ("SUCCESS", (path,), None)
    assert (done.dt_job_completed, done.dt_file_created) == (NOW, NOW)
    assert school.files() == [path]
    rows = rows_of(school.file(path))
    assert [(row["User UUID"], row["User Name"], row["Progress"]) for row in rows] == [
        ("asha", "Asha asha", "50"),
        ("bala", "Asha bala", "0"),
        ("chitra", "Asha chitra", "0"),
    ]
    assert rows[0]["do_u1 (do_u1) - Progress"] == "100"
    (batch,) = done.processed_batches
    assert (batch.channel, batch.batchId, batch.filePath, batch.fileSize) == (
        CHANNEL,
        BATCH,
        path,
        len(school.file(path)),
    )


def test_learners_whom_the_directory_does_not_know_are_in_the_file_and_counted(school: Office) -> None:
    school.line.db.engine.dispose()
    with school.line.db.writing() as connection:
        connection.exec_driver_sql("DELETE FROM user WHERE id = 'bala'")
    job = school.ask()
    done = school.run(job)

    assert (done.detail.rows, done.detail.missing_profiles) == (3, 1)
    shown = school.desk.read(ADMIN, CHANNEL, "tag", job["requestId"])
    assert (shown["detail"]["missingProfiles"], shown["detail"]["percent"]) == (1, 100)
    assert [row["User Name"] for row in rows_of(school.file(done.download_urls[0]))] == ["Asha asha", "", "Asha chitra"]


def test_a_password_seals_the_file_and_is_forgotten(school: Office) -> None:
    done = school.run(school.ask(encryptionKey=KEY))

    assert done.download_urls == (PATH.format(done.request_id) + ".zip",)
    assert school.files() == [*done.download_urls]
    assert len(rows_of(unzipped(school.file(done.download_urls[0]), KEY))) == 3
    assert done.encryption_key is None


def test_a_stated_text_key_policy_makes_the_platforms_envelope(school: Office) -> None:
    school.prefer("TEXT_KEY_ENCRYPTED_DATASET")
    done = school.run(school.ask(encryptionKey=KEY))
    envelope = unzipped(school.file(done.download_urls[0]))
    assert len(rows_of(open_envelope(envelope, KEY))) == 3


def test_a_stated_plain_policy_makes_an_ordinary_zip_and_says_that_the_key_was_not_used(school: Office) -> None:
    school.prefer("PLAIN_DATASET", org="default")
    done = school.run(school.ask(encryptionKey=KEY))
    assert len(rows_of(unzipped(school.file(done.download_urls[0])))) == 3
    assert any("encryptionKey" in note for note in done.detail.notes)


def test_a_policy_that_became_stricter_since_the_request_is_obeyed(school: Office) -> None:
    job = school.ask()
    school.prefer("PASSWORD_PROTECTED_DATASET")
    done = school.run(job)

    assert (done.status, done.not_before) == ("FAILED", NEVER)
    assert "encryptionKey" in (done.err_message or "")
    assert school.files() == []


@pytest.mark.parametrize("level", ["PUBLIC_KEY_ENCRYPTED_DATASET", "NO_SUCH_LEVEL"])
def test_a_seal_that_cannot_be_made_leaves_nothing(school: Office, level: str) -> None:
    job = school.ask()
    school.prefer(level)
    assert school.run(job).status == "FAILED"
    assert school.files() == []


def test_a_plain_file_goes_when_the_report_is_made_again_under_seal(school: Office) -> None:
    job = school.ask()
    plain = school.run(job)
    school.prefer("PLAIN_DATASET")
    sealed = school.run(school.ask(force=True))

    assert sealed.request_id == plain.request_id
    assert school.files() == [*sealed.download_urls]


def test_asking_for_a_finished_report_gives_it_with_its_age(school: Office, clock: FixedClock) -> None:
    done = school.run(school.ask())
    clock.at_ms += 5000
    again = school.ask()

    assert (again["status"], again["detail"]["ageMs"]) == ("SUCCESS", 5000)
    assert again["downloadUrls"] == [f"https://files.example/{done.download_urls[0]}?until={again['expiresAt']}"]
    forced = school.ask(force=True)
    assert (forced["requestId"], forced["status"], forced["downloadUrls"]) == (again["requestId"], "SUBMITTED", [])


def test_a_report_states_the_updates_that_it_does_not_hold(open_office: Callable[..., Office]) -> None:
    office = open_office(exhaust_lag_wait_seconds=0.05)
    set_up(office.line)
    enrol(office.line, "asha")
    office.line.updates.accept([saying("asha", lesson("asha", "L1"))])
    late = office.run(office.ask())
    assert (late.status, late.detail.lag) == ("SUCCESS", 1)

    office.line.drain()
    assert office.run(office.ask(force=True)).detail.lag == 0
    office.line.close()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"batchId": "nowhere"}, "No data found"),
        ({"batchFilter": ["x", "y"]}, "No data found"),
        ({"searchFilter": {"request": {"filters": {"identifier": ["do_x"]}}}}, "No data found"),
        ({"batchId": "retired"}, "The request is made for retired collection"),
        ({"batchId": "unknown"}, "The content search does not know the collection of the request"),
    ],
)
def test_a_request_about_nothing_fails_once_with_the_contracts_words(
    school: Office, config: dict[str, Any], message: str
) -> None:
    retired = {**course_tree(), "identifier": "do_retired", "status": "Retired"}
    import_tree(school.line, retired)
    batches = [open_batch("retired", "do_retired"), open_batch("unknown", "do_unknown")]
    school.line.store.commit(Changes(batches=batches))
    done = school.run(school.ask(config=config))

    assert (done.status, done.err_message, done.iteration, done.not_before) == ("FAILED", message, 1, NEVER)
    assert (done.dt_file_created, done.download_urls) == (None, ())
    assert school.files() == []


def test_batches_that_cannot_be_reported_are_named_and_the_others_are(school: Office) -> None:
    done = school.run(school.ask(config={"batchFilter": ["nowhere", BATCH]}))
    assert (done.status, list(done.detail.skipped)) == ("SUCCESS", ["nowhere"])
    searched = {"searchFilter": {"request": {"filters": {"identifier": [COURSE, "do_x"]}}}}
    found = school.run(school.ask(config=searched))
    assert (found.status, list(found.detail.skipped), len(found.download_urls)) == ("SUCCESS", ["do_x"], 1)


def two_batches(office: Office) -> None:
    set_up(office.line)
    office.line.store.commit(Changes(batches=[open_batch("batch-2")]))
    enrol(office.line, "asha", "bala")
    enrol(office.line, "asha", batchid="batch-2")


@pytest.mark.parametrize(
    "limit", [{"exhaust_batches_limit_per_channel": 1}, {"exhaust_file_size_limit_per_channel": 9}]
)
def test_a_channel_at_its_limit_waits_and_goes_on_where_it_stood(
    open_office: Callable[..., Office], limit: dict[str, int]
) -> None:
    office = open_office(**limit)
    two_batches(office)
    job = office.ask(config={"batchFilter": ["batch-2", BATCH]})
    half = office.run(job)

    assert (half.status, half.iteration, half.download_urls) == ("SUBMITTED", 0, ())
    assert [one.batchId for one in half.processed_batches] == ["batch-2"]
    assert half.detail.waiting
    assert half.not_before == NOW + 3_600_000
    first = office.line.blob.stat(half.processed_batches[0].filePath)

    office.line.clock.at_ms += 3_600_000  # type: ignore[attr-defined]
    done = office.run(job)
    assert done.status == "SUCCESS"
    assert [one.batchId for one in done.processed_batches] == ["batch-2", BATCH]
    assert list(done.download_urls) == [one.filePath for one in done.processed_batches]
    assert office.line.blob.stat(done.download_urls[0]) == first
    office.line.close()


def test_forcing_does_not_reset_the_channels_limit(open_office: Callable[..., Office]) -> None:
    office = open_office(exhaust_batches_limit_per_channel=1)
    two_batches(office)
    office.run(office.ask())
    assert office.run(office.ask(force=True)).status == "SUBMITTED"
    office.line.close()


def test_one_file_answers_requests_that_are_the_same(school: Office) -> None:
    one, two = school.ask(tag="one"), school.ask(tag="two")
    other = school.ask(tag="three", encryptionKey=KEY)
    tally = school.runner().run_waiting()

    assert msgspec.structs.asdict(tally) == {"total": 3, "success": 2, "failed": 0, "duplicate": 1}
    first, second = school.held(one), school.held(two)
    assert (second.status, second.download_urls) == ("SUCCESS", first.download_urls)
    assert school.held(other).download_urls != first.download_urls


def test_an_outage_is_tried_again_and_others_go_on(school: Office, clock: FixedClock) -> None:
    class Away:
        def __init__(self) -> None:
            self.left = 1

        def find(self, identifiers: Any, statuses: Any = ()) -> Any:
            self.left -= 1
            if self.left >= 0:
                raise Unavailable("the content search does not answer")
            return school.line.search.find(identifiers)

    job, other = school.ask(tag="one"), school.ask(tag="two", config={"batchFilter": [BATCH]})
    runner = school.runner()
    runner._sources = msgspec.structs.replace(runner._sources, search=Away())
    runner.run_waiting()
    failed = school.held(job)
    assert (failed.status, failed.iteration, failed.err_message) == (
        "FAILED",
        1,
        "the content search does not answer",
    )
    assert school.held(other).status == "SUCCESS"

    clock.at_ms = failed.not_before or 0
    again = school.run(job)
    assert (again.status, again.iteration, again.err_message) == ("SUCCESS", 1, None)


def test_an_unexpected_error_tells_its_kind_and_nobodys_data(school: Office) -> None:
    class Broken:
        def get(self, course_ids: list[str]) -> Any:
            raise ValueError("asha@example.org")

    job = school.ask()
    runner = school.runner()
    runner._sources = msgspec.structs.replace(runner._sources, courses=Broken())
    runner.run_waiting()
    failed = school.held(job)
    assert (failed.status, failed.err_message) == ("FAILED", "Internal Server Error: ValueError")
    assert school.files() == []


def test_another_tenants_report_shows_its_own_learners_alone(school: Office) -> None:
    profiles = [UserProfile(userid="asha", rootorgid="other"), UserProfile(userid="bala", rootorgid=CHANNEL)]
    school.line.store.save_profiles([*profiles, UserProfile(userid="chitra")])
    body = {"tag": "t", "dataset": "progress-exhaust", "datasetConfig": {"batchId": BATCH}}
    job = school.desk.submit(msgspec.structs.replace(ADMIN, tenant="other"), "other", body)
    done = school.run(job)

    assert [row["User UUID"] for row in rows_of(school.file(done.download_urls[0]))] == ["asha"]
    assert (done.detail.rows, done.detail.withheld) == (1, 1)


def test_a_request_taken_from_a_runner_is_not_finished_by_it(school: Office) -> None:
    job = school.ask()

    class Stealing:
        def get(self, course_ids: list[str]) -> Any:
            def taken(held: Any) -> JobRequest:
                return msgspec.structs.replace(held[job["requestId"]], lease_owner="thief")

            school.table.decide(job["tag"], [job["requestId"]], taken)
            return school.line.courses.get(course_ids)

    runner = school.runner()
    runner._sources = msgspec.structs.replace(runner._sources, courses=Stealing())
    runner.run_once()
    held = school.held(job)
    assert (held.status, held.lease_owner, held.processed_batches) == ("PROCESSING", "thief", ())


def test_progress_is_told_while_a_report_is_made(school: Office) -> None:
    told: list[JobRequest] = []
    school.ask()
    school.runner(on_progress=told.append).run_waiting()
    assert told[-1].status == "SUCCESS"
    assert [one.detail.percent for one in told][-1] == 100


def test_a_run_is_told_in_the_contracts_metric_event() -> None:
    event = metric_event("ProgressExhaustJob", Tally(3, 1, 1, 1), 1_687_199_000_000, 1_687_199_012_000)
    told = msgspec.json.decode(event.value)
    assert event.topic == "prom.monitoring.metrics"
    assert told["subsystem"] == "ProgressExhaustJob"
    assert {one["id"]: one["value"] for one in told["metrics"]} == {
        "total-requests": 3,
        "success-requests": 1,
        "failed-requests": 1,
        "duplicate-requests": 1,
        "time-taken-secs": 12.0,
    }
    assert told["dimensions"] == [{"id": "report-date", "value": "2023-06-19"}, {"id": "status", "value": "SUCCESS"}]
    aborted = msgspec.json.decode(metric_event("X", None, 0, 1).value)
    assert (aborted["metrics"], aborted["dimensions"][1]["value"]) == ([], "FAILED")
