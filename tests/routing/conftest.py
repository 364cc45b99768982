"""Members of routes as tests want them."""

from __future__ import annotations

import pytest

from weighbridge.core.clock import SystemRng
from weighbridge.routing.live import LiveTarget
from weighbridge.routing.members import Branch, Candidate

NOW = 1_000_000_000_000


class Request:
    """What a request shows of itself (`members.Traits`)."""

    def __init__(self, *, is_stream=False, sticky=b"", prefixes=(), input_tokens=1000, max_output_tokens=500, values=()):
        self.is_stream = is_stream
        self.sticky = sticky
        self.prefixes = list(prefixes)
        self.input_tokens = input_tokens
        self.max_output_tokens = max_output_tokens
        self._values = dict(values)

    def values(self, names):
        return {name: self._values[name] for name in names}


def candidate(name="openai/gpt-5", **facts):
    live = LiveTarget(name)
    for field in ("in_flight", "first_token_ns", "total_ns", "measured_ns", "headroom", "headroom_until_ns", "retry_at_ns", "pace"):
        if field in facts:
            setattr(live, field, facts.pop(field))
    live.is_probing = facts.pop("is_probing", False)
    return Candidate(name, object(), live, **facts)


@pytest.fixture
def make():
    return candidate


@pytest.fixture
def request_of():
    return Request


@pytest.fixture
def rng():
    return SystemRng(7)


@pytest.fixture
def branch_of():
    from weighbridge.routing.strategies.ordered import Ordered

    def built(*members, strategy=None, name="route", **facts):
        return Branch(name, members, strategy or Ordered(), **facts)

    return built
