"""A network in memory and in virtual time, with faults: the loop's own `create_connection` and `create_server` lead to it.

So the real client and the real server run over it unchanged. Every delay and every split is drawn from one seed; each
connection draws from a generator of its own, so that what happens on one does not shift what happens on another.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Final

from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.testing.fake_transport import Conditions, FakeTransport, between
from weighbridge.testing.virtual_time import VirtualTimeLoop

_MAX_LINKS: Final = 2**32
"""Links of one run at most, so that no two runs share a generator."""

Address = tuple[str, int]
ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class FakeListener:
    """A bound socket for `create_server(sock=…)`, and the server that comes of it."""

    def __init__(self, network: FakeNetwork, address: Address) -> None:
        self._network = network
        self.address = address
        self.accepted: list[FakeTransport] = []
        """Our end of every connection that was ever accepted here."""

    def close(self) -> None:
        """Refuse from now on; connections stay."""
        self._network.close(self.address)

    async def wait_closed(self) -> None:
        """Nothing to wait for."""

    def getsockname(self) -> Address:
        """Host and port."""
        return self.address


class FakeNetwork:
    """Who listens where, and how the links to each address are. All links are fine until told otherwise."""

    def __init__(self, loop: VirtualTimeLoop, seed: int) -> None:
        self._loop = loop
        self._seed = seed
        self._n_links = 0
        self._factories: dict[Address, tuple[FakeListener, ProtocolFactory]] = {}
        self.conditions: dict[str, Conditions] = {}
        """By host: what connections to it are like from now on."""
        self.silent: set[str] = set()
        """Hosts whose connection attempts are never answered."""
        self.dialled: list[FakeTransport] = []
        """The dialling end of every connection that was ever made."""

    def bind(self, host: str, port: int) -> FakeListener:
        """An address for a server to listen on."""
        return FakeListener(self, (host, port))

    def listen(self, listener: FakeListener, factory: ProtocolFactory) -> None:
        """Accept connections from now on."""
        self._factories[listener.address] = (listener, factory)

    def close(self, address: Address) -> None:
        """Refuse connections from now on."""
        self._factories.pop(address, None)

    async def connect(self, factory: ProtocolFactory, address: Address) -> tuple[FakeTransport, asyncio.BaseProtocol]:
        """Dial. Raises `ConnectionRefusedError` where nobody listens; never returns where the host is silent."""
        self._n_links += 1
        number = self._n_links
        rng, far_rng = (SystemRng(self._seed * _MAX_LINKS + 2 * number + side) for side in (0, 1))
        conditions = self.conditions.get(address[0], Conditions())
        if address[0] in self.silent:
            await self._loop.create_future()
        await asyncio.sleep(2 * between(rng, *conditions.delay_ns) / NS_PER_S)
        if address not in self._factories:
            raise ConnectionRefusedError(111, "Connection refused")
        listener, accept = self._factories[address]
        near = FakeTransport(self._loop, factory(), rng, conditions, address[0])
        far = FakeTransport(self._loop, accept(), far_rng, conditions, f"10.0.{number >> 8 & 255}.{number & 255}")
        near.join(far)
        far.join(near)
        listener.accepted.append(far)
        self.dialled.append(near)
        far.get_protocol().connection_made(far)
        near.get_protocol().connection_made(near)
        return near, near.get_protocol()


class FakeNetworkLoop(VirtualTimeLoop):
    """A loop in virtual time whose connections go over a `FakeNetwork`. No TLS."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.network = FakeNetwork(self, seed)

    async def create_connection(  # type: ignore[override]  # the few arguments that a memory has a meaning for
        self,
        protocol_factory: ProtocolFactory,
        host: str,
        port: int,
        *,
        ssl: None = None,  # noqa: ARG002 - as in asyncio
        server_hostname: str | None = None,  # noqa: ARG002 - as in asyncio
    ) -> tuple[FakeTransport, Any]:
        """Dial `host`, a name of the fake network."""
        return await self.network.connect(protocol_factory, (host, port))

    async def create_server(  # type: ignore[override]  # see create_connection
        self,
        protocol_factory: ProtocolFactory,
        host: str | None = None,
        port: int = 0,
        *,
        sock: FakeListener | None = None,
        ssl: None = None,  # noqa: ARG002 - as in asyncio
        backlog: int = socket.SOMAXCONN,  # noqa: ARG002 - nobody waits in memory
    ) -> FakeListener:
        """Listen at an address of the fake network."""
        listener = sock if sock is not None else self.network.bind(host or "localhost", port)
        self.network.listen(listener, protocol_factory)
        return listener
