"""The list of expected failures names areas that exist, and the summary counts cases where the list looks for them."""

from pathlib import Path

import pytest

from .cases import OWN_CASES, Case, cases_folder, load_cases, other_cases_named
from .conftest import area_of
from .expected import AREAS, BUILT_EARLY, PARTS_OF_AREAS, room_for

CASES = load_cases(OWN_CASES)


def test_every_listed_area_has_cases() -> None:
    areas = {case.area for case in CASES}
    assert set(AREAS) - areas == set()
    assert [area for area, waits, _ in PARTS_OF_AREAS if not any(c.area == area and waits(c) for c in CASES)] == []
    assert BUILT_EARLY - {case.id for case in CASES} == set()


def test_a_case_that_was_built_early_lies_in_an_area_that_waits() -> None:
    waiting = {case.id for case in CASES if case.area in AREAS or any(case.area == part[0] for part in PARTS_OF_AREAS)}
    assert waiting >= BUILT_EARLY


@pytest.mark.parametrize("group", ["pipeline/aau", "pipeline/recon", "pipeline/assess", "pipeline/relcache"])
def test_a_built_area_has_no_expected_failure(group: str) -> None:
    assert {room_for(case) for case in CASES if case.area == group} == {None}


def test_the_summary_counts_a_case_in_its_own_area() -> None:
    for case in CASES:
        assert area_of(f"tests/golden/test_cases.py::test_a_golden_case_holds[{case.id}]") == case.area
    assert area_of("tests/golden/test_pins.py::test_x[then.a]") is None


def test_other_cases_are_taken_from_the_folder_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LERNLINE_GOLDEN", raising=False)
    assert (cases_folder(), other_cases_named()) == (OWN_CASES, False)
    monkeypatch.setenv("LERNLINE_GOLDEN", str(tmp_path))
    assert (cases_folder(), other_cases_named()) == (tmp_path, True)
    with pytest.raises(FileNotFoundError, match="holds no golden cases"):
        load_cases(cases_folder())
    (tmp_path / "api").mkdir()
    (tmp_path / "api" / "x.json").write_text('[{"name": "n", "kind": "fact"}]')
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "aau-99.json").write_text('{"name": "long name", "kind": "line"}')
    assert [case.id for case in load_cases(tmp_path)] == ["api/x::n", "pipeline/aau-99"]
    assert Case("exhaust", "progress_v9_x", None, {}).area == "exhaust/progress"
