"""Who may do what: one rule per route, judged from the request alone (rest-api.md 1.3, rulings 10, 28, 36 and 37).

Pure. What depends on stored state (who leads a batch, whose tenant a course is) is judged later, by the services.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lernline.api.principals import Principal
from lernline.record.desk import ADMINISTRATOR_ROLES, LEADER_ROLES

COURSE_DATASET_ROLES = frozenset({"ORG_ADMIN", "REPORT_ADMIN", "CONTENT_CREATOR", "COURSE_MENTOR"})
PROGRAM_DATASET_ROLES = frozenset({"PROGRAM_MANAGER", "PROGRAM_DESIGNER"})
DATASET_ROLES = COURSE_DATASET_ROLES | PROGRAM_DATASET_ROLES
REPORT_ADMINISTRATORS = frozenset({"REPORT_ADMIN", "ORG_ADMIN"})
COURSE_DATASETS = frozenset({"progress-exhaust", "response-exhaust", "userinfo-exhaust"})


class Ask(msgspec.Struct, frozen=True):
    """What a rule may look at. ``request`` is the body's ``request`` object, empty when there is none."""

    principal: Principal
    headers: Mapping[str, str] = {}
    params: Mapping[str, str] = {}
    request: Mapping[str, Any] = {}


class Access(msgspec.Struct, frozen=True):
    """The rule of one route.

    Attributes:
        admits: kinds of principal that may come in at all; ``anonymous`` opens the route to everybody.
        allows: what the request must fulfil besides.
        grace: whether a token may be past its end, within the bounded grace (ruling 28).
    """

    admits: frozenset[str]
    allows: Callable[[Ask], bool] = lambda _: True
    grace: bool = False

    def permits(self, ask: Ask) -> bool:
        """The decision."""
        kind = ask.principal.kind
        return (kind in self.admits or "anonymous" in self.admits) and self.allows(ask)


def own_user(ask: Ask) -> bool:
    """``request.userId`` is absent or the caller's own; services may name anybody."""
    return ask.principal.kind == "service" or is_own(ask.principal, ask.request.get("userId"))


def is_own(principal: Principal, stated: object) -> bool:
    """Whether a stated user is nobody in particular or the caller (the managed user where there is one)."""
    return stated is None or stated in ("", principal.userid)


def _enrolment(ask: Ask) -> bool:
    return own_user(ask) or not ask.principal.roles.isdisjoint(ADMINISTRATOR_ROLES | LEADER_ROLES)


def _own_path(ask: Ask) -> bool:
    return ask.principal.kind == "service" or ask.params.get("uid") == ask.principal.userid


def _state_update(ask: Ask) -> bool:
    return may_update(ask.principal, ask.request.get("userId"), ask.request.get("assessments"))


def may_update(principal: Principal, userid: object, assessments: object) -> bool:
    """Whether a state update speaks of nobody but the caller: its ``userId`` and each assessment's."""
    if principal.kind == "service":
        return True
    items = assessments if isinstance(assessments, list) else []
    named = [item.get("userId") for item in items if isinstance(item, dict)]
    return is_own(principal, userid) and all(is_own(principal, one) for one in named)


def _has_role(roles: frozenset[str]) -> Callable[[Ask], bool]:
    def allows(ask: Ask) -> bool:
        return ask.principal.kind != "user" or not ask.principal.roles.isdisjoint(roles)

    return allows


def _dataset(ask: Ask) -> bool:
    """Channel header there, stated user the token's, and a role that fits the dataset where one is named."""
    if ask.principal.kind == "service":
        return True
    if not ask.headers.get("x-channel-id", "").strip():
        return False
    if ask.principal.kind != "user":
        return True
    stated = ask.headers.get("x-authenticated-userid", "").strip()
    if stated not in {"", ask.principal.id, ask.principal.userid}:
        return False
    dataset = ask.request.get("dataset")
    if dataset is None:
        return not ask.principal.roles.isdisjoint(DATASET_ROLES)
    wanted = COURSE_DATASET_ROLES if dataset in COURSE_DATASETS else PROGRAM_DATASET_ROLES
    return not ask.principal.roles.isdisjoint(wanted)


_USER = frozenset({"user", "service"})
_READER = frozenset({"user", "consumer", "service"})

OPEN = Access(frozenset({"anonymous"}))
ENROL = Access(_USER, _enrolment)
ENROL_OTHERS = Access(_USER, _has_role(ADMINISTRATOR_ROLES | LEADER_ROLES))
OWN_ENROLMENTS = Access(_USER, _own_path)
SOMEBODYS_ENROLMENTS = Access(_USER)
ENROLMENT_SEARCH = Access(_USER)
STATE_UPDATE = Access(_USER, _state_update, grace=True)
STATE_READ = Access(_USER, own_user)
BATCH_READ = Access(_READER)
BATCH_WRITE = Access(_USER, _has_role(LEADER_ROLES))
PARTICIPANTS = Access(_USER)
DATASET = Access(_READER, _dataset)
DATASET_LIST = Access(_READER)
DATASET_ADMIN = Access(frozenset({"user", "service"}), _has_role(REPORT_ADMINISTRATORS))
