from __future__ import annotations

import re

import pytest

from weighbridge.core.terms import Dialect
from weighbridge.wire.endpoint_reference import endpoints_markdown
from weighbridge.wire.endpoints import listed, match

PAGE = endpoints_markdown()
TITLES = {Dialect.OPENAI: "OpenAI", Dialect.ANTHROPIC: "Anthropic", Dialect.GEMINI: "Gemini"}


def section(dialect: Dialect) -> list[tuple[str, str]]:
    """Methods and path of each row."""
    lines = PAGE.partition(f"## {TITLES[dialect]}\n")[2].partition("\n## ")[0].splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| ") and "`" in line]
    return [(methods, path.strip("`")) for _, methods, path, *_ in cells]


@pytest.mark.parametrize("dialect", list(TITLES))
def test_every_path_is_written_as_a_caller_writes_it(dialect):
    assert len(section(dialect)) > 15
    for _methods, path in section(dialect):
        assert re.fullmatch(r"[/\w:{}…-]+", path), path


@pytest.mark.parametrize("root", ["/v1", "/v1beta"])
def test_what_is_written_is_found(root):
    """Whoever fills in a name gets what the page says, under the root of its dialect."""
    n_found = 0
    for dialect in (Dialect.OPENAI, Dialect.ANTHROPIC) if root == "/v1" else (Dialect.GEMINI,):
        for methods, path in section(dialect):
            filled = path.replace("{model}", "m").replace("{id}", "i").replace("…", "x")
            target = filled if filled.startswith("/upload/v1") else root + filled
            for method in methods.split():
                found = match(method.encode(), target.encode(), providers=(), prefers=dialect)
                assert found.endpoint.dialect is dialect, (method, path)
                n_found += 1
    assert n_found > 30


def test_no_row_is_left_out():
    """But for those of Azure's paths, of which a sentence tells."""
    for dialect in (Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI):
        rows = [row for row in listed(dialect) if not row.path.startswith(("/deployments", "/engines"))]
        written = section(dialect)
        assert len(written) >= len(rows)
        assert {row.path for row in rows if re.fullmatch(r"[/a-z_]+", row.path)} <= {path for _, path in written}
