"""The tables of the contract with their columns and types (rest-api.md 7.5 and 9, pipeline.md 2)."""

from __future__ import annotations

import msgspec


class Table(msgspec.Struct, frozen=True):
    """A table of the contract.

    Attributes:
        key: the columns that name a row; a dump must have all of them.
        columns: type by column name, a key of ``columns.TYPES``.
    """

    name: str
    key: tuple[str, ...]
    columns: dict[str, str]


def _table(name: str, key: str, **columns: str) -> Table:
    """A table from words: ``key`` and each type's columns are separated by blanks."""
    types = {_TYPE_NAMES[kind]: names for kind, names in columns.items()}
    return Table(name, tuple(key.split()), {name: kind for kind, names in types.items() for name in names.split()})


_TYPE_NAMES = {
    "text": "text",
    "whole": "int",
    "real": "double",
    "boolean": "boolean",
    "instant": "timestamp",
    "texts": "list<text>",
    "text_map": "map<text,text>",
    "whole_map": "map<text,int>",
    "real_map": "map<text,double>",
    "instant_map": "map<text,timestamp>",
    "map_map": "map<text,map<text,text>>",
    "texts_map": "map<text,list<text>>",
    "map_list": "list<map<text,text>>",
    "questions": "list<question>",
}
_ENROLMENT = {
    "text": "userid courseid batchid addedby enrolleddate lastreadcontentid",
    "boolean": "active",
    "whole": "status progress completionpercentage certstatus lastreadcontentstatus",
    "instant": "enrolled_date completedon datetime lastcontentaccesstime",
    "whole_map": "contentstatus",
    "map_list": "certificates issued_certificates",
}

_ALL = (
    _table("user_enrolments", "userid courseid batchid", **_ENROLMENT),
    _table("report_user_enrolments", "batchid courseid userid", **_ENROLMENT),
    _table(
        "user_content_consumption",
        "userid courseid batchid contentid",
        text="userid courseid batchid contentid lastaccesstime lastcompletedtime lastupdatedtime progressdetails",
        whole="completedcount viewcount status progress",
        real="completionpercentage",
        instant="datetime last_access_time last_completed_time last_updated_time",
    ),
    _table(
        "user_activity_agg",
        "activity_type activity_id user_id context_id",
        text="activity_type activity_id user_id context_id",
        whole_map="agg",
        real_map="aggregates",
        texts="agg_details",
        instant_map="agg_last_updated",
    ),
    _table(
        "assessment_aggregator",
        "user_id course_id batch_id content_id attempt_id",
        text="user_id course_id batch_id content_id attempt_id grand_total",
        instant="created_on last_attempted_on updated_on",
        real="total_score total_max_score",
        questions="question",
    ),
    _table(
        "course_batch",
        "courseid batchid",
        text="courseid batchid createdby createddate description enddate enrollmentenddate enrollmenttype name"
        " startdate updateddate",
        texts="createdfor mentors",
        whole="status",
        boolean="tandc",
        map_map="cert_templates",
        instant="created_date start_date end_date enrollment_enddate updated_date",
    ),
    _table("content_hierarchy", "identifier", text="identifier hierarchy"),
    _table("hierarchy_relations", "relationship_key", text="relationship_key", texts="node_ids"),
    _table(
        "user",
        "id",
        text="id userid username firstname lastname email phone maskedemail maskedphone recoveryemail recoveryphone"
        " prevusedemail prevusedphone dob rootorgid channel profilelocation profileusertype profileusertypes"
        " profiledetails managedby countrycode createdby createddate updatedby updateddate state district block cluster"
        " schoolname schooludisecode orgname board externalid usertype usersubtype usersignintype userlogintype",
        whole="status flagsvalue",
        boolean="isdeleted",
        texts="locationids language",
        texts_map="framework",
    ),
    _table(
        "organisation",
        "id",
        text="id orgname channel slug hashtagid externalid rootorgid provider orglocation description",
        whole="status organisationtype organisationsubtype",
        boolean="isrootorg istenant isdefault",
        texts="locationids",
        texts_map="keys",
    ),
    _table("location", "id", text="id name code type parentid"),
    _table(
        "usr_external_identity",
        "provider idtype externalid",
        text="provider idtype externalid userid originalexternalid originalidtype originalprovider createdby updatedby",
        instant="createdon lastupdatedon",
    ),
    _table(
        "user_organisation",
        "userid organisationid",
        text="userid organisationid id hashtagid orgjoindate orgleftdate position addedby approvedby",
        texts="roles",
        boolean="isdeleted isapproved isrejected",
    ),
    _table("user_roles", "userid role", text="userid role scope createdby createddate updatedby updateddate"),
    _table(
        "user_declarations",
        "userid orgid persona",
        text="userid orgid persona status errortype createdby updatedby",
        text_map="userinfo",
        instant="createdon updatedon",
    ),
    _table("user_lookup", "type value", text="type value userid"),
    _table(
        "user_consent",
        "user_id consumer_id object_id",
        text="user_id consumer_id object_id id consumer_type object_type status categories consent_data",
        instant="expiry created_on last_updated_on consented_on",
    ),
    _table("system_settings", "id", text="id field value"),
    _table(
        "tenant_preference_v2", "orgid key", text="orgid key data createdby updatedby", instant="createdon updatedon"
    ),
    _table(
        "job_request",
        "tag request_id",
        text="tag request_id job_id status request_data requested_by requested_channel err_message encryption_key"
        " processed_batches",
        texts="download_urls",
        instant="dt_job_submitted dt_file_created dt_job_completed",
        whole="execution_time iteration batch_number",
    ),
    _table(
        "dataset_metadata",
        "dataset_id dataset_sub_id",
        text="dataset_id dataset_sub_id dataset_config visibility dataset_type version sample_request sample_response"
        " validation_json druid_query limits exhaust_type",
        texts="authorized_roles supported_formats",
        instant="available_from",
    ),
    _table(
        "report_config",
        "report_id",
        text="report_id report_description requested_by report_schedule config status status_msg",
        instant="created_on updated_on submitted_on",
        whole="batch_number",
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _ALL}
"""Every table that ``load`` takes, by its contract name."""


_ENVIRONMENT_PREFIXED = ("job_request", "dataset_metadata", "report_config")


def table_named(stem: str) -> Table | None:
    """The table of a file stem.

    A keyspace may stand before it (``sunbird_courses.user_enrolments``), and before the request API's tables the
    environment (``dev_job_request``).
    """
    name = stem.rpartition(".")[2].lower()
    for known in _ENVIRONMENT_PREFIXED:
        if name.endswith("_" + known):
            return TABLES[known]
    return TABLES.get(name)
