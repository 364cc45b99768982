from __future__ import annotations

from pathlib import Path

from weighbridge.config.reference import reference_markdown
from weighbridge.config.schema import Provider, ServerLimits

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def test_the_committed_page_is_that_of_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_markdown(), "The schema has changed: write the page anew with `make docs`."


def test_every_setting_has_a_row_with_its_meaning() -> None:
    page = reference_markdown()
    for section in (Provider, ServerLimits):
        for name in section.model_fields:
            (row,) = (
                line
                for line in page[page.index(section_title(section)) :].split("\n\n## ")[0].splitlines()
                if f"`{name}` |" in line
            )
            assert row.count(" | ") == 3
            assert not row.endswith("|  |")


def section_title(section: type) -> str:
    return {"Provider": "## `providers.<name>`\n", "ServerLimits": "## `server.limits`\n"}[section.__name__]


def test_defaults_are_shown_as_an_operator_writes_them() -> None:
    page = reference_markdown()
    assert "| `max_body` | size | `64MB` |" in page
    assert "| `connect` | duration | `10s` |" in page
    assert "| `cert_file` | path | required |" in page
    assert "| `hard` | boolean | `true` |" in page


def test_what_a_setting_may_be_is_told() -> None:
    page = reference_markdown()
    assert "| `on_shortage` | `lower` or `refuse` | `lower` |" in page
    assert "| `requests` | number |  |" in page
