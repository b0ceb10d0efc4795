"""What a report is: a name, columns, layouts, and one lazy dataframe expression over a page of learners.

The runner, the files, the request API, the command line and the page of columns all come from a definition, so
that a further report is one file (see ``progress.py``) and its line in ``registry.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from lernline.catalog.relations import Relations
from lernline.catalog.search import CourseSummary
from lernline.model import Batch
from lernline.report.policy import Level
from lernline.store.port import BatchReads

if TYPE_CHECKING:
    import narwhals as nw
    import pyarrow as pa

ColumnType = Literal["text", "integer", "number", "time", "day"]


class Column(msgspec.Struct, frozen=True):
    """One column.

    Attributes:
        name: of the column that the expression gives; unique in the report.
        label: what the file's header says.
        type: ``time`` is an instant written ``yyyy-MM-dd HH:mm:ss:SSS+0000``, ``day`` one written ``dd/MM/yyyy``;
            both arrive as UTC timestamps.
        personal: whether the cells tell something about a person beyond an opaque id.
    """

    name: str
    label: str
    type: ColumnType
    doc: str
    personal: bool = False


class Options(msgspec.Struct, frozen=True):
    """What a requester may choose about a report.

    Attributes:
        layout: name of a layout of the definition.
        level_one: columns for the collections right below the course only (ruling 22).
        neutralise: make cells that a spreadsheet would run as a formula into plain text (X-33).
        excel: write the file as Excel reads it: lines that end with CRLF (ruling 24), a byte order mark, without which
            it takes UTF-8 for the machine's own character set, and formulas made plain.
    """

    layout: str = "default"
    level_one: bool = False
    neutralise: bool = False
    excel: bool = False

    @property
    def safe(self) -> bool:
        """Whether formulas are made plain text."""
        return self.neutralise or self.excel


class Context(msgspec.Struct, frozen=True):
    """What a report of one batch is made from, beside the learners' rows.

    Attributes:
        relations: what follows from the course tree; None when the tree is not known.
        scored: assessments that somebody in the report has a score for; None when no layout asked.
    """

    batch: Batch
    course: CourseSummary
    relations: Relations | None
    options: Options = Options()
    scored: frozenset[str] | None = None


Tables = Mapping[str, "pa.Table"]
Frames = Mapping[str, "nw.LazyFrame[Any]"]


class ReportDefinition(msgspec.Struct, frozen=True):
    """A report.

    Attributes:
        job_id: name of the dataset in requests and of the folder of its files.
        title: what people call it.
        layouts: fixed columns by layout; the first one is the default.
        profile_fields: what each layout asks of the user directory, under the names of ``UserProfile``.
        dynamic: columns that follow from the course, after the fixed ones.
        read: further tables that a page needs, by name. ``page`` (columns ``row`` and those of
            ``BatchReads.enrolments`` with times as UTC timestamps) and ``profiles`` are there already.
        expression: the rows: a lazy frame with ``row`` and every column by its name.
        survey: a look at the whole batch before the first page, for layouts that need one.
        default_level: security of the file when no tenant's policy says anything.
        authorized_roles: who may ask for it (exhaust.md 1.1).
        schema: JSON schema of ``datasetConfig``, for the dataset registry.
    """

    job_id: str
    title: str
    layouts: dict[str, tuple[Column, ...]]
    profile_fields: dict[str, tuple[str, ...]]
    dynamic: Callable[[Context], tuple[Column, ...]]
    read: Callable[[BatchReads, Tables, Context], dict[str, Any]]
    expression: Callable[[Frames, Context], Any]
    survey: Callable[[Iterable[Tables], BatchReads, Context], Context]
    default_level: Level
    authorized_roles: tuple[str, ...]
    schema: dict[str, Any]
    metric_names: dict[str, str] = {}

    def columns(self, context: Context) -> tuple[Column, ...]:
        """All columns of a report, in file order."""
        return self.layouts[context.options.layout] + self.dynamic(context)
