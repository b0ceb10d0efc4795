"""The summary of the golden cases by area."""

import re
from collections import Counter

import pytest

_ID = re.compile(r"test_a_golden_case_holds\[(?P<folder>\w+)/(?P<file>[^\]:]+)")
_COLUMNS = ("passed", "failed", "expected", "facts")
_OUTCOMES = {"passed": "passed", "failed": "failed", "error": "failed", "xfailed": "expected", "skipped": "facts"}


def area_of(nodeid: str) -> str | None:
    """The area of a case's test, None for any other test."""
    found = _ID.search(nodeid)
    if found is None:
        return None
    separator = {"api": "/", "exhaust": "_"}.get(found["folder"], "-")
    return f"{found['folder']}/{found['file'].split(separator)[0]}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Passed, failed, expected failures and facts of every area."""
    counts: dict[str, Counter[str]] = {}
    for outcome, column in _OUTCOMES.items():
        for report in terminalreporter.stats.get(outcome, []):
            area = area_of(getattr(report, "nodeid", ""))
            if area is not None:
                counts.setdefault(area, Counter())[column] += 1
    if not counts:
        return
    width = max(map(len, counts))
    terminalreporter.section("golden cases by area")
    terminalreporter.write_line(f"{'':{width}}  " + "".join(f"{column:>10}" for column in _COLUMNS))
    for area in [*sorted(counts), "total"]:
        row = sum(counts.values(), Counter()) if area == "total" else counts[area]
        terminalreporter.write_line(f"{area:{width}}  " + "".join(f"{row[column]:>10}" for column in _COLUMNS))
