"""The progress report: how far each learner of a batch has come (exhaust.md 6.1 and 7, rulings 2, 16, 22 to 24)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from lernline.catalog.relations import Entry
from lernline.report.definition import Column, Context, Frames, ReportDefinition, Tables
from lernline.report.policy import PLAIN
from lernline.store.port import BatchReads

if TYPE_CHECKING:
    import narwhals as nw
    import pyarrow as pa

_COMPLETED = 2
# what str.strip() takes away, so that every engine trims names alike
_BLANKS = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

_COLLECTION_ID = Column("courseid", "Collection Id", "text", "Identifier of the course.")
_COLLECTION_NAME = Column("collectionName", "Collection Name", "text", "Name of the course in the content search.")
_BATCH_NAME = Column("batchName", "Batch Name", "text", "Name of the batch.")
_USER_ID = Column("userid", "User UUID", "text", "Identifier of the learner; rows are ordered by it.")
_STATE = Column("state", "State", "text", "The learner's state as the user directory has it.", personal=True)
_DISTRICT = Column("district", "District", "text", "The learner's district.", personal=True)
_CERTIFICATE = Column("certificatestatus", "Certificate Status", "text", "Issued, or empty.")

DEFAULT = (
    _COLLECTION_ID,
    _COLLECTION_NAME,
    Column("batchid", "Batch Id", "text", "Identifier of the batch, its digits intact."),
    _BATCH_NAME,
    _USER_ID,
    Column("username", "User Name", "text", "First and last name, blanks left out.", personal=True),
    _STATE,
    _DISTRICT,
    Column("enrolleddate", "Enrolment Date", "time", "When the learner enrolled; empty when that is not known."),
    Column("completedon", "Completion Date", "time", "When the last required lesson was first completed."),
    Column(
        "completionPercentage",
        "Progress",
        "integer",
        "Completed required lessons in percent, rounded down; 100 once completed; empty when nothing is required.",
    ),
    _CERTIFICATE,
    Column("total_sum_score", "Total Score", "number", "Sum of the best scores in points; empty without an attempt."),
)

V2 = (
    _COLLECTION_ID,
    _COLLECTION_NAME,
    Column("batchid", "Batch Id", "text", "Identifier of the batch after the prefix BatchId_."),
    _BATCH_NAME,
    _USER_ID,
    _STATE,
    _DISTRICT,
    Column("orgname", "Org Name", "text", "The learner's organisation.", personal=True),
    Column("schooludisecode", "School Id", "text", "UDISE code of the school.", personal=True),
    Column("schoolname", "School Name", "text", "Name of the school.", personal=True),
    Column("block", "Block Name", "text", "The learner's block.", personal=True),
    Column("cluster", "Cluster Name", "text", "The learner's cluster.", personal=True),
    Column("usertype", "User Type", "text", "For instance teacher or student.", personal=True),
    Column("usersubtype", "User Sub Type", "text", "The finer type.", personal=True),
    Column("board", "Declared Board", "text", "The declared board; of a list its first.", personal=True),
    Column("enrolleddate", "Enrolment Date", "day", "Day of the enrolment."),
    Column("completedon", "Completion Date", "day", "Day of the completion."),
    _CERTIFICATE,
    Column("completionPercentage", "Progress", "integer", "As in the default layout, but half a percent rounds up."),
    Column("total_sum_score", "Total Score", "text", "All best scores in percent of what could be had, rounded up."),
)


def dynamic(context: Context) -> tuple[Column, ...]:
    """Columns of nested collections, then of assessments, in tree order; ``v2`` has those that somebody scored in."""
    if context.options.layout == "v2":
        return tuple(
            Column(f"score_{number}", f"{one.identifier} - Score", "text", "Best score in percent, rounded up.")
            for number, one in enumerate(_assessments(context))
        )
    return (
        *(
            Column(
                f"unit_{number}",
                f"{one.name} ({one.identifier}) - Progress",
                "integer",
                "Completed required lessons of this collection in percent, rounded down.",
            )
            for number, one in enumerate(_units(context))
        ),
        *(
            Column(
                f"score_{number}",
                f"{one.name} ({one.identifier}) - Score",
                "number",
                "Best score of this assessment in points; empty without an attempt.",
            )
            for number, one in enumerate(_assessments(context))
        ),
    )


def _units(context: Context) -> list[Entry]:
    if context.relations is None or context.options.layout == "v2":
        return []
    return [one for one in context.relations.collections if one.level == 1 or not context.options.level_one]


def _assessments(context: Context) -> list[Entry]:
    known = () if context.relations is None else context.relations.assessments
    if context.options.layout == "v2":
        scored = context.scored or frozenset()
        return sorted((one for one in known if one.identifier in scored), key=lambda one: one.identifier)
    return list(known)


def survey(pages: Iterable[Tables], reads: BatchReads, context: Context) -> Context:
    """Which assessments have a score, for ``v2``: page by page, until each has been seen once."""
    if context.options.layout != "v2":
        return context
    wanted = set() if context.relations is None else {one.identifier for one in context.relations.assessments}
    scored: set[str] = set()
    for tables in pages if wanted else ():
        scored.update(wanted.intersection(reads.scores(tables["page"]).column("contentid").unique().to_pylist()))
        if scored == wanted:
            break
    return msgspec.structs.replace(context, scored=frozenset(scored))


def read(reads: BatchReads, tables: Tables, context: Context) -> dict[str, pa.Table]:
    """Scores and unit counts of a page, and the board of its profiles made plain."""
    found: dict[str, pa.Table] = {}
    if _units(context):
        found["units"] = reads.units(tables["page"])
    if _assessments(context):
        found["scores"] = reads.scores(tables["page"])
    if context.options.layout == "v2":
        found["profiles"] = _with_plain_board(tables["profiles"])
    return found


def _with_plain_board(profiles: pa.Table) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415  heavy, and needed where a report is made only
    import pyarrow.compute as pc  # noqa: PLC0415  as above

    place = profiles.schema.get_field_index("board")
    board = profiles.column(place).cast(pa.string())
    distinct = board.unique()
    plain = pa.array([_first_of(text) for text in distinct.to_pylist()], pa.string())
    return profiles.set_column(place, "board", plain.take(pc.index_in(board, distinct)))


def _first_of(text: str | None) -> str | None:
    """The first element when the text is a JSON list, else the text."""
    if text is None or not text.startswith("["):
        return text
    try:
        listed = msgspec.json.decode(text, type=list[str | None])
    except (msgspec.DecodeError, RecursionError):
        return text
    return listed[0] if listed else None


def expression(frames: Frames, context: Context) -> nw.LazyFrame[Any]:
    """One row per active enrolment, whatever else is known of the learner (X-1)."""
    import narwhals as nw  # noqa: PLC0415  heavy, and needed where a report is made only

    units, assessments = _units(context), _assessments(context)
    frame = frames["page"].join(frames["profiles"], on="userid", how="left")
    if units:
        frame = frame.join(_unit_counts(frames["units"], units), on="userid", how="left")
    if assessments:
        frame = frame.join(_scores(frames["scores"], assessments, context), on="userid", how="left")
    else:
        frame = frame.with_columns(_nothing(context).alias("total_sum_score"))
    v2 = context.options.layout == "v2"
    return frame.select(
        "row",
        "userid",
        nw.lit(context.batch.courseid).alias("courseid"),
        nw.lit(context.course.name).alias("collectionName"),
        nw.lit(f"BatchId_{context.batch.batchid}" if v2 else context.batch.batchid).alias("batchid"),
        nw.lit(context.batch.name).alias("batchName"),
        *((column.name for column in V2[5:15]) if v2 else ("state", "district", _username().alias("username"))),
        nw.col("enrolled_date").alias("enrolleddate"),
        "completedon",
        nw.when(nw.col("issued")).then(nw.lit("Issued")).alias("certificatestatus"),
        _course_progress(context).alias("completionPercentage"),
        "total_sum_score",
        *(_unit_progress(context, one, number).alias(f"unit_{number}") for number, one in enumerate(units)),
        *(f"score_{number}" for number in range(len(assessments))),
    )


def _nothing(context: Context) -> nw.Expr:
    import narwhals as nw  # noqa: PLC0415  as above

    return nw.lit(None, nw.String if context.options.layout == "v2" else nw.Float64)


def _username() -> nw.Expr:
    """Ruling 24; caches of older jobs hold the word null for no name."""
    import narwhals as nw  # noqa: PLC0415  as above

    parts = []
    for name in ("firstname", "lastname"):
        trimmed = nw.col(name).str.strip_chars(_BLANKS)
        parts.append(nw.when(~trimmed.is_in(["", "null"])).then(trimmed))
    return nw.concat_str(parts, separator=" ", ignore_nulls=True)


def _course_progress(context: Context) -> nw.Expr:
    """Rulings 2 and 3: whatever became complete once stays so, also a row of another program without its date."""
    import narwhals as nw  # noqa: PLC0415  as above

    required = 0 if context.relations is None else len(context.relations.required)
    percent = _percent(nw.col("completed"), required, half_up=context.options.layout == "v2")
    complete = (nw.col("status") == _COMPLETED) | ~nw.col("completedon").is_null()
    return nw.when(complete).then(nw.lit(100, nw.Int64)).otherwise(percent)


def _unit_progress(context: Context, unit: Entry, number: int) -> nw.Expr:
    import narwhals as nw  # noqa: PLC0415  as above

    required = 0 if context.relations is None else len(context.relations.units[unit.identifier].required)
    return _percent(nw.col(f"done_{number}").fill_null(0), required, half_up=False)


def _percent(completed: nw.Expr, required: int, *, half_up: bool) -> nw.Expr:
    """Whole percent in integers alone (X-10); nothing where nothing is required."""
    import narwhals as nw  # noqa: PLC0415  as above

    if not required:
        return nw.lit(None, nw.Int64)
    done = completed.cast(nw.Int64)
    percent = (done * 200 + required) // (2 * required) if half_up else (done * 100) // required
    return nw.when(done >= required).then(nw.lit(100, nw.Int64)).otherwise(percent)


def _unit_counts(counts: nw.LazyFrame[Any], units: list[Entry]) -> nw.LazyFrame[Any]:
    import narwhals as nw  # noqa: PLC0415  as above

    return counts.group_by("userid").agg(
        nw.when(nw.col("unitid") == one.identifier).then(nw.col("completed")).max().alias(f"done_{number}")
        for number, one in enumerate(units)
    )


def _scores(scores: nw.LazyFrame[Any], assessments: list[Entry], context: Context) -> nw.LazyFrame[Any]:
    import narwhals as nw  # noqa: PLC0415  as above

    known = scores.filter(nw.col("contentid").is_in([one.identifier for one in assessments]))
    if context.options.layout != "v2":
        return known.group_by("userid").agg(
            nw.col("score").sum().alias("total_sum_score"), *_pivot("score", assessments, "score")
        )
    measured = known.filter(nw.col("max_score") > 0)
    measured = measured.with_columns(percent=_percent_text(nw.col("score"), nw.col("max_score")))
    sums = measured.group_by("userid").agg(
        nw.col("score").sum().alias("got"),
        nw.col("max_score").sum().alias("most"),
        *_pivot("percent", assessments, "score"),
    )
    return sums.with_columns(total_sum_score=_percent_text(nw.col("got"), nw.col("most")))


def _pivot(value: str, assessments: list[Entry], prefix: str) -> list[nw.Expr]:
    import narwhals as nw  # noqa: PLC0415  as above

    return [
        nw.when(nw.col("contentid") == one.identifier).then(nw.col(value)).max().alias(f"{prefix}_{number}")
        for number, one in enumerate(assessments)
    ]


def _percent_text(score: nw.Expr, most: nw.Expr) -> nw.Expr:
    """``NN%`` rounded up; nine decimals are looked at, so that binary fractions do not lift 7/100 to 8 (7.3)."""
    import narwhals as nw  # noqa: PLC0415  as above

    percent = (score * 100 / most).round(9).ceil().cast(nw.Int64).cast(nw.String)
    return nw.concat_str([percent, nw.lit("%")])


_BATCH_ID = {"type": "string", "minLength": 1}

PROGRESS = ReportDefinition(
    job_id="progress-exhaust",
    title="Progress of a batch",
    layouts={"default": DEFAULT, "v2": V2},
    profile_fields={
        "default": ("firstname", "lastname", "state", "district"),
        "v2": tuple(column.name for column in V2 if column.personal),
    },
    dynamic=dynamic,
    read=read,
    expression=expression,
    survey=survey,
    default_level=PLAIN,
    authorized_roles=("ORG_ADMIN", "REPORT_ADMIN", "CONTENT_CREATOR", "COURSE_MENTOR"),
    schema={
        "type": "object",
        "properties": {
            "batchId": _BATCH_ID,
            "batchFilter": {"type": "array", "items": _BATCH_ID},
            "searchFilter": {"type": "object"},
            "layout": {"enum": ["default", "v2"]},
            "units": {"enum": ["all", "level-1"]},
            "neutraliseFormulas": {"type": "boolean"},
            "for": {"enum": ["excel"]},
        },
    },
    metric_names={"default": "ProgressExhaustJob", "v2": "ProgressExhaustJobV2"},
)
