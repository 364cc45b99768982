"""One simulated run: the real gateway, server and client between simulated clients and providers, all from one seed."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress
from random import Random

from tests.simulation.client import SimulatedClient
from tests.simulation.dialogue import Asked, Seen
from tests.simulation.provider import SimulatedProvider

from weighbridge.auth.virtual_keys import KeysDelta, digest_of
from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.core.routes import HealthRules, RetryPolicy
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deadlines, Dialect, Origin, Record, VirtualKey
from weighbridge.http.client import HttpClient
from weighbridge.http.server import Server
from weighbridge.pipeline.gateway import Gateway
from weighbridge.pipeline.plan import Limits, Plan
from weighbridge.providers.base import Base, Credential, Provider
from weighbridge.telemetry.record_buffer import RecordBuffer
from weighbridge.testing.books import memory_books
from weighbridge.testing.fake_network import FakeNetworkLoop
from weighbridge.testing.fake_transport import Conditions
from weighbridge.testing.virtual_time import VirtualClock, run_virtual

QUIET_S = 400
"""Longer than every deadline and idle time of a run: afterwards nothing may be left."""


class MarkerIds:
    """Request ids that are the markers of the requests; a refusal that never became an exchange has none."""

    def __init__(self) -> None:
        self.next = ""

    def request_id(self) -> str:
        given, self.next = self.next, ""
        return given or "refused"


class World:
    """Everything of one run. `run` returns when all is over; then the lists and counters tell what happened."""

    def __init__(self, seed: int, *, is_calm: bool = False) -> None:
        self.seed = seed
        self.is_calm = is_calm
        rng = self.rng = Random(seed)
        self.loop = FakeNetworkLoop(seed)
        self.clock = VirtualClock(self.loop)
        self.asked: dict[str, Asked] = {}
        self.seen: dict[str, Seen] = {}
        self.begun: list[str] = []
        self.records: list[Record] = []
        self.bugs: list[BaseException] = []
        self.trace: list[str] = []
        self.left_over: list[str] = []
        self._provider_tasks: set[asyncio.Task[None]] = set()
        self.secrets = [f"wb-{n}" + "k" * 40 for n in range(4)]
        self.revoked_since: dict[str, int] = {}
        self.ids = MarkerIds()
        self.providers = {name: SimulatedProvider(self, name, Random(rng.random())) for name in ("p0", "p1", "p2")}
        if is_calm:
            for provider in self.providers.values():
                provider.calm_down()
        self.plan = self._plan(1)
        self.limits = self.plan.limits

    def note(self, who: str, what: str) -> None:
        self.trace.append(f"{self.loop.now_ns} {who} {what}")

    def digest(self) -> str:
        """What happened, as a hash. What happens at the same instant to several connections has no order: the engine's
        sweeps walk over sets."""
        return hashlib.sha256("\n".join(sorted([*self.trace, *map(repr, self.records)])).encode()).hexdigest()

    def watch_task(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._provider_tasks.add(task)
        task.add_done_callback(self._provider_tasks.discard)

    def _plan(self, version: int) -> Plan:
        limits = Limits(max_upstream_connections=self.rng.choice([1, 2, 8])) if self.is_calm else self._tight_limits()
        keys = tuple(VirtualKey(f"key_{n}", f"key {n}", digest_of(s.encode())) for n, s in enumerate(self.secrets))
        providers = tuple(self._provider(name) for name in self.providers)
        # One attempt: what a provider sends here is seldom an answer, and is told from what the client gets.
        return Plan(
            version,
            providers,
            keys=keys,
            limits=limits,
            retry=RetryPolicy(max_attempts=1),
            health=HealthRules(breakers=False, keys=False),
        )

    def _tight_limits(self) -> Limits:
        rng = self.rng
        return Limits(
            header_timeout_ns=10 * NS_PER_S,
            body_idle_timeout_ns=rng.choice([3, 30]) * NS_PER_S,
            keepalive_timeout_ns=rng.choice([2, 75]) * NS_PER_S,
            write_stall_timeout_ns=rng.choice([5, 40]) * NS_PER_S,
            max_in_flight=rng.choice([5, 1000]),
            max_connections=rng.choice([8, 1000]),
            max_upstream_connections=rng.choice([1, 2, 8, 1000]),
            upstream_idle_timeout_ns=rng.choice([1, 55]) * NS_PER_S,
            max_body_bytes=rng.choice([15_000, 1_000_000, 1_000_000, 1_000_000]),
            max_upload_bytes=rng.choice([50_000, 10_000_000]),
        )

    def _provider(self, name: str) -> Provider:
        origin = Origin("http", f"{name}.example", 80)
        patient = Deadlines(connect_ns=3600 * NS_PER_S)
        hasty = Deadlines(
            connect_ns=self.rng.choice([1, 10]) * NS_PER_S,
            first_byte_ns=self.rng.choice([2, 20]) * NS_PER_S,
            between_bytes_ns=self.rng.choice([2, 20]) * NS_PER_S,
            total_ns=self.rng.choice([8, 60]) * NS_PER_S,
        )
        deadlines = patient if self.is_calm else hasty
        bases = {Dialect.OPENAI: Base(origin, "/v1"), Dialect.ANTHROPIC: Base(origin, "")}
        return Provider(name, bases, credentials=(Credential(f"{name}#1", Secret(f"sk-of-{name}")),), deadlines=deadlines)

    # --- the run ------------------------------------------------------------------------------------------------

    def run(self) -> World:
        run_virtual(self._run(), self.loop)
        return self

    async def _run(self) -> None:
        self.loop.set_exception_handler(lambda _, context: self.left_over.append(repr(context)))
        for host in ("gateway", *(f"{name}.example" for name in self.providers)):
            self.loop.network.conditions[host] = self._conditions()
        servers = [await asyncio.start_server(p.serve, f"{name}.example", 80) for name, p in self.providers.items()]
        self.client = HttpClient(clock=self.clock, limits=self.limits, sweep_s=0.5)
        self.sink = RecordBuffer(self._take, self.loop)
        self.gateway = Gateway(
            self.plan,
            upstream=self.client,
            key_source=self,
            responses=self,
            books=memory_books(),
            sink=self.sink,
            clock=self.clock,
            ids=self.ids,
            rng=SystemRng(self.seed),
            control=None,
        )
        self.server = Server(
            self._handle, self.gateway.render_refusal, clock=self.clock, limits=self.limits, on_bug=self.bugs.append
        )
        self.listener = self.loop.network.bind("gateway", 80)
        await self.server.start([self.listener])  # type: ignore[list-item]
        clients = [SimulatedClient(self, n, Random(self.rng.random())) for n in range(self.rng.choice([1, 4, 12]))]
        if self.is_calm:
            for client in clients:
                client.calm_down()
        disturbing = asyncio.create_task(asyncio.sleep(0) if self.is_calm else self._disturb())
        await asyncio.gather(*(client.run(60 // len(clients)) for client in clients))
        disturbing.cancel()
        with suppress(asyncio.CancelledError):
            await disturbing
        await asyncio.sleep(QUIET_S)
        self._look_for("after quiet")
        await self.server.drain(1)
        self.sink.flush()
        await self.client.close()
        for server in servers:
            server.close()
        await asyncio.sleep(QUIET_S)
        self._look_for("at the end")
        self.left_over += [repr(task) for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        self.left_over += [repr(timer) for timer in self.loop.timers]

    def _conditions(self) -> Conditions:
        return Conditions(
            delay_ns=self.rng.choice([(10_000, 100_000), (1_000_000, 50_000_000)]),
            window=self.rng.choice([4096, 65536, 1_000_000]),
            max_read=self.rng.choice([1000, 262_144]),
            is_shredded=self.rng.random() < 0.5,
        )

    def _look_for(self, when: str) -> None:
        counters = {
            "gateway.in_flight": self.gateway.in_flight,
            "server.in_flight": self.server.in_flight,
            "server.n_connections": self.server.n_connections,
            "client.n_active": self.client.n_active,
            "client.n_connections": self.client.n_connections,
            "provider tasks": len(self._provider_tasks),
        }
        self.left_over += [f"{when}: {name} is {value}" for name, value in counters.items() if value]

    async def _handle(self, downstream) -> None:
        marker = dict(downstream.headers)[b"x-marker"].decode()
        self.begun.append(marker)
        self.note(marker, "begun")
        self.ids.next = marker
        await self.gateway.handle(downstream)

    def _take(self, records) -> None:
        self.records += records
        for record in records:
            self.note(record.request_id, f"settled {record.status} {record.error}")
        self.loop.call_later(0.2, self.sink.taken, len(records))

    async def find(self, digest: bytes) -> VirtualKey | None:
        await asyncio.sleep(0.01)
        return None

    async def _disturb(self) -> None:
        """Reloads, revoked keys and dead hosts, while requests are under way."""
        version, rng = 1, Random(self.rng.random())
        while True:
            await asyncio.sleep(rng.expovariate(1 / 15))
            what = rng.choice(["reload", "revoke", "restore", "silence", "speak", "conditions"])
            host = f"{rng.choice([*self.providers])}.example"
            digest = digest_of(self.secrets[0].encode())
            if what == "reload":
                version += 1
                plan = self._plan(version)
                self.gateway.swap(plan)
                self.server.limits = self.client.limits = plan.limits
            elif what == "revoke":
                self.gateway.swap_keys(KeysDelta(1, removed=(digest,)))
            elif what == "restore":
                self.gateway.swap_keys(KeysDelta(1, upserted=(self.plan.keys[0],)))
            elif what == "silence":
                self.loop.network.silent.add(host)
            elif what == "speak":
                self.loop.network.silent.discard(host)
            else:
                self.loop.network.conditions[host] = self._conditions()
            self.note(host, what)
