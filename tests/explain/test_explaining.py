"""One learner's way, explained from what really happened on a line."""

from __future__ import annotations

from lernline.explain.rules import Explanation, Step
from lernline.explain.service import explain_learner
from lernline.model import Changes, Content, Enrolment, UserProfile
from lernline.stream import topics
from lernline.wiring import Line
from support.updates import answer, attempt_item, from_elsewhere, lesson, saying, trying
from support.worlds import BATCH, CONTENTS, COURSE, DAY, NOW, REQUIRED, TEMPLATE, enrol, open_batch, set_up


def explained(line: Line, userid: str = "u1", batchid: str = BATCH) -> Explanation:
    return explain_learner(line, userid, batchid)


def step(explanation: Explanation, station: str) -> Step:
    return next(one for one in explanation.steps if one.station == station)


def finish(line: Line, userid: str = "u1", *, leave_out: str = "") -> None:
    line.updates.accept([saying(userid, *(lesson(userid, one) for one in sorted(REQUIRED) if one != leave_out))])
    line.drain()


def test_an_unknown_batch_is_said_with_the_batches_that_the_learner_is_in(line: Line) -> None:
    set_up(line)
    enrol(line, "u1")
    told = explained(line, batchid="elsewhere")
    assert "batch elsewhere does not exist" in told.summary
    assert f"the learner is enrolled in {BATCH}" in told.steps[0].lines
    assert "lernline load" in told.steps[0].fix


def test_a_learner_who_is_not_enrolled_is_told_so_first(line: Line) -> None:
    set_up(line)
    told = explained(line, "nobody")
    assert told.summary.startswith(f"recorded: learner nobody is not enrolled in batch {BATCH}")
    assert len(told.steps) == 1


def test_a_learner_who_left_is_told_so(line: Line) -> None:
    set_up(line)
    enrol(line, "u1", active=False)
    told = explained(line)
    assert "the enrolment is not active" in told.summary
    assert step(told, "reported").state == "none"


def test_a_batch_that_has_not_begun_takes_nothing(line: Line) -> None:
    set_up(line, start_date=NOW + 5 * DAY)
    enrol(line, "u1")
    recorded = step(explained(line), "recorded")
    assert recorded.state == "waiting"
    assert "has not begun" in recorded.lines[0]


def test_updates_that_are_not_merged_yet_are_counted(line: Line) -> None:
    set_up(line)
    enrol(line, "u1")
    line.updates.accept([saying("u1", lesson("u1", "L1"))])
    rolled_up = step(explained(line), "rolled up")
    assert (rolled_up.state, rolled_up.lines) == ("waiting", ["1 update is recorded and not merged yet"])
    line.drain()
    assert step(explained(line), "rolled up").state == "done"


def test_pending_updates_of_another_batch_are_no_concern(line: Line) -> None:
    set_up(line)
    line.store.commit(Changes(batches=[open_batch("batch-2")]))
    enrol(line, "u1")
    enrol(line, "u1", batchid="batch-2")
    line.updates.accept([saying("u1", lesson("u1", "L1", batchid="batch-2"))])
    assert step(explained(line), "rolled up").state == "done"


def test_dead_letters_of_the_learner_are_named_with_the_way_to_replay_them(line: Line) -> None:
    set_up(line)
    line.stream.append([from_elsewhere("u1", {"contentId": "L1", "status": 2}, mid="m")])
    line.drain()
    enrol(line, "u1", "u2")
    rolled_up = step(explained(line), "rolled up")
    assert rolled_up.state == "problem"
    assert "dead letter 1 of progress" in rolled_up.lines[0]
    assert "lernline dead-letters replay" in rolled_up.fix
    assert step(explained(line, "u2"), "rolled up").state == "done"


def test_missing_lessons_are_counted_and_named_by_title(line: Line) -> None:
    set_up(line)
    line.store.commit(Changes(contents=[Content("L3", name="Water Cycle")]))
    enrol(line, "u1")
    finish(line, leave_out="L3")
    assert explained(line).summary == "completed: 5 of 6 required lessons are complete; missing: L3 'Water Cycle'"


def test_a_course_without_a_tree_cannot_be_judged(line: Line) -> None:
    line.store.commit(Changes(batches=[open_batch()]))
    enrol(line, "u1")
    told = step(explained(line), "rolled up")
    assert told.state == "problem"
    assert "lernline course import" in told.fix


def test_a_template_that_lacks_a_field_is_named_with_the_field(line: Line) -> None:
    broken = TEMPLATE | {"name": "Merit", "issuer": '{"name":"Council","url":""}'}
    set_up(line)
    line.store.commit(Changes(batches=[open_batch(cert_templates={"do_template": broken})]))
    enrol(line, "u1")
    finish(line)
    certified = step(explained(line), "certified")
    assert certified.state == "problem"
    assert certified.lines == ["completed on 2026-03-02, but the template 'Merit' needs issuer.url"]


def test_a_score_below_the_criteria_is_said_with_both_figures(line: Line) -> None:
    wanted = TEMPLATE | {"criteria": '{"enrollment":{"status":2},"assessment":{"score":{">=":80}}}'}
    set_up(line)
    line.store.commit(Changes(batches=[open_batch(cert_templates={"do_template": wanted})]))
    enrol(line, "u1")
    finish(line)
    item = attempt_item("u1", "A1", answers=[answer("q1", 1), answer("q2", 0)])
    line.updates.accept([trying("u1", item)])
    line.drain()
    certified = step(explained(line), "certified")
    assert certified.state == "missing"
    assert "50 percent" in certified.lines[0]
    assert ">= 80" in certified.lines[0]


def test_a_certificate_that_waits_for_a_name_says_so_and_the_report_too(line: Line) -> None:
    set_up(line, templates=True)
    line.store.commit(Changes(enrolments=[Enrolment("u1", COURSE, BATCH, enrolled_date=NOW)]))
    finish(line)
    told = explained(line)
    assert step(told, "certified").state == "waiting"
    assert "awaited" in step(told, "certified").lines[0]
    assert "lernline users import" in step(told, "certified").fix
    assert "the user directory does not know this learner" in step(told, "reported").lines[1]


def test_a_profile_without_a_name_is_named_as_the_reason(line: Line) -> None:
    set_up(line)
    enrol(line, "u1")
    line.store.save_profiles([UserProfile(userid="u1", state="Kerala")])
    finish(line)
    assert "neither first nor last name" in step(explained(line), "reported").lines[1]


def test_where_all_is_done_nothing_is_missing(line: Line) -> None:
    set_up(line, templates=True)
    enrol(line, "u1")
    finish(line)
    told = explained(line)
    identifier = line.store.credentials([(enrolled := line.store.enrolments_of_user("u1")[0]).key])[enrolled.key][0].id
    assert [one.state for one in told.steps] == ["done"] * 5
    assert step(told, "certified").lines == [
        f"the certificate of the template 'Completion' was issued on 2026-03-02: {identifier}"
    ]
    assert "Progress 100, Certificate Status Issued" in step(told, "reported").lines[0]
    assert "nothing is missing" in told.summary


def test_a_certificate_that_is_due_and_asked_for_comes_in_a_moment(line: Line) -> None:
    set_up(line, templates=True)
    enrol(line, "u1")
    line.updates.accept([saying("u1", *(lesson("u1", one) for one in CONTENTS))])
    line.worker("progress").run_once()
    told = step(explained(line), "certified")
    assert told.state == "waiting"
    assert "will be issued in a moment" in told.lines[0]


def test_a_certificate_that_nobody_asked_for_names_the_recheck(line: Line) -> None:
    set_up(line)
    enrol(line, "u1")
    finish(line)
    line.store.commit(Changes(batches=[open_batch(cert_templates={"do_template": TEMPLATE})]))
    told = step(explained(line), "certified")
    assert "was not asked for" in told.lines[0]
    assert "recheck" in told.fix


def test_completion_is_kept_when_the_course_grows(line: Line) -> None:
    set_up(line)
    enrol(line, "u1", status=2)
    completed = step(explained(line), "completed")
    assert completed.state == "done"
    assert "0 of 6 required lessons are complete now" in completed.lines[1]


def test_what_was_loaded_is_explained_as_well(line: Line) -> None:
    set_up(line)
    row = {
        "userid": "u1",
        "courseid": COURSE,
        "batchid": "old",
        "active": True,
        "contentstatus": {"L1": 2},
        "status": 1,
    }
    line.store.import_rows("user_enrolments", [row])
    told = explained(line, batchid="old")
    assert "has no row here" in step(told, "recorded").lines[1]
    assert step(told, "completed").lines[0].startswith("1 of 6 required lessons are complete; missing: L2 'L2', L3")


def test_explaining_changes_nothing(line: Line) -> None:
    set_up(line, templates=True)
    enrol(line, "u1")
    line.updates.accept([saying("u1", lesson("u1", "L1"))])
    before = (line.stream.end(), line.stream.lag(topics.PROGRESS_GROUP, (topics.PROGRESS_UPDATE,)))
    explained(line)
    assert (line.stream.end(), line.stream.lag(topics.PROGRESS_GROUP, (topics.PROGRESS_UPDATE,))) == before
