"""Which seal a tenant's policy asks for (exhaust.md 8.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from lernline.errors import BadRequest

Level = Literal[
    "PLAIN_DATASET", "PASSWORD_PROTECTED_DATASET", "TEXT_KEY_ENCRYPTED_DATASET", "PUBLIC_KEY_ENCRYPTED_DATASET"
]
PLAIN: Level = "PLAIN_DATASET"
PASSWORD: Level = "PASSWORD_PROTECTED_DATASET"  # noqa: S105  the name of a level
TEXT_KEY: Level = "TEXT_KEY_ENCRYPTED_DATASET"
PUBLIC_KEY: Level = "PUBLIC_KEY_ENCRYPTED_DATASET"
LEVELS: tuple[Level, ...] = (PLAIN, PASSWORD, TEXT_KEY, PUBLIC_KEY)

PREFERENCE = "dataSecurityPolicy"
DEFAULT_ORG = "default"


class Policy(msgspec.Struct, frozen=True):
    """The level that holds for a report, and whether a tenant stated it (else it is the report's own default)."""

    level: Level
    stated: bool


class _Job(msgspec.Struct):
    level: str | None = None


class _Preference(msgspec.Struct):
    level: str | None = None
    job: dict[str, _Job] = {}


def level_for(preference: bytes | str, job_id: str) -> Level | None:
    """The level that a stored preference gives a job: its own, else the global one, None when it is silent (X-12).

    Raises:
        BadRequest: the preference cannot be read, or names a level that does not exist; nothing may be published.
    """
    try:
        stored = msgspec.json.decode(preference, type=_Preference)
    except (msgspec.DecodeError, RecursionError):
        raise BadRequest(f"the tenant's {PREFERENCE} cannot be read; correct the preference") from None
    own = stored.job.get(job_id)
    named = (own.level if own is not None else None) or stored.level
    if not named:
        return None
    for level in LEVELS:
        if level == named:
            return level
    raise BadRequest(f"the tenant's {PREFERENCE} names the unknown level {named!r}; use one of {', '.join(LEVELS)}")


def effective(preferences: Mapping[str, bytes | str], channel: str, job_id: str, own_default: Level) -> Policy:
    """The policy of a channel's report: the stricter of the tenant's and the installation's, else ``own_default``.

    Args:
        preferences: stored preferences by organisation; ``default`` is the installation's (exhaust.md 8.1).
        channel: the requester's.
        job_id: of the report.
        own_default: the report's own level.

    Raises:
        BadRequest: as ``level_for``.
    """
    stated = [
        level
        for org in (channel, DEFAULT_ORG)
        if org in preferences and (level := level_for(preferences[org], job_id)) is not None
    ]
    if not stated:
        return Policy(own_default, stated=False)
    return Policy(max(stated, key=LEVELS.index), stated=True)


class Seal(msgspec.Struct, frozen=True):
    """How the bytes of a file are made. ``suffix`` is the file's; ``needs_key`` says that a key is used."""

    kind: Literal["csv", "zip", "aes-zip", "text-key", "public-key"]
    suffix: Literal[".csv", ".zip"]

    @property
    def needs_key(self) -> bool:
        """Whether the requester's key opens the file."""
        return self.kind in {"aes-zip", "text-key"}


def seal_for(policy: Policy, *, key_given: bool, public_key_given: bool = False) -> Seal:
    """The seal of a file.

    What a tenant states is done to the letter: PLAIN is an ordinary zip (exhaust.md 8.3), a key or not. Where nobody
    has stated anything and the report's own default is PLAIN, a key that was given seals the file; without one it is
    the bare CSV.

    Args:
        policy: what holds for the report.
        key_given: whether the requester sent a key.
        public_key_given: whether the tenant's own key is at hand.

    Raises:
        BadRequest: the level needs a key and there is none (X-6).
    """
    if policy.level == PUBLIC_KEY:
        if not public_key_given:
            raise BadRequest(
                f"the policy {policy.level} needs the tenant's public key (exhaustEncryptionKey), which cannot be"
                " looked up yet; state another level in the tenant's dataSecurityPolicy",
                code="PUBLIC_KEY_MISSING",
            )
        return Seal("public-key", ".zip")
    if policy.level in {PASSWORD, TEXT_KEY} and not key_given:
        raise BadRequest(
            f"the policy {policy.level} needs an encryptionKey; send one with the request",
            code="ENCRYPTION_KEY_MISSING",
        )
    if policy.level == TEXT_KEY:
        return Seal("text-key", ".zip")
    if policy.level == PLAIN and policy.stated:
        return Seal("zip", ".zip")
    return Seal("aes-zip", ".zip") if key_given else Seal("csv", ".csv")


def check_key(key: str | None, min_length: int) -> None:
    """Refuse a key that protects nothing (ruling 29); None means that none was given.

    Raises:
        BadRequest: blank, or shorter than ``min_length`` characters.
    """
    if key is not None and (not key.strip() or len(key) < min_length):
        raise BadRequest(
            f"encryptionKey is too short: use at least {min_length} characters", code="ENCRYPTION_KEY_TOO_SHORT"
        )
