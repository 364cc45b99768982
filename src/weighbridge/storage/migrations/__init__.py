"""The way from an empty database to the tables of today, read by Alembic."""
