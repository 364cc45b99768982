"""The engine's own bounds fit together."""

from __future__ import annotations

from weighbridge.http import limits
from weighbridge.pipeline.plan import Limits


def test_a_queue_pauses_the_client_before_it_is_refused():
    assert limits.MAX_PIPELINED < limits.MAX_PIPELINED_IN_ONE_READ


def test_timers_are_finer_than_what_they_time():
    shortest = min(value for name, value in _defaults() if name.endswith("timeout_ns"))
    assert max(limits.SERVER_SWEEP_S, limits.CLIENT_SWEEP_S) * 1e9 * 10 <= shortest


def test_we_close_idle_connections_to_providers_before_our_clients_may_idle():
    assert Limits().upstream_idle_timeout_ns < Limits().keepalive_timeout_ns


def _defaults():
    plain = Limits()
    return [(name, getattr(plain, name)) for name in Limits.__struct_fields__]
