from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from weighbridge.storage.engine import writing
from weighbridge.storage.schema import schema


def test_the_migrations_lead_to_the_tables_of_the_code(migrated):
    with migrated.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema) == []


def test_the_comparison_would_see_a_missing_column(migrated):
    with writing(migrated).begin() as connection:
        connection.execute(text("ALTER TABLE virtual_keys DROP COLUMN hint"))
    with migrated.connect() as connection:
        [difference] = compare_metadata(MigrationContext.configure(connection), schema)
    assert difference[0] == "add_column"
    assert difference[3].name == "hint"


def test_live_names_are_unique_in_the_database_itself(migrated):
    columns = "id, name, digest, hint, models, created_at, expires_at, revoked_at, is_admin"
    row = f"INSERT INTO virtual_keys ({columns}) VALUES " + "('{}', 'same', '{}', '', '[]', 0, NULL, {}, {})"
    false = "0" if migrated.dialect.name == "sqlite" else "false"
    with writing(migrated).begin() as connection:
        connection.execute(text(row.format("a", "1", "5", false)))
        connection.execute(text(row.format("b", "2", "NULL", false)))
    with pytest.raises(Exception, match=r"(?i)unique"), writing(migrated).begin() as connection:
        connection.execute(text(row.format("c", "3", "NULL", false)))
