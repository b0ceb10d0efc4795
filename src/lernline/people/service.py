"""Commands about people: bring profiles in, and see to the certificates that waited for a name (ruling 25)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import msgspec

from lernline import events
from lernline.clock import Clock
from lernline.model import Changes, EnrolmentKey, Event
from lernline.people.profile import read_users
from lernline.store.port import LearningStore, UserDirectory
from lernline.stream.topics import CERTIFICATE_REQUEST

Progress = Callable[[int, int | None], None]


class PeopleStore(LearningStore, UserDirectory, Protocol):
    """State that these commands read and write."""


class Imported(msgspec.Struct, frozen=True):
    """What an import did: profiles written, certificates that are looked at again."""

    profiles: int
    certificate_requests: int


def import_users(
    store: PeopleStore, clock: Clock, path: Path, progress: Progress = lambda _done, _total: None
) -> Imported:
    """Insert or replace the profiles of a file; the whole file is read before the first is written.

    Args:
        store: where they go.
        clock: dates the certificate requests.
        path: CSV or JSON lines with the user cache's field names (``profile.read_users``).
        progress: told how many profiles are done, and of how many.

    Raises:
        BadRequest: the file or a line of it is broken; nothing was written.
        Unavailable: the store is away; what was written so far stays, and the import can be repeated.
    """
    total = sum(len(chunk) for chunk in read_users(path, unknown=lambda _path, _columns: None))
    done = requests = 0
    for chunk in read_users(path):
        store.save_profiles(chunk)
        requests += ask_for_certificates(store, clock, (profile.userid for profile in chunk), "profile")
        done += len(chunk)
        progress(done, total)
    return Imported(done, requests)


def ask_for_certificates(
    store: LearningStore, clock: Clock, userids: Iterable[str], cause: str, *, batchid: str | None = None
) -> int:
    """Put a certificate request on the log for each finished enrolment without one; gives how many.

    A request that turns out to be unnecessary changes nothing: the criteria decide. ``batchid`` leaves out others.
    """
    now = clock.now_ms()
    wanted = [key for key in store.without_certificate(userids) if batchid is None or key.batchid == batchid]
    if wanted:
        store.commit(Changes(events=[_request(key, now, cause) for key in wanted]))
    return len(wanted)


def _request(key: EnrolmentKey, now: int, cause: str) -> Event:
    return Event(CERTIFICATE_REQUEST, key.userid, events.certificate_request(*key, now, (cause, now)))
