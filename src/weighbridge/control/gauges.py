"""What Prometheus is told of the gateway as it is at the moment of a scrape: workers, targets, keys, budgets, the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from weighbridge.control.admin_services import AdminServices
from weighbridge.control.alert_look import credits_of
from weighbridge.control.archive import Archive
from weighbridge.control.budget_board import BudgetView, budgets_now
from weighbridge.control.credit_board import CreditView
from weighbridge.control.log_sink import LogSink
from weighbridge.control.payload_keeper import PayloadKeeper
from weighbridge.core.allowances import Allowances
from weighbridge.core.money import NANO
from weighbridge.routing.health_events import TargetState, TargetStatus, is_of_own_key
from weighbridge.routing.provider_key import KeyState

MAX_SERIES: Final = 2_000
"""Of budgets, those that are fullest."""
_BUDGET: Final = ("budget", "scope", "subject", "unit", "period")
Gauge = Callable[[str, str, Sequence[str]], GaugeMetricFamily]


class GatewayGauges(Collector):
    """Asked at each scrape, on a thread: it looks into the store."""

    def __init__(self, services: AdminServices) -> None:
        self._services = services

    def collect(self) -> Iterator[Metric]:
        """Every gauge."""
        yield from self._gateway()
        # Not those of customers' own keys: names without bound, and nothing that an operator can mend.
        yield from _targets([target for target in self._services.targets() if not is_of_own_key(target.id)])
        yield from _budgets(self._budgets())
        yield _credits(credits_of(self._services))
        yield from _log_sinks(self._services.log_sinks())
        if (archive := self._services.archive()) is not None:
            yield from _archive(archive)
        if (payloads := self._services.payloads) is not None:
            yield from _payloads(payloads)
        yield _gauge("weighbridge_ledger_lag_bytes", "What lies in journals and not in the store yet.", self._services.lag_bytes())

    def describe(self) -> list[Metric]:
        """Nothing: registering must not look into the store."""
        return []

    def _gateway(self) -> Iterator[Metric]:
        status = self._services.status()
        info = InfoMetricFamily("weighbridge_build", "The gateway's version.")
        info.add_metric((), {"version": status.version})
        yield info
        yield _gauge("weighbridge_uptime_seconds", "Since the control plane started.", status.uptime_seconds)
        yield _gauge("weighbridge_config_version", "Of the configuration that serves.", status.config.version)
        refused = status.config.last_failed_reload is not None
        yield _gauge("weighbridge_config_reload_refused", "1 while the newest configuration was refused.", int(refused))
        workers = GaugeMetricFamily("weighbridge_workers", "Data-plane processes by state.", labels=("state",))
        for state in ("ready", "starting", "draining", "down"):
            workers.add_metric((state,), sum(worker.state == state for worker in status.workers))
        yield workers
        restarts = CounterMetricFamily("weighbridge_worker_restarts", "Workers that ended without having been told to.")
        restarts.add_metric((), sum(worker.restarts for worker in status.workers))
        yield restarts
        yield _gauge("weighbridge_connections", "Open connections of clients.", sum(w.connections for w in status.workers))
        yield _gauge("weighbridge_requests_in_flight", "Requests under way.", sum(w.in_flight for w in status.workers))
        away = sum(w.limits_away for w in status.workers)
        yield _gauge("weighbridge_shared_limits_away", "Workers that cannot ask the limits that hosts share.", away)
        unanswered = CounterMetricFamily("weighbridge_shared_limits_unanswered", "Requests that had no answer of them.")
        unanswered.add_metric((), sum(w.limits_unanswered for w in status.workers))
        yield unanswered

    def _budgets(self) -> list[BudgetView]:
        services = self._services
        made, written = services.store.allowances.all(), services.allowances()
        both = Allowances(written.budgets + made.budgets)
        return budgets_now(both, services.store.ledger.counters(), services.level, services.clock.wall_ns())


def _credits(accounts: Sequence[CreditView]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "weighbridge_credits_left", "What a customer has left who pays in advance, in dollars.", labels=("kind", "name")
    )
    for account in sorted(accounts, key=lambda each: each.balance_nanousd)[:MAX_SERIES]:
        family.add_metric((account.payer["kind"], account.payer["name"]), account.balance_nanousd / NANO)
    return family


def _log_sinks(sinks: Sequence[LogSink]) -> Iterator[Metric]:
    sent = CounterMetricFamily("weighbridge_log_sink_rows", "Rows that a log sink has taken.", labels=("sink",))
    lost = CounterMetricFamily("weighbridge_log_sink_dropped", "Rows that no sink will see.", labels=("sink", "reason"))
    waits = GaugeMetricFamily("weighbridge_log_sink_waiting_bytes", "What waits on disk for a log sink.", labels=("sink",))
    for sink in sinks:
        sent.add_metric((sink.name,), sink.n_sent)
        for reason, n in (("spool_full", sink.spool.n_dropped), ("refused", sink.n_refused), ("disk", sink.n_lost)):
            lost.add_metric((sink.name, reason), n)
        waits.add_metric((sink.name,), sink.spool.n_bytes)
    yield from (sent, lost, waits)


def _archive(archive: Archive) -> Iterator[Metric]:
    rows = CounterMetricFamily("weighbridge_archive_rows", "Requests that were archived.")
    rows.add_metric((), archive.n_rows)
    failures = CounterMetricFamily("weighbridge_archive_failures", "Times that requests could not be archived.")
    failures.add_metric((), archive.n_failures)
    yield from (rows, failures)


def _payloads(payloads: PayloadKeeper) -> Iterator[Metric]:
    kept = CounterMetricFamily("weighbridge_payloads_kept", "Requests of which was kept what was asked and answered.")
    kept.add_metric((), payloads.n_kept)
    dropped = CounterMetricFamily("weighbridge_payloads_dropped", "Those that were to be kept, for which there was no room.")
    dropped.add_metric((), payloads.n_dropped)
    yield from (kept, dropped)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _targets(statuses: Sequence[TargetStatus]) -> Iterator[Metric]:
    states = GaugeMetricFamily("weighbridge_target_state", "1 for the state in which a target is.", labels=("target", "state"))
    keys = GaugeMetricFamily(
        "weighbridge_provider_key_state", "1 for the state in which a provider key is.", labels=("key", "state")
    )
    seen: set[str] = set()
    for status in statuses:
        for state in TargetState:
            states.add_metric((status.id, state.value), int(status.state == state))
        for key in status.keys:
            if key.name in seen:
                continue  # it stands under each target that it is used for
            seen.add(key.name)
            for each in KeyState:
                keys.add_metric((key.name, each.value), int(key.state == each))
    yield states
    yield keys


def _budgets(budgets: Sequence[BudgetView]) -> Iterator[Metric]:
    families = [
        GaugeMetricFamily(f"weighbridge_budget_{name}", text, labels=_BUDGET)
        for name, text in (
            ("amount", "What a budget has, in dollars or tokens."),
            ("spent", "What was spent of it in the period that runs."),
            ("held", "What requests under way hold of it."),
        )
    ]
    found = [(budget, account) for budget in budgets for account in budget.accounts]
    found.sort(key=lambda pair: pair[1].left / max(1, pair[0].amount))
    for budget, account in found[:MAX_SERIES]:
        labels = (budget.id, budget.scope["kind"], account.subject, budget.unit, budget.period)
        unit = NANO if budget.unit == "usd" else 1
        for family, value in zip(families, (budget.amount, account.spent, account.held), strict=True):
            family.add_metric(labels, value / unit)
    yield from families
