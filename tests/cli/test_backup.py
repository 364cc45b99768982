from __future__ import annotations

import json


def test_a_backup_is_a_data_directory_to_start_from(run, here):
    run("keys", "create", "--name", "ci")
    outcome = run("backup", "copy")
    assert outcome.code == 0
    assert "bytes of database" in outcome.err
    [key] = json.loads(run("keys", "list", "--json", "--data-dir", "copy").out)
    assert key["name"] == "ci"


def test_what_is_wrong_is_told(run, here):
    assert "no database" in run("backup", "copy").err
    run("keys", "create", "--name", "ci")
    run("backup", "copy")
    again = run("backup", "copy")
    assert (again.code, "not empty" in again.err) == (1, True)
    (here / "weighbridge.yaml").write_text("providers: {demo: {}}\ndatabase: postgresql://x@y/z\n")
    assert "pg_dump" in run("backup", "other").err
