"""Envelopes of the events that Lernline emits, as UTF-8 JSON (pipeline.md 1.1 to 1.5, rest-api.md 3.2 and 4.1).

Every message id is derived from the cause of the event, so that an event that is emitted twice has one identity.
Times are epoch milliseconds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

DEFAULT_CHANNEL = "in.sunbird"

_PIPELINE = {"pdata": {"ver": "1.0", "id": "org.sunbird.platform"}}
_AUDIT_PDATA = {"ver": "3.0", "id": "org.sunbird.learning.platform", "pid": "course-progress-updater"}
_ENROLMENT_PDATA = {"ver": "3.0", "id": "org.sunbird.learning.platform", "pid": "lms-service"}
_UPDATER = {"id": "Course Batch Updater", "type": "System"}
_GENERATOR = {"id": "Course Certificate Generator", "type": "System"}

_CONTENT_PROPS = {"start": ["viewcount"], "complete": ["viewcount", "completedcount"]}
_ENROLMENT_PROPS = {"enrol": ["active", "enrolled_date"], "unenrol": ["active"]}

_encode = msgspec.json.Encoder().encode


def message_id(at_ms: int, *cause: object) -> str:
    """``LP.<ms>.<uuid>`` of a cause; the same cause and time give the same id."""
    return f"LP.{at_ms}.{_derived(cause)}"


def progress_update(
    userid: str, courseid: str, batchid: str, contents: Sequence[dict[str, Any]], at_ms: int, mid: str
) -> bytes:
    """A progress update (pipeline.md 1.1).

    Each of ``contents`` has at least ``contentId`` and ``status``; further fields (times, progress, identity) go
    along for our own stage and are ignored by others.
    """
    edata = {
        "action": "batch-enrolment-update",
        "iteration": 1,
        "userId": userid,
        "courseId": courseid,
        "batchId": batchid,
        "contents": contents,
    }
    return _job_request(_UPDATER, f"{batchid}_{userid}", "CourseBatchEnrolment", edata, at_ms, mid)


def enrolment_sync(userid: str, courseid: str, batchid: str, at_ms: int, mid: str) -> bytes:
    """A request to recompute one enrolment from its stored lessons (pipeline.md 1.2)."""
    edata = {
        "action": "user-enrolment-sync",
        "iteration": 1,
        "userId": userid,
        "courseId": courseid,
        "batchId": batchid,
    }
    return _job_request(_UPDATER, f"{batchid}_{userid}", "CourseBatchEnrolment", edata, at_ms, mid)


def certificate_request(
    userid: str, courseid: str, batchid: str, at_ms: int, cause: object, attempt_id: str | None = None
) -> bytes:
    """A hint that a learner's certificates are to be looked at (pipeline.md 1.4).

    ``cause`` names what led to it (a completion, an attempt); the same cause gives the same message id.
    """
    edata: dict[str, Any] = {
        "userIds": [userid],
        "action": "issue-certificate",
        "iteration": 1,
        "trigger": "auto-issue",
        "batchId": batchid,
        "reIssue": False,
        "courseId": courseid,
    }
    if attempt_id is not None:
        edata["attemptId"] = attempt_id
    mid = message_id(at_ms, "issue-certificate", userid, courseid, batchid, cause)
    return _job_request(_GENERATOR, f"{batchid}_{courseid}", "CourseCertificateGeneration", edata, at_ms, mid)


def content_audit(
    kind: Literal["start", "complete"],
    userid: str,
    courseid: str,
    batchid: str,
    contentid: str,
    at_ms: int,
    *,
    channel: str = DEFAULT_CHANNEL,
) -> bytes:
    """AUDIT of a lesson's first view or first completion (pipeline.md 1.5); one identity per learner and lesson."""
    cause = (kind, userid, courseid, batchid, contentid)
    return _audit(
        cause,
        actor=userid,
        edata={"props": _CONTENT_PROPS[kind], "type": kind},
        subject={"id": contentid, "type": "Content", "rollup": {"l1": courseid}},
        cdata=[{"type": "CourseBatch", "id": batchid}],
        pdata=_AUDIT_PDATA,
        at_ms=at_ms,
        channel=channel,
    )


def enrol_complete_audit(
    userid: str, courseid: str, batchid: str, at_ms: int, *, channel: str = DEFAULT_CHANNEL
) -> bytes:
    """AUDIT of a course's completion (pipeline.md 1.5); one identity per enrolment, since completion is sticky."""
    return _audit(
        ("enrol-complete", userid, courseid, batchid),
        actor=userid,
        edata={"props": ["status", "completedon"], "type": "enrol-complete"},
        subject={"id": userid, "type": "User", "rollup": {"l1": courseid}},
        cdata=[{"type": "CourseBatch", "id": batchid}, {"type": "Course", "id": courseid}],
        pdata=_AUDIT_PDATA,
        at_ms=at_ms,
        channel=channel,
    )


def enrolment_audit(
    kind: Literal["enrol", "unenrol"],
    userid: str,
    courseid: str,
    batchid: str,
    at_ms: int,
    *,
    actor: str | None = None,
    trace: str | None = None,
    channel: str = DEFAULT_CHANNEL,
) -> bytes:
    """AUDIT of an enrolment or its end (rest-api.md 4.1); ``actor`` is who did it when it was not the learner.

    ``trace`` is the request's id; it stands in ``context.cdata`` so that the act can be traced to a request (A-12).
    """
    cdata = [{"type": "Course", "id": courseid}, {"type": "CourseBatch", "id": batchid}]
    if trace:
        cdata.append({"type": "Request", "id": trace})
    return _audit(
        (kind, userid, courseid, batchid, at_ms),
        actor=actor or userid,
        edata={"props": _ENROLMENT_PROPS[kind], "type": kind},
        subject={"id": userid, "type": "User", "rollup": {"l1": courseid}},
        cdata=cdata,
        pdata=_ENROLMENT_PDATA,
        at_ms=at_ms,
        channel=channel,
    )


def batch_audit(
    kind: Literal["create", "update"],
    batchid: str,
    courseid: str,
    props: Sequence[str],
    at_ms: int,
    *,
    actor: str,
    trace: str | None = None,
    channel: str = DEFAULT_CHANNEL,
) -> bytes:
    """AUDIT of a batch that was made or changed (rest-api.md 5.1); ``props`` names the changed fields."""
    cdata = [{"type": "Course", "id": courseid}]
    if trace:
        cdata.append({"type": "Request", "id": trace})
    return _audit(
        (kind, batchid, at_ms, *props),
        actor=actor,
        edata={"props": list(props), "type": kind},
        subject={"id": batchid, "type": "CourseBatch", "rollup": {"l1": courseid}},
        cdata=cdata,
        pdata=_ENROLMENT_PDATA,
        at_ms=at_ms,
        channel=channel,
    )


def _derived(cause: tuple[object, ...]) -> str:
    """A name-based UUID (version 8: the hash is ours, and several times faster than version 5's) of a cause."""
    digest = hashlib.blake2b(_encode([str(part) for part in cause]), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-a{digest[17:20]}-{digest[20:]}"


def _job_request(
    actor: dict[str, str], object_id: str, object_type: str, edata: dict[str, Any], at_ms: int, mid: str
) -> bytes:
    return _encode(
        {
            "eid": "BE_JOB_REQUEST",
            "ets": at_ms,
            "mid": mid,
            "actor": actor,
            "context": _PIPELINE,
            "object": {"id": object_id, "type": object_type},
            "edata": edata,
        }
    )


def _audit(
    cause: tuple[object, ...],
    *,
    actor: str,
    edata: dict[str, Any],
    subject: dict[str, Any],
    cdata: list[dict[str, str]],
    pdata: dict[str, str],
    at_ms: int,
    channel: str,
) -> bytes:
    derived = _derived(cause)
    return _encode(
        {
            "actor": {"id": actor, "type": "User"},
            "eid": "AUDIT",
            "edata": edata,
            "ver": "3.0",
            "syncts": at_ms,
            "ets": at_ms,
            "context": {
                "channel": channel,
                "env": "Course",
                "sid": derived,
                "did": derived,
                "pdata": pdata,
                "cdata": cdata,
            },
            "mid": f"LP.AUDIT.{derived}",
            "object": subject,
            "tags": [],
        }
    )
