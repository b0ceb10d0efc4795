"""The request table, the dataset registry and tenant preferences over SQL; see ``lernline.store.requests``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, and_, func, or_, select, update
from sqlalchemy.engine import Row

from lernline.store.requests import (
    MOST_ATTEMPTS,
    DatasetEntry,
    JobRequest,
    LeaseLost,
    ProcessedBatch,
    RequestDetail,
    Spent,
    Status,
)
from lernline.store.sql import tables
from lernline.store.sql.statements import Upsert
from lernline.times import DAY_MS, parse_time

_job = tables.job_request
_COLUMNS = tuple(column.name for column in _job.columns)
_DATASET_COLUMNS = tuple(column.name for column in tables.dataset_metadata.columns)
_save = Upsert(_job, _COLUMNS)
_save_dataset = Upsert(tables.dataset_metadata, _DATASET_COLUMNS)
_STATUSES: dict[str, Status] = {one: one for one in ("SUBMITTED", "PROCESSING", "SUCCESS", "FAILED")}
_iteration = func.coalesce(_job.c.iteration, 0)  # rows of others may lack it; they count like new ones
_open = and_(_job.c.status.in_(["SUBMITTED", "FAILED"]), _iteration < MOST_ATTEMPTS)
_details = msgspec.json.Decoder(RequestDetail)
_batches = msgspec.json.Decoder(list[ProcessedBatch])
_texts = msgspec.json.Decoder(list[str])
_maps = msgspec.json.Decoder(dict[str, Any])


class Transactions(Protocol):
    """What the table asks of the store."""

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one consistent state."""
        ...

    def writing(self) -> AbstractContextManager[Connection]:
        """A connection in one transaction, committed at the end of the block."""
        ...


class RequestTable:
    """``RequestStore`` over SQL."""

    def __init__(self, store: Transactions) -> None:
        self._store = store

    def decide(
        self, tag: str, ids: Sequence[str], decision: Callable[[Mapping[str, JobRequest]], JobRequest | None]
    ) -> JobRequest | None:
        """See ``RequestStore``. The decision is made inside the transaction, so it must be quick."""
        with self._store.writing() as connection:
            query = select(_job).where(_job.c.tag == tag, _job.c.request_id.in_(list(ids)))
            decided = decision({one.request_id: one for one in _requests(connection.execute(query))})
            if decided is not None:
                _save.run(connection, [_row(decided)])
            return decided

    def request(self, tag: str, request_id: str) -> JobRequest | None:
        """See ``RequestStore``."""
        with self._store.reading() as connection:
            return _one(connection, tag, request_id)

    def requests_of_tag(self, tag: str, limit: int, requested_by: str | None = None) -> list[JobRequest]:
        """See ``RequestStore``."""
        query = select(_job).where(_job.c.tag == tag)
        if requested_by is not None:
            query = query.where(_job.c.requested_by == requested_by)
        with self._store.reading() as connection:
            newest = query.order_by(_job.c.dt_job_submitted.desc(), _job.c.request_id).limit(limit)
            return _requests(connection.execute(newest))

    def find_requests(
        self,
        *,
        job_id: str | None = None,
        status: str | None = None,
        channel: str | None = None,
        submitted: tuple[int, int] | None = None,
        limit: int = 10,
    ) -> list[JobRequest]:
        """See ``RequestStore``."""
        wanted = {"job_id": job_id, "status": status, "requested_channel": channel}
        query = select(_job).where(*(_job.c[name] == value for name, value in wanted.items() if value is not None))
        if submitted is not None:
            query = query.where(_job.c.dt_job_submitted >= submitted[0], _job.c.dt_job_submitted < submitted[1])
        with self._store.reading() as connection:
            newest = query.order_by(_job.c.dt_job_submitted.desc(), _job.c.request_id).limit(limit)
            return _requests(connection.execute(newest))

    def claim(self, job_ids: Sequence[str], owner: str, now_ms: int, until_ms: int) -> JobRequest | None:
        """See ``RequestStore``. A row that another program left PROCESSING is taken when a day has passed."""
        due = or_(_job.c.not_before.is_(None), _job.c.not_before <= now_ms)
        deserted = and_(
            _job.c.status == "PROCESSING",
            or_(
                _job.c.lease_until <= now_ms,
                and_(_job.c.lease_until.is_(None), _job.c.dt_job_submitted < now_ms - DAY_MS),
            ),
        )
        oldest = (
            select(_job.c.tag, _job.c.request_id)
            .where(_job.c.job_id.in_(list(job_ids)), or_(and_(_open, due), deserted))
            .order_by(_job.c.dt_job_submitted, _job.c.tag, _job.c.request_id)
            .limit(1)
        )
        with self._store.reading() as connection:
            if connection.execute(oldest).first() is None:  # looking costs no writer's turn
                return None
        with self._store.writing() as connection:
            found = connection.execute(oldest).first()
            if found is None:
                return None
            connection.execute(
                update(_job)
                .where(_job.c.tag == found.tag, _job.c.request_id == found.request_id)
                .values(status="PROCESSING", lease_owner=owner, lease_until=until_ms)
            )
            return _one(connection, found.tag, found.request_id)

    def keep(self, request: JobRequest) -> None:
        """See ``RequestStore``."""
        with self._store.writing() as connection:
            _write_held(connection, request, request.lease_owner)

    def finish(self, request: JobRequest, owner: str, twins: Sequence[JobRequest] = ()) -> None:
        """See ``RequestStore``."""
        with self._store.writing() as connection:
            _write_held(connection, request, owner)
            for twin in twins:
                held = _one(connection, twin.tag, twin.request_id)
                if held is not None and held.status in {"SUBMITTED", "FAILED"}:
                    _save.run(connection, [_row(twin)])

    def waiting(self, job_id: str, channel: str) -> list[JobRequest]:
        """See ``RequestStore``."""
        query = select(_job).where(_job.c.job_id == job_id, _job.c.requested_channel == channel, _open)
        with self._store.reading() as connection:
            return _requests(connection.execute(query.order_by(_job.c.dt_job_submitted)))

    def spent(self, channel: str, since_ms: int) -> list[Spent]:
        """See ``RequestStore``. Rows that ended before are not opened."""
        query = select(_job.c.detail).where(
            _job.c.requested_channel == channel,
            or_(_job.c.dt_job_completed.is_(None), _job.c.dt_job_completed >= since_ms),
            _job.c.detail.is_not(None),
        )
        with self._store.reading() as connection:
            details = [_details.decode(text) for (text,) in connection.execute(query)]
        return sorted((one for detail in details for one in detail.spent if one.at >= since_ms), key=lambda one: one.at)

    def datasets(self) -> list[DatasetEntry]:
        """See ``RequestStore``."""
        table = tables.dataset_metadata
        with self._store.reading() as connection:
            rows = connection.execute(select(table).order_by(table.c.dataset_id, table.c.dataset_sub_id)).all()
        return [_dataset(row) for row in rows]

    def save_dataset(self, entry: DatasetEntry) -> None:
        """See ``RequestStore``."""
        plain = msgspec.structs.asdict(entry)
        for name in ("dataset_config", "authorized_roles", "validation_json", "supported_formats"):
            plain[name] = None if plain[name] is None else _json(plain[name])
        with self._store.writing() as connection:
            _save_dataset.run(connection, [tuple(plain[name] for name in _DATASET_COLUMNS)])

    def consumer_enabled(self, consumer_id: str, channel: str) -> bool:
        """See ``RequestStore``."""
        table = tables.consumer_channel_mapping
        query = select(table.c.status).where(table.c.consumer_id == consumer_id, table.c.channel == channel)
        with self._store.reading() as connection:
            return connection.execute(query).scalar() == 1

    def preferences(self, key: str, orgs: Sequence[str]) -> dict[str, str]:
        """See ``RequestStore``."""
        table = tables.tenant_preference_v2
        query = select(table.c.orgid, table.c.data).where(table.c.key == key, table.c.orgid.in_(list(orgs)))
        with self._store.reading() as connection:
            return {orgid: data for orgid, data in connection.execute(query) if data}


def _write_held(connection: Connection, request: JobRequest, owner: str | None) -> None:
    held = _one(connection, request.tag, request.request_id)
    if held is None or owner is None or held.lease_owner != owner or held.status != "PROCESSING":
        raise LeaseLost(f"request {request.request_id} is not held by {owner} any more")
    _save.run(connection, [_row(request)])


def _one(connection: Connection, tag: str, request_id: str) -> JobRequest | None:
    row = connection.execute(select(_job).where(_job.c.tag == tag, _job.c.request_id == request_id)).first()
    return None if row is None else _request(row)


def _requests(rows: Iterable[Row[Any]]) -> list[JobRequest]:
    return [_request(row) for row in rows]


def _request(row: Row[Any]) -> JobRequest:
    """A row as a value. Rows of other programs may hold null, and checkpoints in a form that is not ours to refuse."""
    return JobRequest(
        tag=row.tag,
        request_id=row.request_id,
        job_id=row.job_id or "",
        status=_STATUSES.get(row.status or "", "FAILED"),
        request_data=_map(row.request_data),
        requested_by=row.requested_by or "",
        requested_channel=row.requested_channel or "",
        dt_job_submitted=_instant(row.dt_job_submitted) or 0,
        download_urls=tuple(_texts.decode(row.download_urls)) if row.download_urls else (),
        dt_file_created=_instant(row.dt_file_created),
        dt_job_completed=_instant(row.dt_job_completed),
        execution_time=row.execution_time,
        err_message=row.err_message or None,
        iteration=row.iteration or 0,
        encryption_key=row.encryption_key or None,
        batch_number=row.batch_number,
        processed_batches=_checkpoint(row.processed_batches),
        detail=_details.decode(row.detail) if row.detail else RequestDetail(),
        lease_owner=row.lease_owner,
        lease_until=row.lease_until,
        not_before=row.not_before,
    )


def _instant(value: Any) -> int | None:
    return parse_time(value) if isinstance(value, str) else value


def _map(text: str | None) -> dict[str, Any]:
    try:
        return _maps.decode(text or "{}")
    except msgspec.DecodeError:
        return {}


def _checkpoint(text: str | None) -> tuple[ProcessedBatch, ...]:
    try:
        return tuple(_batches.decode(text)) if text and text != "null" else ()
    except msgspec.DecodeError:
        return ()  # a checkpoint that cannot be read is none: its batches are made again


def _row(request: JobRequest) -> tuple[Any, ...]:
    plain = {name: getattr(request, name) for name in _COLUMNS}
    for name in ("request_data", "download_urls", "processed_batches", "detail"):
        plain[name] = _json(plain[name])
    plain["err_message"] = request.err_message or ""
    return tuple(plain[name] for name in _COLUMNS)


def _dataset(row: Row[Any]) -> DatasetEntry:
    return DatasetEntry(
        dataset_id=row.dataset_id,
        dataset_sub_id=row.dataset_sub_id,
        dataset_config=_map(row.dataset_config),
        visibility=row.visibility or "",
        dataset_type=row.dataset_type or "",
        version=row.version or "",
        authorized_roles=tuple(_texts.decode(row.authorized_roles)) if row.authorized_roles else (),
        available_from=row.available_from,
        sample_request=row.sample_request,
        sample_response=row.sample_response,
        validation_json=_map(row.validation_json) if row.validation_json else None,
        supported_formats=tuple(_texts.decode(row.supported_formats)) if row.supported_formats else (),
        exhaust_type=row.exhaust_type or "",
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
