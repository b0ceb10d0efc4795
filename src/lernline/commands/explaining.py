"""``explain``: one learner's way along the line, in plain words."""

from __future__ import annotations

from typing import Annotated

import typer

from lernline.commands.options import Data, Json, Sets
from lernline.commands.session import open_line, settings_from, show, show_json

_MARKS = {"done": "✓", "waiting": "…", "missing": "○", "problem": "✗", "none": "–"}


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(explain)


def explain(
    user: Annotated[str, typer.Option("--user", help="Id of the learner.")],
    batch: Annotated[str, typer.Option("--batch", help="Id of the batch.")],
    data: Data = None,
    sets: Sets = None,
    as_json: Json = False,
) -> None:
    """Say what happened to a learner in a batch and what is missing, station by station."""
    with open_line(settings_from(data, sets)) as line:
        from lernline.explain.service import explain_learner  # noqa: PLC0415

        explanation = explain_learner(line, user.strip(), batch.strip())
    if as_json:
        show_json(explanation)
    else:
        show(f"Learner {explanation.userid} in batch {explanation.batchid}")
        for step in explanation.steps:
            show()
            show(f"{_MARKS[step.state]} {step.station}")
            for line_ in step.lines:
                show(f"    {line_}")
            if step.fix:
                show(f"    → {step.fix}")
        show()
        show(explanation.summary)
    if explanation.steps[0].state == "problem" and len(explanation.steps) == 1:
        raise typer.Exit(1)
