"""Who asks: one of four kinds of principal (ruling 10)."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["user", "consumer", "service", "anonymous"]


class Principal(msgspec.Struct, frozen=True):
    """A verified caller.

    Attributes:
        kind: user (signed token), consumer (gateway's headers), service (internal credential) or anonymous.
        id: the token's user, the consumer's id, or the service's name.
        roles: roles of a user, from the token.
        managed: the managed user that the token's user acts for, verified.
        tenant: channel or root organisation that the token names, or the consumer's channel.
        on_behalf_of: a name that a consumer states; nobody has verified it.
        expires: epoch ms at which the token ends; None for the others.
        problem: why a credential that was sent was not believed (the caller is then anonymous).
    """

    kind: Kind
    id: str = ""
    roles: frozenset[str] = frozenset()
    managed: str | None = None
    tenant: str | None = None
    on_behalf_of: str | None = None
    expires: int | None = None
    problem: str = ""

    @property
    def userid(self) -> str | None:
        """The user in whose name the call is made: the managed one where there is one; None without a user token."""
        return (self.managed or self.id) if self.kind == "user" else None


ANONYMOUS = Principal("anonymous")
SERVICE = Principal("service", id="service")
