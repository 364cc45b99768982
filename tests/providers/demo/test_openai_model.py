"""What OpenAI's operations share."""

import pytest

from weighbridge.providers.demo.exchange import DemoError
from weighbridge.providers.demo.openai_model import find_model, stop_sequences


@pytest.mark.parametrize(("stop", "expected"), [(None, ()), ("a", ("a",)), (["a", "b"], ("a", "b"))])
def test_stop_is_a_string_or_a_list(stop, expected):
    assert stop_sequences(stop) == expected


def test_message_about_an_unknown_model_quotes_only_so_much_of_it():
    with pytest.raises(DemoError) as caught:
        find_model("x" * 10_000)
    assert len(caught.value.message) < 200
