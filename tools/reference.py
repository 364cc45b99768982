"""Writes the files that follow from the code: the configuration's reference, its JSON Schema, the example,
and the tables of a new SQLite file. See `make docs`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from weighbridge.config.json_schema import config_json_schema
from weighbridge.config.provider_reference import providers_markdown
from weighbridge.config.reference import reference_markdown
from weighbridge.config.template import initial_config
from weighbridge.storage.migrate import SQLITE_LAYOUT, sqlite_layout
from weighbridge.wire.endpoint_reference import endpoints_markdown

ROOT: Final = Path(__file__).resolve().parent.parent


def generated() -> dict[Path, str]:
    """Each file and what it has to hold."""
    return {
        ROOT / "docs/reference/configuration.md": reference_markdown(),
        ROOT / "docs/reference/endpoints.md": endpoints_markdown(),
        ROOT / "docs/reference/providers.md": providers_markdown(),
        ROOT / "docs/reference/weighbridge.schema.json": config_json_schema(),
        ROOT / "examples/weighbridge.yaml": initial_config(),
        SQLITE_LAYOUT: sqlite_layout(),
    }


def main() -> None:
    """Write each over its old self."""
    for path, text in generated().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
