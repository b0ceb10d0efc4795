"""Where state lives: typed reads and writes named for what the line needs (design 3).

Reads of a few rows give typed values; reads of many give Arrow record batches in long form, so that a report's
expression never learns the backend. Every method may raise ``lernline.errors.Unavailable``; nothing is half written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, Self

import msgspec

from lernline.model import (
    Attempt,
    Batch,
    Changes,
    Content,
    Credential,
    DeadLetter,
    Enrolment,
    EnrolmentKey,
    Identity,
    LessonKey,
    LessonState,
    Position,
    UserProfile,
)

if TYPE_CHECKING:
    import pyarrow as pa


class Fenced(Exception):
    """Another owner has moved the group on since this batch was read; nothing of it was written."""


class LearningStore(Protocol):
    """Learners' state: batches, enrolments, lessons, attempts, aggregates."""

    def commit(self, changes: Changes, position: Position | None = None) -> None:
        """Write everything in ``changes``, put its events on the log and move the group, in one transaction.

        Raises:
            Fenced: the group does not stand at ``position.start`` any more.
        """
        ...

    def batches(self, batch_ids: Iterable[str]) -> dict[str, Batch]:
        """Batches by their id."""
        ...

    def enrolments(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, Enrolment]:
        """Enrolment rows, active or not."""
        ...

    def memberships(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, bool]:
        """Which of these enrolments exist, and whether each is active."""
        ...

    def enrolments_of_user(self, userid: str) -> list[Enrolment]:
        """All rows of one learner, newest enrolment first, rows without a date last."""
        ...

    def learners_of_batch(self, batchid: str, *, active: bool | None = True) -> list[str]:
        """User ids in a batch, sorted; ``active=None`` for all."""
        ...

    def lesson_states(self, keys: Iterable[LessonKey]) -> dict[LessonKey, LessonState]:
        """Lesson rows by their keys."""
        ...

    def lessons_of(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, list[LessonState]]:
        """All lesson rows of each enrolment, ordered by content id."""
        ...

    def seen(self, identities: Iterable[Identity]) -> set[Identity]:
        """Which of these updates have been counted already."""
        ...

    def attempts(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, list[Attempt]]:
        """All attempts of each enrolment without their questions, ordered by content and attempt id."""
        ...

    def aggregates(self, courseid: str, batchid: str, userids: Iterable[str]) -> dict[str, dict[str, float]]:
        """The course row's ``aggregates`` map for each learner."""
        ...

    def search_batches(
        self, *, course_ids: Sequence[str] = (), created_by: str | None = None, mentor: str | None = None
    ) -> list[Batch]:
        """Batches that fit what is given; no argument gives all. The case of users' ids does not matter."""
        ...

    def credentials(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, list[Credential]]:
        """Credentials issued to each enrolment, oldest first."""
        ...

    def credential(self, credential_id: str) -> Credential | None:
        """One credential by its id."""
        ...

    def without_certificate(self, userids: Iterable[str]) -> list[EnrolmentKey]:
        """Active enrolments of these learners that hold no certificate though there may be a reason for one.

        The batch has templates, and the course is complete or an assessment was attempted.
        """
        ...


class CatalogStore(Protocol):
    """Course trees and what is known of contents."""

    def catalog_version(self) -> int:
        """A number that grows with every change of the catalog, by any process."""
        ...

    def hierarchies(self, course_ids: Iterable[str]) -> dict[str, bytes]:
        """Published trees as stored, JSON text."""
        ...

    def relation_sets(self, course_ids: Iterable[str]) -> dict[str, dict[str, list[str]]]:
        """Per course, its relation keys and their members."""
        ...

    def contents(self, ids: Iterable[str]) -> dict[str, Content]:
        """Content metadata by identifier."""
        ...


class UserDirectory(Protocol):
    """Who the learners are."""

    def profiles(self, user_ids: Iterable[str]) -> dict[str, UserProfile]:
        """Profiles of those learners that are known."""
        ...

    def profile_table(self, user_ids: pa.StringArray, fields: Sequence[str]) -> pa.Table:
        """The same in bulk, known ones only: ``userid`` and the named fields of ``UserProfile``, all text."""
        ...

    def save_profiles(self, profiles: Sequence[UserProfile]) -> None:
        """Insert or replace profiles."""
        ...


class BatchReads(Protocol):
    """Bulk reads of one batch, page by page of learners in order of user id, under one snapshot.

    A page is a half-open range of user ids; cost is in proportion to the page.
    """

    def __enter__(self) -> Self:
        """Begin the snapshot."""
        ...

    def __exit__(self, *exc: object) -> None:
        """End it."""
        ...

    def count(self) -> int:
        """Active enrolments in the batch."""
        ...

    def enrolments(self, page_size: int) -> Iterator[pa.Table]:
        """Active enrolments, ordered by ``userid``.

        Columns: userid (text), enrolled_date (int64 ms, null),
        completedon (int64 ms, null), status (int32), issued (bool: holds a certificate of either column),
        completed (int32: required leaves of the given tree that are complete; null when the tree is unknown).
        """
        ...

    def units(self, page: pa.Table) -> pa.Table:
        """Completed required leaves per nested collection for the learners of a page, in long form.

        Columns: userid (text), unitid (text), completed (int32). Collections nobody touched have no row.
        """
        ...

    def scores(self, page: pa.Table) -> pa.Table:
        """Best attempt per assessment for the learners of a page, in long form.

        Columns: userid (text), contentid (text), score (double), max_score (double, null).
        """
        ...


class CourseShape(msgspec.Struct, frozen=True):
    """What a bulk read needs to know of a course: its required leaves and those of each nested collection."""

    courseid: str
    version: str
    required: frozenset[str]
    units: dict[str, frozenset[str]]
    assessments: tuple[str, ...]
    tree_known: bool = True


class ReportStore(Protocol):
    """Reads for reports and the request table."""

    def batch_reads(self, batch: Batch, course: CourseShape) -> BatchReads:
        """Open the bulk reads of one batch under one snapshot."""
        ...


class DeadLetterStore(Protocol):
    """Records set aside."""

    def dead_letters(self, *, stage: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """Newest first, those that wait."""
        ...

    def dead_letter(self, letter_id: int) -> DeadLetter | None:
        """One, whatever its state."""
        ...

    def close_dead_letters(self, ids: Sequence[int], state: str) -> int:
        """Mark as ``replayed`` or ``dropped``; gives how many were waiting."""
        ...


class Store(LearningStore, CatalogStore, UserDirectory, ReportStore, DeadLetterStore, Protocol):
    """All of it, as one backend offers it."""
