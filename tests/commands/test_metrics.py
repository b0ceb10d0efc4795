"""Metrics of all processes of an installation, whichever is asked."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from lernline.api.tokens import service_token
from lernline.wiring import Line
from support.terminal import Running, Start, eventually
from support.worlds import BATCH, COURSE, enrol, set_up

pytestmark = pytest.mark.slow
MERGED = 'lernline_stage_events_total{name="processed-enrolment-count",stage="progress"}'
ANSWERED = 'lernline_http_requests_total{route="/v1/content/state/update",status="200"}'


def figure(address: str, series: str) -> float:
    found = re.search(re.escape(series) + r" (\S+)", httpx.get(f"{address}/metrics").text)
    return float(found[1]) if found else 0.0


def learner(opened: Line) -> None:
    set_up(opened)
    enrol(opened, "u1")


def sent(opened: Line, address: str, contentid: str) -> None:
    lesson = {"contentId": contentid, "courseId": COURSE, "batchId": BATCH, "status": 2}
    answer = httpx.patch(
        f"{address}/v1/content/state/update",
        json={"request": {"userId": "u1", "contents": [lesson]}},
        headers={"x-service-token": service_token(opened.settings.keys)},
    )
    assert answer.status_code == 200, answer.text


def address_of(serving: Running) -> str:
    assert serving.process.stderr is not None
    address = serving.process.stderr.readline().split("listens on ")[1].split()[0]
    eventually(lambda: is_up(address))
    return address


def is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").status_code == 200
    except httpx.TransportError:
        return False


def test_whichever_api_is_asked_tells_what_the_workers_and_the_other_api_did(
    opened: Line, start: Start, data: Path
) -> None:
    learner(opened)
    first, second = (address_of(start("serve", "--data", str(data), "--port", "0")) for _ in range(2))
    sent(opened, first, "L1")
    lag = 'lernline_stage_lag{stage="progress"}'
    assert [figure(address, lag) for address in (first, second)] == [1, 1]
    start("work", "--data", str(data), "--stations", "progress")
    for address in (first, second):
        eventually(lambda address=address: figure(address, MERGED) == 1)
        assert figure(address, lag) == 0
        assert figure(address, ANSWERED) == 1


def test_counters_go_on_when_a_process_is_started_again(opened: Line, start: Start, data: Path) -> None:
    learner(opened)
    running = start("up", "--data", str(data), "--port", "0")
    address = running.address()
    sent(opened, address, "L1")
    eventually(lambda: figure(address, MERGED) == 1)
    api, workers = running.children()
    os.kill(workers, signal.SIGKILL)
    eventually(lambda: len(running.children()) == 2 and workers not in running.children())
    assert api in running.children()
    sent(opened, address, "L2")
    eventually(lambda: figure(address, MERGED) == 2)
    assert figure(address, ANSWERED) == 2
    assert len(list(opened.settings.metrics.glob("counter_*.db"))) == 2


def test_an_installation_that_starts_anew_counts_from_nothing(opened: Line, start: Start, data: Path) -> None:
    learner(opened)
    serving = start("serve", "--data", str(data), "--port", "0")
    address = address_of(serving)
    sent(opened, address, "L1")
    assert figure(address, ANSWERED) == 1
    serving.stop()
    assert figure(address_of(start("serve", "--data", str(data), "--port", "0")), ANSWERED) == 0


def counted(folder: Path) -> str:
    program = (
        "import sys, pathlib; from lernline import telemetry as t; t.share_metrics(pathlib.Path(sys.argv[1]));"
        "t.report_rows.labels('progress-exhaust').inc(3); print(t.exposition({'progress': None}).decode())"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    return ran.stdout


def test_a_file_that_a_crash_left_unreadable_is_begun_anew(tmp_path: Path) -> None:
    with (tmp_path / "place-0").open("w"), (tmp_path / "place-1").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        (tmp_path / "counter_0.db").write_bytes(b"\xff\x00\x00\x00 nonsense" * 40)
        text = counted(tmp_path)
    assert 'lernline_report_rows_total{dataset="progress-exhaust"} 3.0' in text
    assert 'lernline_stage_lag{stage="progress"} NaN' in text


def test_without_room_for_shared_metrics_a_process_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way")
    text = counted(tmp_path / "run" / "metrics")
    assert 'lernline_report_rows_total{dataset="progress-exhaust"} 3.0' in text
