"""The token rule and the texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.providers.demo.text import count_tokens, cut_at_stop, lorem, split_tokens, wanted_status


@given(st.text(max_size=200), st.integers(0, 60))
def test_tokens_joined_are_the_text_up_to_the_limit(text, limit):
    tokens = split_tokens(text, limit=limit)
    assert "".join(tokens) == text[: limit * 4]
    assert len(tokens) == min(limit, count_tokens(text))


@given(st.text("ab", max_size=20), st.lists(st.text("ab", max_size=3), max_size=3))
def test_text_before_a_stop_holds_no_stop(text, stops):
    kept, stop = cut_at_stop(text, tuple(stops))
    assert text.startswith(kept + (stop or ""))
    assert not any(other in kept for other in stops if other)


@pytest.mark.parametrize(("prompt", "words"), [("write 7 words", 7), ("write", 100), ("0", 0), ("99999", 20_000)])
def test_lorem_has_as_many_words_as_the_prompt_says(prompt, words):
    assert len(lorem(prompt).split()) == words


@pytest.mark.parametrize(("prompt", "status"), [("429", 429), ("after 3 tries: 503!", 503), ("", 500), ("4290", 500), ("200", 500)])
def test_status_is_the_first_number_that_is_one(prompt, status):
    assert wanted_status(prompt) == status
