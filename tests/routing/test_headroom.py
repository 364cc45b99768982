from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.routing.headroom import headroom


@pytest.mark.parametrize(
    ("headers", "left"),
    [
        ([], None),
        ([(b"content-type", b"x")], None),
        ([(b"x-ratelimit-limit-requests", b"100"), (b"x-ratelimit-remaining-requests", b"25")], 0.25),
        (
            [
                (b"x-ratelimit-limit-requests", b"100"),
                (b"x-ratelimit-remaining-requests", b"90"),
                (b"x-ratelimit-limit-tokens", b"1000"),
                (b"x-ratelimit-remaining-tokens", b"100"),
            ],
            0.1,
        ),
        ([(b"anthropic-ratelimit-tokens-limit", b"80000"), (b"anthropic-ratelimit-tokens-remaining", b"40000")], 0.5),
        ([(b"x-ratelimit-limit-requests", b"-1"), (b"x-ratelimit-remaining-requests", b"-1")], None),
        ([(b"x-ratelimit-remaining-requests", b"5")], None),
        ([(b"x-ratelimit-limit-requests", b"10"), (b"x-ratelimit-remaining-requests", b"50")], 1.0),
    ],
)
def test_the_limit_that_is_nearest_to_its_end_counts(headers, left):
    assert headroom(headers) == left


@given(st.lists(st.tuples(st.sampled_from([b"x-ratelimit-limit-a", b"x-ratelimit-remaining-a"]), st.binary(max_size=8))))
def test_any_header_gives_a_share_or_nothing(headers):
    left = headroom(headers)
    assert left is None or 0 <= left <= 1
