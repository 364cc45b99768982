from __future__ import annotations

import pytest

from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.routing import provider_key
from weighbridge.routing.provider_key import FIRST_WAIT_NS, LONGEST_WAIT_NS, WHOLE_KEY, KeyState, ProviderKey

RESTING, NO_QUOTA, PARKED = KeyState.RESTING, KeyState.NO_QUOTA, KeyState.PARKED
NOW = 1000 * NS_PER_S


@pytest.fixture
def key():
    return ProviderKey("openai#1", None, SystemRng(1))


def test_a_key_rests_for_one_model_as_long_as_the_provider_says(key):
    key.rest("gpt-5", RESTING, NOW, 7 * NS_PER_S, "rate_limited")
    assert key.obstacle("gpt-5", NOW + 7 * NS_PER_S - 1).state is RESTING
    assert key.obstacle("gpt-5", NOW + 7 * NS_PER_S) is None
    assert key.obstacle("gpt-4o", NOW) is None


def test_without_a_hint_rests_double_up_to_a_bound(key):
    now_ns, waits = NOW, []
    for _ in range(9):
        _, block = key.rest("m", RESTING, now_ns, None, "rate_limited")
        waits.append(block.until_ns - now_ns)
        now_ns = block.until_ns
    for n, wait in enumerate(waits):
        least = min(LONGEST_WAIT_NS[RESTING], FIRST_WAIT_NS[RESTING] << n)
        assert least <= wait <= 1.25 * least


def test_requests_that_were_under_way_do_not_make_a_rest_longer_than_the_provider_says(key):
    key.rest("m", RESTING, NOW, 5 * NS_PER_S, "rate_limited")
    assert key.rest("m", RESTING, NOW + 1, 3 * NS_PER_S, "rate_limited") is None
    _, block = key.rest("m", RESTING, NOW + 1, 9 * NS_PER_S, "rate_limited")
    assert block.until_ns == NOW + 1 + 9 * NS_PER_S


def test_no_quota_rests_long_and_for_every_model(key):
    key.rest(WHOLE_KEY, NO_QUOTA, NOW, None, "insufficient_quota")
    assert key.obstacle("anything", NOW + 599 * NS_PER_S).state is NO_QUOTA


def test_a_refused_key_is_parked_until_something_that_began_later_succeeds(key):
    key.park(WHOLE_KEY, NOW, "refused (401)")
    assert key.obstacle("m", NOW + 10**6 * NS_PER_S).state is PARKED
    assert key.worked("m", NOW + 5, NOW - 5) == []
    assert key.worked("m", NOW + 5, NOW) == [WHOLE_KEY]
    assert key.obstacle("m", NOW + 6) is None


def test_a_rest_outweighs_parking(key):
    key.park(WHOLE_KEY, NOW, "refused")
    key.rest("m", RESTING, NOW, NS_PER_S, "rate_limited")
    assert key.obstacle("m", NOW).state is RESTING
    assert key.obstacle("m", NOW + NS_PER_S).state is PARKED


def test_what_one_model_forbids_is_the_models_and_two_models_the_keys(key):
    assert key.forbidden("a", NOW, "forbidden")[0] == "a"
    assert key.forbidden("b", NOW + 1, "forbidden")[0] == WHOLE_KEY
    other = ProviderKey("k", None, SystemRng(1))
    other.forbidden("a", NOW, "forbidden")
    other.worked("c", NOW + 5, NOW + 1)
    assert other.forbidden("b", NOW + 6, "forbidden")[0] == "b"


def test_notes_take_bounded_memory(key, monkeypatch):
    monkeypatch.setattr(provider_key, "_MAX_MODELS", 4)
    for n in range(4):
        key.rest(f"m{n}", RESTING, NOW, NS_PER_S, "x")
    assert key.rest("m9", RESTING, NOW, NS_PER_S, "x")[0] == WHOLE_KEY
    assert key.rest("m8", RESTING, NOW + 2 * NS_PER_S, NS_PER_S, "x")[0] == "m8"
