"""In what providers differ, as data."""

from __future__ import annotations

import msgspec
import pytest

from weighbridge.wire.quirks import NO_QUIRKS, Quirks


@pytest.mark.parametrize(
    ("model", "bound"), [("claude-3-5-haiku", 8192), ("claude-opus-4", 32_000), ("claude-x", 64_000), ("other", 8192)]
)
def test_the_first_glob_that_fits_tells_the_bound(model, bound):
    quirks = Quirks(default_max_tokens=(("claude-3-*", 8192), ("claude-opus-*", 32_000), ("claude-*", 64_000)))
    assert quirks.max_tokens_for(model) == bound


def test_a_row_may_say_any_quirk_and_nothing_else():
    assert msgspec.convert({"max_stop": 4, "renames": {"seed": "random_seed"}}, Quirks).max_stop == 4
    for row in ({"max_stops": 4}, {"max_tokens_field": "tokens"}, {"images": True}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(row, Quirks)


def test_the_vendors_own_api_has_none():
    assert Quirks() == NO_QUIRKS
    assert NO_QUIRKS.refuses == ()
    assert NO_QUIRKS.max_tokens_for("any") == 8192
