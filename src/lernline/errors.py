"""Errors that a person reads: every one has a stable code, a sentence, and the HTTP status it answers with.

Codes and texts of the catalogue are the contract's (rest-api.md 1.4, ruling 35); texts that the original
lacked say which field is wrong and what to do.
"""

from __future__ import annotations

from typing import ClassVar

CATALOGUE: dict[str, str] = {
    "MANDATORY_PARAMETER_MISSING": "Mandatory parameter {0} is missing.",
    "INVALID_PARAMETER_VALUE": "Invalid value {0} for parameter {1}. Please provide a valid value.",
    "DATA_TYPE_ERROR": "Data type of {0} should be {1}.",
    "INVALID_REQUEST_PARAMETER": "Invalid parameter {0} in request.",
    "INVALID_REQUESTED_DATA": "Requested data for this operation is not valid.",
    "INVALID_DATA": "Incorrect data.",
    "COURSE_ID_REQUIRED_ERROR": "Course id is mandatory.",
    "CONTENT_ID_REQUIRED_ERROR": "Content id is mandatory.",
    "CONTENT_STATUS_MISSING_ERROR": "content status is required .",
    "COURSE_BATCH_ID_MISSING": "Course batch Id required",
    "USERID_MISSING": "UserId is mandatory.",
    "ATTEMPT_ID_REQUIRED_ERROR": "Please provide attempt id.",
    "EVENTS_DATA_MISSING": "Events array is mandatory",
    "ATTEMPTED_DATE_REQUIRED": "Attempted data is required.",
    "DATE_FORMAT_ERRROR": "Date format error.",
    "INVALID_COURSE_BATCH_ID": "Invalid course batch id ",
    "ENROLLMENT_TYPE_VALIDATION": "Enrollment type should be invite-only.",
    "COURSE_BATCH_ALREADY_COMPLETED": "Course batch is already completed.",
    "COURSE_BATCH_ENROLLMENT_DATE_ENDED": "Course batch enrollment date has ended.",
    "USER_ALREADY_ENROLLED_COURSE": "User has already Enrolled this course .",
    "USER_NOT_ENROLLED_COURSE": "User is not enrolled to given course batch.",
    "INVALID_COURSE_ID": "Course doesnot exist. Please provide a valid course identifier",
    "INVALID_ORG_ID": "INVALID_ORG_ID",
    "INVALID_USER_ID": "User Id does not exists in our records",
    "USER_NOT_ASSOCIATED_TO_ROOT_ORG": "User (ID = {0}) not associated to course batch creator root org.",
    "INVALID_PROGRESS_STATUS": "Progress status value should be NOT_STARTED(0), STARTED(1), COMPLETED(2).",
    "COURSE_BATCH_START_DATE_REQUIRED": "Batch start date is mandatory.",
    "COURSE_BATCH_START_DATE_INVALID": "Batch start date should be either today or future date.",
    "INVALID_BATCH_START_DATE_ERROR": "Please provide valid Start Date.",
    "INVALID_BATCH_END_DATE_ERROR": "Please provide valid End Date.",
    "END_DATE_ERROR": "End date should be greater than start date.",
    "COURSE_BATCH_END_DATE_ERROR": "Batch has been closed.",
    "ENROLLMENT_END_DATE_START_ERROR": "Enrollment End date should be greater than course batch start date.",
    "ENROLLMENT_END_DATE_END_ERROR": "Enrollment End date should be lesser than course batch end date.",
    "ENROLLMENT_END_DATE_UPDATE_ERROR": "Invalid Enrollment End date. Please provide future date.",
    "INTERNAL_ERROR": "Process failed,please try again later.",
    "UNAUTHORIZED_USER": "You are not authorized.",
    "FORBIDDEN": "You do not have permission to perform this operation",
}


class LernlineError(Exception):
    """Something a caller did, or a part that is away, in one sentence.

    Attributes:
        code: stable code for programs (``params.err`` over HTTP).
        status: HTTP status the API answers with.
    """

    status: ClassVar[int] = 400
    default_code: ClassVar[str] = "INVALID_REQUESTED_DATA"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code or self.default_code

    @property
    def message(self) -> str:
        """The sentence, without the code."""
        return str(self.args[0])


class BadRequest(LernlineError):
    """The request cannot be accepted as it stands (HTTP 400)."""


class Unauthenticated(LernlineError):
    """No credential that can be believed (HTTP 401)."""

    status = 401
    default_code = "UNAUTHORIZED_USER"


class Forbidden(LernlineError):
    """A good credential that may not do this (HTTP 403)."""

    status = 403
    default_code = "FORBIDDEN"


class NotFound(LernlineError):
    """The thing asked for does not exist (HTTP 404)."""

    status = 404
    default_code = "RESOURCE_NOT_FOUND"


class TooLarge(LernlineError):
    """The body is larger than the service takes (HTTP 413)."""

    status = 413
    default_code = "REQUEST_TOO_LARGE"


class Unavailable(LernlineError):
    """A part that is needed is away for now; nothing was changed; try again (HTTP 503)."""

    status = 503
    default_code = "SERVICE_UNAVAILABLE"


def catalogued(code: str, *args: object, kind: type[LernlineError] = BadRequest) -> LernlineError:
    """An error of the contract's catalogue, its blanks filled with ``args``."""
    return kind(CATALOGUE[code].format(*args), code=code)
