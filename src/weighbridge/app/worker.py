"""A data-plane process: `python -m weighbridge.app.worker LISTEN_FDS CHANNEL_FD`, started by the supervisor only.

It imports neither pydantic nor a database nor a web framework: a worker starts in a fifth of a second and stays small.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Final

import uvloop

from weighbridge.app.allocator import Allocator
from weighbridge.app.collector import settle_heap
from weighbridge.app.supervisor_client import (
    KeyQuestions,
    LeaseQuestions,
    ModelQuestions,
    PayloadSender,
    ResponseQuestions,
    TokenQuestions,
)
from weighbridge.control.channel import (
    Applied,
    Bug,
    Channel,
    ClearHealth,
    CountedTokens,
    Drain,
    FoundKey,
    FoundResponse,
    GotLeases,
    HealthNews,
    LedgerPlace,
    ListedModels,
    Pulse,
    Ready,
    Records,
    SetKeys,
    SetOwnKeys,
    SetPlan,
    Start,
    Taken,
    Targets,
    ToWorker,
    TurnPage,
)
from weighbridge.core.clock import CountingIds, SystemClock, SystemRng
from weighbridge.core.tasks import TaskSet
from weighbridge.core.terms import Origin
from weighbridge.credentials.keeper import Keeper
from weighbridge.http.client import HttpClient
from weighbridge.http.demo_upstream import DemoUpstream, UpstreamByScheme
from weighbridge.http.server import Server
from weighbridge.http.tls import Certificate, verifying_context
from weighbridge.pipeline.bookkeeper import Bookkeeper
from weighbridge.pipeline.gateway import Gateway
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.cloud_accounts import CloudAccount
from weighbridge.routing.health_events import HealthEvent
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile
from weighbridge.storage.shared_cells import SharedTable
from weighbridge.storage.valkey_limits import ValkeyLimits
from weighbridge.telemetry.record_buffer import RecordBuffer
from weighbridge.telemetry.record_lines import RecordLines

_PULSE_S: Final = 1.0


class Worker:
    """Joins the data plane to its adapters and obeys the supervisor."""

    def __init__(self, listening: list[socket.socket], channel: socket.socket) -> None:
        self._listening = listening
        self._channel_socket = channel
        self._channel: Channel[ToWorker] = Channel(ToWorker, self._obey, self._orphaned)
        self._clock = SystemClock()
        self._allocator = Allocator()
        self._allocator.keep()
        self._tasks = TaskSet(self._report_bug)
        self._keys = KeyQuestions(self._channel.send)
        self._responses = ResponseQuestions(self._channel.send)
        self._leases = LeaseQuestions(self._channel.send)
        self._tokens = TokenQuestions(self._channel.send)
        self._models = ModelQuestions(self._channel.send)
        self._gateway: Gateway | None = None
        self._server: Server | None = None
        self._client: HttpClient | None = None
        self._sink: RecordBuffer | None = None
        self._journal: JournalFile | None = None
        self._keeper: Keeper | None = None
        self._certificate: Certificate | None = None
        self._shared_limits: ValkeyLimits | None = None
        self._is_ready = False
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to stop, or until the supervisor is gone."""
        loop = asyncio.get_running_loop()
        # The supervisor says when to stop; a terminal's Ctrl-C reaches every process of the group at once.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_signal_handler(signal.SIGTERM, lambda: None)
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        await loop.create_connection(lambda: self._channel, sock=self._channel_socket)
        await self._stopped.wait()
        self._channel.close()
        await self._tasks.cancel_all()

    # --- messages -----------------------------------------------------------------------------------------------

    def _obey(self, message: ToWorker) -> None:
        if isinstance(message, Start):
            # At once, since a message right behind this one already changes what is built here.
            self._build(message)
            self._tasks.spawn(self._listen(message))
        elif isinstance(message, SetPlan):
            self._apply(message.plan)
        elif isinstance(message, SetKeys) and self._gateway is not None:
            self._gateway.swap_keys(message.delta)
        elif isinstance(message, SetOwnKeys) and self._gateway is not None:
            self._gateway.swap_own_keys(message.keys)
        elif isinstance(message, FoundKey):
            self._keys.answered(message)
        elif isinstance(message, GotLeases):
            self._leases.answered(message)
        elif isinstance(message, CountedTokens):
            self._tokens.answered(message)
        elif isinstance(message, ListedModels):
            self._models.answered(message)
        elif isinstance(message, FoundResponse):
            self._responses.answered(message)
        elif isinstance(message, HealthNews) and self._gateway is not None:
            self._hear_health(message.events)
        elif isinstance(message, ClearHealth) and self._gateway is not None:
            self._gateway.fleet.health.clear(message.name)
        elif isinstance(message, Taken) and self._sink is not None:
            self._sink.taken(message.n_records)
        elif isinstance(message, TurnPage) and self._journal is not None:
            self._journal.turn_page()
        elif isinstance(message, Drain):
            self._tasks.spawn(self._drain(message.timeout_s))

    def _build(self, start: Start) -> None:
        loop = asyncio.get_running_loop()
        plan = start.plan
        keeper = self._keeper = Keeper(clock=self._clock)
        keeper.apply(_accounts(plan))
        client = self._client = HttpClient(clock=self._clock, limits=plan.limits)
        table, journal = self._open_ledger(start.ledger, loop)
        shared = self._shared_limits = self._share_limits(start)
        sink = self._sink = RecordBuffer(lambda records: self._channel.send(Records(RecordLines.of(records))), loop)
        gateway = self._gateway = Gateway(
            plan,
            upstream=UpstreamByScheme(client, DemoUpstream(self._clock)),
            key_source=self._keys,
            responses=self._responses,
            books=Bookkeeper(table, journal, self._leases, shared),
            sink=sink,
            clock=self._clock,
            ids=CountingIds(),
            rng=SystemRng(),
            control=Origin("unix", start.control_socket),
            find_authorizer=keeper.find,
            token_counter=self._tokens,
            model_lister=self._models,
            payload_keeper=PayloadSender(self._channel.send, lambda: self._channel.backlog),
        )
        gateway.fleet.health.on_change = lambda event: self._channel.send(HealthNews([event]))
        self._hear_health(start.health)
        self._server = Server(
            gateway.handle, gateway.render_refusal, clock=self._clock, limits=plan.limits, on_bug=self._report_bug
        )

    def _share_limits(self, start: Start) -> ValkeyLimits | None:
        place = start.shared_limits
        if place is None:
            return None
        context = verifying_context(place.tls) if place.tls is not None else None
        shared = ValkeyLimits(place, start.ledger.journal_id, context, self._clock, _say)
        self._tasks.spawn(shared.run())
        return shared

    def _open_ledger(self, place: LedgerPlace, loop: asyncio.AbstractEventLoop) -> tuple[SharedTable, JournalFile]:
        policy = FsyncPolicy(place.fsync)
        directory = Path(place.directory)
        journal = JournalFile(directory, self._clock, loop, policy, _say, journal_id=place.journal_id)
        self._journal = journal
        return SharedTable(Path(place.table), place.lane), journal

    def _hear_health(self, events: list[HealthEvent]) -> None:
        """What another worker has found out about targets and keys."""
        assert self._gateway is not None
        for event in events:
            self._gateway.fleet.health.apply(event, self._clock.now_ns(), self._clock.wall_ns())

    async def _listen(self, start: Start) -> None:
        assert self._gateway is not None
        assert self._server is not None
        if start.cert_file is not None and start.key_file is not None:
            self._certificate = Certificate(start.cert_file, start.key_file)
        if self._shared_limits is not None:
            await self._shared_limits.has_tried.wait()
        await self._server.start(self._listening, self._certificate.context if self._certificate is not None else None)
        settle_heap()
        self._is_ready = True
        self._channel.send(Ready(self._gateway.snapshot.plan.version))
        self._tasks.spawn(self._beat())

    def _apply(self, plan: Plan) -> None:
        assert self._gateway is not None
        assert self._server is not None
        assert self._client is not None
        if self._keeper is not None:
            self._keeper.apply(_accounts(plan))
        self._gateway.swap(plan)
        self._server.limits = plan.limits
        self._client.limits = plan.limits
        if self._certificate is not None:
            self._certificate.reload()
        if self._is_ready:
            self._channel.send(Applied(plan.version))

    async def _beat(self) -> None:
        while True:
            assert self._server is not None
            assert self._client is not None
            self._channel.send(self._pulse(self._server, self._client))
            if self._gateway is not None and (statuses := self._gateway.fleet.health.statuses(self._clock.now_ns())):
                self._channel.send(Targets(statuses))
            if not self._server.in_flight:
                self._allocator.give_back()
            await asyncio.sleep(_PULSE_S)

    def _pulse(self, server: Server, client: HttpClient) -> Pulse:
        shared = self._shared_limits
        limits = (shared.is_away, shared.n_unknown) if shared is not None else (False, 0)
        return Pulse(server.n_connections, server.in_flight, client.n_connections, *limits)

    async def _drain(self, timeout_s: float) -> None:
        if self._gateway is not None and self._server is not None and self._sink is not None and self._client is not None:
            self._gateway.is_draining = True
            await self._server.drain(timeout_s)
            self._sink.flush()
            await self._client.close()
        if self._shared_limits is not None:
            await self._shared_limits.stop()
        if self._journal is not None:
            self._journal.close()
        if self._keeper is not None:
            self._keeper.close()
        self._stopped.set()

    def _orphaned(self) -> None:
        """The supervisor is gone: nobody takes Records any more, so nothing may be served."""
        self._stopped.set()

    def _report_bug(self, bug: BaseException) -> None:
        self._channel.send(Bug("".join(traceback.format_exception(bug))))


def _say(problem: str) -> None:
    sys.stderr.write(problem + "\n")


def _accounts(plan: Plan) -> dict[str, CloudAccount]:
    """Who signs in at a cloud, by the provider's name."""
    return {provider.name: provider.account for provider in plan.providers if provider.account is not None}


def main(arguments: list[str]) -> None:
    """Run a worker on inherited file descriptors."""
    listening = [socket.socket(fileno=int(fd)) for fd in arguments[0].split(",")]
    channel = socket.socket(fileno=int(arguments[1]))

    async def serve() -> None:
        await Worker(listening, channel).run()

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve())


if __name__ == "__main__":
    main(sys.argv[1:])
