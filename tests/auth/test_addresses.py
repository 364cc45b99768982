from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.auth.addresses import may_come_from, parse_network

INSIDE = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7")


@pytest.mark.parametrize("peer", ["10.1.2.3", "2001:db8::1", "192.0.2.7", "::ffff:10.1.2.3", "2001:db8::1%eth0"])
def test_an_address_within_is_let_in(peer):
    assert may_come_from(INSIDE, peer)


@pytest.mark.parametrize("peer", ["11.0.0.1", "2001:db9::1", "192.0.2.8", "::ffff:11.0.0.1", "", "unix", "10.1.2", "::a00:1"])
def test_any_other_is_not(peer):
    assert not may_come_from(INSIDE, peer)


@given(st.ip_addresses())
def test_a_key_without_networks_may_come_from_anywhere(address):
    assert may_come_from((), str(address))


@given(st.ip_addresses(v=4))
def test_an_ipv4_client_is_the_same_on_a_socket_that_speaks_both(address):
    assert may_come_from(("0.0.0.0/1",), str(address)) == may_come_from(("0.0.0.0/1",), f"::ffff:{address}")


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/33", "example.com"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_network(text)
