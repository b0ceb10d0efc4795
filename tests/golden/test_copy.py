"""The cases in this tree are the shared ones, unchanged."""

from pathlib import Path

import pytest

from .cases import FOLDERS, OWN_CASES, load_cases

SHARED = Path(__file__).resolve().parents[3] / "shared" / "golden"


def _files(root: Path) -> dict[str, bytes]:
    return {str(file.relative_to(root)): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared cases do not lie beside this checkout")
def test_the_copy_of_the_cases_is_the_shared_one() -> None:
    ours, theirs = _files(OWN_CASES), _files(SHARED)
    assert sorted(ours) == sorted(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_every_folder_has_cases_of_known_kinds() -> None:
    cases = load_cases(OWN_CASES)
    assert {case.folder for case in cases} == set(FOLDERS)
    assert {case.kind for case in cases} <= {"line", "http", "rule", "fact"}


def test_case_ids_are_unique() -> None:
    ids = [case.id for case in load_cases(OWN_CASES)]
    assert len(ids) == len(set(ids))


def test_every_pin_leads_somewhere_in_its_case() -> None:
    for case in load_cases(OWN_CASES):
        case.pinned()
