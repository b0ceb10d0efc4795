"""What the stores know of learners whose certificates are looked at, read in a handful of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from lernline.catalog.courses import Courses
from lernline.catalog.relations import Relations
from lernline.certify.criteria import EnrolmentFacts, ScoreFact, read_scores
from lernline.certify.requests import IssuedEntry, LearnerFacts
from lernline.model import Batch, Content, Credential, Enrolment, EnrolmentKey, IssuedCertificate, UserProfile
from lernline.store.port import LearningStore, UserDirectory


class CertifyStore(LearningStore, UserDirectory, Protocol):
    """The reads that certificates need."""


class Files(msgspec.Struct):
    """Facts of many enrolments. ``issued`` is kept current while certificates are made.

    ``assessments`` are those that a course asks of its learners; a course whose tree is not known is not among them.
    """

    batches: dict[str, Batch]
    enrolments: dict[EnrolmentKey, Enrolment]
    profiles: dict[str, UserProfile]
    aggregates: dict[EnrolmentKey, dict[str, float]]
    contents: dict[str, Content]
    credentials: dict[EnrolmentKey, list[Credential]]
    issued: dict[EnrolmentKey, list[IssuedCertificate]]
    assessments: dict[str, tuple[str, ...]]

    def learner(self, key: EnrolmentKey) -> LearnerFacts:
        """One learner's facts, in the form that the criteria judge."""
        enrolment = self.enrolments.get(key)
        profile = self.profiles.get(key.userid)
        types = {one.identifier: one.content_type for one in self.contents.values() if one.content_type}
        course = self.contents.get(key.courseid)
        return LearnerFacts(
            enrolment=None
            if enrolment is None
            else EnrolmentFacts(enrolment.active, enrolment.status, enrolment.completedon),
            issued=tuple(entry_of(one) for one in self.issued.get(key, ())),
            enrolment_columns={} if enrolment is None else _columns(enrolment),
            scores=self._scores(key, types),
            user=None if profile is None else _user(profile),
            course_name=course.name if course is not None else "",
        )

    def _scores(self, key: EnrolmentKey, types: dict[str, str]) -> tuple[ScoreFact, ...]:
        """What was attempted, and what the course asks for and was not: else one easy quiz would earn it all (C-9)."""
        attempted = read_scores({}, self.aggregates.get(key, {}), types)
        known = {one.content_id for one in attempted}
        open_ones = (one for one in self.assessments.get(key.courseid, ()) if one not in known)
        return (*attempted, *(ScoreFact(one, types.get(one), None) for one in open_ones))


def read_files(store: CertifyStore, courses: Courses, keys: Iterable[EnrolmentKey]) -> Files:
    """The facts of these enrolments."""
    wanted = set(keys)
    enrolments = store.enrolments(wanted)
    learners: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key in wanted:
        learners[key.courseid, key.batchid].append(key.userid)
    aggregates = {
        EnrolmentKey(userid, courseid, batchid): values
        for (courseid, batchid), userids in learners.items()
        for userid, values in store.aggregates(courseid, batchid, userids).items()
    }
    scored = {name.removeprefix("score:") for values in aggregates.values() for name in values if name[:6] == "score:"}
    courseids = {key.courseid for key in wanted}
    assessments = {one: _required_assessments(relations) for one, relations in courses.get(courseids).items()}
    return Files(
        batches=store.batches({key.batchid for key in wanted}),
        enrolments=enrolments,
        profiles=store.profiles({key.userid for key in wanted}),
        aggregates=aggregates,
        contents=courses.contents(scored.union(courseids, *assessments.values())),
        credentials=store.credentials(wanted),
        issued={key: _issued(enrolment) for key, enrolment in enrolments.items()},
        assessments=assessments,
    )


def _required_assessments(relations: Relations) -> tuple[str, ...]:
    """Assessments of a course that are not optional in it, in tree order."""
    return tuple(one.identifier for one in relations.assessments if one.identifier in relations.required)


def entry_of(one: IssuedCertificate) -> IssuedEntry:
    """An issued entry in the form that the rules compare."""
    return IssuedEntry(one.name, one.identifier, one.templateId or "", one.templateVersion or "")


def _issued(enrolment: Enrolment) -> list[IssuedCertificate]:
    """Entries of both columns; those of the older one carry ``id`` instead of ``identifier``."""
    older = [
        IssuedCertificate(identifier=str(one.get("identifier") or one.get("id") or ""), name=str(one.get("name") or ""))
        for one in enrolment.certificates
    ]
    names = {one.name.casefold() for one in enrolment.issued_certificates}
    return [*enrolment.issued_certificates, *(one for one in older if one.name.casefold() not in names)]


def _columns(enrolment: Enrolment) -> dict[str, Any]:
    """Enrolment columns by the names that templates use."""
    return {
        "completedOn": enrolment.completedon,
        "completedon": enrolment.completedon,
        "enrolledDate": enrolment.enrolled_date,
        "enrolled_date": enrolment.enrolled_date,
        "status": enrolment.status,
        "progress": enrolment.progress,
    }


def _user(profile: UserProfile) -> dict[str, Any]:
    """A profile under the field names of the user read."""
    places = (("state", profile.state), ("district", profile.district), ("block", profile.block))
    return {
        "id": profile.userid,
        "firstName": profile.firstname,
        "lastName": profile.lastname,
        "rootOrgId": profile.rootorgid or "",
        "userLocations": [{"type": kind, "name": name} for kind, name in places if name],
    }
