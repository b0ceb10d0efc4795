from __future__ import annotations

from pathlib import Path

import pytest

from lernline.clock import FixedClock
from lernline.errors import BadRequest
from lernline.model import Changes, Enrolment, IssuedCertificate
from lernline.people.service import ask_for_certificates, import_users
from lernline.scheduler import Job, Scheduler, recheck, standing_jobs
from lernline.stream import topics
from lernline.wiring import Line
from support.updates import answer, attempt_item, lesson, saying, trying
from support.worlds import BATCH, COURSE, DAY, REQUIRED, TEMPLATE, enrol, key_of, open_batch, set_up


def users(tmp_path: Path, *rows: str) -> Path:
    path = tmp_path / "users.csv"
    path.write_text("\n".join(("userid,firstname,lastname,state,district", *rows)) + "\n")
    return path


def finish(line: Line, *userids: str) -> None:
    for userid in userids:
        line.store.commit(Changes(enrolments=[Enrolment(userid, COURSE, BATCH)]))
        line.updates.accept([saying(userid, *(lesson(userid, one) for one in sorted(REQUIRED)))])
    line.drain()


def certificates(line: Line, userid: str) -> int:
    return len(line.store.credentials([key_of(userid)]).get(key_of(userid), []))


def test_what_is_given_is_kept_as_it_is(line: Line, tmp_path: Path) -> None:
    done = import_users(line.store, line.clock, users(tmp_path, "u1,Mathew,Pallan,Andhra Pradesh,Guntur", "u2,,,,"))
    assert (done.profiles, done.certificate_requests) == (2, 0)
    people = line.store.profiles(["u1", "u2"])
    assert (people["u1"].name, people["u1"].district) == ("Mathew Pallan", "Guntur")
    assert people["u2"].state is None


def test_a_learner_who_waited_for_the_name_gets_exactly_one_certificate(line: Line, tmp_path: Path) -> None:
    set_up(line, templates=True)
    finish(line, "u1", "u2")
    assert certificates(line, "u1") == 0
    path = users(tmp_path, "u1,Mathew,Pallan,,")
    assert import_users(line.store, line.clock, path).certificate_requests == 1
    line.drain()
    assert import_users(line.store, line.clock, path).certificate_requests == 0
    line.drain()
    assert (certificates(line, "u1"), certificates(line, "u2")) == (1, 0)


def test_an_attempt_is_reason_enough_to_look_again(line: Line, tmp_path: Path) -> None:
    set_up(line)
    scored = TEMPLATE | {"criteria": '{"assessment":{"score":{">=":50}}}'}
    line.store.commit(
        Changes(
            batches=[open_batch(cert_templates={"do_template": scored})],
            enrolments=[Enrolment("u1", COURSE, BATCH), Enrolment("u2", COURSE, BATCH)],
        )
    )
    line.updates.accept([trying("u1", attempt_item("u1", answers=[answer("q", 1)]))])
    line.drain()
    rows = ("u1,A,B,,", "u2,C,D,,")
    assert import_users(line.store, line.clock, users(tmp_path, *rows)).certificate_requests == 1
    line.drain()
    assert certificates(line, "u1") == 1


@pytest.mark.parametrize(
    "row",
    [
        Enrolment("u1", COURSE, BATCH, active=False, status=2),
        Enrolment("u1", COURSE, BATCH, status=1),
        Enrolment("u1", COURSE, "batch-without-templates", status=2),
    ],
    ids=["left", "unfinished", "no template"],
)
def test_nobody_else_is_looked_at(line: Line, row: Enrolment) -> None:
    set_up(line, templates=True)
    line.store.commit(Changes(batches=[open_batch("batch-without-templates")], enrolments=[row]))
    assert ask_for_certificates(line.store, line.clock, ["u1"], "test") == 0


def test_who_holds_a_certificate_is_left_alone(line: Line) -> None:
    set_up(line, templates=True)
    (key,) = enrol(line, "u1", status=2)
    line.store.commit(Changes(issued=[(key, [IssuedCertificate(identifier="x", name="Older")])]))
    assert ask_for_certificates(line.store, line.clock, ["u1"], "test") == 0


def test_a_broken_file_writes_nothing_even_when_its_beginning_was_good(line: Line, tmp_path: Path) -> None:
    rows = [f"u{number},A,B,," for number in range(6_000)]
    with pytest.raises(BadRequest, match="line 6002"):
        import_users(line.store, line.clock, users(tmp_path, *rows, ",A,B,,"))
    assert line.store.profiles(["u1"]) == {}


def test_progress_is_told_with_the_total(line: Line, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    rows = [f"u{number},A,B,," for number in range(5_001)]
    import_users(line.store, line.clock, users(tmp_path, *rows), lambda *step: told.append(step))
    assert told == [(5_000, 5_001), (5_001, 5_001)]


def test_the_recheck_finds_whom_a_late_template_concerns(line: Line) -> None:
    set_up(line)
    enrol(line, "u1")
    finish(line, "u1")
    assert recheck(line.store, line.clock) == 0
    line.store.commit(Changes(batches=[open_batch(cert_templates={"do_template": TEMPLATE})]))
    assert recheck(line.store, line.clock) == 1
    line.drain()
    assert certificates(line, "u1") == 1
    assert recheck(line.store, line.clock) == 0


def test_jobs_run_at_start_and_then_when_they_are_due(line: Line, clock: FixedClock) -> None:
    runs: list[int] = []
    scheduler = Scheduler(clock, [Job("count", 1_000, lambda: runs.append(clock.now_ms()) or 1)])
    assert scheduler.run_due() == {"count": 1}
    assert scheduler.run_due() == {}
    clock.at_ms += 1_000
    assert scheduler.run_due() == {"count": 1}
    assert len(runs) == 2


def test_the_log_forgets_what_is_old_and_handled(line: Line, clock: FixedClock) -> None:
    set_up(line)
    enrol(line, "u1")
    line.updates.accept([saying("u1", lesson("u1", "L1"))])
    line.drain()
    jobs = standing_jobs(line.store, line.stream, clock, retention_hours=24)
    clock.at_ms += 2 * DAY
    line.updates.accept([saying("u1", lesson("u1", "L2"))])
    Scheduler(clock, jobs).run_due()
    left = line.stream.poll("reader", [topics.PROGRESS_UPDATE], 10, 0).records
    assert len(left) == 1
    assert b"L2" in left[0].value
