from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.config.load import LoadedConfig, load_config
from weighbridge.config.problems import ConfigError

Load = Callable[..., LoadedConfig]
Refused = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load the given YAML, with variables as keywords."""

    def load_text(text: str, **environ: str) -> LoadedConfig:
        path = tmp_path / "wb.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(path, environ=environ)

    return load_text


@pytest.fixture
def refused(load: Load, tmp_path: Path) -> Refused:
    """The lines that say why the given YAML is not taken, without the file's name."""

    def load_refused(text: str, **environ: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, **environ)
        return str(caught.value).replace(f"{tmp_path / 'wb.yaml'}:", "").split("\n")

    return load_refused
