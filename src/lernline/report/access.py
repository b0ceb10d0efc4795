"""Who may ask for which report (exhaust.md 1.1, rest-api.md 7.1, rulings 10 and 37). Pure."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from lernline.errors import Forbidden, LernlineError, Unauthenticated, catalogued
from lernline.store.requests import JobRequest

DEFAULT_ROLES = (
    "ORG_ADMIN",
    "REPORT_ADMIN",
    "CONTENT_CREATOR",
    "COURSE_MENTOR",
    "PROGRAM_MANAGER",
    "PROGRAM_DESIGNER",
)
ADMINISTRATORS = frozenset({"ORG_ADMIN", "REPORT_ADMIN"})


class Asker(msgspec.Struct, frozen=True):
    """Who asks, as far as reports care.

    Attributes:
        kind: ``user``, ``consumer``, ``service`` or ``anonymous``.
        id: the user's or consumer's.
        roles: of a user.
        tenant: root organisation of a user, None when the directory does not know it.
        on_behalf_of: the user whom a consumer names; nobody has verified it.
    """

    kind: str
    id: str = ""
    roles: frozenset[str] = frozenset()
    tenant: str | None = None
    on_behalf_of: str | None = None


def admit(asker: Asker, channel: str, *, roles: Collection[str], consumer_enabled: bool) -> None:
    """Let the asker speak for a channel, or say why not.

    Args:
        asker: who asks.
        channel: the ``X-Channel-ID`` header.
        roles: that a user needs one of; empty means the contract's default.
        consumer_enabled: whether the mapping lets this consumer ask for this channel.

    Raises:
        Unauthenticated: nobody asks.
        Forbidden: the channel is missing or not the asker's, or no role fits.
    """
    if asker.kind == "anonymous":
        raise Unauthenticated("You are not authorized.")
    if not channel.strip():
        raise Forbidden("X-Channel-ID is missing in request header", code="CHANNEL_MISSING")
    if asker.kind == "service":
        return
    if asker.kind == "consumer":
        if not consumer_enabled:
            raise Forbidden(
                f"Given X-Consumer-ID='{asker.id}' and X-Channel-ID='{channel}' are not authorized",
                code="CONSUMER_NOT_ENABLED",
            )
        return
    own = (asker.tenant or "").casefold() == channel.casefold()
    if not own or asker.roles.isdisjoint(roles or DEFAULT_ROLES):
        raise not_authorised(asker)


def not_authorised(asker: Asker) -> LernlineError:
    """Why a user may not ask: nobody knows whose they are, or they are known and it is not theirs to ask."""
    if asker.kind == "user" and asker.tenant is None:
        return Forbidden("user not found.", code="USER_NOT_FOUND")
    return catalogued("UNAUTHORIZED_USER", kind=Forbidden)


def require_administrator(asker: Asker) -> None:
    """Search and the registry are for services and report administrators.

    Raises:
        Unauthenticated: nobody asks.
        Forbidden: somebody else asks.
    """
    if asker.kind == "anonymous":
        raise Unauthenticated("You are not authorized.")
    if asker.kind != "service" and asker.roles.isdisjoint(ADMINISTRATORS):
        raise catalogued("UNAUTHORIZED_USER", kind=Forbidden)


def sees_all(asker: Asker) -> bool:
    """Whether the asker sees every request of the channel, or their own alone (A-27)."""
    return asker.kind in {"service", "consumer"} or not asker.roles.isdisjoint(ADMINISTRATORS)


def may_see(asker: Asker, request: JobRequest) -> bool:
    """Whether the asker may see one request of their channel."""
    return sees_all(asker) or request.requested_by == asker.id


def requester(asker: Asker, stated: str | None) -> str:
    """In whose name a request is stored: a user's own; others name whom they ask for."""
    if asker.kind == "user":
        return asker.id
    return stated or asker.on_behalf_of or asker.id
