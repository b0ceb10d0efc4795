"""A client of the service, as a portal or a player is one: plain HTTP, the contract's paths and bodies."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx

from lernline.api.tokens import mint_token
from lernline.demo.cast import CHANNEL, COURSE, MENTOR, QUESTIONS, Learner
from lernline.errors import LernlineError
from lernline.times import format_time

_ROLES = ("COURSE_MENTOR", "CONTENT_CREATOR", "REPORT_ADMIN")


class DemoFailed(LernlineError):
    """The demo did not come to its end; the sentence says where."""

    default_code = "DEMO_FAILED"


class Client:
    """Calls of learners and of their mentor, each with their own token."""

    def __init__(self, address: str, token_keys: Path) -> None:
        self._http = httpx.Client(base_url=address, timeout=20)
        self._keys = token_keys
        self._tokens: dict[str, str] = {}
        self.calls = 0

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def create_batch(self, name: str, start: str) -> str:
        """A batch of the course that begins on ``start`` (yyyy-MM-dd); gives its id."""
        wanted = {"courseId": COURSE, "name": name, "enrollmentType": "open", "startDate": start}
        return str(self._mentor("POST", "/course/v1/batch/create", wanted)["batchId"])

    def attach(self, batchid: str, template: dict[str, Any]) -> None:
        """Attach a certificate template."""
        batch = {"courseId": COURSE, "batchId": batchid, "template": template}
        self._mentor("PATCH", "/course/batch/cert/v1/template/add", {"batch": batch})

    def enrol(self, learner: Learner, batchid: str) -> None:
        """The learner enrols."""
        wanted = {"userId": learner.userid, "courseId": COURSE, "batchId": batchid}
        self._learner(learner, "POST", "/course/v1/enrol", wanted)

    def open_and_finish(self, learner: Learner, batchid: str, contentid: str) -> None:
        """A player's two updates of a lesson: it was opened, it was finished."""
        for status in (1, 2):
            content = {"contentId": contentid, "courseId": COURSE, "batchId": batchid, "status": status}
            content["lastAccessTime"] = format_time(_now_ms())
            self._update(learner, contents=[content])

    def take(self, learner: Learner, batchid: str, contentid: str, points: int) -> None:
        """One attempt of a self-assessment: ``points`` questions answered rightly."""
        now = _now_ms()
        events = [
            {
                "eid": "ASSESS",
                "ets": now,
                "actor": {"id": learner.userid, "type": "User"},
                "edata": {
                    "item": {
                        "id": f"{contentid}_q{number}",
                        "maxscore": 1,
                        "type": "mcq",
                        "title": f"Question {number}",
                    },
                    "pass": "Yes" if number <= points else "No",
                    "score": 1 if number <= points else 0,
                    "resvalues": [{"1": "right" if number <= points else "wrong"}],
                    "duration": 7,
                },
            }
            for number in range(1, QUESTIONS + 1)
        ]
        attempt = {
            "assessmentTs": now,
            "userId": learner.userid,
            "courseId": COURSE,
            "batchId": batchid,
            "contentId": contentid,
            "attemptId": uuid.uuid4().hex,
            "events": events,
        }
        self._update(learner, assessments=[attempt])

    def enrolment(self, learner: Learner, batchid: str) -> dict[str, Any]:
        """The learner's enrolment as their portal lists it."""
        listed = self._learner(learner, "GET", f"/course/v1/user/enrollment/list/{learner.userid}")["courses"]
        return next(dict(one) for one in listed if one["batchId"] == batchid)

    def ask_for_report(self, batchid: str) -> dict[str, Any]:
        """The mentor asks for the progress exhaust of a batch; gives the job."""
        wanted = {"tag": f"{COURSE}_{batchid}", "dataset": "progress-exhaust", "datasetConfig": {"batchId": batchid}}
        return self._mentor("POST", "/dataset/v1/request/submit", wanted | {"requestedBy": MENTOR})

    def report(self, job: dict[str, Any]) -> dict[str, Any]:
        """The job as it stands."""
        return self._mentor("GET", f"/dataset/v1/request/read/{job['tag']}?requestId={job['requestId']}")

    def download(self, link: str) -> bytes:
        """The file behind a signed link; no token is needed."""
        return self._http.get(link).raise_for_status().content

    def _update(self, learner: Learner, **parts: Any) -> None:
        self._learner(learner, "PATCH", "/course/v1/content/state/update", {"userId": learner.userid, **parts})

    def _learner(self, learner: Learner, method: str, path: str, request: Any = None) -> dict[str, Any]:
        return self._call(method, path, request, self._token(learner.userid))

    def _mentor(self, method: str, path: str, request: Any = None) -> dict[str, Any]:
        return self._call(method, path, request, self._token(MENTOR, _ROLES, CHANNEL))

    def _token(self, userid: str, roles: Sequence[str] = (), channel: str | None = None) -> str:
        if userid not in self._tokens:
            self._tokens[userid] = mint_token(self._keys, userid, roles, channel)
        return self._tokens[userid]

    def _call(self, method: str, path: str, request: Any, token: str) -> dict[str, Any]:
        headers = {"x-authenticated-user-token": token, "x-channel-id": CHANNEL}
        self.calls += 1
        try:
            answer = self._http.request(
                method, path, json=None if request is None else {"request": request}, headers=headers
            )
        except httpx.HTTPError as problem:
            raise DemoFailed(f"{method} {path} was not answered ({type(problem).__name__})") from problem
        body = answer.json()
        if answer.status_code != httpx.codes.OK:
            raise DemoFailed(f"{method} {path} answered {answer.status_code}: {body['params'].get('errmsg')}")
        return dict(body["result"])


def wait_for(what: str, look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Look again and again until there is something to see.

    Raises:
        DemoFailed: the time is up.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise DemoFailed(f"waited {seconds:g} s for {what}, in vain")
        time.sleep(0.05)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
