"""Offices over a line, and batches that live in Arrow tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
import pyarrow as pa
import pyzipper

from lernline.clock import FixedClock
from lernline.report.access import Asker
from lernline.report.keyring import Keyring
from lernline.report.runner import Runner, Sources
from lernline.report.service import RequestDesk
from lernline.settings import Settings
from lernline.store.requests import JobRequest
from lernline.store.sql.requests import RequestTable
from lernline.wiring import Line
from support.worlds import BATCH, NOW

CHANNEL = "channel-1"
ADMIN = Asker("user", "admin-1", frozenset({"REPORT_ADMIN"}), CHANNEL)
MENTOR = Asker("user", "mentor-1", frozenset({"COURSE_MENTOR"}), CHANNEL)
SERVICE = Asker("service", "service")
KEY = "correct horse"


class Office:
    """The desk where reports are asked for, and the runner that makes them."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.table = RequestTable(line.store)
        self.keyring = Keyring(line.settings.keys / "report-keys")
        self.desk = RequestDesk(
            self.table,
            self.keyring,
            line.clock,
            line.settings,
            link=lambda key, expires: f"https://files.example/{key}?until={expires}",
            zone=line.zone,
            log_end=line.stream.end,
        )

    @classmethod
    def on(cls, folder: Path, **settings: Any) -> Office:
        """An office on a folder of its own, at ``NOW``."""
        return cls(Line(Settings(data=folder, **settings), FixedClock(NOW)))

    def runner(self, **more: Any) -> Runner:
        line = self.line
        sources = Sources(line.store, line.courses, line.search, line.stream)
        more.setdefault("owner", "runner-1")
        return Runner(self.table, sources, line.blob, self.keyring, line.clock, line.settings, **more)

    def ask(self, *, asker: Asker = ADMIN, tag: str = "tag", config: dict[str, Any] | None = None, **more: Any) -> Any:
        body = {"tag": tag, "dataset": "progress-exhaust", "datasetConfig": config or {"batchId": BATCH}, **more}
        return self.desk.submit(asker, CHANNEL, body)

    def held(self, job: dict[str, Any]) -> JobRequest:
        found = self.table.request(job["tag"], job["requestId"])
        assert found is not None
        return found

    def run(self, job: dict[str, Any]) -> JobRequest:
        """Run what waits; the request as it is afterwards."""
        self.runner().run_waiting()
        return self.held(job)

    def file(self, key: str) -> bytes:
        return b"".join(self.line.blob.get(key))

    def files(self) -> list[str]:
        """Everything that lies in the folder of files, unfinished pieces too."""
        root = self.line.settings.files
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def prefer(self, level: str, org: str = CHANNEL, key: str = "dataSecurityPolicy") -> None:
        """State a tenant's policy."""
        self.line.store.import_rows("tenant_preference_v2", [{"orgid": org, "key": key, "data": {"level": level}}])


def rows_of(content: bytes) -> list[dict[str, str]]:
    """A CSV as its reader sees it."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def unzipped(sealed: bytes, password: str | None = None) -> bytes:
    """The one entry of a zip."""
    with pyzipper.AESZipFile(io.BytesIO(sealed)) as archive:
        (entry,) = archive.infolist()
        content: bytes = archive.read(entry, pwd=None if password is None else password.encode())
        return content


class Learner(msgspec.Struct, frozen=True):
    """One learner of a batch in memory. ``profile`` None: the directory does not know them."""

    userid: str
    profile: dict[str, str | None] | None = None
    enrolled: int | None = None
    completedon: int | None = None
    status: int = 0
    issued: bool = False
    completed: int | None = 0
    units: dict[str, int] = {}
    scores: dict[str, tuple[float, float | None]] = {}


_TEXT = pa.string()


class MemoryReads:
    """``BatchReads`` over learners in memory."""

    def __init__(self, learners: Sequence[Learner]) -> None:
        self.learners = sorted(learners, key=lambda one: one.userid.encode())
        self.by_id = {one.userid: one for one in learners}
        self.score_reads = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return None

    def count(self) -> int:
        return len(self.learners)

    def enrolments(self, page_size: int) -> Iterator[pa.Table]:
        for start in range(0, len(self.learners), page_size):
            page = self.learners[start : start + page_size]
            yield pa.table(
                {
                    "userid": pa.array([one.userid for one in page], _TEXT),
                    "enrolled_date": pa.array([one.enrolled for one in page], pa.int64()),
                    "completedon": pa.array([one.completedon for one in page], pa.int64()),
                    "status": pa.array([one.status for one in page], pa.int32()),
                    "issued": pa.array([one.issued for one in page], pa.bool_()),
                    "completed": pa.array([one.completed for one in page], pa.int32()),
                }
            )

    def units(self, page: pa.Table) -> pa.Table:
        found = [(one.userid, unit, done) for one in self._of(page) for unit, done in one.units.items()]
        return pa.table(
            {
                "userid": pa.array([row[0] for row in found], _TEXT),
                "unitid": pa.array([row[1] for row in found], _TEXT),
                "completed": pa.array([row[2] for row in found], pa.int32()),
            }
        )

    def scores(self, page: pa.Table) -> pa.Table:
        self.score_reads += 1
        found = [(one.userid, name, *pair) for one in self._of(page) for name, pair in one.scores.items()]
        return pa.table(
            {
                "userid": pa.array([row[0] for row in found], _TEXT),
                "contentid": pa.array([row[1] for row in found], _TEXT),
                "score": pa.array([row[2] for row in found], pa.float64()),
                "max_score": pa.array([row[3] for row in found], pa.float64()),
            }
        )

    def profiles(self, user_ids: pa.Array, fields: Sequence[str]) -> pa.Table:
        known = [one for user in user_ids.to_pylist() if (one := self.by_id[user]).profile is not None]
        columns = {"userid": pa.array([one.userid for one in known], _TEXT)}
        for name in fields:
            columns[name] = pa.array([(one.profile or {}).get(name) for one in known], _TEXT)
        return pa.table(columns)

    def _of(self, page: pa.Table) -> list[Learner]:
        return [self.by_id[user] for user in page.column("userid").to_pylist()]
