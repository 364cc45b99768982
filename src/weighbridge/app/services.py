"""What the supervisor tells the admin API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge import __version__
from weighbridge.control.admin_services import (
    AdminServices,
    ConfigProblem,
    ConfigStatus,
    FailedReload,
    GatewayStatus,
    ReloadOutcome,
    WorkerStatus,
)
from weighbridge.core.clock import NS_PER_S, utc_from_ns

if TYPE_CHECKING:
    from weighbridge.app.supervisor import Supervisor


def admin_services(supervisor: Supervisor) -> AdminServices:
    """The callables behind the admin API."""

    async def reload() -> ReloadOutcome:
        error = await supervisor.reload()
        problems = tuple(ConfigProblem.of(problem) for problem in error.problems) if error is not None else ()
        return ReloadOutcome(config_version=supervisor.version, problems=problems)

    return AdminServices(
        store=supervisor.store,
        keys=supervisor.keys,
        clock=supervisor.clock,
        status=lambda: _status(supervisor),
        config=lambda: supervisor.loaded.config,
        records=supervisor.records.recent,
        reload=reload,
        targets=supervisor.board.statuses,
        clear_target=supervisor.clear_target,
        allowances=lambda: supervisor.written_allowances,
        level=supervisor.level,
        key_names=supervisor.keys.names,
        metrics=supervisor.metrics,
        repricer=supervisor.repricer,
        send_test_alert=supervisor.send_test_alert,
        log_sinks=lambda: supervisor.log_sinks,
        lag_bytes=lambda: supervisor.ledger.mover.lag_bytes if supervisor.ledger is not None else 0,
        master_keys=lambda: supervisor.provider_keys.master_keys,
        providers=supervisor.providers,
        oidc_calls=supervisor.oidc_calls,
        archive=lambda: supervisor.archive,
        payloads=supervisor.payloads,
        metrics_are_open=supervisor.loaded.config.metrics.open,
        sign_in=lambda: supervisor.sign_in,
    )


def _status(supervisor: Supervisor) -> GatewayStatus:
    return GatewayStatus(
        version=__version__,
        uptime_seconds=(supervisor.clock.now_ns() - supervisor.started_ns) / NS_PER_S,
        config=_config_status(supervisor),
        workers=tuple(
            WorkerStatus(
                pid=worker.pid,
                state=worker.state,
                restarts=worker.restarts,
                connections=worker.n_connections,
                in_flight=worker.n_in_flight,
                limits_away=worker.limits_are_away,
                limits_unanswered=worker.n_unknown_limits,
            )
            for worker in supervisor.workers
        ),
    )


def _config_status(supervisor: Supervisor) -> ConfigStatus:
    source = supervisor.loaded.source
    failure = None
    if supervisor.last_failure is not None:
        at, error = supervisor.last_failure
        failure = FailedReload(at=utc_from_ns(at), problems=tuple(ConfigProblem.of(problem) for problem in error.problems))
    return ConfigStatus(
        version=supervisor.version,
        source=str(source) if source is not None else "none: providers of the environment, and the demo",
        loaded_at=utc_from_ns(supervisor.loaded_wall_ns),
        last_failed_reload=failure,
    )
