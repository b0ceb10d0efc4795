"""A running installation to measure: `lernline up` on a free port and a folder of its own."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

PROGRAM = Path(sys.executable).parent / "lernline"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(folder: Path, *extra: str) -> Iterator[str]:
    """Start the service and give its address once it answers; it is stopped at the end."""
    port = free_port()
    log = (folder.parent / f"{folder.name}.log").open("w")
    process = subprocess.Popen([PROGRAM, "up", "--data", folder, "--port", str(port), *extra], stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def wait_until_healthy(address: str, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"the service ended with code {process.returncode}")
        try:
            if httpx.get(f"{address}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.01)
    raise SystemExit("the service did not become ready")
