"""The house stays as it was drawn: layers, small modules, nothing heavy at the door."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "lernline"
MODULES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 400
HEAVY = (
    "adbc_driver_sqlite",
    "alembic",
    "cryptography",
    "duckdb",
    "granian",
    "httpx",
    "litestar",
    "narwhals",
    "obstore",
    "pyarrow",
    "pyld",
    "pyzipper",
    "sqlalchemy",
    "uvloop",
)


def test_dependencies_point_one_way() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_is_small(path: Path) -> None:
    if "migrations" in path.parts or path.name == "tables.py":
        return
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("package", sorted({path.parent for path in MODULES}), ids=lambda path: path.name)
def test_every_folder_of_the_source_is_a_package_that_says_what_it_is_for(package: Path) -> None:
    if "migrations" in package.parts:
        return
    text = (package / "__init__.py").read_text()
    assert text.startswith('"""'), f"{package.name}/__init__.py has no sentence"


def test_the_door_is_light() -> None:
    assert (SOURCE / "cli.py").is_file()
    program = f"import sys, lernline.cli; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_rules_know_no_clock_no_settings_and_no_store() -> None:
    forbidden = (
        "lernline.clock",
        "lernline.settings",
        "lernline.store.port",
        "lernline.wiring",
        "sql",
        "import time\n",
    )
    rules = [path for path in MODULES if path.name.endswith("rules.py")]
    assert len(rules) > 5
    for path in rules:
        text = path.read_text()
        assert [one for one in forbidden if one in text] == [], path.name


def test_no_file_names_a_registry_or_a_place_on_a_machine() -> None:
    places = ("--index-url", "--extra-index-url", "file://" + "/work", "/work" + "/main")
    for path in [*MODULES, *ROOT.glob("*.lock"), ROOT / "pyproject.toml", ROOT / "Makefile"]:
        text = path.read_text()
        assert [one for one in places if one in text] == [], path.name
