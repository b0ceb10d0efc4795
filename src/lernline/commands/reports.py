"""``exhaust``: ask for reports, run them, and see what became of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lernline.commands.options import Data, Json, Sets
from lernline.commands.session import open_line, progress_bar, settings_from, show, show_json, show_table
from lernline.errors import BadRequest, NotFound

if TYPE_CHECKING:
    from lernline.store.requests import JobRequest
    from lernline.wiring import Line

_ASKER = "lernline-cli"
_LOOK_SECONDS = 0.2
_ALL = 1_000_000

RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help="Id of the request, as `list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = typer.Typer(help="Reports: requests, runs, files.", no_args_is_help=True)
    group.command("request")(request)
    group.command("run")(run)
    group.command("list")(list_requests)
    group.command("show")(show_request)
    app.add_typer(group, name="exhaust")


def request(
    report: Annotated[str, typer.Argument(help="Name of the report: progress.")],
    batch: Annotated[list[str], typer.Option("--batch", help="Id of a batch; may be given several times.")],
    layout: Annotated[str, typer.Option("--layout", help="default, or v2: the deployed job's columns.")] = "default",
    units: Annotated[
        str, typer.Option("--units", help="Columns of nested collections: all, or level-1 for those of the top.")
    ] = "all",
    program: Annotated[
        str,
        typer.Option("--for", help="excel: lines and characters as Excel reads them, and formulas become text."),
    ] = "",
    password: Annotated[
        str | None,
        typer.Option(
            "--password",
            envvar="LERNLINE_REPORT_PASSWORD",
            help="Seal the report as an AES-256 zip; better given as LERNLINE_REPORT_PASSWORD.",
            show_default=False,
            show_envvar=False,
        ),
    ] = None,
    channel: Annotated[
        str | None, typer.Option("--channel", help="Tenant that asks; default: the course's.", show_default=False)
    ] = None,
    requested_by: Annotated[str, typer.Option("--requested-by", help="User who asks.")] = _ASKER,
    tag: Annotated[
        str | None,
        typer.Option(
            "--tag", help="Tag of the request; default: course and batch, as portals have it.", show_default=False
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make a new file although today's is there.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Run it here and now, and wait for the file.")] = False,
    data: Data = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Ask for a report of one or more batches. A running service takes it up at once; --wait needs none."""
    if program not in {"", "excel"}:
        raise BadRequest(f"--for {program}: the only program known is excel")
    with open_line(settings_from(data, sets)) as line:
        from lernline.report.access import Asker  # noqa: PLC0415
        from lernline.report.registry import definition_of  # noqa: PLC0415

        definition = definition_of(report)
        batches = line.store.batches(batch)
        unknown = [one for one in batch if one not in batches]
        if unknown:
            raise NotFound(f"--batch {', '.join(unknown)}: there is no such batch here")
        courseid = batches[batch[0]].courseid
        course = line.courses.contents([courseid]).get(courseid)
        config: dict[str, Any] = {"batchId": batch[0]} if len(batch) == 1 else {"batchFilter": batch}
        config |= {
            name: value for name, value in (("layout", layout), ("units", units)) if value not in {"default", "all"}
        }
        if program:
            config["for"] = program
        body: dict[str, Any] = {
            "tag": tag or "_".join((courseid, *batch)),
            "dataset": definition.job_id,
            "requestedBy": requested_by,
            "datasetConfig": config,
            "force": force,
        }
        if password is not None:
            body["encryptionKey"] = password
        from_channel = channel or (course.channel if course is not None else None) or line.settings.default_channel
        answer = line.reports.submit(Asker("service", _ASKER), from_channel, body)
        if wait:
            _run_until_ended(line, answer["tag"], answer["requestId"])
        row = line.requests.request(answer["tag"], answer["requestId"])
        assert row is not None
        _told(line, row, as_json=as_json)
        if wait and row.status != "SUCCESS":
            raise typer.Exit(1)


def run(data: Data = None, sets: Sets = None, as_json: Json = False) -> None:
    """Run every request that waits, here and now; a bar shows how far it is."""
    with open_line(settings_from(data, sets)) as line:
        rows = _run_waiting(line)
        if as_json:
            show_json([_summary(line, row) for row in rows])
        else:
            for row in rows:
                _told(line, row, as_json=False)
            if not rows:
                show("No request waits.")
    if any(row.status == "FAILED" for row in rows):
        raise typer.Exit(1)


def list_requests(
    status: Annotated[
        str | None,
        typer.Option("--status", help="Only SUBMITTED, PROCESSING, SUCCESS or FAILED ones.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most rows to show.")] = 50,
    data: Data = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """List requests, newest first."""
    with open_line(settings_from(data, sets)) as line:
        rows = line.requests.find_requests(status=None if status is None else status.upper(), limit=limit)
        told = [_summary(line, row) for row in rows]
    if as_json:
        show_json(told)
    elif not told:
        show("No report has been asked for.")
    else:
        columns = ("request", "dataset", "tag", "status", "submitted", "percent", "rows", "missing profiles", "message")
        show_table("", columns, [[one[name] for name in columns] for one in told])


def show_request(number: RequestId, data: Data = None, sets: Sets = None, as_json: Json = False) -> None:
    """Show one request: status, times, row counts, files."""
    with open_line(settings_from(data, sets)) as line:
        row = next((one for one in line.requests.find_requests(limit=_ALL) if one.request_id == number.upper()), None)
        if row is None:
            raise NotFound(f"there is no request {number}; see `lernline exhaust list`")
        _told(line, row, as_json=as_json)


def _told(line: Line, row: JobRequest, *, as_json: bool) -> None:
    summary = _summary(line, row)
    if as_json:
        show_json(summary)
        return
    for name, value in summary.items():
        if isinstance(value, list):
            for one in value:
                show(f"{name:17} {one}")
        elif value not in {None, ""}:
            show(f"{name:17} {value}")


def _summary(line: Line, row: JobRequest) -> dict[str, Any]:
    from lernline.report.rules import object_key  # noqa: PLC0415
    from lernline.times import format_iso  # noqa: PLC0415

    prefix = line.settings.exhaust_store_prefix
    detail = row.detail
    return {
        "request": row.request_id,
        "dataset": row.job_id,
        "tag": row.tag,
        "status": row.status,
        "submitted": format_iso(row.dt_job_submitted),
        "completed": None if row.dt_job_completed is None else format_iso(row.dt_job_completed),
        "seconds": None if row.execution_time is None else row.execution_time / 1000,
        "percent": 100 if row.status == "SUCCESS" else detail.percent,
        "rows": detail.rows,
        "missing profiles": detail.missing_profiles,
        "withheld": detail.withheld or None,
        "files": [str(Path(line.settings.files) / object_key(url, prefix)) for url in row.download_urls],
        "notes": [*detail.notes, *(f"{batch}: {reason}" for batch, reason in detail.skipped.items())],
        "message": row.err_message or detail.waiting,
    }


def _run_until_ended(line: Line, tag: str, request_id: str) -> None:
    """Run what waits until this request has ended, or must wait for longer than anybody would."""
    while True:
        _run_waiting(line)
        row = line.requests.request(tag, request_id)
        if row is None or row.status in {"SUCCESS", "FAILED"} or (row.status == "SUBMITTED" and row.detail.waiting):
            return
        time.sleep(_LOOK_SECONDS)


def _run_waiting(line: Line) -> list[JobRequest]:
    """Run requests until none can be taken; gives them as they ended."""
    ended: list[JobRequest] = []
    with progress_bar("report") as bar:
        runner = line.runner(on_progress=lambda row: bar(row.detail.done_rows, row.detail.total_rows or None))
        while (row := runner.run_once()) is not None:
            ended.append(row)
    return ended
