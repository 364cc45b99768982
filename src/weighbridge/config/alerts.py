"""Alerts of a configuration, as the control plane watches for them."""

from __future__ import annotations

from weighbridge.config import schema
from weighbridge.config.alert_fields import Smtp
from weighbridge.core.alerts import AlertRule, Alerts, Destination, MailServer


def compile_alerts(config: schema.Config) -> Alerts:
    """All rules and destinations."""
    written = config.alerts
    destinations = tuple(
        Destination(name, each.slack, each.webhook, each.secret, tuple(each.email)) for name, each in written.to.items()
    )
    rules = tuple(
        AlertRule(rule.on, rule.threshold(), rule.window(), rule.at_least, rule.lasting, tuple(rule.to)) for rule in written.rules
    )
    return Alerts(rules, destinations, None if written.smtp is None else _mail(written.smtp))


def _mail(smtp: Smtp) -> MailServer:
    return MailServer(smtp.host, smtp.port, smtp.sender, smtp.user, smtp.password, smtp.tls)
