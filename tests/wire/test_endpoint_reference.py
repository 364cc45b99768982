from __future__ import annotations

import pytest

from weighbridge.core.terms import Dialect
from weighbridge.wire.endpoint_reference import endpoints_markdown
from weighbridge.wire.endpoints import listed, match

PAGE = endpoints_markdown()
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| ") and "`" in line]


def test_every_path_is_written_as_a_caller_writes_it():
    assert len(ROWS) > 90
    for _methods, path, *_ in ROWS:
        assert not set("()[]?*+^|\\") & set(path), path


@pytest.mark.parametrize("root", ["/v1", "/v1beta"])
def test_what_is_written_is_found(root):
    """Whoever fills in a name gets what the page says, under the root of its dialect."""
    n_found = 0
    for dialect in (Dialect.OPENAI, Dialect.ANTHROPIC) if root == "/v1" else (Dialect.GEMINI,):
        of_dialect = PAGE.partition(f"## {dialect.value.title().replace('Openai', 'OpenAI')}")[2].partition("\n## ")[0]
        for line in of_dialect.splitlines():
            if not line.startswith("| ") or "`" not in line:
                continue
            _, methods, path, *_ = (cell.strip() for cell in line.split("|"))
            filled = path.strip("`").replace("{model}", "m").replace("{id}", "i").replace("…", "x")
            target = filled if filled.startswith("/upload/v1") else root + filled
            for method in methods.split():
                found = match(method.encode(), target.encode(), providers=(), prefers=dialect)
                assert found.endpoint.dialect is dialect, line
                n_found += 1
    assert n_found > 30


def test_no_row_is_left_out():
    for dialect in (Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI):
        assert any(row.endpoint.dialect is dialect for row in listed(dialect))
