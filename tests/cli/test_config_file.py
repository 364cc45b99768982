from __future__ import annotations

from pathlib import Path

import pytest

from weighbridge.cli.config_file import chosen_config, read_config
from weighbridge.cli.console import EXIT_WRONG_INPUT, CliError


def test_the_file_of_the_working_directory_is_the_default(here):
    assert chosen_config(None) is None
    (here / "weighbridge.yaml").touch()
    assert chosen_config(None) == Path("weighbridge.yaml")
    assert chosen_config(Path("other.yaml")) == Path("other.yaml")


def test_without_a_file_the_demo_is_there(here):
    assert "demo" in read_config(None).config.providers


def test_all_problems_are_told_at_once_each_with_its_line(here):
    (here / "weighbridge.yaml").write_text("server:\n  prot: 80\nproviders:\n  openai:\n    api_keyz: [hunter2]\n")
    with pytest.raises(CliError) as caught:
        read_config(None)
    assert caught.value.exit_code == EXIT_WRONG_INPUT
    first, second = caught.value.message.splitlines()[1:]
    assert "weighbridge.yaml:2" in first
    assert "port" in first
    assert "weighbridge.yaml:5" in second
    assert "hunter2" not in caught.value.message
