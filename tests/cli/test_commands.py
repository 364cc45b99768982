from __future__ import annotations

import subprocess
import sys

import pytest
import typer.main
from typer.core import TyperGroup

from weighbridge.cli.main import app


def test_a_command_does_without_the_code_of_the_others() -> None:
    code = (
        "import sys\nfrom weighbridge.cli.main import main\n"
        "try:\n    main(['version'])\nexcept SystemExit:\n    pass\n"
        "print(*(name for name in sys.modules if name.startswith('weighbridge.cli.')), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "weighbridge.cli.version" in done.stderr.split()
    assert not set(done.stderr.split()) & {"weighbridge.cli.keys", "weighbridge.cli.archive", "weighbridge.cli.usage"}


def test_every_command_is_found_under_its_name_and_says_what_it_does() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    assert len(group.commands) == len(set(group.commands)) > 20
    for name, command in group.commands.items():
        assert command.name == name
        assert command.help


@pytest.mark.parametrize(("typed", "meant"), [("kes", "keys"), ("serv", "serve"), ("statment", "statement")])
def test_a_misspelt_command_is_told_what_was_meant(run, typed: str, meant: str) -> None:
    outcome = run(typed)
    assert outcome.code == 2
    assert f"Did you mean '{meant}'" in outcome.err
