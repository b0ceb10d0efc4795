"""Logs and metrics. Neither ever holds a secret, a name, an e-mail address or a phone number."""

from __future__ import annotations

import logging
import sys

import structlog
from prometheus_client import Counter, Gauge, Histogram

stage_counts = Counter(
    "lernline_stage_events", "Counters of the stages, under the contract's names.", ["stage", "name"]
)
requests_answered = Counter("lernline_http_requests", "Requests answered, by route and status.", ["route", "status"])
request_seconds = Histogram("lernline_http_request_seconds", "Time to answer, by route.", ["route"])
stage_lag = Gauge("lernline_stage_lag", "Records that a stage has not handled yet.", ["stage"])
report_rows = Counter("lernline_report_rows", "Rows written to reports.", ["dataset"])
report_missing_profiles = Counter(
    "lernline_report_missing_profiles", "Rows whose learner the directory does not know.", ["dataset"]
)


def count_stage(stage: str, counts: dict[str, int]) -> None:
    """Add the counters of one committed unit of work."""
    for name, by in counts.items():
        stage_counts.labels(stage, name).inc(by)


def configure_logging(level: str, form: str) -> None:
    """Send log lines to standard error, as text for people or as JSON for machines."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
