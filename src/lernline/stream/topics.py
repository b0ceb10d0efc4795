"""Names of the contract's topics (pipeline.md 1), without the environment prefix."""

PROGRESS_UPDATE = "coursebatch.job.request"
ENROLMENT_SYNC = "batch.enrolment.sync.request"
ASSESSMENT = "telemetry.assess"
ASSESSMENT_FAILED = "telemetry.assess.failed"
PROGRESS_FAILED = "activity.agg.failed"
CERTIFICATE_REQUEST = "issue.certificate.request"
CERTIFICATE_GENERATE = "generate.certificate.request"
CERTIFICATE_FAILED = "issue.certificate.failed"
TELEMETRY = "telemetry.raw"
CONTENT_PUBLISHED = "content.postpublish.request"
INVALID_UPDATES = "contentstate.invalid"
METRICS = "prom.monitoring.metrics"

PROGRESS_GROUP = "activity-aggregate-group"
ASSESSMENT_GROUP = "assessment-aggregator-group"
CERTIFICATE_GROUP = "collection-cert-pre-processor-group"
CATALOG_GROUP = "relation-cache-updater-group"

# who reads what: a record may leave the log once all of its readers have passed it
READERS = {
    PROGRESS_GROUP: (PROGRESS_UPDATE, ENROLMENT_SYNC),
    ASSESSMENT_GROUP: (ASSESSMENT,),
    CERTIFICATE_GROUP: (CERTIFICATE_REQUEST, CERTIFICATE_GENERATE),
    CATALOG_GROUP: (CONTENT_PUBLISHED,),
}
