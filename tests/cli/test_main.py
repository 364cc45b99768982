from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

COMMANDS = ["serve", "init", "check-config", "keys", "models", "version"]


def test_help_names_every_command(run):
    outcome = run("--help")
    assert outcome.code == 0
    assert all(command in outcome.out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run, command):
    outcome = run(command, "-h")
    assert (outcome.code, outcome.err) == (0, "")
    assert f"Usage: weighbridge {command}" in outcome.out


def test_the_reference_page_names_every_command_and_option(run):
    page = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text()
    for command in ("serve", "init", "check-config", "keys create", "keys list", "keys revoke", "models", "version"):
        options = {word.strip(",") for word in run(*command.split(), "--help").out.split() if word.startswith("--")}
        assert f"weighbridge {command}" in page
        assert [option for option in sorted(options - {"--help"}) if f"`{option}" not in page and f", {option}" not in page] == []


def test_help_does_not_wait_for_what_it_does_not_need():
    code = (
        "import sys\nfrom weighbridge.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "weighbridge" in loaded
    assert not loaded & {"alembic", "fastapi", "pydantic", "rich", "sqlalchemy", "starlette", "uvicorn", "uvloop", "yaml"}


def test_serve_hands_its_options_to_the_gateway(run, here, monkeypatch):
    called = []
    serve = types.ModuleType("weighbridge.cli.serve")
    serve.run_gateway = lambda **options: called.append(options)
    monkeypatch.setitem(sys.modules, "weighbridge.cli.serve", serve)
    run("serve")
    (here / "weighbridge.yaml").touch()
    run("serve", "--port", "0", "--host", "::1", "--workers", "2", "--data-dir", "d")
    run("serve", "-c", "other.yaml")
    nothing = {"config_path": None, "host": None, "port": None, "workers": None, "data_dir": None}
    assert called == [
        nothing,
        {"config_path": Path("weighbridge.yaml"), "host": "::1", "port": 0, "workers": 2, "data_dir": Path("d")},
        {**nothing, "config_path": Path("other.yaml")},
    ]


@pytest.mark.parametrize("arguments", [["serve", "--port", "65536"], ["serve", "--workers", "0"], ["frobnicate"], ["keys", "x"]])
def test_a_wrong_command_line_is_code_2(run, arguments):
    outcome = run(*arguments)
    assert outcome.code == 2
    assert "Usage: weighbridge" in outcome.err
