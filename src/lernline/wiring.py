"""The one place that chooses adapters: settings in, a ``Line`` with everything that stations and faces need out."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from lernline.catalog.courses import Courses
from lernline.catalog.relations import AssessmentKinds
from lernline.clock import Clock, SystemClock
from lernline.errors import Unavailable
from lernline.record.updates import Updates
from lernline.settings import Settings
from lernline.store.sql.engine import Database
from lernline.store.sql.schema import bring_up_to_date
from lernline.store.sql.store import SqlStore
from lernline.stream import topics
from lernline.stream.embedded import EmbeddedLog
from lernline.stream.worker import Stage, Worker
from lernline.telemetry import count_stage
from lernline.times import zone_named

if TYPE_CHECKING:
    from lernline.blob.links import LinkSigner
    from lernline.blob.port import BlobStore
    from lernline.catalog.search import ContentSearch
    from lernline.certify.issuing import Certifier
    from lernline.certify.keys import Issuing
    from lernline.certify.requests import LineSettings
    from lernline.model import Credential
    from lernline.report.keyring import Keyring
    from lernline.report.runner import Runner
    from lernline.report.service import RequestDesk
    from lernline.store.requests import JobRequest
    from lernline.store.sql.requests import RequestTable

_GROUPS = {
    "progress": topics.PROGRESS_GROUP,
    "assessments": topics.ASSESSMENT_GROUP,
    "certify": topics.CERTIFICATE_GROUP,
    "catalog": topics.CATALOG_GROUP,
}
STATIONS = tuple(_GROUPS)


class Line:
    """A running installation: ports behind their adapters, and the services that several faces share."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.zone = zone_named(settings.time_zone)
        self.db = Database(settings.database)
        bring_up_to_date(self.db)
        self.store = SqlStore(self.db, self.clock, settings.time_zone)
        self.stream = EmbeddedLog(self.db, self.clock)
        self.kinds = AssessmentKinds(
            content_types=frozenset(settings.assessment_content_types),
            primary_categories=frozenset(settings.assessment_primary_categories),
        )
        self.courses = Courses(self.store, self.kinds)
        self.updates = Updates(
            self.store, self.stream, self.clock, self.zone, attempts_limit=settings.assessment_attempts_limit
        )

    @cached_property
    def blob(self) -> BlobStore:
        """Where report files lie."""
        from lernline.blob.local import LocalBlobs  # noqa: PLC0415  only faces that touch files load it

        return LocalBlobs(self.settings.files)

    @cached_property
    def search(self) -> ContentSearch:
        """The platform's content search where one is set, else the local catalog."""
        from lernline.catalog.search import PlatformSearch, local_search  # noqa: PLC0415

        if self.settings.platform_search_url:
            return PlatformSearch(self.settings.platform_search_url, timeout_s=self.settings.platform_timeout_seconds)
        return local_search(self.store)

    @cached_property
    def links(self) -> LinkSigner:
        """Makes and checks download links."""
        from lernline.blob.links import LinkSigner  # noqa: PLC0415  as above

        return LinkSigner(self.settings.keys / "links", self.clock)

    @cached_property
    def reports(self) -> RequestDesk:
        """Where reports are asked for."""
        from lernline.report.service import RequestDesk  # noqa: PLC0415  as above

        return RequestDesk(
            self.requests,
            self._keyring,
            self.clock,
            self.settings,
            link=lambda key, until: f"{self.public_url}/files/{self.links.sign(key, until)}",
            zone=self.zone,
            log_end=self.stream.end,
        )

    def runner(
        self, *, on_progress: Callable[[JobRequest], None] = lambda _: None, default_layout: str = "default"
    ) -> Runner:
        """What makes reports; its name in leases tells machine, process and runner."""
        from lernline.report.runner import Runner, Sources  # noqa: PLC0415  as above

        return Runner(
            self.requests,
            Sources(self.store, self.courses, self.search, self.stream),
            self.blob,
            self._keyring,
            self.clock,
            self.settings,
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}",
            default_layout=default_layout,
            on_progress=on_progress,
        )

    @cached_property
    def requests(self) -> RequestTable:
        """The table of report requests."""
        from lernline.store.sql.requests import RequestTable  # noqa: PLC0415  as above

        return RequestTable(self.store)

    @cached_property
    def _keyring(self) -> Keyring:
        from lernline.report.keyring import Keyring  # noqa: PLC0415  as above

        return Keyring(self.settings.keys / "reports")

    @cached_property
    def issuing(self) -> Issuing:
        """The keys that certificates are signed with."""
        from lernline.certify.keys import load_or_create_keys  # noqa: PLC0415  cryptography is slow to load

        return load_or_create_keys(self.settings.keys / "issuer", self.settings.certificate_domain or None)

    @cached_property
    def certifier(self) -> Certifier:
        """Signs certificates with the installation's key."""
        from lernline.blob.secret import secret_from  # noqa: PLC0415  as above
        from lernline.certify.issuing import Certifier  # noqa: PLC0415  canonicalisation is slow to load

        return Certifier(self.issuing, self.public_url, secret_from(self.settings.keys / "certificate-ids"))

    def picture(self, credential: Credential, drawing: bytes | None = None) -> bytes:
        """A certificate's SVG, drawn on ``drawing`` or on Lernline's own template; see ``pictures.picture``."""
        from lernline.certify.credential import credential_address  # noqa: PLC0415  as above
        from lernline.certify.pictures import picture  # noqa: PLC0415  as above

        batch = self.store.batches([credential.batchid]).get(credential.batchid)
        template = {} if batch is None else batch.cert_templates.get(credential.template_id, {})
        address = credential_address(self.public_url, credential.id)
        return picture(credential, template, address, self.zone, drawing)

    @property
    def certificate_settings(self) -> LineSettings:
        """What the criteria need to know of the installation."""
        from lernline.certify.requests import LineSettings  # noqa: PLC0415

        return LineSettings(
            base_path=f"{self.public_url}/certs",
            supported_types=self.settings.assessment_content_types,
            zone=self.zone,
        )

    @property
    def public_url(self) -> str:
        """The address that links and QR codes carry."""
        return (self.settings.public_url or f"http://{self.settings.host}:{self.settings.port}").rstrip("/")

    def stage(self, name: str) -> Stage:
        """One station's stage, by the name that ``--stations`` takes."""
        if name == "progress":
            from lernline.progress.stage import ProgressStage  # noqa: PLC0415  a process loads what it runs

            return ProgressStage(self.store, self.courses, self.clock, self.settings.default_channel)
        if name == "assessments":
            from lernline.progress.assessment_stage import AssessmentStage  # noqa: PLC0415

            return AssessmentStage(
                self.store,
                self.courses,
                self.clock,
                attempts_limit=self.settings.assessment_attempts_limit,
                guard_question_count=self.settings.assessment_skip_missing_records,
            )
        if name == "certify":
            from lernline.certify.stage import CertifyStage  # noqa: PLC0415

            return CertifyStage(
                self.store,
                self.courses,
                self.certifier,
                self.clock,
                self.certificate_settings,
                self.settings.default_channel,
            )
        if name == "catalog":
            from lernline.catalog.stage import CatalogStage  # noqa: PLC0415

            return CatalogStage(self.store, self.kinds, self.clock)
        raise ValueError(f"there is no station {name!r}; choose among {', '.join(STATIONS)}")

    def lags(self) -> dict[str, int | None]:
        """How many records each station has not handled yet; None where the log cannot tell."""
        found: dict[str, int | None] = {}
        for station, group in _GROUPS.items():
            try:
                found[station] = self.stream.lag(group, topics.READERS[group])
            except Unavailable:
                found[station] = None
        return found

    def worker(self, station: str, committed: Callable[[str, dict[str, int]], None] = count_stage) -> Worker:
        """A worker that drives one station."""
        return Worker(
            self.stage(station),
            self.stream,
            self.store,
            self.clock,
            size=self.settings.worker_batch_size,
            wait=self.settings.worker_batch_wait_ms / 1000,
            committed=committed,
        )

    def drain(self, committed: Callable[[str, dict[str, int]], None] = count_stage) -> None:
        """Run every station until nothing is pending; for commands and tests that want the line at rest."""
        workers = [self.worker(station, committed) for station in STATIONS]
        while any(worker.run_once() for worker in workers):
            pass

    def close(self) -> None:
        """Let go of connections."""
        self.db.close()
