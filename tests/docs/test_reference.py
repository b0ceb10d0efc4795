"""The reference names everything that the code has, and nothing that it has not."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Counter, Gauge, Histogram
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from lernline import telemetry
from lernline.api.table import ROUTES
from lernline.errors import CATALOGUE
from lernline.report.progress import PROGRESS
from lernline.settings import Settings
from lernline.store.sql.tables import metadata
from lernline.stream import topics

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
SOURCES = sorted((ROOT / "src" / "lernline").rglob("*.py"))
_CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)+")


def rows(name: str) -> dict[str, list[str]]:
    """Table rows of a page whose first cell is one word in code style, by that word."""
    found = {}
    for line in (REFERENCE / name).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        first = re.fullmatch(r"`([^`\s]+)`", cells[0])
        if line.startswith("| `") and first:
            found[first[1]] = cells
    return found


def shown(value: object) -> str:
    """A default as the page writes it."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value is None or value in {"", ()}:
        return "empty"
    if isinstance(value, tuple):
        return f"`{', '.join(value)}`"
    return f"`{value}`"


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    page = rows("settings.md")
    documented = {name: cells[1] for name, cells in page.items() if name.startswith("LERNLINE_")}
    expected = {}
    for name, field in Settings.model_fields.items():
        assert field.default is not PydanticUndefined
        expected[f"LERNLINE_{name.upper()}"] = shown(field.default)
    assert documented == expected


def test_every_metric_is_documented_with_its_labels_and_no_other() -> None:
    documented = {name: cells[2] for name, cells in rows("metrics.md").items() if name.startswith("lernline_")}
    expected = {}
    for metric in vars(telemetry).values():
        if isinstance(metric, Counter | Gauge | Histogram):
            name = metric._name + ("_total" if isinstance(metric, Counter) else "")
            expected[name] = ", ".join(f"`{label}`" for label in metric._labelnames)
    assert documented == expected


def codes_in(tree: ast.AST) -> Iterator[str]:
    """Codes of errors in a module: keyword ``code``, class defaults, constants, and pairs of code and sentence."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "code":
            yield from literals(node.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if "default_code" in names and node.value is not None:
                yield from literals(node.value)
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and is_sentence(node.elts[1]):
            yield from literals(node.elts[0])
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in {"_refuse", "set_aside", "Refusal", "failure"}:
                yield from (found for argument in node.args for found in literals(argument))


def is_sentence(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    )


def literals(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
        yield node.value


def test_every_error_code_is_documented() -> None:
    raised = set(CATALOGUE) | {"UNEXPECTED"}
    for source in SOURCES:
        raised.update(codes_in(ast.parse(source.read_text())))
    documented = {name for name in rows("errors.md") if name.isupper()}
    assert sorted(raised - documented) == []
    text = "\n".join(source.read_text() for source in SOURCES)
    assert [name for name in documented if f'"{name}"' not in text] == []


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_a_catalogued_code_is_documented_with_its_text(code: str) -> None:
    assert CATALOGUE[code].strip() in rows("errors.md")[code][2]


def test_every_route_is_documented_on_each_of_its_paths() -> None:
    page = (REFERENCE / "http-api.md").read_text()
    missing = [
        f"{route.method} {path}"
        for route in ROUTES
        for path in (route.path, *route.aliases, *route.public)
        if f"`{path}`" not in page
    ]
    assert not missing


def test_every_documented_path_has_a_route() -> None:
    known = {path for route in ROUTES for path in route.paths} | {"/openapi.json"}
    page = (REFERENCE / "http-api.md").read_text()
    documented = set(re.findall(r"`(/[^`\s]*)`", page))
    assert documented <= known | {"/api"}


def test_every_topic_is_documented_and_no_other() -> None:
    named = {
        value
        for name, value in vars(topics).items()
        if name.isupper() and isinstance(value, str) and not name.endswith("_GROUP")
    }
    documented = {name for name in rows("events-and-topics.md") if "." in name and not name.startswith("edata.")}
    assert documented == named


def test_every_consumer_group_is_documented() -> None:
    groups = {value for name, value in vars(topics).items() if name.endswith("_GROUP")}
    page = (REFERENCE / "events-and-topics.md").read_text()
    assert not {group for group in groups if f"`{group}`" not in page}


def test_every_table_is_documented_and_no_other() -> None:
    assert set(rows("tables.md")) == set(metadata.tables)


def test_every_column_of_a_report_is_documented() -> None:
    page = (REFERENCE / "reports.md").read_text()
    labels = {column.label for columns in PROGRESS.layouts.values() for column in columns}
    assert not {label for label in labels if f"| {label} |" not in page}
