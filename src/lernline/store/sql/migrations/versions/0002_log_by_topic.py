"""Find records by topic and position: an index in the order of writing instead of one in the order of learners."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    op.drop_index("event_log_by_key", "event_log")
    op.create_index("event_log_by_topic", "event_log", ["topic", "position", "key"])
