"""Looking at tables as they lie in the database, past the code under test."""

from __future__ import annotations

import json
from typing import Any

from lernline.wiring import Line


def table(line: Line, query: str, *parameters: object) -> list[dict[str, Any]]:
    """Rows of a query as dicts."""
    with line.db.reading() as connection:
        return [dict(row) for row in connection.exec_driver_sql(query, parameters).mappings()]


def aggregates(line: Line, userid: str, activity: str | None = None) -> dict[str, dict[str, float]]:
    """``aggregates`` maps of a learner by activity."""
    found = table(line, "SELECT activity_id, aggregates FROM user_activity_agg WHERE user_id = ?", userid)
    return {
        row["activity_id"]: json.loads(row["aggregates"]) for row in found if activity in {None, row["activity_id"]}
    }


def events_of(line: Line, topic: str) -> list[dict[str, Any]]:
    """Everything that was ever put on a topic."""
    found = table(line, "SELECT value FROM event_log WHERE topic = ? ORDER BY position", topic)
    return [json.loads(row["value"]) for row in found]
