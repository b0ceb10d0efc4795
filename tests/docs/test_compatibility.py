"""Every numbered difference from the platform has its row on the compatibility page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
LISTS = {"P-D": 43, "A-": 34, "X-": 34, "C-": 32}
NUMBERS = [f"{prefix}{number}" for prefix, most in LISTS.items() for number in range(1, most + 1)]


def rows() -> list[list[str]]:
    lines = PAGE.read_text().splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if re.match(r"\| [PAXC]-D?\d", line)
    ]


@pytest.mark.parametrize("number", NUMBERS)
def test_each_numbered_difference_has_one_row_with_all_its_cells(number: str) -> None:
    found = [row for row in rows() if row[0] == number]
    assert len(found) == 1
    assert len(found[0]) == 4
    assert all(found[0])


def test_the_page_lists_no_number_that_does_not_exist() -> None:
    assert {row[0] for row in rows()} == set(NUMBERS)
