"""Runs the migrations inside the transaction that ``Store.upgrade`` has opened."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, transactional_ddl=True)
context.run_migrations()
