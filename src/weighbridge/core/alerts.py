"""What operators are told of when it happens: plain data, as in `terms.py`. Times are nanoseconds, amounts nano-dollars."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from weighbridge.core.secret import Secret


class AlertOn(StrEnum):
    """What a rule looks at."""

    __hash__ = str.__hash__  # as in terms.py

    BUDGET = "budget"
    """Each budget's own `alert_at`."""
    ERROR_RATE = "error_rate"
    """The share of failed requests of a model, in millionths."""
    LATENCY = "latency"
    """The 95th percentile of a model's requests, in nanoseconds."""
    SPEND = "spend"
    """What all requests cost together."""
    SPEND_ANOMALY = "spend_anomaly"
    """So many millionths of what the same time of the day before cost."""
    UNKNOWN_COST = "unknown_cost"
    """Attempts whose cost nobody knows."""
    TARGET = "target"
    """A target that is not asked."""
    PROVIDER_KEY = "provider_key"
    """A provider key that was refused, or has no money."""
    WORKER = "worker"
    """Fewer workers than there should be."""
    LEDGER_LAG = "ledger_lag"
    """Bytes in journals that are not in the store."""
    SHARED_LIMITS = "shared_limits"
    """The limits that hosts share cannot be asked."""
    CONFIG = "config"
    """The newest configuration was refused."""


class AlertRule(msgspec.Struct, frozen=True):
    """When to tell. `above` is in the unit of what is looked at, `over_ns` the time that is looked at, `at_least` the requests that
    make it a matter, `for_ns` how long it must last; `to` are names of destinations, empty for all."""

    on: AlertOn
    above: int = 0
    over_ns: int = 300_000_000_000
    at_least: int = 20
    for_ns: int = 0
    to: tuple[str, ...] = ()


class Destination(msgspec.Struct, frozen=True):
    """Where notices go: a Slack webhook, a webhook of one's own (signed with `secret`), or e-mail."""

    name: str
    slack: Secret | None = None
    webhook: Secret | None = None
    secret: Secret | None = None
    email: tuple[str, ...] = ()


class MailServer(msgspec.Struct, frozen=True):
    """Who sends e-mail. `tls` is `starttls`, `implicit` or `none`."""

    host: str
    port: int
    sender: str
    user: str = ""
    password: Secret | None = None
    tls: str = "starttls"


class Alerts(msgspec.Struct, frozen=True):
    """All rules and destinations."""

    rules: tuple[AlertRule, ...] = ()
    destinations: tuple[Destination, ...] = ()
    mail: MailServer | None = None


class Severity(StrEnum):
    """How bad it is."""

    __hash__ = str.__hash__

    WARNING = "warning"
    CRITICAL = "critical"


class Condition(msgspec.Struct, frozen=True):
    """Something that is the case. `key` is the same as long as it is; `is_local` where it is so on one host only."""

    key: str
    on: AlertOn
    severity: Severity
    title: str
    text: str = ""
    for_ns: int = 0
    to: tuple[str, ...] = ()
    is_local: bool = False


PPM: Final = 1_000_000
