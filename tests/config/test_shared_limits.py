from __future__ import annotations

from weighbridge.config.shared_limits import compile_shared_limits
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Tls
from weighbridge.limits.shared import SharedLimitsPlace


def test_each_gateway_has_limits_of_its_own_where_nothing_is_said(load):
    assert compile_shared_limits(load("limits: []\n").config, "host_a") is None


def test_what_is_written_is_what_workers_get(load):
    text = "shared_limits: {url: '${VALKEY_URL}', prefix: eu, on_outage: refuse, wait: 20ms, gateways: 3}\n"
    place = compile_shared_limits(load(text, VALKEY_URL="valkeys://wb:pw@cache:7000/2").config, "host_a")
    assert place == SharedLimitsPlace(
        "cache", 7000, "", "wb", Secret("pw"), 2, Tls(), "eu", 20_000_000, refuses=True, hosts=3, member="host_a"
    )
    assert "pw" not in repr(place)


def test_certificates_are_for_tls_alone(load):
    plain = compile_shared_limits(load("shared_limits: {url: 'valkey://cache'}\n").config, "host_a")
    assert plain is not None
    assert plain.tls is None
    assert (plain.wait_ns, plain.refuses, plain.hosts) == (50_000_000, False, 1)
