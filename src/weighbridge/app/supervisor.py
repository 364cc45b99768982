"""The parent process: holds the port, runs the control plane, keeps the workers running, and hands them every new version.

Nothing here stands on a request's path. Signals: SIGTERM and SIGINT drain and leave, SIGHUP loads the configuration again.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from weighbridge import __version__
from weighbridge.app import listeners
from weighbridge.app.collector import settle_heap
from weighbridge.app.lease_keeper import LeaseKeeper, lasting_host_id
from weighbridge.app.ledger_keeper import LedgerKeeper
from weighbridge.app.worker_process import WorkerProcess
from weighbridge.auth.master_keys import MasterKeys
from weighbridge.auth.sign_in_rules import SignInRules
from weighbridge.config.alerts import compile_alerts
from weighbridge.config.compile import compile_plan
from weighbridge.config.load import LoadedConfig
from weighbridge.config.logs import compile_logs
from weighbridge.config.problems import ConfigError
from weighbridge.config.shared_limits import compile_shared_limits
from weighbridge.config.sign_in import compile_sign_in
from weighbridge.config.traces import compile_traces
from weighbridge.config.watch import watch_config
from weighbridge.control.alert_sender import AlertSender, Notice
from weighbridge.control.all_keys import AllKeys
from weighbridge.control.allowance_registry import AllowanceRegistry
from weighbridge.control.archive import Archive
from weighbridge.control.archive_places import place_of
from weighbridge.control.channel import (
    Applied,
    AskLeases,
    Bug,
    ClaimResponse,
    ClearHealth,
    CountedTokens,
    CountTokens,
    FindKey,
    FindResponse,
    ForgetResponse,
    FoundKey,
    FoundResponse,
    FromWorker,
    GotLeases,
    HealthNews,
    KeepPayload,
    KeepResponse,
    ListedModels,
    ListModels,
    Pulse,
    Ready,
    Records,
    SetKeys,
    SetOwnKeys,
    SetPlan,
    Start,
    Taken,
    Targets,
    TurnPage,
)
from weighbridge.control.credit_expiry import CreditExpiry
from weighbridge.control.erasure_watch import ErasureWatch
from weighbridge.control.key_registry import KeyRegistry
from weighbridge.control.live_models import LiveModels
from weighbridge.control.log_sink import LogSink
from weighbridge.control.oidc.calls import Calls
from weighbridge.control.payload_keeper import PayloadKeeper
from weighbridge.control.price_corrections import repricer_of
from weighbridge.control.prober import Prober
from weighbridge.control.provider_key_registry import ProviderKeyRegistry
from weighbridge.control.record_keeper import RecordKeeper
from weighbridge.control.redactor import Redactor
from weighbridge.control.target_board import TargetBoard
from weighbridge.control.tokenizer import Tokenizer
from weighbridge.core.alerts import AlertOn, Alerts, Condition, Severity
from weighbridge.core.allowances import Allowances
from weighbridge.core.clock import NS_PER_S, SystemClock, SystemRng
from weighbridge.core.erasure import Erasure
from weighbridge.core.errors import GatewayError
from weighbridge.core.tasks import TaskSet
from weighbridge.core.terms import Record
from weighbridge.http.client import HttpClient
from weighbridge.ledger.repricing import Repricer
from weighbridge.ledger.tariffs import Tariffs
from weighbridge.limits.shared import SharedLimitsPlace
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import Provider
from weighbridge.storage.errors import StorageError
from weighbridge.storage.ledger_retention import Retention
from weighbridge.storage.store import Store
from weighbridge.telemetry.access_log import AccessLog, LogFormat
from weighbridge.telemetry.metrics import Metrics
from weighbridge.telemetry.parquet import require_parquet
from weighbridge.telemetry.trace_sink import TraceSink

if TYPE_CHECKING:
    from weighbridge.app.control_server import ControlServer

STORE_POLL_S: Final = 0.25
"""How often the store is asked for changed keys and budgets: a revoked key is refused well within a second."""
_DAY_NS: Final = 86_400 * NS_PER_S
RETRY_LOG_S: Final = 1.0
MODELS_WITHIN_S: Final = 3.0
"""How long who wants the list of models waits for providers that were not asked before. The next one finds what came later."""
CONTROL_AFTER_S: Final = 10.0
"""How long the admin API waits for the first worker: where none comes up, operators want to see why."""
USED_KEYS_S: Final = 10.0
"""How often it is noted when customers' own provider keys were last used."""


class Supervisor:
    """One gateway on one host. `load` reads the configuration again; `on_ready` is called with the port once a worker serves."""

    def __init__(
        self,
        loaded: LoadedConfig,
        load: Callable[[], LoadedConfig],
        store: Store,
        data_dir: Path,
        on_ready: Callable[[int], None],
    ) -> None:
        self.loaded = loaded
        self.clock = SystemClock()
        self.started_ns = self.clock.now_ns()
        self.ledger: LedgerKeeper | None = None
        self.version = 1
        self.loaded_wall_ns = self.clock.wall_ns()
        self.last_failure: tuple[int, ConfigError] | None = None
        self.workers: list[WorkerProcess] = []
        self.keys = AllKeys(KeyRegistry(store))
        self.stored_allowances = AllowanceRegistry(store)
        self.provider_keys = ProviderKeyRegistry(store, self.clock)
        self.store = store
        metrics = loaded.config.metrics
        self.metrics = Metrics(metrics.labels, metrics.max_values)
        target = compile_traces(loaded.config)
        self._traces = TraceSink(target, __version__) if target is not None else None
        self.log_sinks: list[LogSink] = []
        self.archive: Archive | None = None
        self.payloads = PayloadKeeper(store.payloads)
        store.ledger.on_booked = self._booked
        self.data_dir = data_dir
        """Where everything is kept: the command line may name another one than the configuration."""
        self.board = TargetBoard()
        self.records = RecordKeeper(AccessLog(_log_stream(loaded), LogFormat(loaded.config.access_log.format)))
        self._load = load
        self._on_ready = on_ready
        self._plan = Plan(version=0, providers=())
        self._written_allowances = Allowances()
        self._alerts = Alerts()
        self.sign_in = SignInRules()
        self._http = HttpClient(clock=self.clock, limits=self._plan.limits)
        self._sender = AlertSender(self._http, loaded.proxies, self.clock)
        self.oidc_calls = Calls(self._http, loaded.proxies)
        self._tasks = TaskSet(_report)
        self._tokenizer = Tokenizer()
        self._live_models = LiveModels(self._http, self.clock, self._tasks)
        self._responses_lock = asyncio.Lock()
        self._reloading = asyncio.Lock()
        self._stop = asyncio.Event()
        self._control_socket = Path()
        self._shared_limits: SharedLimitsPlace | None = None
        self._has_served = asyncio.Event()
        self._control_server: ControlServer | None = None
        self._port = 0

    # --- life ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT. Raises `ListenError` or `StorageError` if the gateway cannot start."""
        await self.keys.poll()
        await self.stored_allowances.poll()
        await self._open_provider_keys()
        self._compile()
        with contextlib.ExitStack() as held:
            private = held.enter_context(tempfile.TemporaryDirectory(prefix="weighbridge-"))
            # Not in the data directory: a Unix socket's path has at most 107 bytes.
            self._control_socket = Path(private) / "control.sock"
            self.log_sinks = self._make_log_sinks()
            self.archive = self._make_archive()
            self._shared_limits = compile_shared_limits(self.loaded.config, lasting_host_id(self.data_dir))
            ledger = self.ledger = self._make_ledger(Path(private))
            await ledger.start()
            listening = held.enter_context(listeners.listen_privately(self._control_socket))
            self._start_workers(ledger)
            moving = self._tasks.spawn(ledger.run())
            self._handle_signals()
            self._tasks.spawn(self._control(listening))
            self._tasks.spawn(self._watch_store())
            self._tasks.spawn(self._retry_log())
            self._tasks.spawn(self._note_used_keys())
            self._tasks.spawn(self.payloads.run())
            self._tasks.spawn(self._make_prober().run())
            self._tasks.spawn(CreditExpiry(self.store, None if ledger.has_leases else ledger.take, self.clock).run())
            self._tasks.spawn(ErasureWatch(self.store.erasures, self._forget, self.clock).run())
            if self._traces is not None:
                self._tasks.spawn(self._traces.run())
            for sink in self.log_sinks:
                self._tasks.spawn(sink.run())
            if self.archive is not None:
                self._tasks.spawn(self.archive.run())
            if self.loaded.source is not None:
                self._tasks.spawn(watch_config(self.loaded.source, self._reload_after_change, stop=self._stop))
            await self._stop.wait()
            await self._drain()
            moving.cancel()
            await ledger.stop()
            with contextlib.suppress(StorageError):
                await self.provider_keys.note_used()
            if self._control_server is not None:
                self._control_server.stop()
            await self._tasks.cancel_all()
            await self.payloads.flush()
            await asyncio.gather(*(sink.stop() for sink in self.log_sinks))
            await self._http.close()
            if self._traces is not None:
                await self._traces.stop()
            self.records.close()

    def _make_ledger(self, private: Path) -> LedgerKeeper:
        config = self.loaded.config
        return LedgerKeeper(
            directory=self.data_dir / "journal",
            table=private / "counters",
            store=self.store.ledger,
            leases=self._make_leases() if config.database is not None else None,
            fsync=config.ledger.fsync,
            n_workers=config.server.workers,
            clock=self.clock,
        )

    def _make_log_sinks(self) -> list[LogSink]:
        """Raises `StorageError` where what waits for them cannot be kept, or an extra is missing."""
        targets = compile_logs(self.loaded.config)
        if not targets:
            return []
        host, directory = lasting_host_id(self.data_dir), self.data_dir / "spool"
        try:
            return [LogSink(t, directory, host, self._http, self.loaded.proxies, self.clock, SystemRng()) for t in targets]
        except OSError as error:
            raise StorageError(f"rows for log sinks cannot be kept in {directory} ({error.strerror})") from None
        except GatewayError as error:
            raise StorageError(error.public.rstrip(".")) from None

    def _make_archive(self) -> Archive | None:
        """Raises `StorageError` where an extra is missing."""
        written = self.loaded.config.ledger.archive
        if written is None:
            return None
        try:
            require_parquet()
        except GatewayError as error:
            raise StorageError(error.public.rstrip(".")) from None
        self.store.ledger.is_archived = True
        place = place_of(written, self._http, self.loaded.proxies, self.clock)
        return Archive(place, self.store.archives, lambda: self.store.ledger.retention.records, self.clock)

    def _make_leases(self) -> LeaseKeeper:
        """Several hosts may share a server's database, so each has its part of a hard budget on lease."""
        host = lasting_host_id(self.data_dir)
        self.store.ledger.host = host
        return LeaseKeeper(host, self.store.leases, self.clock)

    def _start_workers(self, ledger: LedgerKeeper) -> None:
        server = self.loaded.config.server
        first = listeners.bind(server.host, server.port)
        self._port = int(first[0].getsockname()[1])
        sets = [first] + [listeners.bind_sibling(first) for _ in range(server.workers - 1)]
        for sockets in sets:
            worker = WorkerProcess(sockets, lambda: self._make_start(ledger), self._hear, ledger.gone, self.clock)
            self.workers.append(worker)
            self._tasks.spawn(worker.keep_running())

    async def _control(self, listening: socket.socket) -> None:
        """The admin API, the dashboard and the alerts, loaded once a worker serves. Who asks meanwhile waits at the socket."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONTROL_AFTER_S):
                await self._has_served.wait()
        await asyncio.to_thread(importlib.import_module, "weighbridge.app.control_plane")  # else the loop would stand still
        from weighbridge.app import control_plane

        self._tasks.spawn(control_plane.alert_watch(self, lambda: self._alerts, self._sender, self._tasks).run())
        server = self._control_server = control_plane.control_server(self, listening)
        settle_heap()
        await server.run()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.spawn(self._reload_after_change()))

    async def _drain(self) -> None:
        timeout_s = self.loaded.config.server.drain_timeout / NS_PER_S
        await asyncio.gather(*(worker.drain(timeout_s) for worker in self.workers))

    # --- workers ------------------------------------------------------------------------------------------------

    def _make_start(self, ledger: LedgerKeeper) -> Start:
        tls = self.loaded.config.server.tls
        cert_file, key_file = (str(tls.cert_file), str(tls.key_file)) if tls is not None else (None, None)
        held = self.board.held(self.clock.wall_ns())
        return Start(self._plan, str(self._control_socket), ledger.place(), cert_file, key_file, held, self._shared_limits)

    def _hear(self, worker: WorkerProcess, message: FromWorker) -> None:
        if isinstance(message, Records):
            self.records.take(message.batch, lambda n: worker.send(Taken(n)))
        elif isinstance(message, Pulse):
            worker.saw(message)
        elif isinstance(message, Targets):
            self.board.saw(self.workers.index(worker), message.statuses)
        elif isinstance(message, HealthNews):
            self._pass_on(message, heard_from=worker)
        elif isinstance(message, FindKey):
            self._tasks.spawn(self._answer_key(worker, message))
        elif isinstance(message, AskLeases):
            self._tasks.spawn(self._answer_leases(worker, message))
        elif isinstance(message, CountTokens):
            self._tasks.spawn(self._answer_count(worker, message))
        elif isinstance(message, ListModels):
            self._tasks.spawn(self._answer_models(worker, message))
        elif isinstance(message, KeepPayload):
            self.payloads.n_dropped += message.n_dropped
            self.payloads.take(message.payload)
        elif isinstance(message, FindResponse | ClaimResponse | KeepResponse | ForgetResponse):
            self._tasks.spawn(self._serve_responses(worker, message))
        elif isinstance(message, Ready | Applied):
            worker.version = message.version
            worker.state = "ready"
            if not self._has_served.is_set():
                self._has_served.set()
                self._on_ready(self._port)
        elif isinstance(message, Bug):
            sys.stderr.write(f"A bug in a worker, please report it:\n{message.trace}")

    def _pass_on(self, news: HealthNews, heard_from: WorkerProcess | None = None) -> None:
        """Tell the workers what one of them, or a probe, has found out."""
        self.board.heard(news.events)
        for other in self.workers:
            if other is not heard_from:
                other.send(news)

    def _make_prober(self) -> Prober:
        return Prober(
            self._http,
            self.clock,
            plan=lambda: self._plan,
            targets=self.board.statuses,
            tell=lambda events: self._pass_on(HealthNews(list(events))),
        )

    def providers(self) -> dict[str, Provider]:
        """Those of the configuration, by their names."""
        return {provider.name: provider for provider in self._plan.providers}

    @property
    def written_allowances(self) -> Allowances:
        """Budgets and limits of the configuration."""
        return self._written_allowances

    def level(self, counter: str) -> tuple[int, int]:
        """What was spent and is held under a budget's counter, on this host."""
        return self.ledger.level(counter) if self.ledger is not None else (0, 0)

    def repricer(self, models: str) -> Repricer:
        """Today's prices, for models of a pattern."""
        return repricer_of(self._plan, models)

    def clear_target(self, name: str) -> bool:
        """Tell all workers that a target or a provider key is well again. False: nobody has heard of it."""
        statuses = self.board.statuses()
        if not any(name == status.id or any(name == key.name for key in status.keys) for status in statuses):
            return False
        for worker in self.workers:
            worker.send(ClearHealth(name))
        return True

    async def _answer_key(self, worker: WorkerProcess, question: FindKey) -> None:
        try:
            key = await self.keys.find(question.digest)
        except StorageError:
            key = None
        worker.send(FoundKey(question.question, key))

    async def _answer_count(self, worker: WorkerProcess, question: CountTokens) -> None:
        worker.send(CountedTokens(question.question, await self._tokenizer.count(question.seen)))

    async def _answer_models(self, worker: WorkerProcess, question: ListModels) -> None:
        shown = [provider for provider in self._plan.providers if provider.shows_live]
        known = await self._live_models.known(shown, within_s=MODELS_WITHIN_S)
        worker.send(ListedModels(question.question, {each.provider: each.models for each in known if each.models}))

    async def _answer_leases(self, worker: WorkerProcess, question: AskLeases) -> None:
        granted = await self.ledger.lease(question.wants) if self.ledger is not None else None
        worker.send(GotLeases(question.question, None if granted is None else tuple(granted)))

    async def _serve_responses(
        self, worker: WorkerProcess, message: FindResponse | ClaimResponse | KeepResponse | ForgetResponse
    ) -> None:
        """Kept responses, in the order in which workers ask: what one has kept, the next question finds."""
        store = self.store.responses
        found: bytes | None = None
        async with self._responses_lock:
            try:
                if isinstance(message, FindResponse):
                    found = await asyncio.to_thread(store.find, message.key_id, message.response_id)
                elif isinstance(message, ClaimResponse):
                    found = await asyncio.to_thread(store.claim, message.response_id)
                elif isinstance(message, KeepResponse):
                    await asyncio.to_thread(store.keep, message.key_id, message.response_id, message.content)
                else:
                    await asyncio.to_thread(store.forget, message.key_id, message.response_id)
            except StorageError as error:
                sys.stderr.write(f"Responses cannot be kept or found: {error}\n")
        if isinstance(message, FindResponse | ClaimResponse):
            worker.send(FoundResponse(message.question, found))

    async def _watch_store(self) -> None:
        while True:
            await asyncio.sleep(STORE_POLL_S)
            try:
                delta = await self.keys.poll()
                has_other_allowances = await self.stored_allowances.poll()
                has_other_own_keys = await self.provider_keys.poll()
            except StorageError as error:
                sys.stderr.write(f"The store cannot be read, keys and budgets stay as they are: {error}\n")
                continue
            if delta is not None or has_other_allowances or has_other_own_keys:
                self._compile()
            for worker in self.workers:
                if has_other_allowances:
                    worker.send(SetPlan(self._plan))
                    continue
                if has_other_own_keys:
                    worker.send(SetOwnKeys(self._plan.own_keys))
                if delta is not None:
                    worker.send(SetKeys(delta))

    async def _open_provider_keys(self) -> None:
        """Open what customers have brought with the configured master keys. Raises `StorageError`."""
        self.provider_keys.set_master_keys(MasterKeys(self.loaded.config.provider_keys.secrets))
        await self.provider_keys.poll()
        if problem := self.provider_keys.problem():
            sys.stderr.write(problem + "\n")

    async def _note_used_keys(self) -> None:
        while True:
            await asyncio.sleep(USED_KEYS_S)
            with contextlib.suppress(StorageError):  # only that somebody reads an older time
                await self.provider_keys.note_used()

    async def _retry_log(self) -> None:
        while True:
            await asyncio.sleep(RETRY_LOG_S)
            self.records.write_waiting()

    def _booked(self, records: Sequence[Record]) -> None:
        """Exchanges that are in the ledger now, for whoever counts or follows them. Called on the mover's thread."""
        self.metrics.observe(records)
        self.provider_keys.saw(records)
        if self._traces is not None:
            self._traces.offer(records)
        for sink in self.log_sinks:
            sink.offer(records)

    def _forget(self, erasures: Sequence[Erasure]) -> None:
        """Of whoever has asked for it, what is here besides the store."""
        self.records.forget(erasures)
        for worker in self.workers:
            worker.send(TurnPage())
        for sink in self.log_sinks:
            sink.erase(erasures)

    # --- alerts -------------------------------------------------------------------------------------------------

    async def send_test_alert(self) -> dict[str, str]:
        """Send a notice to every destination. By its name why one did not take it, or nothing."""
        now = self.clock.wall_ns()
        condition = Condition("test", AlertOn.CONFIG, Severity.WARNING, "This is a test", "Somebody wanted to see it arrive.")
        return await self._sender.send(Notice("firing", condition, now, now), self._alerts)

    # --- configuration ------------------------------------------------------------------------------------------

    def _compile(self) -> None:
        plan = compile_plan(self.loaded, version=self.version, stored_keys=())
        self._alerts = compile_alerts(self.loaded.config)
        self.sign_in = compile_sign_in(self.loaded.config)
        self._configure_payloads()
        kept = self.loaded.config.ledger
        self.store.ledger.retention = Retention(kept.keep_records, kept.keep_requests, kept.keep_minutes, kept.keep_hours)
        self.store.ledger.tariff_of = Tariffs(plan.tariffs).of
        self.keys.set_file_keys(plan.keys)
        of_file = {key.digest for key in plan.keys}
        stored = tuple(key for key in self.keys.stored if key.digest not in of_file)
        written, made = plan.allowances, self.stored_allowances.allowances
        self._written_allowances = written
        allowances = Allowances(written.budgets + made.budgets, written.limits + made.limits, made.prepaid)
        self._plan = msgspec.structs.replace(plan, keys=plan.keys + stored, allowances=allowances, own_keys=self.provider_keys.keys)

    def _configure_payloads(self) -> None:
        written = self.loaded.config.payloads
        if written is not None:
            self.payloads.configure(Redactor(written.redact, written.patterns), written.keep * _DAY_NS)

    async def reload(self) -> ConfigError | None:
        """Load the configuration again and hand it to the workers. What is wrong with it, if anything: then the old one stays."""
        # One at a time: of two that overlap, the one that read the older file could be the one to win.
        async with self._reloading:
            return await self._reload()

    async def _reload(self) -> ConfigError | None:
        try:
            loaded = await asyncio.to_thread(self._load)
        except ConfigError as error:
            self.last_failure = (self.clock.wall_ns(), error)
            return error
        self.last_failure = None
        _say_what_needs_a_restart(self.loaded, loaded)
        self.loaded = loaded
        self.version += 1
        self.loaded_wall_ns = self.clock.wall_ns()
        with contextlib.suppress(StorageError):  # what was open stays so, and the next look tries again
            await self._open_provider_keys()
        self._compile()
        for worker in self.workers:
            worker.send(SetPlan(self._plan))
        return None

    async def _reload_after_change(self) -> None:
        error = await self.reload()
        if error is None:
            sys.stderr.write(f"The configuration was loaded again: version {self.version}.\n")
        else:
            problems = "\n".join(f"  {problem.render(error.source)}" for problem in error.problems)
            sys.stderr.write(f"The configuration was not loaded, version {self.version} goes on serving:\n{problems}\n")


def _say_what_needs_a_restart(old: LoadedConfig, new: LoadedConfig) -> None:
    before, after = old.config, new.config
    settings = {
        "server.host": before.server.host != after.server.host,
        "server.port": before.server.port != after.server.port,
        "server.workers": before.server.workers != after.server.workers,
        "server.tls": before.server.tls != after.server.tls,
        "data_dir": before.data_dir != after.data_dir,
        "database": before.database != after.database,
        "shared_limits": before.shared_limits != after.shared_limits,
        "access_log": before.access_log != after.access_log,
        "metrics": before.metrics != after.metrics,
        "traces": before.traces != after.traces,
        "logs": before.logs != after.logs,
        "ledger.archive": before.ledger.archive != after.ledger.archive,
    }
    changed = [name for name, has_changed in settings.items() if has_changed]
    if changed:
        sys.stderr.write(f"Changed, but only felt after a restart: {', '.join(changed)}.\n")


def _log_stream(loaded: LoadedConfig) -> BinaryIO:
    path = loaded.config.access_log.path
    if path is None:
        return sys.stdout.buffer
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("ab")


def _report(bug: BaseException) -> None:
    sys.stderr.write("A bug in the control plane, please report it:\n" + "".join(traceback.format_exception(bug)))
