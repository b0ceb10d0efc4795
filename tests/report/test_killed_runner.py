"""A runner that is killed in the middle of a batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lernline.model import Changes
from lernline.wiring import Line
from report_worlds import KEY, Office, rows_of, unzipped
from support.worlds import BATCH, enrol, open_batch, set_up

LEARNERS = 3000


@pytest.mark.slow
def test_a_killed_runner_leaves_no_half_file_and_another_finishes_the_request(live_line: Line) -> None:
    office = Office(live_line)
    set_up(live_line)
    live_line.store.commit(Changes(batches=[open_batch("batch-2")]))
    enrol(live_line, "asha")
    enrol(live_line, *(f"learner-{number:05}" for number in range(LEARNERS)), batchid="batch-2")
    job = office.ask(config={"batchFilter": [BATCH, "batch-2"]}, encryptionKey=KEY)

    script = Path(__file__).with_name("killed_runner.py")
    command = [sys.executable, str(script), str(live_line.settings.data)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as runner:
        assert runner.stdout is not None
        for text in runner.stdout:
            told = json.loads(text)
            if told["done"] == [BATCH] and told["rows"] > 3:
                break
        runner.kill()

    killed = office.held(job)
    assert (killed.status, [one.batchId for one in killed.processed_batches]) == ("PROCESSING", [BATCH])
    finished = killed.processed_batches[0].filePath
    assert [one.key for one in live_line.blob.list("")] == [finished]
    before = live_line.blob.stat(finished)

    while office.held(job).lease_until > live_line.clock.now_ms():  # type: ignore[operator]
        time.sleep(0.1)
    done = office.run(job)

    assert (done.status, done.iteration, done.err_message) == ("SUCCESS", 0, None)
    assert live_line.blob.stat(finished) == before
    assert office.files() == sorted(done.download_urls)
    rows = rows_of(unzipped(office.file(done.download_urls[1]), KEY))
    assert [row["User UUID"] for row in rows] == [f"learner-{number:05}" for number in range(LEARNERS)]
