from __future__ import annotations

import pytest

from weighbridge.wire.cache_control import anthropic_ttl, read_cache, write_breakpoint, write_cache
from weighbridge.wire.conversation import CacheBreakpoint
from weighbridge.wire.receipt import Receipt


@pytest.mark.parametrize("cache", [CacheBreakpoint(), CacheBreakpoint("5m"), CacheBreakpoint("1h")])
def test_a_mark_of_anthropic_survives(cache):
    receipt = Receipt()
    assert read_cache(write_cache(cache, "cache", receipt)) == cache
    assert receipt.edits() == []


@pytest.mark.parametrize("ttl", ["30m", "12h"])
def test_a_mark_of_openai_survives(ttl):
    receipt = Receipt()
    assert read_cache(write_breakpoint(CacheBreakpoint(ttl), "cache", receipt)) == CacheBreakpoint(ttl)
    assert receipt.edits() == []


def test_what_marks_nothing_is_none():
    assert read_cache(None) is None
    assert read_cache("x") is None


def test_half_an_hour_is_an_hour_where_that_is_the_next_longer():
    receipt = Receipt()
    assert anthropic_ttl(CacheBreakpoint("30m"), "turns[0].parts[0].cache", receipt) == "1h"
    assert receipt.edits() == []


def test_half_a_day_is_an_hour_where_nothing_is_longer_and_that_is_told():
    receipt = Receipt()
    assert write_cache(CacheBreakpoint("12h"), "tools[0].cache", receipt) == {"type": "ephemeral", "ttl": "1h"}
    assert receipt.edits() == ["widened:tools[0].cache.ttl"]


def test_an_hour_of_anthropics_never_becomes_a_time_that_costs_more():
    assert write_breakpoint(CacheBreakpoint("1h"), "cache", Receipt()) == {"mode": "explicit"}


def test_a_time_that_nobody_knows_goes_to_whoever_refuses_it():
    assert anthropic_ttl(CacheBreakpoint("2w"), "cache", Receipt()) == "2w"
