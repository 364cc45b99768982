"""What the documentation tells people to write is what the gateway takes: every recipe and every command line in it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperGroup

from weighbridge.cli.main import app
from weighbridge.config.compile import compile_plan
from weighbridge.config.load import load_config

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"))
VARIABLES = {
    "DATABASE_URL": "postgresql://weighbridge:aaaaaaaaaaaaaaaa@127.0.0.1/weighbridge",
    "VALKEY_URL": "valkey://weighbridge:aaaaaaaaaaaaaaaa@127.0.0.1/0",
    "SLACK_WEBHOOK": "https://hooks.example.org/aaaaaaaaaaaaaaaa",
}


def found_in_pages(pattern: str) -> list[object]:
    """What the pattern captures, each named by its page and line."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(pattern, text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            found.append(pytest.param(match[1], id=f"{page.relative_to(ROOT)}:{line}"))
    return found


@pytest.mark.parametrize("recipe", found_in_pages(r"^```yaml\n(?!scrape_configs:)(.*?)^```"))
def test_a_recipe_in_the_docs_is_a_valid_configuration(tmp_path: Path, recipe: str) -> None:
    file = tmp_path / "weighbridge.yaml"
    file.write_text(recipe, encoding="utf-8")
    environ = {name: VARIABLES.get(name, "sk-aaaaaaaaaaaaaaaaaaaa") for name in re.findall(r"\$\{(\w+)\}", recipe)}
    assert compile_plan(load_config(file, environ=environ), version=1, stored_keys=()).version == 1


@pytest.mark.parametrize("line", found_in_pages(r"^\$ weighbridge ((?:[^\n\\]|\\.)*)$"))
def test_a_command_in_the_docs_is_understood(line: str) -> None:
    command, words = typer.main.get_command(app), shlex.split(re.split(" [<>] ", line)[0])
    context = command.make_context("weighbridge", [words[0]])
    while isinstance(command, TyperGroup):
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
    command.make_context(command.name, words, parent=context).close()
