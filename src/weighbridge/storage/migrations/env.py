"""Run by Alembic: migrate on the connection that `storage/migrate.py` hands over, in the transaction that is open on it."""

from __future__ import annotations

from alembic import context

from weighbridge.storage.migrate import CONNECTION
from weighbridge.storage.tables import metadata

context.configure(connection=context.config.attributes[CONNECTION], target_metadata=metadata)
context.run_migrations()
