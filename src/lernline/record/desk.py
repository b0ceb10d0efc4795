"""What the commands of this station need of the line, and nothing more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import msgspec

from lernline.catalog.relations import Relations
from lernline.clock import Clock
from lernline.settings import Settings
from lernline.store.port import CatalogStore, LearningStore, UserDirectory


class DeskStore(LearningStore, CatalogStore, UserDirectory, Protocol):
    """State that the commands read and write."""


class Courses(Protocol):
    """Relations of courses, remembered until the catalog changes."""

    def get(self, course_ids: Iterable[str]) -> dict[str, Relations]:
        """Relations of those courses whose tree is known."""
        ...


class Desk(Protocol):
    """Store, clock, settings and course relations of a running line."""

    @property
    def settings(self) -> Settings: ...  # noqa: D102
    @property
    def clock(self) -> Clock: ...  # noqa: D102
    @property
    def store(self) -> DeskStore: ...  # noqa: D102
    @property
    def courses(self) -> Courses: ...  # noqa: D102


class Actor(msgspec.Struct, frozen=True):
    """Who asks, as the API has verified them.

    Attributes:
        userid: the user in whose name it is done (the managed user where there is one); None for services.
        name: what is stored as the doer: the token's user, or the service's name.
        roles: the user's roles.
        tenant: root organisation or channel of the user, where known.
        service: whether this is an internal service, which may act for anybody.
        trace: the request's id, for the audit.
    """

    userid: str | None
    name: str
    roles: frozenset[str] = frozenset()
    tenant: str | None = None
    service: bool = False
    trace: str = ""

    @property
    def administrator(self) -> bool:
        """Whether the user may act for every learner."""
        return self.service or not self.roles.isdisjoint(ADMINISTRATOR_ROLES)


ADMINISTRATOR_ROLES = frozenset({"ORG_ADMIN", "SYSTEM_ADMINISTRATION", "COURSE_ADMIN"})
LEADER_ROLES = frozenset({"CONTENT_CREATOR", "COURSE_CREATOR", "COURSE_MENTOR"})
