"""``course import`` and ``load``: published courses, and dumps of a running platform."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lernline.commands.options import Data, Json, Sets
from lernline.commands.session import open_line, progress_bar, settings_from, show, show_json
from lernline.errors import BadRequest

_ASSET_CATEGORIES = frozenset({"certificate template", "asset"})


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Published courses and certificate templates.", no_args_is_help=True)
    group.command("import")(import_courses)
    app.add_typer(group, name="course")
    app.command()(load)


def import_courses(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE…",
            help="Published hierarchies (the JSON of content_hierarchy.hierarchy, or the answer of a hierarchy read),"
            " or assets of certificate templates as JSON.",
        ),
    ],
    data: Data = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Bring in published courses. Importing one again replaces its tree and everything derived from it at once."""
    settings = settings_from(data, sets)
    documents = [(path, _read(path)) for path in files]
    with open_line(settings) as line:
        from lernline.catalog.service import content_of, import_course, unwrapped  # noqa: PLC0415
        from lernline.model import Changes  # noqa: PLC0415

        everything = Changes()
        told: list[dict[str, Any]] = []
        for path, document in documents:
            try:
                raw = unwrapped(document)
                if _is_asset(raw):
                    asset = content_of(raw)
                    everything.contents.append(asset)
                    told.append({"template": asset.identifier, "name": asset.name})
                    continue
                relations, changes = import_course(document, line.kinds)
            except BadRequest as problem:
                raise BadRequest(f"{path.name}: {problem.message}") from problem
            everything.contents += changes.contents
            everything.courses += changes.courses
            told.append(
                {
                    "course": relations.course_id,
                    "name": changes.courses[0].content.name,
                    "lessons": len(relations.leaves),
                    "required": len(relations.required),
                    "units": len(relations.units),
                    "assessments": len(relations.assessments),
                }
            )
        line.store.commit(everything)
    if as_json:
        show_json(told)
        return
    for one in told:
        if "template" in one:
            show(f"{one['template']} '{one['name']}': certificate template")
        else:
            show(
                f"{one['course']} '{one['name']}': {one['lessons']} lessons, {one['required']} of them required,"
                f" {one['assessments']} assessments, {one['units']} units"
            )


def load(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="Folder with one file per table, named for it: .csv (cqlsh COPY TO with HEADER, or RFC 4180),"
            " .jsonl or .parquet.",
        ),
    ],
    data: Data = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Bring in dumps of the platform's tables. Everything is checked before the first row is written."""
    settings = settings_from(data, sets)
    from lernline.load.service import dump_files, load_folder  # noqa: PLC0415

    dump_files(folder)
    with open_line(settings) as line, progress_bar("loading") as bar:
        loaded = load_folder(line.store, line.kinds, folder, lambda _what, done, total: bar(done, total))
    if as_json:
        show_json(loaded)
        return
    for one in loaded:
        show(f"{one.file}: {one.rows} rows {'of ' + one.table if one.kept else 'used for the users of this dump'}")
    show(f"{sum(one.rows for one in loaded)} rows from {len(loaded)} files are in {settings.database}.")


def _is_asset(raw: dict[str, Any]) -> bool:
    """Whether the document is a single asset: nothing below it, and a category or picture type that says so."""
    category = str(raw.get("primaryCategory") or raw.get("contentType") or "").lower()
    return not raw.get("children") and (
        category in _ASSET_CATEGORIES or str(raw.get("mimeType") or "").startswith("image/")
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise BadRequest(f"{path}: the file cannot be read ({problem.strerror})") from problem
