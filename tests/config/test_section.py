from __future__ import annotations

import pytest
from pydantic import ValidationError

from weighbridge.config.section import Section, Timeouts, fault, written
from weighbridge.core.clock import NS_PER_S


class Example(Section):
    """An example."""

    name: str = "x"


def test_a_section_is_closed_unchangeable_and_may_be_empty():
    assert Example.model_validate(None).name == "x"
    with pytest.raises(ValidationError):
        Example.model_validate({"nmae": "y"})
    with pytest.raises(ValidationError):
        Example.model_validate({}).name = "y"


def test_defaults_are_written_as_an_operator_would_and_read_like_any_value():
    assert Timeouts.model_validate({}).connect == 10 * NS_PER_S
    assert written("5s").default == "5s"


def test_a_fault_of_a_section_names_its_field():
    assert fault("a", "is wrong").context == {"message": "is wrong", "field": "a"}
