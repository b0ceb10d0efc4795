"""Asking for reports and looking after what was asked: what the API and the command line call (rest-api.md 7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

import msgspec

from lernline.clock import Clock
from lernline.errors import BadRequest, Forbidden, NotFound
from lernline.report import access, registry, response, rules
from lernline.report.access import Asker
from lernline.report.keyring import Keyring
from lernline.report.policy import DEFAULT_ORG, PREFERENCE, check_key, effective, seal_for
from lernline.settings import Settings
from lernline.store.requests import JobRequest, RequestDetail, RequestStore
from lernline.times import day_of, end_of_day, parse_date, start_of_day

_SEARCH_FILTERS = {"dataset", "requestedDate", "status", "channel"}
_LIST_LIMIT = 100
_SEARCH_LIMIT = 10
_MOST_LISTED = 10_000


class _Submission(msgspec.Struct, rename="camel"):
    """The body's ``request``, as far as it is typed; unknown fields are ignored (ruling 9)."""

    tag: str | None = None
    dataset: str | None = None
    dataset_config: dict[str, Any] | None = None
    requested_by: str | None = None
    encryption_key: str | None = None
    output_format: str | None = None
    force: bool = False


class RequestDesk:
    """Requests for reports.

    Args:
        store: the request table.
        keyring: protects keys at rest.
        clock: of the installation.
        settings: limits and the life of links.
        link: an absolute address at which an object can be had until a time (epoch ms).
        zone: whose day stands in request ids and in ``requestedDate`` (the platform's).
        log_end: end of the update log now; a report holds what was accepted before it was asked for.
        public_key: a tenant's RSA key as PEM, None where it has none; the runner's.
    """

    def __init__(
        self,
        store: RequestStore,
        keyring: Keyring,
        clock: Clock,
        settings: Settings,
        *,
        link: response.Link,
        zone: tzinfo,
        log_end: Callable[[], int | None],
        public_key: Callable[[str], bytes | None] = lambda _: None,
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._clock = clock
        self._settings = settings
        self._link = link
        self._zone = zone
        self._log_end = log_end
        self._public_key = public_key

    def submit(self, asker: Asker, channel: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for a report; ``body`` is the ``request`` object.

        The same question on the same day is the same request; a failed one starts again, and with ``force`` a
        finished one too (rulings 11 and 26).

        Raises:
            BadRequest: a field is missing or wrong, the dataset is unknown, or the key is missing or too short.
            Forbidden, Unauthenticated: see ``access.admit``.
        """
        self._admit(asker, channel, str(body.get("dataset") or ""), body.get("datasetConfig"))
        asked = _submission(body)
        tag, dataset, config = _present(asked)
        entry = registry.entry_for(self._store.datasets(), dataset, _kind(config))
        registry.check_schema(body, entry.validation_json)
        output_format = asked.output_format or "csv"
        if entry.supported_formats and output_format not in entry.supported_formats:
            allowed = ", ".join(entry.supported_formats)
            raise BadRequest(f"output_format {output_format!r} is not supported; use one of {allowed}")
        check_key(asked.encryption_key, self._settings.report_password_min_length)
        self._check_report(dataset, config, channel, key_given=asked.encryption_key is not None)
        now = self._clock.now_ms()
        candidate = JobRequest(
            tag=f"{tag}:{channel}",
            request_id="",
            job_id=dataset,
            status="SUBMITTED",
            request_data=config,
            requested_by=access.requester(asker, asked.requested_by),
            requested_channel=channel,
            dt_job_submitted=now,
            detail=RequestDetail(
                output_format=output_format,
                key_reference=self._keyring.reference(asked.encryption_key),
                log_end=self._log_end(),
            ),
        )
        return self._shown(self._stored(candidate, tag, asked.encryption_key, force=asked.force))

    def read(self, asker: Asker, channel: str, tag: str, request_id: str) -> dict[str, Any]:
        """One request; ``tag`` bare or with its channel (ruling 30).

        Raises:
            NotFound: there is none, or it is not the asker's to see.
        """
        self._admit(asker, channel, "", None)
        found = self._store.request(_full_tag(tag, channel), request_id)
        if found is None or not access.may_see(asker, found):
            raise NotFound("no job available with the given request_id and tag", code="REQUEST_NOT_FOUND")
        return self._shown(found)

    def list(self, asker: Asker, channel: str, tag: str, limit: int = _LIST_LIMIT) -> dict[str, Any]:
        """Requests of a tag, newest first: the channel's for its administrators, else the asker's own."""
        self._admit(asker, channel, "", None)
        own = None if access.sees_all(asker) else asker.id
        found = self._store.requests_of_tag(_full_tag(tag, channel), _limited(limit), own)
        return {"count": len(found), "jobs": [self._shown(one) for one in found]}

    def search(self, asker: Asker, body: Mapping[str, Any]) -> dict[str, Any]:
        """Requests by ``filters`` (dataset, requestedDate, status, channel), newest first.

        A report administrator who is no service searches their own channel alone.

        Raises:
            BadRequest: filters are empty, unknown or of the wrong type.
        """
        access.require_administrator(asker)
        filters = body.get("filters")
        if not isinstance(filters, dict) or not filters:
            raise BadRequest("Filters are empty")
        if not filters.keys() <= _SEARCH_FILTERS:
            raise BadRequest("Unsupported filters")
        if not all(isinstance(value, str) for value in filters.values()):
            raise BadRequest("filters should be texts")
        channel = filters.get("channel")
        if asker.kind != "service":
            if channel is not None and channel.casefold() != (asker.tenant or "").casefold():
                raise Forbidden("You are not authorized.", code="UNAUTHORIZED_USER")
            channel = asker.tenant or ""
        found = self._store.find_requests(
            job_id=filters.get("dataset"),
            status=filters.get("status"),
            channel=channel,
            submitted=self._day(filters.get("requestedDate")),
            limit=_limited(body.get("limit", _SEARCH_LIMIT)),
        )
        return {"count": len(found), "jobs": [self._shown(one) for one in found]}

    def dataset_add(self, asker: Asker, body: Mapping[str, Any]) -> dict[str, Any]:
        """Register a dataset.

        Raises:
            BadRequest: see ``registry.entry_from``.
        """
        access.require_administrator(asker)
        entry = registry.entry_from(body)
        self._store.save_dataset(entry)
        return {"message": f"Dataset {entry.dataset_sub_id} added successfully"}

    def dataset_list(self, asker: Asker) -> dict[str, Any]:
        """All datasets, ours and the registered ones."""
        if asker.kind == "anonymous":
            access.require_administrator(asker)
        entries = [registry.as_json(one) for one in registry.all_entries(self._store.datasets())]
        return {"count": len(entries), "datasets": entries}

    def _admit(self, asker: Asker, channel: str, dataset: str, config: Any) -> None:
        roles: tuple[str, ...] = ()
        if asker.kind == "user" and dataset:
            kind = config.get("type") if isinstance(config, dict) else None
            known = registry.all_entries(self._store.datasets())
            roles = next(
                (
                    one.authorized_roles
                    for one in known
                    if (one.dataset_id, one.dataset_sub_id) == (dataset, kind or dataset)
                ),
                (),
            )
        enabled = asker.kind == "consumer" and bool(channel) and self._store.consumer_enabled(asker.id, channel)
        access.admit(asker, channel, roles=roles, consumer_enabled=enabled)

    def _check_report(self, dataset: str, config: dict[str, Any], channel: str, *, key_given: bool) -> None:
        """What can be said about one of our own reports before it runs; what others compute is theirs to judge."""
        definition = registry.DEFINITIONS.get(dataset)
        if definition is None:
            return
        rules.selection(config, self._settings.exhaust_batch_limit_per_request)
        rules.options_of(config, definition, next(iter(definition.layouts)))
        preferences = self._store.preferences(PREFERENCE, (channel, DEFAULT_ORG))
        policy = effective(preferences, channel, dataset, definition.default_level)
        seal_for(policy, key_given=key_given, public_key_given=self._public_key(channel) is not None)

    def _stored(self, candidate: JobRequest, tag: str, key: str | None, *, force: bool) -> JobRequest:
        day = day_of(candidate.dt_job_submitted, self._zone).isoformat()
        parts = (candidate.job_id, tag, candidate.requested_by, candidate.requested_channel, day)
        kind = [kind] if (kind := _kind(candidate.request_data)) else []
        detail = candidate.detail
        digest = rules.body_hash(candidate.request_data, detail.output_format, detail.key_reference or "")
        asked = [
            msgspec.structs.replace(
                candidate, request_id=one, encryption_key=None if key is None else self._keyring.locked(key, one)
            )
            for one in (rules.request_id(*parts, *kind), rules.request_id(*parts, *kind, digest))
        ]
        answer: list[JobRequest] = []

        def decision(held: Mapping[str, JobRequest]) -> JobRequest | None:
            for one in asked:
                there = held.get(one.request_id)
                if there is None:
                    answer.append(one)
                    return one
                if there.status == "FAILED" or rules.same_question(there, one):
                    again = rules.asked_again(there, one, force=force)
                    answer.append(again or there)
                    return again
            raise BadRequest("two different requests have the same id; change the tag")

        self._store.decide(candidate.tag, [one.request_id for one in asked], decision)
        return answer[-1]

    def _shown(self, request: JobRequest) -> dict[str, Any]:
        return response.job(
            request,
            self._clock.now_ms(),
            self._link,
            minutes=self._settings.exhaust_download_minutes,
            prefix=self._settings.exhaust_store_prefix,
        )

    def _day(self, text: str | None) -> tuple[int, int] | None:
        if text is None:
            return None
        try:
            day = parse_date(text)
        except ValueError as problem:
            raise BadRequest(f"requestedDate: {problem}") from None
        return start_of_day(day, self._zone), end_of_day(day, self._zone) + 1


def _submission(body: Mapping[str, Any]) -> _Submission:
    fields = dict(body)
    fields.setdefault("outputFormat", fields.get("output_format"))
    try:
        return msgspec.convert(fields, _Submission)
    except msgspec.ValidationError as problem:
        raise BadRequest(f"the request is not valid: {problem}") from None


def _present(asked: _Submission) -> tuple[str, str, dict[str, Any]]:
    """Presence in the contract's order and words."""
    if not (asked.tag or "").strip():
        raise BadRequest("tag is empty")
    if not (asked.dataset or "").strip():
        raise BadRequest("dataset is empty")
    if not asked.dataset_config:
        raise BadRequest("datasetConfig is empty")
    return asked.tag or "", asked.dataset or "", asked.dataset_config


def _kind(config: Mapping[str, Any]) -> str | None:
    kind = config.get("type")
    return kind if isinstance(kind, str) and kind else None


def _full_tag(tag: str, channel: str) -> str:
    return tag if tag.endswith(f":{channel}") else f"{tag}:{channel}"


def _limited(limit: Any) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise BadRequest("limit should be a number of requests")
    return min(limit, _MOST_LISTED)
