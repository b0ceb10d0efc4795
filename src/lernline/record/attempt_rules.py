"""Attempts at an assessment: how one is scored, which of two versions wins, what all of them amount to. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import msgspec

from lernline.errors import BadRequest
from lernline.model import Attempt, EnrolmentKey, Question
from lernline.times import EARLIEST, LATEST, format_iso

_canonical = msgspec.json.Encoder(order="sorted")
_compact = msgspec.json.Encoder()
METRICS_TYPE = "attempt_metrics"
_SUMMED_UP = "summary:"
_MOST_POINTS = 1e12


class AssessmentUpdate(msgspec.Struct, frozen=True):
    """One event of ``telemetry.assess`` (pipeline.md 1.3); ``events`` None or empty asks to recompute.

    ``summary`` is what the player's END event told of the whole attempt (clients.md ruling 4): score and maximum.
    """

    key: EnrolmentKey
    contentid: str
    attempt_id: str
    assessment_ts: int
    events: list[dict[str, Any]]
    digest: str
    accepted: bool = False
    summary: tuple[float, float] | None = None


def read_assessment(value: bytes, *, accepted: bool) -> AssessmentUpdate:
    """An event of the topic as a typed update.

    Raises:
        BadRequest: not JSON, or an id is missing; the sentence names the field.
    """
    try:
        message = msgspec.json.decode(value)
    except msgspec.MsgspecError as problem:
        raise BadRequest(f"the event cannot be read: {problem}", code="EVENT_UNREADABLE") from problem
    if not isinstance(message, dict):
        raise BadRequest("the event is not a JSON object", code="EVENT_UNREADABLE")
    ids = {name: message.get(name) for name in ("userId", "courseId", "batchId", "contentId")}
    for name, found in ids.items():
        if not isinstance(found, str) or not found.strip():
            raise BadRequest(f"{name} is missing", code="MANDATORY_PARAMETER_MISSING")
    listed = message.get("events") or []
    if not isinstance(listed, list):
        raise BadRequest("events is not a list", code="DATA_TYPE_ERROR")
    events = [event for event in listed if isinstance(event, dict)]
    attempt_id = message.get("attemptId")
    named = isinstance(attempt_id, str) and bool(attempt_id.strip())
    if events and not named:
        raise BadRequest("attemptId is missing", code="MANDATORY_PARAMETER_MISSING")
    stated = message.get("assessmentTs")
    if not isinstance(stated, int | float) or isinstance(stated, bool):
        raise BadRequest("assessmentTs is missing or not a number", code="MANDATORY_PARAMETER_MISSING")
    if not EARLIEST <= stated <= LATEST:
        raise BadRequest("assessmentTs lies outside the years 1900 to 9998", code="INVALID_PARAMETER_VALUE")
    summary = _summary(message.get("summary"))
    digest = hashlib.blake2b(_canonical.encode([int(stated), events or summary]), digest_size=12).hexdigest()
    return AssessmentUpdate(
        EnrolmentKey(str(ids["userId"]), str(ids["courseId"]), str(ids["batchId"])),
        str(ids["contentId"]),
        attempt_id if isinstance(attempt_id, str) and named else "",
        int(stated),
        events,
        digest if events else _SUMMED_UP + digest,
        accepted,
        summary,
    )


def _summary(value: object) -> tuple[float, float] | None:
    """Score and maximum of an END summary, a list of one-member objects or one object."""
    parts = value if isinstance(value, list) else [value]
    merged = {name.lower(): part for one in parts if isinstance(one, dict) for name, part in one.items()}
    score = _first_number(merged, "totalscore", "score")
    if score is None:
        return None
    return score, _first_number(merged, "totalmaxscore", "maxscore") or 0.0


def _first_number(values: Mapping[str, object], *names: str) -> float | None:
    found = (values.get(name) for name in names)
    return next((_number(one) for one in found if isinstance(one, int | float) and not isinstance(one, bool)), None)


def latest_questions(events: Iterable[Mapping[str, Any]]) -> list[Question]:
    """One question per item id: the event with the greatest ``ets``, the first of equals.

    An event without an item id is left out; what else a question lacks is empty (P-D35).
    """
    newest: dict[str, tuple[float, Question]] = {}
    for event in events:
        edata = event.get("edata")
        item = edata.get("item") if isinstance(edata, dict) else None
        if not isinstance(edata, dict) or not isinstance(item, dict) or not item.get("id"):
            continue
        ets = _number(event.get("ets"))
        identifier = str(item["id"])
        if identifier not in newest or ets > newest[identifier][0]:
            newest[identifier] = ets, _question(identifier, int(ets), edata, item)
    return [question for _, question in newest.values()]


def _question(identifier: str, ets: int, edata: Mapping[str, Any], item: Mapping[str, Any]) -> Question:
    return Question(
        id=identifier,
        assess_ts=ets,
        max_score=_number(item.get("maxscore")),
        score=_number(edata.get("score")),
        type=_text(item.get("type")),
        title=_text(item.get("title")),
        resvalues=_maps(edata.get("resvalues")),
        params=_maps(item.get("params")),
        description=_text(item.get("desc")),
        duration=_number(edata.get("duration")),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else _compact.encode(value).decode()


def _maps(value: object) -> list[dict[str, str]]:
    """List of maps with text values: what is no text is its compact JSON."""
    if not isinstance(value, list):
        return []
    return [
        {name: part if isinstance(part, str) else _compact.encode(part).decode() for name, part in one.items()}
        for one in value
        if isinstance(one, dict)
    ]


def score(update: AssessmentUpdate, questions: Sequence[Question], now_ms: int) -> Attempt:
    """The attempt as it will be stored; sums are exact to a hundredth."""
    if questions or update.summary is None:
        total = sum((_exact(question.score) for question in questions), Decimal(0))
        highest = sum((_exact(question.max_score) for question in questions), Decimal(0))
    else:
        total, highest = _exact(update.summary[0]), _exact(update.summary[1])
    return Attempt(
        *update.key,
        content_id=update.contentid,
        attempt_id=update.attempt_id,
        last_attempted_on=update.assessment_ts,
        total_score=float(total),
        total_max_score=float(highest),
        grand_total=f"{_decimals(total)}/{_decimals(highest)}",
        question=list(questions),
        created_on=now_ms,
        updated_on=now_ms,
        digest=update.digest,
    )


def _exact(value: float) -> Decimal:
    if abs(value) > _MOST_POINTS:
        raise BadRequest(f"a score or maximum of {value:g} is not one", code="INVALID_PARAMETER_VALUE")
    return Decimal(str(value))


def _decimals(value: Decimal) -> str:
    """One or two decimals, half to even."""
    text = str(value.quantize(Decimal("0.01"), ROUND_HALF_EVEN))
    return text.removesuffix("0")


def wins(new: Attempt, stored: Attempt) -> bool:
    """Whether an attempt replaces what is stored: later, or as late with the higher digest (ruling 6).

    One with answers replaces one that only a summary tells of, whenever they come (clients.md ruling 4).
    """
    return _rank(new) > _rank(stored)


def _rank(attempt: Attempt) -> tuple[bool, int, str]:
    return not summed_up(attempt), attempt.last_attempted_on, attempt.digest


def summed_up(attempt: Attempt) -> bool:
    """Whether only a summary tells of the attempt."""
    return attempt.digest.startswith(_SUMMED_UP)


class Scores(msgspec.Struct, frozen=True):
    """What the attempts of one enrolment amount to (pipeline.md 6.3)."""

    values: dict[str, float]
    details: list[str]
    latest_attempt: str


def amount_to(attempts: Iterable[Attempt], attempts_limit: int) -> Scores | None:
    """Best score, its maximum and the number of attempts per content; None without attempts.

    ``details`` holds the newest ``attempts_limit`` attempts of each content (P-D32), by content and attempt id.
    ``latest_attempt`` is empty unless exactly one content has scores.
    """
    by_content: dict[str, list[Attempt]] = {}
    for attempt in sorted(attempts, key=lambda one: (one.content_id, one.attempt_id)):
        by_content.setdefault(attempt.content_id, []).append(attempt)
    if not by_content:
        return None
    values: dict[str, float] = {}
    details: list[str] = []
    for contentid, tries in by_content.items():
        best = max(tries, key=lambda one: one.total_score)
        values[f"score:{contentid}"] = best.total_score
        values[f"max_score:{contentid}"] = best.total_max_score
        values[f"attempts_count:{contentid}"] = float(len(tries))
        newest = sorted(tries, key=lambda one: one.last_attempted_on)[-attempts_limit:]
        details.extend(_detail(one) for one in tries if one in newest)
    every = [one for tries in by_content.values() for one in tries]
    latest = max(every, key=lambda one: (one.last_attempted_on, one.attempt_id))
    return Scores(values, details, latest.attempt_id if len(by_content) == 1 else "")


def _detail(attempt: Attempt) -> str:
    """One entry of ``agg_details``; the time is ISO 8601 (P-D31)."""
    return _compact.encode(
        {
            "attempt_id": attempt.attempt_id,
            "last_attempted_on": format_iso(attempt.last_attempted_on),
            "score": attempt.total_score,
            "content_id": attempt.content_id,
            "max_score": attempt.total_max_score,
            "type": METRICS_TYPE,
        }
    ).decode()
