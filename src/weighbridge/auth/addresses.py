"""From where a virtual key may be used."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

_MAX_KEPT: Final = 4_096


def parse_network(text: str) -> IPv4Network | IPv6Network:
    """A network (`10.0.0.0/8`, `2001:db8::/32`) or one address. Raises `ValueError`."""
    return ip_network(text, strict=True)


@lru_cache(maxsize=_MAX_KEPT)  # some 10 µs each, of a few keys and peers
def may_come_from(networks: tuple[str, ...], peer: str) -> bool:
    """Whether an address is in one of these networks; any is where there are none. What is no address (a Unix socket) is in none.

    An IPv4 client of a socket that speaks both comes as `::ffff:192.0.2.7` (RFC 4291 §2.5.5.2) and is the IPv4 address.
    """
    if not networks:
        return True
    try:
        address: IPv4Address | IPv6Address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in map(parse_network, networks) if network.version == address.version)
