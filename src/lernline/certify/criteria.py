"""Who gets a certificate: one typed language for a template's ``criteria``, and its judgement.

Form (certificates.md 7, with the improvements C-4, C-5, C-6, C-7 and C-9)::

    {"enrollment": {"status": 2},
     "assessment": {"score": {">=": 50, "<": 80}, "mode": "best"},
     "user": {"rootOrgId": "0126"}}

Every part is optional, one at least is needed. Scores are percent (0 to 100) per assessment; several operators must
all hold. ``mode`` says what is compared: the ``best`` assessment (default), ``all`` of them, or their ``average``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from msgspec import Struct

from lernline.errors import BadRequest

COMPLETED = 2


class Operator(StrEnum):
    """A comparison, by its one canonical spelling."""

    EQ = "="
    NE = "!="
    GT = ">"
    LT = "<"
    GE = ">="
    LE = "<="


class Mode(StrEnum):
    """What a score criterion is compared with, when a course has several assessments."""

    BEST = "best"
    ALL = "all"
    AVERAGE = "average"


SPELLINGS: dict[str, Operator] = {
    "EQ": Operator.EQ,
    "eq": Operator.EQ,
    "=": Operator.EQ,
    ">": Operator.GT,
    "<": Operator.LT,
    ">=": Operator.GE,
    "<=": Operator.LE,
    "ne": Operator.NE,
    "!=": Operator.NE,
}

_HOLDS: dict[Operator, Callable[[float, float], bool]] = {
    Operator.EQ: operator.eq,
    Operator.NE: operator.ne,
    Operator.GT: operator.gt,
    Operator.LT: operator.lt,
    Operator.GE: operator.ge,
    Operator.LE: operator.le,
}


class Comparison(Struct, frozen=True):
    """``percent <operator> threshold``."""

    operator: Operator
    threshold: float

    def holds(self, percent: float) -> bool:
        """Whether a percent satisfies it."""
        return _HOLDS[self.operator](percent, self.threshold)

    def __str__(self) -> str:
        return f"{self.operator} {self.threshold:g}"


class Criteria(Struct, frozen=True):
    """Typed form of a template's criteria.

    Attributes:
        status: enrolment status asked for, or None when the criteria do not mention the enrolment.
        score: comparisons that must all hold; empty when the criteria do not mention assessments.
        mode: what the comparisons look at.
        user: top-level user fields and the value each must have.
    """

    status: int | None = None
    score: tuple[Comparison, ...] = ()
    mode: Mode = Mode.BEST
    user: tuple[tuple[str, str | int | bool], ...] = ()

    def describe(self) -> str:
        """One sentence for the certificate, e.g. ``Complete all content; best assessment score >= 50 percent``."""
        parts = []
        if self.status is not None:
            parts.append("complete all content" if self.status == COMPLETED else f"enrolment status {self.status}")
        if self.score:
            what = {
                Mode.BEST: "best assessment score",
                Mode.ALL: "every assessment score",
                Mode.AVERAGE: "average score",
            }
            parts.append(f"{what[self.mode]} {' and '.join(map(str, self.score))} percent")
        parts += [f"{field} is {value}" for field, value in self.user]
        sentence = "; ".join(parts)
        return sentence[:1].upper() + sentence[1:]


class EnrolmentFacts(Struct, frozen=True):
    """What the enrolment row says (times in epoch milliseconds)."""

    active: bool
    status: int
    completed_on_ms: int | None = None


class ScoreFact(Struct, frozen=True):
    """One assessment of the course as this learner did it.

    Attributes:
        content_id: the assessment.
        content_type: its type, or None when the catalog does not know the content.
        score: points of the best attempt, or None without an attempt.
        max_score: points that could be reached; 0 or less means that it is not scored (C-7).
    """

    content_id: str
    content_type: str | None
    score: float | None
    max_score: float = 1.0

    @property
    def percent(self) -> float | None:
        """Best attempt in percent, or None when there is nothing to compute."""
        if self.score is None or self.max_score <= 0:
            return None
        return self.score * 100 / self.max_score


def read_scores(
    agg: Mapping[str, float], aggregates: Mapping[str, float], content_types: Mapping[str, str]
) -> tuple[ScoreFact, ...]:
    """The scores of a ``user_activity_agg`` row (certificates.md 2.3).

    Args:
        agg: map of whole numbers; ``aggregates`` wins where both hold a key.
        aggregates: map of fractions, keys ``score:<content>`` and ``max_score:<content>``.
        content_types: type per content id; a content that is missing here is of unknown type.
    """
    merged = {**agg, **aggregates}
    return tuple(
        ScoreFact(content, content_types.get(content), float(points), float(merged.get(f"max_score:{content}", 1.0)))
        for key, points in sorted(merged.items())
        if (content := key.removeprefix("score:")) != key
    )


class Verdict(Struct, frozen=True):
    """Outcome of a judgement.

    Attributes:
        reasons: what is missing, in plain words; empty means passed.
        percents: percent per assessment that counted, by content id.
    """

    reasons: tuple[str, ...]
    percents: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether the certificate is earned."""
        return not self.reasons


def parse_criteria(value: object) -> Criteria:
    """Read criteria that were decoded from JSON.

    Raises:
        BadRequest: names the part that is not understood, and how to write it.
    """
    parts = _object(value, "criteria")
    if "users" in parts:
        raise BadRequest("criteria.users is not known; write criteria.user.")
    _only(parts, {"enrollment", "assessment", "user"}, "criteria")
    enrollment = _object(parts.get("enrollment") or {}, "criteria.enrollment")
    assessment = _object(parts.get("assessment") or {}, "criteria.assessment")
    user = _object(parts.get("user") or {}, "criteria.user")
    if not (enrollment or assessment or user):
        raise BadRequest("criteria is empty; give at least one of enrollment, assessment and user.")
    score, mode = _score(assessment)
    return Criteria(status=_status(enrollment) if enrollment else None, score=score, mode=mode, user=_user_fields(user))


def _status(enrollment: Mapping[str, Any]) -> int:
    _only(enrollment, {"status"}, "criteria.enrollment")
    status = enrollment["status"]
    if isinstance(status, bool) or not isinstance(status, int | float) or status not in {0, 1, COMPLETED}:
        raise BadRequest(
            f"criteria.enrollment.status must be the number 0, 1 or 2 (2 = completed), not {_shown(status)};"
            " a text would never match."
        )
    return int(status)


def _score(assessment: Mapping[str, Any]) -> tuple[tuple[Comparison, ...], Mode]:
    if not assessment:
        return (), Mode.BEST
    _only(assessment, {"score", "mode"}, "criteria.assessment")
    wanted = assessment.get("score")
    if not isinstance(wanted, Mapping) or not wanted:
        raise BadRequest(
            f'criteria.assessment.score must be an object of operators and percents such as {{">=": 50}},'
            f" not {_shown(wanted)}."
        )
    comparisons = []
    for spelling, threshold in wanted.items():
        known = SPELLINGS.get(spelling)
        if known is None:
            raise BadRequest(
                f"criteria.assessment.score has the unknown operator {_shown(spelling)};"
                f" known are {', '.join(SPELLINGS)}."
            )
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 100:
            raise BadRequest(
                f"criteria.assessment.score.{spelling} must be a number from 0 to 100 (percent),"
                f" not {_shown(threshold)}."
            )
        comparisons.append(Comparison(known, float(threshold)))
    mode = assessment.get("mode", Mode.BEST)
    if mode not in list(Mode):
        raise BadRequest(f"criteria.assessment.mode must be best, all or average, not {_shown(mode)}.")
    return tuple(comparisons), Mode(mode)


def _user_fields(user: Mapping[str, Any]) -> tuple[tuple[str, str | int | bool], ...]:
    fields = []
    for field, value in user.items():
        if field == "rootOrgId" and value == "":
            continue  # how the tenant preference "All" is written: every organisation
        if not isinstance(value, str | int | bool) or value == "":
            raise BadRequest(f"criteria.user.{field} must be a non-empty text, a whole number or true/false.")
        fields.append((field, value))
    return tuple(fields)


def evaluate(
    criteria: Criteria,
    enrolment: EnrolmentFacts | None,
    scores: Sequence[ScoreFact],
    user: Mapping[str, Any] | None,
    supported_types: Sequence[str] = ("SelfAssess",),
) -> Verdict:
    """Judge one learner by one template's criteria (certificates.md 2.2-2.4).

    Args:
        criteria: what the template asks for.
        enrolment: the learner's row in this batch, or None when there is none.
        scores: the course's assessments, those without an attempt included when they are known.
        user: the learner's profile, or None when the directory does not know the learner (ruling 25).
        supported_types: content types whose scores count, compared ignoring case.
    """
    reasons = list(_enrolment_reasons(criteria, enrolment))
    percents: dict[str, float] = {}
    if criteria.score:
        counted, unknown = _counted(scores, supported_types)
        percents = {fact.content_id: fact.percent for fact in counted if fact.percent is not None}
        reasons += _score_reasons(criteria, counted, unknown)
    reasons += _user_reasons(criteria, user)
    return Verdict(tuple(reasons), percents)


def _enrolment_reasons(criteria: Criteria, enrolment: EnrolmentFacts | None) -> list[str]:
    if enrolment is None:
        return ["the learner is not enrolled in this batch"]
    if not enrolment.active:
        return ["the enrolment is not active"]
    if criteria.status is None:
        return []
    if enrolment.status != criteria.status:
        wanted = "completed" if criteria.status == COMPLETED else "reached"
        return [f"the course is not {wanted}: enrolment status is {enrolment.status}, {criteria.status} is needed"]
    if criteria.status == COMPLETED and enrolment.completed_on_ms is None:
        return ["the enrolment is complete but has no completion date; reconcile the enrolment"]
    return []


def _counted(scores: Sequence[ScoreFact], supported_types: Sequence[str]) -> tuple[list[ScoreFact], list[str]]:
    """The assessments whose type counts, and the ids whose type nobody knows."""
    supported = {name.casefold() for name in supported_types}
    counted = [fact for fact in scores if fact.content_type is not None and fact.content_type.casefold() in supported]
    return counted, [fact.content_id for fact in scores if fact.content_type is None]


def _score_reasons(criteria: Criteria, counted: Sequence[ScoreFact], unknown: Sequence[str]) -> list[str]:
    scored = [fact for fact in counted if fact.max_score > 0]
    percents = [fact.percent or 0.0 for fact in scored]
    wanted = f"{' and '.join(map(str, criteria.score))} is needed"
    hint = f" (the catalog does not know the type of {', '.join(sorted(unknown))})" if unknown else ""
    if criteria.mode is Mode.ALL:
        if not scored:
            return [f"no assessment has a score; {wanted}{hint}"]
        return [
            f"assessment {fact.content_id} has {_result(fact, percent)}; {wanted}"
            for fact, percent in zip(scored, percents, strict=True)
            if fact.score is None or not _all_hold(criteria.score, percent)
        ]
    if criteria.mode is Mode.AVERAGE:
        value, name = (sum(percents) / len(percents) if percents else 0.0), "average"
    else:
        value, name = max(percents, default=0.0), "best"
    if _all_hold(criteria.score, value):
        return []
    attempted = any(fact.score is not None for fact in scored)
    found = f"the {name} assessment score is {value:.4g} percent" if attempted else "no assessment has a score"
    return [f"{found}; {wanted}{hint}"]


def _result(fact: ScoreFact, percent: float) -> str:
    return "no attempt" if fact.score is None else f"{percent:.4g} percent"


def _all_hold(comparisons: Sequence[Comparison], percent: float) -> bool:
    return all(comparison.holds(percent) for comparison in comparisons)


def _user_reasons(criteria: Criteria, user: Mapping[str, Any] | None) -> list[str]:
    if not criteria.user:
        return []
    if user is None:
        return ["the user directory does not know the learner yet"]
    return [
        f"the learner's {field} is not the one that the template asks for"
        for field, wanted in criteria.user
        if type(user.get(field)) is not type(wanted) or user.get(field) != wanted
    ]


def _object(value: object, path: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadRequest(f"{path} must be an object, not {_shown(value)}.")
    return value


def _only(parts: Mapping[str, Any], known: set[str], path: str) -> None:
    unknown = sorted(set(parts) - known)
    if unknown:
        raise BadRequest(f"{path} has the unknown key {_shown(unknown[0])}; known are {', '.join(sorted(known))}.")


def _shown(value: object) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
