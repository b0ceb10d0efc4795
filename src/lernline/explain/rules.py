"""From what is known of one learner in one batch to plain words, station by station: what, why, and the fix. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from typing import Literal

import msgspec

from lernline.model import Batch, Enrolment
from lernline.progress.rules import COMPLETED, completion
from lernline.record.batch_rules import ENDED, NOT_STARTED
from lernline.times import day_of

State = Literal["done", "waiting", "missing", "problem", "none"]
Station = Literal["recorded", "rolled up", "completed", "certified", "reported"]
_MOST_NAMED = 10


class Step(msgspec.Struct, frozen=True):
    """One station: how it stands, what is the case, and what to do about it ("" where nothing is to be done)."""

    station: Station
    state: State
    lines: list[str]
    fix: str = ""


class Explanation(msgspec.Struct, frozen=True):
    """The whole walk; ``summary`` is the first thing that keeps the learner from going on, or that nothing does."""

    userid: str
    batchid: str
    courseid: str
    summary: str
    steps: list[Step]


class Letter(msgspec.Struct, frozen=True):
    """A dead letter of this learner that waits."""

    id: int
    stage: str
    code: str
    reason: str


class TemplateFacts(msgspec.Struct, frozen=True):
    """One template of the batch as it stands for this learner.

    Attributes:
        needs: fields that are missing or wrong, so that nothing can be issued from it.
        reasons: what the criteria still ask for.
        wait_for: what is awaited although the criteria are met (ruling 25).
        issued: id and time (epoch ms, None when unknown) of the certificate that the learner holds from it.
    """

    name: str
    needs: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    wait_for: str = ""
    issued: tuple[str, int | None] | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the stores and the log know.

    Attributes:
        batch_status: follows from the batch's dates; None when the batch is unknown.
        course_name, names: titles by identifier as far as the catalog knows them.
        required: required leaves; None when the course tree is not known.
        required_order: the same in tree order.
        statuses: merged status per lesson.
        scores: best points and possible points per assessment with an attempt.
        pending: records in the log that a station has not handled yet, by station.
        elsewhere: batches in which the learner is enrolled.
        known: whether the user directory has the learner; ``named``: and knows a name.
    """

    userid: str
    batchid: str
    courseid: str
    batch: Batch | None
    batch_status: int | None
    course_name: str
    enrolment: Enrolment | None
    required: frozenset[str] | None
    required_order: tuple[str, ...]
    statuses: Mapping[str, int]
    names: Mapping[str, str]
    scores: Mapping[str, tuple[float, float]]
    pending: Mapping[str, int]
    letters: tuple[Letter, ...]
    templates: tuple[TemplateFacts, ...]
    elsewhere: tuple[str, ...]
    known: bool
    named: bool
    zone: tzinfo = UTC


def explain(facts: Facts) -> Explanation:
    """Walk the line for one learner."""
    steps = [_recorded(facts)]
    if facts.enrolment is not None:
        steps += [_rolled_up(facts), _completed(facts), _certified(facts), _reported(facts)]
    stuck = next((step for step in steps if step.state not in {"done", "none"}), None)
    if stuck is None:
        summary = "Everything has happened that can: nothing is missing."
    else:
        summary = f"{stuck.station}: {next(iter(stuck.lines), '')}"
    return Explanation(facts.userid, facts.batchid, facts.courseid, summary, steps)


def _recorded(facts: Facts) -> Step:
    enrolment, batch = facts.enrolment, facts.batch
    if enrolment is None:
        return _not_enrolled(facts)
    lines = [_enrolled(facts, enrolment)]
    if not enrolment.active:
        fix = "Enrol the learner again (POST /v1/course/enroll); what was done before comes back with it."
        return Step("recorded", "problem", ["the enrolment is not active: the learner left the batch", *lines], fix)
    if batch is None:
        lines.append(f"batch {facts.batchid} has no row here, so further updates are refused")
        return Step("recorded", "problem", lines, "Load or create the batch (table course_batch).")
    seen = sum(1 for status in facts.statuses.values() if status)
    begun = f"{seen} lessons begun, {len(facts.scores)} assessments attempted"
    if facts.batch_status == NOT_STARTED:
        start = "" if batch.start_date is None else f" on {_day(batch.start_date, facts)}"
        fix = "Wait for its first day, or change the start date (PATCH /v1/course/batch/update)."
        return Step(
            "recorded", "waiting", [f"the batch has not begun; it begins{start} and takes no update before"], fix
        )
    lines.append(begun)
    if facts.batch_status == ENDED:
        end = "" if batch.end_date is None else f" on {_day(batch.end_date, facts)}"
        lines.append(f"the batch ended{end}: it takes no further update")
    if not seen and not facts.scores and not facts.pending:
        fix = "" if facts.batch_status == ENDED else "Nothing is wrong: the learner has to open a lesson."
        return Step("recorded", "missing", ["no lesson update has arrived", *lines], fix)
    return Step("recorded", "done", lines)


def _not_enrolled(facts: Facts) -> Step:
    if facts.batch is None:
        lines = [f"batch {facts.batchid} does not exist here, and the learner is not enrolled in it"]
        fix = "Check the batch id; a batch of another installation can be brought in with `lernline load`."
    else:
        lines = [f"learner {facts.userid} is not enrolled in batch {facts.batchid} '{facts.batch.name}'"]
        fix = "Enrol the learner (POST /v1/course/enroll); updates of learners who are not enrolled are refused."
    if facts.elsewhere:
        lines.append(f"the learner is enrolled in {_listed(facts.elsewhere)}")
    lines += _letter_lines(facts.letters)
    return Step("recorded", "problem", lines, fix)


def _enrolled(facts: Facts, enrolment: Enrolment) -> str:
    when = "" if enrolment.enrolled_date is None else f" on {_day(enrolment.enrolled_date, facts)}"
    course = f" of {facts.courseid} '{facts.course_name}'" if facts.course_name else f" of {facts.courseid}"
    return f"enrolled{when} in batch {facts.batchid}{course}"


def _rolled_up(facts: Facts) -> Step:
    letters = [letter for letter in facts.letters if letter.stage in {"progress", "assessments"}]
    pending = sum(facts.pending.get(station, 0) for station in ("progress", "assessments"))
    if letters:
        fix = (
            "Look at them (`lernline dead-letters show N`), mend the cause, then `lernline dead-letters replay N`;"
            " if they are of no use, `lernline dead-letters drop N`."
        )
        return Step("rolled up", "problem", _letter_lines(letters), fix)
    if pending:
        lines = [f"{_many(pending, 'update is', 'updates are')} recorded and not merged yet"]
        return Step("rolled up", "waiting", lines, "Wait a moment; if the number stays, start `lernline work`.")
    if facts.required is None:
        lines = [f"the tree of course {facts.courseid} is not known, so nothing can be rolled up or judged"]
        return Step("rolled up", "problem", lines, "Import it: `lernline course import FILE`.")
    return Step("rolled up", "done", ["everything that was recorded is merged"])


def _completed(facts: Facts) -> Step:
    enrolment = facts.enrolment
    assert enrolment is not None
    required = facts.required or frozenset()
    counted = completion(facts.statuses, required)
    missing = [one for one in facts.required_order if facts.statuses.get(one) != COMPLETED]
    count = f"{counted.completed} of {counted.required} required lessons are complete"
    if enrolment.status == COMPLETED:
        when = "" if enrolment.completedon is None else f" on {_day(enrolment.completedon, facts)}"
        lines = [f"completed{when}"]
        if missing and facts.required is not None:
            lines.append(f"the course has changed since ({count} now); completion is kept (ruling: it is sticky)")
        return Step("completed", "done", lines)
    if facts.required is None:
        return Step("completed", "missing", ["not complete, and the course tree is not known"])
    if not required:
        lines = [f"course {facts.courseid} has no required lesson, so nobody completes it"]
        return Step("completed", "problem", lines, "Mark at least one lesson as required and import the course again.")
    if not missing:
        lines = [f"{count}, and the enrolment does not say so yet"]
        fix = "Ask for it to be recomputed: PATCH /v1/content/state/update with userId, courseId, batchId, contents []."
        return Step("completed", "waiting", lines, fix)
    lines = [f"{count}; missing: {_listed(_titled(one, facts) for one in missing)}"]
    return Step("completed", "missing", lines, "The learner has to finish these lessons.")


def _certified(facts: Facts) -> Step:
    enrolment = facts.enrolment
    assert enrolment is not None
    letters = [letter for letter in facts.letters if letter.stage == "certify"]
    if not facts.templates:
        held = _held(enrolment)
        lines = [*held, "the batch has no certificate template"]
        fix = "" if held else "Attach one to have certificates issued (PATCH /v1/course/batch/cert/template/add)."
        return Step("certified", "done" if held else "none", lines, fix)
    judged = [_template(one, facts, enrolment) for one in facts.templates]
    lines = [line for _, line, _ in judged] + _letter_lines(letters)
    worst: State = "problem" if letters else "done"
    for state in ("problem", "waiting", "missing"):
        if any(found == state for found, _, _ in judged) and worst == "done":
            worst = state
    fixes = dict.fromkeys(fix for _, _, fix in judged if fix)
    return Step("certified", worst, lines, " ".join(fixes))


def _template(template: TemplateFacts, facts: Facts, enrolment: Enrolment) -> tuple[State, str, str]:
    name = f"the template '{template.name}'"
    if template.issued is not None:
        identifier, at = template.issued
        when = "" if at is None else f" on {_day(at, facts)}"
        return "done", f"the certificate of {name} was issued{when}: {identifier}", ""
    done = enrolment.status == COMPLETED
    when = "" if enrolment.completedon is None else f" on {_day(enrolment.completedon, facts)}"
    so_far = f"completed{when}, but " if done else ""
    if template.needs:
        fix = f"Attach {name} again with {_listed(template.needs)} filled in (PATCH …/cert/template/add)."
        return "problem", f"{so_far}{name} needs {_listed(template.needs)}", fix
    if template.reasons:
        return "missing", f"{so_far}for {name}: {'; '.join(template.reasons)}", ""
    if template.wait_for:
        fix = "Bring the profile in: `lernline users import FILE`; the certificate follows by itself."
        return "waiting", f"{so_far}for {name}: {template.wait_for}", fix
    if facts.pending.get("certify"):
        return "waiting", f"the certificate of {name} is due and will be issued in a moment", ""
    fix = "It is looked at again by the scheduler's daily recheck (`lernline schedule`), or when the learner is active."
    return "waiting", f"{so_far}the certificate of {name} is due and was not asked for", fix


def _held(enrolment: Enrolment) -> list[str]:
    named = [(one.name, one.identifier) for one in enrolment.issued_certificates]
    named += [
        (str(one.get("name") or ""), str(one.get("identifier") or one.get("id"))) for one in enrolment.certificates
    ]
    return [f"the certificate '{name}' was issued: {identifier}" for name, identifier in named]


def _reported(facts: Facts) -> Step:
    enrolment = facts.enrolment
    assert enrolment is not None
    if not enrolment.active:
        return Step("reported", "none", ["not in the reports: they hold active enrolments only"])
    lines = [_report_row(facts, enrolment)]
    if not facts.known:
        lines.append("the personal columns are empty: the user directory does not know this learner")
        return Step("reported", "problem", lines, "Bring the profile in: `lernline users import FILE`.")
    if not facts.named:
        lines.append("the name is empty: the profile has neither first nor last name")
        return Step("reported", "problem", lines, "Import the profile with firstname or lastname.")
    return Step("reported", "done", lines)


def _report_row(facts: Facts, enrolment: Enrolment) -> str:
    counted = completion(facts.statuses, facts.required or frozenset())
    percent = 100 if enrolment.status == COMPLETED else counted.percent
    shown = str(percent) if counted.required or enrolment.status == COMPLETED else "empty"
    issued = "Issued" if enrolment.issued_certificates or enrolment.certificates else "blank"
    total = sum(points for points, _ in facts.scores.values())
    score = f"{total:g}" if facts.scores else "empty"
    return f"in the progress report: Progress {shown}, Certificate Status {issued}, Total Score {score}"


def _letter_lines(letters: Iterable[Letter]) -> list[str]:
    return [f"dead letter {one.id} of {one.stage}: {one.reason} ({one.code})" for one in letters]


def _titled(identifier: str, facts: Facts) -> str:
    title = facts.names.get(identifier)
    return f"{identifier} '{title}'" if title else identifier


def _listed(items: Iterable[str]) -> str:
    named = list(items)
    more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
    return ", ".join(named[:_MOST_NAMED]) + more


def _many(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


def _day(ms: int, facts: Facts) -> str:
    return day_of(ms, facts.zone).isoformat()
