"""Reads of learners' state, one query for any number of keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Table, func, or_, select

from lernline.model import (
    Attempt,
    Batch,
    Credential,
    Enrolment,
    EnrolmentKey,
    Identity,
    LessonKey,
    LessonState,
    Question,
)
from lernline.store.sql import rows, tables
from lernline.store.sql.engine import Database
from lernline.store.sql.statements import as_parameter, bulk_keys, on_key


def _columns(table: Table, names: Sequence[str]) -> list[Any]:
    return [table.c[name] for name in names]


_keys = bulk_keys()
_enrolment = tables.user_enrolments
_lesson = tables.user_content_consumption
_attempt = tables.assessment_aggregator
_aggregate = tables.user_activity_agg
_batch = tables.course_batch
_credential = tables.credential
_identity = tables.event_identity

_batch_columns = _columns(_batch, rows.BATCH_COLUMNS + rows.LEGACY_BATCH_COLUMNS)
_lesson_columns = _columns(_lesson, rows.LESSON_COLUMNS + rows.LEGACY_LESSON_COLUMNS)
_enrolment_columns = _columns(_enrolment, rows.ENROLMENT_COLUMNS)
_credential_columns = _columns(
    _credential,
    (
        "id",
        "userid",
        "courseid",
        "batchid",
        "template_id",
        "template_version",
        "template_name",
        "document",
        "svg_template",
        "issued_on",
        "sequence",
        "superseded_by",
    ),
)

_batches_by_id = select(*_batch_columns).select_from(_keys.join(_batch, on_key(_keys, _batch.c.batchid)))
_enrolments_by_key = select(*_enrolment_columns).select_from(
    _keys.join(_enrolment, on_key(_keys, _enrolment.c.userid, _enrolment.c.courseid, _enrolment.c.batchid))
)
_memberships_by_key = select(*_columns(_enrolment, ("userid", "courseid", "batchid", "active"))).select_from(
    _keys.join(_enrolment, on_key(_keys, _enrolment.c.userid, _enrolment.c.courseid, _enrolment.c.batchid))
)
_enrolments_of_user = select(*_enrolment_columns).select_from(
    _keys.join(_enrolment, on_key(_keys, _enrolment.c.userid))
)
_lessons_by_key = select(*_lesson_columns).select_from(
    _keys.join(_lesson, on_key(_keys, _lesson.c.userid, _lesson.c.courseid, _lesson.c.batchid, _lesson.c.contentid))
)
_lessons_of_enrolment = (
    select(*_lesson_columns)
    .select_from(_keys.join(_lesson, on_key(_keys, _lesson.c.userid, _lesson.c.courseid, _lesson.c.batchid)))
    .order_by(_lesson.c.userid, _lesson.c.courseid, _lesson.c.batchid, _lesson.c.contentid)
)
_attempts_of_enrolment = (
    select(*_columns(_attempt, rows.ATTEMPT_COLUMNS))
    .select_from(_keys.join(_attempt, on_key(_keys, _attempt.c.user_id, _attempt.c.course_id, _attempt.c.batch_id)))
    .order_by(_attempt.c.content_id, _attempt.c.attempt_id)
)
_course_aggregates = select(_aggregate.c.user_id, _aggregate.c.agg, _aggregate.c.aggregates).select_from(
    _keys.join(
        _aggregate,
        on_key(_keys, _aggregate.c.context_id, _aggregate.c.activity_id, _aggregate.c.user_id)
        & (_aggregate.c.activity_type == "Course"),
    )
)
_seen = select(_identity.c.userid, _identity.c.digest).select_from(
    _keys.join(_identity, on_key(_keys, _identity.c.userid, _identity.c.digest))
)
_credentials_of = (
    select(*_credential_columns)
    .select_from(
        _keys.join(_credential, on_key(_keys, _credential.c.userid, _credential.c.courseid, _credential.c.batchid))
    )
    .order_by(_credential.c.issued_on, _credential.c.id)
)
_holds_nothing = func.coalesce(_enrolment.c.issued_certificates, "[]").in_(("", "[]", "null")) & func.coalesce(
    _enrolment.c.certificates, "[]"
).in_(("", "[]", "null"))
_attempted = (
    select(1)
    .where(
        _attempt.c.user_id == _enrolment.c.userid,
        _attempt.c.course_id == _enrolment.c.courseid,
        _attempt.c.batch_id == _enrolment.c.batchid,
    )
    .exists()
)
_without_certificate = (
    select(_enrolment.c.userid, _enrolment.c.courseid, _enrolment.c.batchid)
    .select_from(
        _keys.join(_enrolment, on_key(_keys, _enrolment.c.userid)).join(
            _batch, (_batch.c.courseid == _enrolment.c.courseid) & (_batch.c.batchid == _enrolment.c.batchid)
        )
    )
    .where(
        func.coalesce(_enrolment.c.active, True),
        func.coalesce(_batch.c.cert_templates, "{}").not_in(("", "{}", "null")),
        _holds_nothing,
        or_(_enrolment.c.status == 2, _attempted),
    )
    .order_by(_enrolment.c.userid, _enrolment.c.courseid, _enrolment.c.batchid)
)


class LearningReads:
    """The reading half of ``LearningStore`` over SQL."""

    db: Database
    zone_name: str

    def batches(self, batch_ids: Iterable[str]) -> dict[str, Batch]:
        """Batches by their id."""
        with self.db.reading() as connection:
            found = connection.execute(_batches_by_id, as_parameter([(key,) for key in set(batch_ids)])).all()
            return {row[1]: rows.batch_from_row(row, self.zone_name) for row in found}

    def enrolments(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, Enrolment]:
        """Enrolment rows, active or not."""
        with self.db.reading() as connection:
            found = (
                rows.enrolment_from_row(row) for row in connection.execute(_enrolments_by_key, as_parameter(keys)).all()
            )
            return {enrolment.key: enrolment for enrolment in found}

    def memberships(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, bool]:
        """Which of these enrolments exist, and whether each is active."""
        with self.db.reading() as connection:
            found = connection.execute(_memberships_by_key, as_parameter(keys)).all()
            return {EnrolmentKey(*row[:3]): row[3] is None or bool(row[3]) for row in found}

    def enrolments_of_user(self, userid: str) -> list[Enrolment]:
        """All rows of one learner, newest enrolment first, rows without a date last."""
        with self.db.reading() as connection:
            found = connection.execute(_enrolments_of_user, as_parameter([(userid,)])).all()
            enrolments = [rows.enrolment_from_row(row) for row in found]
        return sorted(enrolments, key=lambda one: (-(one.enrolled_date or 0), one.courseid, one.batchid))

    def learners_of_batch(self, batchid: str, *, active: bool | None = True) -> list[str]:
        """User ids in a batch, sorted; ``active=None`` for all."""
        query = select(_enrolment.c.userid).where(_enrolment.c.batchid == batchid).order_by(_enrolment.c.userid)
        if active is not None:
            query = query.where(func.coalesce(_enrolment.c.active, True) == active)
        with self.db.reading() as connection:
            return list(connection.execute(query).scalars())

    def lesson_states(self, keys: Iterable[LessonKey]) -> dict[LessonKey, LessonState]:
        """Lesson rows by their keys."""
        with self.db.reading() as connection:
            found = (rows.lesson_from_row(row) for row in connection.execute(_lessons_by_key, as_parameter(keys)).all())
            return {state.key: state for state in found}

    def lessons_of(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, list[LessonState]]:
        """All lesson rows of each enrolment, ordered by content id."""
        wanted = set(keys)
        lessons: dict[EnrolmentKey, list[LessonState]] = {key: [] for key in wanted}
        with self.db.reading() as connection:
            for row in connection.execute(_lessons_of_enrolment, as_parameter(wanted)).all():
                lessons[EnrolmentKey(row[0], row[1], row[2])].append(rows.lesson_from_row(row))
        return lessons

    def seen(self, identities: Iterable[Identity]) -> set[Identity]:
        """Which of these updates have been counted already."""
        with self.db.reading() as connection:
            return {Identity(*row) for row in connection.execute(_seen, as_parameter(identities))}

    def attempts(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, list[Attempt]]:
        """All attempts of each enrolment without their questions, ordered by content and attempt id."""
        attempts: dict[EnrolmentKey, list[Attempt]] = {}
        with self.db.reading() as connection:
            for row in connection.execute(_attempts_of_enrolment, as_parameter(set(keys))).all():
                attempt = rows.attempt_from_row(row)
                attempts.setdefault(attempt.enrolment, []).append(attempt)
        return attempts

    def questions(self, attempt: Attempt) -> list[Question]:
        """The questions of one attempt."""
        query = select(_attempt.c.question).where(
            _attempt.c.user_id == attempt.user_id,
            _attempt.c.course_id == attempt.course_id,
            _attempt.c.batch_id == attempt.batch_id,
            _attempt.c.content_id == attempt.content_id,
            _attempt.c.attempt_id == attempt.attempt_id,
        )
        with self.db.reading() as connection:
            return rows.questions(connection.execute(query).scalar())

    def aggregates(self, courseid: str, batchid: str, userids: Iterable[str]) -> dict[str, dict[str, float]]:
        """The course row's map for each learner; the obsolete ``agg`` counts where ``aggregates`` lacks a key."""
        keys = [(f"cb:{batchid}", courseid, userid) for userid in set(userids)]
        with self.db.reading() as connection:
            found = connection.execute(_course_aggregates, as_parameter(keys)).all()
            return {userid: rows.numbers(agg) | rows.numbers(aggregates) for userid, agg, aggregates in found}

    def search_batches(
        self, *, course_ids: Sequence[str] = (), created_by: str | None = None, mentor: str | None = None
    ) -> list[Batch]:
        """Batches that fit what is given; no argument gives all. The case of users' ids does not matter."""
        query = select(*_batch_columns)
        if course_ids:
            query = query.where(_batch.c.courseid.in_(course_ids))
        if created_by is not None:
            query = query.where(func.lower(_batch.c.createdby) == created_by.lower())
        if mentor is not None:
            listed = func.json_each(func.coalesce(_batch.c.mentors, "[]")).table_valued("value", name="m")
            query = query.where(
                or_(select(1).select_from(listed).where(func.lower(listed.c.value) == mentor.lower()).exists())
            )
        with self.db.reading() as connection:
            return [rows.batch_from_row(row, self.zone_name) for row in connection.execute(query)]

    def credentials(self, keys: Iterable[EnrolmentKey]) -> dict[EnrolmentKey, list[Credential]]:
        """Credentials issued to each enrolment, oldest first."""
        issued: dict[EnrolmentKey, list[Credential]] = {}
        with self.db.reading() as connection:
            for row in connection.execute(_credentials_of, as_parameter(set(keys))).all():
                issued.setdefault(EnrolmentKey(row[1], row[2], row[3]), []).append(Credential(*row))
        return issued

    def credential(self, credential_id: str) -> Credential | None:
        """One credential by its id."""
        query = select(*_credential_columns).where(_credential.c.id == credential_id)
        with self.db.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else Credential(*row)

    def without_certificate(self, userids: Iterable[str]) -> list[EnrolmentKey]:
        """Active enrolments without a certificate in batches with templates, complete or with an attempt."""
        with self.db.reading() as connection:
            found = connection.execute(_without_certificate, as_parameter([(one,) for one in set(userids)]))
            return [EnrolmentKey(*row) for row in found]
