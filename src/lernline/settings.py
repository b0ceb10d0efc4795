"""Settings, each with a name, a default and a reason; read from ``LERNLINE_*`` variables and the command line.

The contract's own names (rest-api.md 13) are the names here where it has one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything an operator can set. A wrong value is refused at start, naming the setting."""

    model_config = SettingsConfigDict(env_prefix="LERNLINE_", extra="forbid", frozen=True, validate_default=True)

    data: Path = Field(Path("lernline-data"), description="Folder of the database, files, keys and reports.")
    environment: str = Field("dev", description="Prefix of topic names on a shared broker.")
    host: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(9000, ge=0, le=65535, description="Port the API listens on; 0 takes a free one.")
    public_url: str = Field("", description="Address that links and QR codes carry; empty means the API's own.")

    time_zone: str = Field(
        "Asia/Kolkata", description="Zone in which batch dates and legacy times are read and written."
    )
    report_zone: str = Field("UTC", description="Zone of the times inside reports.")
    default_channel: str = Field("in.sunbird", description="Channel of requests and audit events that name none.")
    clock_skew_seconds: int = Field(300, ge=0, description="How far in the future a client's time may lie.")

    token_keys: Path | None = Field(
        None, description="Folder of RS256 public keys (`<kid>.pem`); default `<data>/keys/tokens`."
    )
    token_jwks: str = Field("", description="Address or file of a JWKS with the platform's keys.")
    token_issuer: str = Field("", description="Expected `iss` of user tokens; empty means the embedded issuer.")
    token_grace_hours: float = Field(
        24.0, ge=0, description="How long an expired token may still deliver state updates."
    )
    gateway_addresses: Annotated[tuple[str, ...], Field(description="Peers whose consumer headers are believed.")] = ()
    service_token: SecretStr = Field(
        SecretStr(""),
        description="Internal credential of services; empty means the one in `<data>/keys/service-token`.",
    )

    worker_batch_size: int = Field(1000, ge=1, description="Records after which a worker's batch closes.")
    worker_batch_wait_ms: int = Field(
        200, ge=0, description="Milliseconds after which it closes anyway, counted from the batch before it."
    )
    api_batch_size: int = Field(256, ge=1, description="Waiting requests that are handled in one unit of work.")
    log_retention_hours: float = Field(
        48.0, gt=0, description="How long events stay in the log after every group has read them."
    )
    max_body_bytes: int = Field(5_000_000, ge=1, description="Largest request body.")

    enrollment_list_size: int = Field(1000, ge=1, description="Most enrolments in one list.")
    assessment_attempts_limit: int = Field(25, ge=1, description="Newest attempts that a state read gives per lesson.")
    assessment_skip_missing_records: bool = Field(
        True, description="Refuse attempts with more questions than the content's totalQuestions."
    )
    assessment_content_types: tuple[str, ...] = Field(
        ("SelfAssess",), description="Content types that are assessments."
    )
    assessment_primary_categories: tuple[str, ...] = Field(
        ("Practice Question Set",), description="Primary categories of question sets that are assessments."
    )

    certificate_domain: str = Field(
        "", description="Issuer domain for did:web; empty means a did:key of the key itself."
    )
    platform_search_url: str = Field(
        "", description="Base address of the platform's content search; empty means the local catalog."
    )
    platform_timeout_seconds: float = Field(10.0, gt=0, description="Time-out of one call of the platform's services.")

    report_password_min_length: int = Field(8, ge=1, description="Shortest password or key of a sealed report.")
    exhaust_batches_limit_per_channel: int = Field(30, ge=1, description="Batches a channel may report in one window.")
    exhaust_file_size_limit_per_channel: int = Field(
        1_073_741_824, ge=1, description="Bytes of plain report a channel may use in one window."
    )
    exhaust_batch_limit_per_request: int = Field(20, ge=1, description="Batch ids in one request.")
    exhaust_limit_window_minutes: float = Field(
        60.0, gt=0, description="Length of the rolling window of the channel limits."
    )
    exhaust_page_size: int = Field(50_000, ge=1, description="Learners that a report holds in memory at once.")
    exhaust_lag_wait_seconds: float = Field(
        10.0, ge=0, description="How long a report waits for updates that came before it."
    )
    exhaust_download_minutes: int = Field(30, ge=1, description="Life of a signed download link.")
    exhaust_store_prefix: str = Field("", description="Folder in the blob store under which reports lie.")

    log_format: str = Field("text", pattern="^(text|json)$", description="Form of log lines.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least severe log line.")

    @property
    def database(self) -> Path:
        """The embedded database file."""
        return self.data / "lernline.db"

    @property
    def keys(self) -> Path:
        """The folder of keys."""
        return self.data / "keys"

    @property
    def metrics(self) -> Path:
        """Where running processes keep their metrics; worth nothing once they have ended."""
        return self.data / "run" / "metrics"

    @property
    def files(self) -> Path:
        """The embedded blob store."""
        return self.data / "files"
