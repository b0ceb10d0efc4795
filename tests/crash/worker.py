"""A process that runs every station until it is told to stop (SIGTERM), is killed, or its parent is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from lernline.settings import Settings
from lernline.wiring import STATIONS, Line


def main() -> None:
    line = Line(Settings(data=Path(sys.argv[1]), worker_batch_size=20, worker_batch_wait_ms=0))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threads = [threading.Thread(target=line.worker(station).run, args=(stop,)) for station in STATIONS]
    for thread in threads:
        thread.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Thread(target=lambda: sys.stdin.read() or os._exit(1), daemon=True).start()
    for thread in threads:
        thread.join()
    line.close()


main()
