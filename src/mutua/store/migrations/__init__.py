"""Alembic migrations: every store, however old, is brought to today's tables by these."""
