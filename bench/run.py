"""Run every measurement, or the ones named on the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SCRIPTS = {
    "cli-start": "cli_start.py",
    "up-ready": "up_ready.py",
    "roll-up": "roll_up.py",
    "state-updates": "state_updates.py",
    "answer-to-certificate": "answer_to_certificate.py",
    "exhaust-20k-in-100k": "exhaust_20k.py",
    "exhaust-20k-in-5m": "exhaust_20k.py",
    "exhaust-1m-sealed": "exhaust_1m.py",
}


def main() -> int:
    """Give 1 when a script failed to measure; a figure that is missed is a result, not a failure."""
    wanted = sys.argv[1:] or list(SCRIPTS)
    unknown = [name for name in wanted if name not in SCRIPTS]
    if unknown:
        print(f"unknown: {', '.join(unknown)}; choose among {', '.join(SCRIPTS)}", file=sys.stderr)
        return 2
    failed = False
    for name in wanted:
        done = subprocess.run([sys.executable, HERE / SCRIPTS[name], name], cwd=HERE.parent, check=False)
        failed = failed or done.returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
