"""What the admin API needs from the rest of the gateway. The supervisor supplies it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from pydantic import BaseModel, ConfigDict

from weighbridge.auth.master_keys import MasterKeys
from weighbridge.auth.sign_in_rules import SignInRules
from weighbridge.config import problems
from weighbridge.control.archive import Archive
from weighbridge.control.log_sink import LogSink
from weighbridge.control.oidc.calls import Calls
from weighbridge.control.payload_keeper import PayloadKeeper
from weighbridge.core.allowances import Allowances
from weighbridge.core.ports import Clock, KeySource
from weighbridge.core.terms import Record
from weighbridge.ledger.repricing import Repricer
from weighbridge.providers.base import Provider
from weighbridge.routing.health_events import TargetStatus
from weighbridge.storage.store import Store
from weighbridge.telemetry.metrics import Metrics


class Reported(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True)


class ConfigProblem(Reported):
    """One thing that is wrong in the configuration file. `line` counts from 1."""

    path: str
    message: str
    line: int | None = None
    suggestion: str | None = None

    @classmethod
    def of(cls, problem: problems.ConfigProblem) -> Self:
        """The loader's problem as the API tells it."""
        return cls(path=problem.path, message=problem.message, line=problem.line, suggestion=problem.suggestion)


class FailedReload(Reported):
    """A configuration that was refused; the one before it goes on serving."""

    at: datetime
    problems: tuple[ConfigProblem, ...]


class ConfigStatus(Reported):
    """Which configuration serves. `source` is a file's path, or says that there is none."""

    version: int
    source: str
    loaded_at: datetime
    last_failed_reload: FailedReload | None = None


class WorkerStatus(Reported):
    """One data-plane process. `state` is `starting`, `ready`, `draining` or `down`; `restarts` counts since the start.

    `limits_away`: whether it cannot ask the limits that hosts share; `limits_unanswered`: how often a request had no answer.
    """

    pid: int | None
    state: str
    restarts: int
    connections: int
    in_flight: int
    limits_away: bool = False
    limits_unanswered: int = 0


class GatewayStatus(Reported):
    """How the gateway does."""

    version: str
    uptime_seconds: float
    config: ConfigStatus
    workers: tuple[WorkerStatus, ...]


class ReloadOutcome(Reported):
    """What a reload came to: the version that serves now, and why it is still the old one if there are problems."""

    config_version: int
    problems: tuple[ConfigProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class AdminServices:
    """The callables behind the admin API.

    `keys` knows the admin keys (a `KeyRegistry`, or one that asks the configured keys first). `config` gives the
    configuration as loaded, `records` the last so many Records, newest first. `reload` loads the configuration again.
    """

    store: Store
    keys: KeySource
    clock: Clock
    status: Callable[[], GatewayStatus]
    config: Callable[[], BaseModel]
    records: Callable[[int], Sequence[Record]]
    reload: Callable[[], Awaitable[ReloadOutcome]]
    targets: Callable[[], Sequence[TargetStatus]]
    """How each target does, over all workers."""
    clear_target: Callable[[str], bool]
    """Tell all workers that a target or provider key is well. False: it is not known."""
    allowances: Callable[[], Allowances]
    """Budgets and limits of the configuration; the others are in the store."""
    level: Callable[[str], tuple[int, int]]
    """What was spent and is held under a budget's counter, on this host."""
    key_names: Callable[[], Mapping[str, str]]
    """What live virtual keys are called, by their ids."""
    metrics: Metrics
    """Counted from what is in the ledger."""
    log_sinks: Callable[[], Sequence[LogSink]]
    """Where rows of settled exchanges are sent."""
    lag_bytes: Callable[[], int]
    """What lies in journals and not in the store yet."""
    repricer: Callable[[str], Repricer]
    """Today's prices, for models of a pattern."""
    send_test_alert: Callable[[], Awaitable[dict[str, str]]]
    """Sends a notice to every destination: by its name why one did not take it, or nothing."""
    oidc_calls: Calls
    """What is asked of an OpenID provider goes over these."""
    master_keys: Callable[[], MasterKeys] = MasterKeys
    """Under which customers' own provider keys are sealed."""
    providers: Callable[[], Mapping[str, Provider]] = dict
    """Those of the configuration, by their names."""
    archive: Callable[[], Archive | None] = lambda: None
    """Where requests go before they are deleted, if anywhere."""
    payloads: PayloadKeeper | None = None
    """Who keeps what was asked and answered; None where nobody tells."""
    metrics_are_open: bool = False
    """Whether `/metrics` needs no key."""
    sign_in: Callable[[], SignInRules] = SignInRules
    """How people may sign in, as of now."""
