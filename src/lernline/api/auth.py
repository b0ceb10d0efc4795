"""From a request's headers to its principal. Several credentials: service before user before consumer (ruling 10)."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from concurrent.futures import Executor

import msgspec

from lernline.api.principals import ANONYMOUS, SERVICE, Principal
from lernline.api.tokens import EMBEDDED_ISSUER, TokenKeys, service_token, verify
from lernline.clock import Clock
from lernline.errors import Unauthenticated
from lernline.settings import Settings

Headers = Mapping[bytes, bytes]

_REMEMBERED = 50_000


class Authenticator:
    """Verifies credentials; a token that was verified once is remembered until it is pushed out or ends."""

    def __init__(self, settings: Settings, clock: Clock, executor: Executor) -> None:
        folder = settings.token_keys or settings.keys / "tokens"
        self._keys = TokenKeys(folder, settings.token_jwks, settings.platform_timeout_seconds)
        self._issuer = settings.token_issuer or EMBEDDED_ISSUER
        self._clock = clock
        self._executor = executor
        self._gateways = frozenset(settings.gateway_addresses)
        self._service_token = (settings.service_token.get_secret_value() or service_token(settings.keys)).encode()
        self._known: dict[tuple[bytes, bytes | None], Principal] = {}

    def remembered(self, headers: Headers) -> Principal | None:
        """The principal of a token that was verified before; None when there is anything left to do."""
        token = headers.get(b"x-authenticated-user-token")
        if token is None or b"x-service-token" in headers:
            return None
        return self._known.get((token, headers.get(b"x-authenticated-for") or None))

    async def principal(self, headers: Headers, peer: str) -> Principal:
        """Who sent these headers. A credential that is not believed makes an anonymous principal with a ``problem``.

        The end of a token is noted (``expires``), not judged: that is the route's rule.

        Raises:
            Unavailable: the keys cannot be read now.
        """
        offered = headers.get(b"x-service-token")
        if offered is not None:
            if hmac.compare_digest(offered, self._service_token):
                return SERVICE
            return Principal("anonymous", problem="The service token is not valid.")
        token = headers.get(b"x-authenticated-user-token")
        if token:
            return self.remembered(headers) or await self._verified(
                (token, headers.get(b"x-authenticated-for") or None)
            )
        return self._consumer(headers, peer)

    async def _verified(self, credential: tuple[bytes, bytes | None]) -> Principal:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._executor, self._verify, *credential)
        except Unauthenticated as problem:
            return Principal("anonymous", problem=problem.message)
        while len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[credential] = found
        return found

    def _verify(self, token: bytes, managed: bytes | None) -> Principal:
        claims = verify(token.decode("ascii", "replace"), self._keys)
        if claims.issuer != self._issuer:
            raise Unauthenticated("The token comes from another issuer.")
        if claims.parent is not None:
            raise Unauthenticated("A managed user's token belongs into x-authenticated-for.")
        if claims.expires is None:
            raise Unauthenticated("The token names no end.")
        user = Principal("user", id=claims.subject, roles=claims.roles, tenant=claims.tenant, expires=claims.expires)
        if managed is None:
            return user
        child = verify(managed.decode("ascii", "replace"), self._keys)
        if child.parent != claims.subject:
            raise Unauthenticated("The managed user's token belongs to another parent.")
        ends = claims.expires if child.expires is None else min(claims.expires, child.expires)
        return msgspec.structs.replace(user, managed=child.subject, expires=ends)

    def _consumer(self, headers: Headers, peer: str) -> Principal:
        consumer = headers.get(b"x-consumer-id")
        if not consumer or peer not in self._gateways:
            return ANONYMOUS
        return Principal(
            "consumer",
            id=_text(consumer),
            tenant=_text(headers.get(b"x-channel-id")) or None,
            on_behalf_of=_text(headers.get(b"x-authenticated-userid")) or None,
        )


def _text(value: bytes | None) -> str:
    return value.decode("latin-1").strip() if value else ""
