"""What of the control plane nobody waits for at a start: the admin API, the dashboard, and the watch over alert rules.

Its frameworks take longer to load than half of a start, so the supervisor loads this module once its workers serve.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from weighbridge.app.control_server import ControlServer
from weighbridge.app.lease_keeper import lasting_host_id
from weighbridge.app.services import admin_services
from weighbridge.control.admin_api import admin_app
from weighbridge.control.alert_look import look_around
from weighbridge.control.alert_sender import AlertSender
from weighbridge.control.alert_watch import AlertWatch
from weighbridge.control.control_site import control_site
from weighbridge.core.alerts import Alerts
from weighbridge.core.tasks import TaskSet

if TYPE_CHECKING:
    from weighbridge.app.supervisor import Supervisor


def control_server(supervisor: Supervisor, listening: socket.socket) -> ControlServer:
    """The admin API and the dashboard, to be served on a socket that listens since before the workers."""
    return ControlServer(control_site(admin_app(admin_services(supervisor))), listening)


def alert_watch(supervisor: Supervisor, alerts: Callable[[], Alerts], sender: AlertSender, tasks: TaskSet) -> AlertWatch:
    """Who looks after the rules that count now."""
    services = admin_services(supervisor)
    return AlertWatch(
        alerts=alerts,
        look=lambda rules: look_around(services, rules, supervisor.loaded.config.server.workers),
        store=supervisor.store.alerts,
        sender=sender,
        clock=supervisor.clock,
        host=lasting_host_id(supervisor.data_dir),
        tasks=tasks,
    )
