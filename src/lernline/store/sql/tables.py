"""The contract's tables under their own names (rest-api.md 9, exhaust.md 1.2), and Lernline's beside them.

Maps, lists and user types are JSON text. Instants are epoch milliseconds. Columns of ours in a contract table say
so; the *order* of key columns is ours too: what a report reads of one batch lies side by side, so that its cost is
in proportion to the batch (design 3), and a learner's few rows are found through an index.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

metadata = MetaData()


def _text(name: str, *, primary_key: bool = False, nullable: bool = True) -> Column[str]:
    return Column(name, Text, primary_key=primary_key, nullable=nullable and not primary_key)


def _instant(name: str) -> Column[int]:
    return Column(name, BigInteger)


user_enrolments = Table(
    "user_enrolments",
    metadata,
    _text("batchid", primary_key=True),
    _text("courseid", primary_key=True),
    _text("userid", primary_key=True),
    Column("active", Boolean),
    _text("addedby"),
    _text("enrolleddate"),
    _instant("enrolled_date"),
    _instant("datetime"),
    Column("status", Integer),
    Column("progress", Integer),
    Column("completionpercentage", Integer),
    _text("contentstatus"),
    _instant("completedon"),
    _text("lastreadcontentid"),
    Column("lastreadcontentstatus", Integer),
    _instant("lastcontentaccesstime"),
    _text("certificates"),
    _text("issued_certificates"),
    Column("certstatus", Integer),
    _text("rollup"),  # own: version of the course tree that progress was computed with
    Index("user_enrolments_of_user", "userid"),
    sqlite_with_rowid=False,
)

user_content_consumption = Table(
    "user_content_consumption",
    metadata,
    _text("userid", primary_key=True),
    _text("courseid", primary_key=True),
    _text("batchid", primary_key=True),
    _text("contentid", primary_key=True),
    Column("status", Integer),
    Column("progress", Integer),
    Column("viewcount", Integer),
    Column("completedcount", Integer),
    Column("completionpercentage", Float),
    _text("progressdetails"),
    _instant("datetime"),
    _text("lastaccesstime"),
    _text("lastcompletedtime"),
    _text("lastupdatedtime"),
    _instant("last_access_time"),
    _instant("last_completed_time"),
    _instant("last_updated_time"),
    # own: stated times and times of receipt, kept apart (ruling 20), and first completions (ruling 3)
    _instant("accessed"),
    _instant("accessed_received"),
    _instant("completed"),
    _instant("completed_received"),
    _instant("first_completed"),
    _instant("first_completed_received"),
    _instant("details_received"),
    sqlite_with_rowid=False,
)

user_activity_agg = Table(
    "user_activity_agg",
    metadata,
    _text("context_id", primary_key=True),
    _text("activity_id", primary_key=True),
    _text("user_id", primary_key=True),
    _text("activity_type", primary_key=True),
    _text("agg"),
    _text("aggregates"),
    _text("agg_last_updated"),
    _text("agg_details"),
    Index("user_activity_agg_of_user", "user_id"),
    sqlite_with_rowid=False,
)

assessment_aggregator = Table(
    "assessment_aggregator",
    metadata,
    _text("user_id", primary_key=True),
    _text("course_id", primary_key=True),
    _text("batch_id", primary_key=True),
    _text("content_id", primary_key=True),
    _text("attempt_id", primary_key=True),
    _instant("created_on"),
    _instant("last_attempted_on"),
    _instant("updated_on"),
    Column("total_score", Float),
    Column("total_max_score", Float),
    _text("grand_total"),
    _text("question"),
    _text("digest"),  # own: decides between two payloads of the same time (ruling 6)
    # covers what a report asks of attempts, so that their questions are not read
    Index(
        "assessment_aggregator_of_batch",
        "batch_id",
        "course_id",
        "user_id",
        "content_id",
        "total_score",
        "total_max_score",
    ),
    sqlite_with_rowid=False,
)

course_batch = Table(
    "course_batch",
    metadata,
    _text("courseid", primary_key=True),
    _text("batchid", primary_key=True),
    _text("name"),
    _text("description"),
    _text("enrollmenttype"),
    Column("status", Integer),
    _text("startdate"),
    _text("enddate"),
    _text("enrollmentenddate"),
    _text("createddate"),
    _text("updateddate"),
    _instant("start_date"),
    _instant("end_date"),
    _instant("enrollment_enddate"),
    _instant("created_date"),
    _instant("updated_date"),
    _text("createdby"),
    _text("createdfor"),
    _text("mentors"),
    _text("cert_templates"),
    Column("tandc", Boolean),
    Column("issuecertificate", Boolean),  # own: what portals send with it (clients.md ruling 1)
    Index("course_batch_by_id", "batchid"),
    sqlite_with_rowid=False,
)

content_hierarchy = Table(
    "content_hierarchy",
    metadata,
    _text("identifier", primary_key=True),
    _text("hierarchy"),
)

hierarchy_relations = Table(
    "hierarchy_relations",
    metadata,
    _text("relationship_key", primary_key=True),
    _text("node_ids"),
    _text("courseid"),  # own: all relations of a course are replaced at once (P-D25)
    Index("hierarchy_relations_of_course", "courseid"),
)

catalog_content = Table(
    "catalog_content",
    metadata,
    _text("identifier", primary_key=True),
    _text("name"),
    _text("status"),
    _text("channel"),
    _text("user_consent"),
    Column("leaf_nodes_count", Integer),
    Column("total_questions", Integer),
    _text("content_type"),
    _text("mime_type"),
    _text("document"),
)

user = Table(
    "user",
    metadata,
    _text("id", primary_key=True),
    _text("userid"),
    _text("firstname"),
    _text("lastname"),
    _text("email"),
    _text("phone"),
    _text("rootorgid"),
    _text("channel"),
    Column("status", Integer),
    Column("isdeleted", Boolean),
    _text("profilelocation"),
    _text("profileusertypes"),
    # own: the fields of the user cache, derived once on import so that a report only reads them (ruling 15)
    _text("orgname"),
    _text("state"),
    _text("district"),
    _text("block"),
    _text("cluster"),
    _text("schoolname"),
    _text("schooludisecode"),
    _text("board"),
    _text("usertype"),
    _text("usersubtype"),
    _text("usersignintype"),
    _text("externalid"),
    _text("maskedemail"),
    _text("maskedphone"),
    _text("userchannel"),
    _text("framework"),
    _text("medium"),
    _text("grade"),
    _text("subject"),
    _text("language"),
    _text("userlogintype"),
    _text("roles"),
    sqlite_with_rowid=False,
)

organisation = Table(
    "organisation",
    metadata,
    _text("id", primary_key=True),
    _text("orgname"),
    _text("channel"),
    _text("rootorgid"),
    Column("istenant", Boolean),
    _text("orglocation"),
    _text("keys"),
)

location = Table(
    "location",
    metadata,
    _text("id", primary_key=True),
    _text("name"),
    _text("code"),
    _text("type"),
    _text("parentid"),
)

user_consent = Table(
    "user_consent",
    metadata,
    _text("user_id", primary_key=True),
    _text("consumer_id", primary_key=True),
    _text("object_id", primary_key=True),
    _text("id"),
    _text("consumer_type"),
    _text("object_type"),
    _text("status"),
    _instant("expiry"),
    _text("categories"),
    _text("consent_data"),
    _instant("created_on"),
    _instant("last_updated_on"),
    sqlite_with_rowid=False,
)

system_settings = Table(
    "system_settings",
    metadata,
    _text("id", primary_key=True),
    _text("field"),
    _text("value"),
)

tenant_preference_v2 = Table(
    "tenant_preference_v2",
    metadata,
    _text("orgid", primary_key=True),
    _text("key", primary_key=True),
    _text("data"),
    _instant("createdon"),
    _text("createdby"),
    _instant("updatedon"),
    _text("updatedby"),
)

job_request = Table(
    "job_request",
    metadata,
    _text("tag", primary_key=True),
    _text("request_id", primary_key=True),
    _text("job_id"),
    _text("status"),
    _text("request_data"),
    _text("requested_by"),
    _text("requested_channel"),
    _instant("dt_job_submitted"),
    _text("download_urls"),
    _instant("dt_file_created"),
    _instant("dt_job_completed"),
    Column("execution_time", Integer),
    _text("err_message"),
    Column("iteration", Integer),
    _text("encryption_key"),
    Column("batch_number", Integer),
    _text("processed_batches"),
    # own: what the contract's columns have no place for
    _text("detail"),  # JSON: layout, format, percent, rows, missing profiles, lag, reason to wait
    _text("lease_owner"),
    _instant("lease_until"),
    _instant("not_before"),
    Index("job_request_waiting", "status", "dt_job_submitted"),
)

dataset_metadata = Table(
    "dataset_metadata",
    metadata,
    _text("dataset_id", primary_key=True),
    _text("dataset_sub_id", primary_key=True),
    _text("dataset_config"),
    _text("visibility"),
    _text("dataset_type"),
    _text("version"),
    _text("authorized_roles"),
    _instant("available_from"),
    _text("sample_request"),
    _text("sample_response"),
    _text("validation_json"),
    _text("supported_formats"),
    _text("exhaust_type"),
)

consumer_channel_mapping = Table(
    "consumer_channel_mapping",
    metadata,
    _text("consumer_id", primary_key=True),
    _text("channel", primary_key=True),
    Column("status", Integer),
    _text("created_by"),
    _instant("created_on"),
    _instant("updated_on"),
)

# ---- Lernline's own tables -------------------------------------------------------------------------------------

event_log = Table(
    "event_log",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    _text("topic", nullable=False),
    _text("key"),
    Column("value", LargeBinary, nullable=False),
    _text("headers"),
    _instant("appended_at"),
    # read in the order it is written, so that an append touches few pages; it covers the search for a learner's tail
    Index("event_log_by_topic", "topic", "position", "key"),
    sqlite_autoincrement=True,
)

consumer_offset = Table(
    "consumer_offset",
    metadata,
    _text("consumer_group", primary_key=True),
    Column("position", BigInteger, nullable=False),
)

event_identity = Table(
    "event_identity",
    metadata,
    _text("userid", primary_key=True),
    _text("digest", primary_key=True),
    _instant("seen_at"),
    sqlite_with_rowid=False,
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _text("topic"),
    _text("key"),
    Column("value", LargeBinary),
    _text("headers"),
    _text("stage"),
    _text("code"),
    _text("reason"),
    _text("stack"),
    _instant("at"),
    _text("state"),
    Index("dead_letter_waiting", "state", "id"),
)

credential = Table(
    "credential",
    metadata,
    _text("id", primary_key=True),
    _text("userid", nullable=False),
    _text("courseid", nullable=False),
    _text("batchid", nullable=False),
    _text("template_id", nullable=False),
    _text("template_version"),
    _text("template_name"),
    Column("document", LargeBinary),
    _text("svg_template"),
    _instant("issued_on"),
    Column("sequence", Integer, nullable=False),
    _text("superseded_by"),
    Index("credential_once", "userid", "courseid", "batchid", "template_id", "sequence", unique=True),
)

counter = Table(
    "counter",
    metadata,
    _text("name", primary_key=True),
    Column("value", BigInteger, nullable=False),
)
