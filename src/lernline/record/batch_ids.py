"""Batch ids: digits only, growing with time, never the same twice (A-18).

Digits, because certificate tags, spreadsheets and older clients expect them. 22 of them: ``0``, 13 of milliseconds,
8 at random with a counter that keeps ids of one process and one millisecond in order.
"""

from __future__ import annotations

import secrets
import threading

_RANDOM = 10**8


class BatchIds:
    """Gives ids; may be shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self, now_ms: int) -> str:
        """A new id, greater than every id that this object has given."""
        with self._lock:
            self._last = max(self._last + 1, now_ms * _RANDOM + secrets.randbelow(_RANDOM))
            return f"0{self._last:021d}"
