"""Run by Alembic: migrate on the connection that `storage/migrate.py` hands over, in the transaction that is open on it."""

from __future__ import annotations

from alembic import context

from weighbridge.storage.migrate import CONNECTION
from weighbridge.storage.schema import schema

context.configure(connection=context.config.attributes[CONNECTION], target_metadata=schema)
context.run_migrations()
