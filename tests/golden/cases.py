"""Loading the cases: where they lie, what a case is, and where it stands."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .pins import apply_pins, value_at

FOLDERS: Final = ("api", "certificates", "exhaust", "pipeline")
OWN_CASES: Final = Path(__file__).parent / "cases"


@dataclass(frozen=True)
class Case:
    """One case as it is recorded, and with its pins applied."""

    folder: str
    file: str
    name: str | None
    recorded: Mapping[str, Any]

    @property
    def id(self) -> str:
        """``<folder>/<file>[::name]``."""
        return f"{self.folder}/{self.file}" + (f"::{self.name}" if self.name else "")

    @property
    def kind(self) -> str:
        """How it runs: line, http, rule or fact."""
        return str(self.recorded["kind"])

    @property
    def area(self) -> str:
        """The folder and the group of cases in it that one room answers for."""
        group = self.file if self.folder == "api" else self.file.split("_" if self.folder == "exhaust" else "-")[0]
        return f"{self.folder}/{group}"

    @property
    def operation(self) -> str | None:
        """The operation of a rule."""
        return (self.recorded.get("when") or {}).get("operation")

    @property
    def path(self) -> str:
        """The path of an http case's only request, without its query; empty for others."""
        request = self.recorded.get("request") or {}
        http = (self.recorded.get("when") or {}).get("http") or ""
        return str(request.get("path") or http.partition(" ")[2]).partition("?")[0]

    def pinned(self) -> dict[str, Any]:
        """The case as it runs: pins applied, ``$ref`` in ``when`` resolved."""
        case = apply_pins(self.recorded)
        if "when" in case:
            case["when"] = _resolve(case["when"], case)
        return case


def cases_folder() -> Path:
    """The folder that ``LERNLINE_GOLDEN`` names, else the copy beside this file."""
    named = os.environ.get("LERNLINE_GOLDEN")
    return Path(named) if named else OWN_CASES


def other_cases_named() -> bool:
    """Whether the cases are not this folder's own; then no list of expected failures applies."""
    return bool(os.environ.get("LERNLINE_GOLDEN"))


def load_cases(root: Path) -> list[Case]:
    """Every case below a folder, in a stable order; a file holds one case or an array of them."""
    cases = [case for folder in FOLDERS for case in _cases_in(root / folder)]
    if not cases:
        raise FileNotFoundError(f"{root} holds no golden cases; expected sub-folders {', '.join(FOLDERS)}")
    return cases


def _cases_in(folder: Path) -> Iterator[Case]:
    for file in sorted(folder.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(document, list):
            for case in document:
                yield Case(folder.name, file.stem, str(case["name"]), case)
        else:
            yield Case(folder.name, file.stem, None, document)


def _resolve(value: Any, case: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {"$ref"}:
            return value_at(case, value["$ref"])
        return {key: _resolve(item, case) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, case) for item in value]
    return value
