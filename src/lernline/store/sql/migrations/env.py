"""Alembic's entry: runs migrations on the connection that ``schema`` hands over, in its transaction."""

from alembic import context

from lernline.store.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
