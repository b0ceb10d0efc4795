"""What a run of reports amounts to, and the contract's event about it (exhaust.md 1.8)."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from lernline.model import Event
from lernline.stream.topics import METRICS


class Tally(msgspec.Struct):
    """Requests of one run. ``total`` holds duplicates too, success and failed do not."""

    total: int = 0
    success: int = 0
    failed: int = 0
    duplicate: int = 0

    def add(self, other: Tally) -> None:
        """Count another run's requests in."""
        self.total += other.total
        self.success += other.success
        self.failed += other.failed
        self.duplicate += other.duplicate


def metric_event(job_name: str, tally: Tally | None, started_ms: int, ended_ms: int) -> Event:
    """The event; a run that was broken off (``tally`` None) has the status FAILED and no figures."""
    figures: list[dict[str, object]] = []
    if tally is not None:
        figures = [
            {"id": "total-requests", "value": tally.total},
            {"id": "success-requests", "value": tally.success},
            {"id": "failed-requests", "value": tally.failed},
            {"id": "duplicate-requests", "value": tally.duplicate},
            {"id": "time-taken-secs", "value": (ended_ms - started_ms) / 1000},
        ]
    day = datetime.fromtimestamp(ended_ms // 1000, tz=UTC).date().isoformat()
    body = {
        "metricts": ended_ms,
        "system": "DataProduct",
        "subsystem": job_name,
        "metrics": figures,
        "dimensions": [
            {"id": "report-date", "value": day},
            {"id": "status", "value": "FAILED" if tally is None else "SUCCESS"},
        ],
    }
    return Event(METRICS, None, msgspec.json.encode(body))
