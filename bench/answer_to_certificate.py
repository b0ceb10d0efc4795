"""From the answer to the update that finishes a course to the issued certificate, on an idle line."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import httpx

from harness import report
from lernline.model import Batch, Changes, Enrolment, EnrolmentKey, UserProfile
from lernline.settings import Settings
from lernline.wiring import Line
from service import PROGRAM, running
from worlds import set_up

LEARNERS = 60
TEMPLATE = {
    "identifier": "t1",
    "name": "Completion",
    "url": "https://example.org/t.svg",
    "criteria": '{"enrollment":{"status":2}}',
    "issuer": '{"name":"Council","url":"https://example.org"}',
    "signatoryList": '[{"name":"A","id":"a","designation":"Head","image":"data:image/png;base64,aGk="}]',
}


def main() -> None:
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "data"
        line = Line(Settings(data=folder))
        set_up(line, "do_c", [], lessons=1)
        users = [f"user-{number}" for number in range(LEARNERS)]
        line.store.commit(
            Changes(
                batches=[Batch("do_c", "b1", enrollmenttype="open", start_date=0, cert_templates={"t1": TEMPLATE})],
                enrolments=[Enrolment(user, "do_c", "b1", enrolled_date=1, datetime=1) for user in users],
            )
        )
        line.store.save_profiles([UserProfile(userid=user, firstname="Asha", lastname=user) for user in users])
        tokens = {
            user: subprocess.run(
                [PROGRAM, "token", "--user", user, "--data", folder], check=True, capture_output=True, text=True
            ).stdout.strip()
            for user in users
        }
        with running(folder) as address, httpx.Client(base_url=address) as client:
            values = [milliseconds(client, line, user, tokens[user]) for user in users]
        line.close()
        values = values[5:]
        p95 = statistics.quantiles(values, n=20)[-1]
        report(
            "answer-to-certificate",
            "update answered to certificate issued, idle line, p95",
            [p95],
            "ms",
            at_most=500,
            p50=round(statistics.median(values), 1),
            slowest=round(max(values), 1),
        )


def milliseconds(client: httpx.Client, line: Line, user: str, token: str) -> float:
    lesson = {"contentId": "do_c_l000", "courseId": "do_c", "batchId": "b1", "status": 2}
    answer = client.patch(
        "/v1/content/state/update",
        json={"request": {"userId": user, "contents": [lesson]}},
        headers={"x-authenticated-user-token": token},
    )
    answered = time.perf_counter()
    if answer.status_code != 200:
        raise SystemExit(f"the update was refused: {answer.text}")
    key = EnrolmentKey(user, "do_c", "b1")
    while not line.store.enrolments([key])[key].issued_certificates:
        if time.perf_counter() - answered > 20:
            raise SystemExit("no certificate came")
        time.sleep(0.002)
    waited = (time.perf_counter() - answered) * 1000
    time.sleep(0.05)
    return waited


if __name__ == "__main__":
    main()
