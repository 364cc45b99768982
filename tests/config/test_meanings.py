from __future__ import annotations

from weighbridge.config.meanings import meanings_of
from weighbridge.config.schema import Config
from weighbridge.config.section import Section, Timeouts


class Example(Timeouts):
    """An example."""

    name: str = "x"
    """What it is called.

    On a second line.
    """
    silent: str = "y"
    last: int = 1
    """A number."""


def test_a_setting_means_what_stands_below_it_in_the_source() -> None:
    found = meanings_of(Example)
    assert found["name"] == "What it is called.\n\nOn a second line."
    assert found["last"] == "A number."
    assert "silent" not in found


def test_inherited_settings_keep_their_meaning() -> None:
    assert meanings_of(Example)["connect"] == meanings_of(Timeouts)["connect"] != ""


def test_no_class_reads_its_source_when_it_is_made() -> None:
    """It is 170 ms of every command, and nobody asks."""
    assert "use_attribute_docstrings" not in Section.model_config
    assert Config.model_fields["server"].description is None
