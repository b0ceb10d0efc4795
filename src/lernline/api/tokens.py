"""User tokens (rest-api.md 1.2): RS256 keys from a folder or a JWKS, verification, minting for the embedded mode."""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import msgspec
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from lernline.errors import Unauthenticated, Unavailable

EMBEDDED_ISSUER = "lernline"
EMBEDDED_KID = "lernline-embedded"
_ALGORITHMS = ["RS256"]
_RELOAD_SECONDS = 5.0


class Claims(msgspec.Struct, frozen=True):
    """What a verified token says. ``expires`` in epoch ms, None when the token names no end."""

    subject: str
    expires: int | None
    issuer: str
    parent: str | None = None
    roles: frozenset[str] = frozenset()
    tenant: str | None = None


class TokenKeys:
    """Public keys by their ``kid``; an unknown kid makes it look again, at most every few seconds."""

    def __init__(self, folder: Path, jwks: str = "", timeout: float = 10.0) -> None:
        self._folder = folder
        self._jwks = jwks
        self._timeout = timeout
        self._keys: dict[str, RSAKey] = {}
        self._looked = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str) -> RSAKey | None:
        """The key of that id; None when nobody knows it.

        Raises:
            Unavailable: the JWKS cannot be fetched and the key is not known from before.
        """
        key = self._keys.get(kid)
        if key is None:
            with self._lock:
                if time.monotonic() - self._looked >= _RELOAD_SECONDS or not self._keys:
                    self._keys = {**self._from_folder(), **self._from_jwks()}
                    self._looked = time.monotonic()
            key = self._keys.get(kid)
        return key

    def _from_folder(self) -> dict[str, RSAKey]:
        return {path.stem: RSAKey.import_key(path.read_bytes()) for path in sorted(self._folder.glob("*.pem"))}

    def _from_jwks(self) -> dict[str, RSAKey]:
        if not self._jwks:
            return {}
        try:
            if self._jwks.startswith(("http://", "https://")):
                text = httpx.get(self._jwks, timeout=self._timeout).raise_for_status().content
            else:
                text = Path(self._jwks).read_bytes()
            keys = msgspec.json.decode(text)["keys"]
        except (httpx.HTTPError, OSError, msgspec.DecodeError, KeyError, TypeError) as problem:
            raise Unavailable("The token keys (setting token_jwks) cannot be read; try again later.") from problem
        return {key["kid"]: RSAKey.import_key(key) for key in keys if key.get("kty") == "RSA" and "kid" in key}


def verify(token: str, keys: TokenKeys) -> Claims:
    """Check a token's signature and form; times and issuer are for the caller to judge.

    Raises:
        Unauthenticated: it is no token, or not signed by a known key with RS256.
        Unavailable: the keys cannot be read now.
    """
    try:
        kid = jws.extract_compact(token.encode()).headers().get("kid")
        key = keys.find(kid) if isinstance(kid, str) else None
        if key is None:
            raise Unauthenticated("The token names a key that is not known here.")
        claims = jwt.decode(token, key, algorithms=_ALGORITHMS).claims
    except (JoseError, ValueError) as problem:
        raise Unauthenticated("The token is not valid.") from problem
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.rpartition(":")[2]:
        raise Unauthenticated("The token names no user.")
    return Claims(
        subject=subject.rpartition(":")[2],
        expires=_instant(claims.get("exp")),
        issuer=str(claims.get("iss") or ""),
        parent=claims.get("parentId") if isinstance(claims.get("parentId"), str) else None,
        roles=_roles(claims.get("roles")),
        tenant=claims.get("channel") if isinstance(claims.get("channel"), str) else None,
    )


def _instant(seconds: object) -> int | None:
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise Unauthenticated("The token's exp is not a time.")
    return int(seconds * 1000)


def _roles(value: object) -> frozenset[str]:
    """Role names, written as texts or as the platform's ``{"role", "scope"}`` objects."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return frozenset()
    named = (item.get("role") if isinstance(item, Mapping) else item for item in value)
    return frozenset(name for name in named if isinstance(name, str))


def mint_token(
    keys_folder: Path,
    uid: str,
    roles: Sequence[str] = (),
    channel: str | None = None,
    ttl: float = 3600.0,
    *,
    parent: str | None = None,
) -> str:
    """A token for a user of the embedded mode, good for ``ttl`` seconds; makes the key pair on first use.

    ``parent`` makes it a managed user's token (``x-authenticated-for``).
    """
    now = int(time.time())
    claims: dict[str, Any] = {"iss": EMBEDDED_ISSUER, "sub": f"f:lernline:{uid}", "iat": now, "exp": now + int(ttl)}
    claims |= {"roles": list(roles)} if roles else {}
    claims |= {"channel": channel} if channel else {}
    claims |= {"parentId": parent} if parent else {}
    key = _embedded_key(keys_folder)
    return jwt.encode({"alg": "RS256", "kid": EMBEDDED_KID}, claims, key, algorithms=_ALGORITHMS)


def _embedded_key(folder: Path) -> RSAKey:
    """The embedded private key (mode 0600); its public half lies beside it as ``<kid>.pem``."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = folder / f"{EMBEDDED_KID}.key"
    if not private.exists():
        made = RSAKey.generate_key(2048)
        own = folder / f".{secrets.token_hex(8)}"
        _write_secret(own, made.as_pem(private=True))
        try:
            os.link(own, private)  # whoever links first has made the key; the others use it
        except FileExistsError:
            pass
        finally:
            own.unlink()
    key = _imported(private, private.stat().st_mtime_ns)
    public = folder / f"{EMBEDDED_KID}.pem"
    if not public.exists():
        own = folder / f".{secrets.token_hex(8)}"
        own.write_bytes(key.as_pem(private=False))
        own.replace(public)
    return key


@lru_cache(maxsize=8)
def _imported(path: Path, _written: int) -> RSAKey:
    """A key from its file; to check it costs more than many signatures."""
    return RSAKey.import_key(path.read_bytes())


def service_token(keys_folder: Path) -> str:
    """The embedded service credential (file ``service-token``, mode 0600), made on first use."""
    keys_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = keys_folder / "service-token"
    if not path.exists():
        own = keys_folder / f".{secrets.token_hex(8)}"
        _write_secret(own, secrets.token_urlsafe(32).encode())
        try:
            os.link(own, path)
        except FileExistsError:
            pass
        finally:
            own.unlink()
    return path.read_text("ascii").strip()


def _write_secret(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
