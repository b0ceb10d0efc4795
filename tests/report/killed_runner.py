"""A runner in a process of its own that tells its progress, one JSON line a time, until somebody kills it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lernline.clock import SystemClock
from lernline.settings import Settings
from lernline.store.requests import JobRequest
from lernline.wiring import Line
from report_worlds import Office


def tell(request: JobRequest) -> None:
    """Say where the request stands."""
    done = [one.batchId for one in request.processed_batches]
    print(json.dumps({"done": done, "rows": request.detail.done_rows}), flush=True)


if __name__ == "__main__":
    line = Line(Settings(data=Path(sys.argv[1]), exhaust_page_size=1), SystemClock())
    Office(line).runner(owner="doomed", lease_ms=2_000, on_progress=tell).run_waiting()
