"""Alerts as operators write them: where notices go, and when."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from weighbridge.config.fields import Count, Duration, DurationOrZero, Host, Port, SecretText
from weighbridge.config.section import Section, fault, written
from weighbridge.config.units import parse_duration, parse_size
from weighbridge.core.alerts import PPM, AlertOn
from weighbridge.core.money import from_usd

_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%")
_TIMES: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,2})?)x")
_ADDRESS: Final = re.compile(r"[^@\s,<>]{1,64}@[^@\s,<>]{1,190}")
_URL: Final = re.compile(r"https?://[^\s/@]+(?:/\S*)?")


def _share(text: str) -> int:
    found = _PERCENT.fullmatch(text)
    if found is None:
        raise ValueError("must be a percentage such as `5%`")
    return int(Decimal(found[1]) * PPM / 100)


def _times(text: str) -> int:
    found = _TIMES.fullmatch(text)
    if found is None:
        raise ValueError("must be how many times as much, such as `3x`")
    return int(Decimal(found[1]) * PPM)


def _dollars(text: str) -> int:
    try:
        return from_usd(Decimal(text.removeprefix("$")))
    except InvalidOperation:
        raise ValueError("must be dollars such as `$50`") from None


_THRESHOLDS: Final[dict[AlertOn, tuple[Callable[[str], int], str]]] = {
    AlertOn.ERROR_RATE: (_share, "5%"),
    AlertOn.LATENCY: (parse_duration, "30s"),
    AlertOn.SPEND: (_dollars, ""),
    AlertOn.SPEND_ANOMALY: (_times, "3x"),
    AlertOn.LEDGER_LAG: (parse_size, "50MB"),
}
"""What has a threshold: how it is read, and what it is where none is given (empty: one must be)."""
_OVER: Final = {AlertOn.SPEND: "1h", AlertOn.SPEND_ANOMALY: "1h", AlertOn.UNKNOWN_COST: "1h"}
_MOST_OVER: Final = "1d"


class Destination(Section):
    """Where notices go: one of the three."""

    slack: SecretText | None = None
    """A Slack incoming webhook's URL."""
    webhook: SecretText | None = None
    """A URL that gets a POST with JSON."""
    secret: SecretText | None = None
    """What the webhook's notices are signed with (`x-weighbridge-signature`)."""
    email: list[str] = []
    """Addresses; needs `smtp`."""

    @model_validator(mode="after")
    def _is_one(self) -> Destination:
        if (self.slack is not None) + (self.webhook is not None) + bool(self.email) != 1:
            raise fault("slack", "give exactly one of `slack`, `webhook` and `email`")
        if self.secret is not None and self.webhook is None:
            raise fault("secret", "is only for a `webhook`")
        for field in ("slack", "webhook"):
            url = getattr(self, field)
            if url is not None and not _URL.fullmatch(url.reveal()):
                raise fault(field, "must be a URL that begins with `https://` or `http://`")
        if any(not _ADDRESS.fullmatch(address) for address in self.email):
            raise fault("email", "must be addresses such as `ops@example.org`")
        return self


class Smtp(Section):
    """Who sends e-mail."""

    host: Host
    """The server."""
    port: Port = 587
    """Its port."""
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    """`implicit` is mostly port 465."""
    user: str = ""
    """Whoever signs in; nobody if empty."""
    password: SecretText | None = None
    """The user's."""
    sender: Annotated[str, Field(alias="from", min_length=3, max_length=254)]
    """Whose address is in the messages."""

    @model_validator(mode="after")
    def _is_an_address(self) -> Smtp:
        if not _ADDRESS.fullmatch(self.sender):
            raise fault("from", "must be an address such as `weighbridge@example.org`")
        return self


class AlertRule(Section):
    """When operators are told, and told again when it is over."""

    on: AlertOn = Field(strict=False)
    """`budget` (at each budget's `alert_at`), `error_rate`, `latency` (p95) of a model, `spend`, `spend_anomaly` (against the same
    time of the day before), `unknown_cost`, `target`, `provider_key`, `worker`, `ledger_lag`, `shared_limits`, `config`."""
    above: str | None = None
    """The threshold: `5%` of `error_rate` (the default), `30s` of `latency`, `$50` of `spend`, `3x` of `spend_anomaly`, `50MB` of
    `ledger_lag`."""
    over: Duration | None = None
    """The time that is looked at, at most a day; `5m` if not given, `1h` for what is about money."""
    at_least: Count = 20
    """So many requests make `error_rate` or `latency` a matter."""
    lasting: Annotated[DurationOrZero, Field(alias="for")] = written("0s")
    """It must be so for this long."""
    to: list[str] = []
    """Names of destinations; all if empty."""

    @model_validator(mode="after")
    def _has_a_threshold_that_fits(self) -> AlertRule:
        if self.above is not None and self.on not in _THRESHOLDS:
            raise fault("above", f"has no meaning for `{self.on.value}`")
        if self.on in _THRESHOLDS and not (self.above or _THRESHOLDS[self.on][1]):
            raise fault("above", f"is needed for `{self.on.value}`")
        try:
            self.threshold()
        except ValueError as error:
            raise fault("above", str(error)) from None
        if self.window() > parse_duration(_MOST_OVER):
            raise fault("over", "must be at most `1d`")
        return self

    def threshold(self) -> int:
        """In the unit of what is looked at. Raises `ValueError` with a sentence."""
        if self.on not in _THRESHOLDS:
            return 0
        read, usual = _THRESHOLDS[self.on]
        return read(self.above or usual)

    def window(self) -> int:
        """Nanoseconds that are looked at."""
        return self.over if self.over is not None else parse_duration(_OVER.get(self.on, "5m"))


_USUAL: Final[Any] = [
    {"on": "budget"},
    {"on": "provider_key"},
    {"on": "target", "for": "5m"},
    {"on": "worker", "for": "1m"},
    {"on": "ledger_lag", "for": "5m"},
    {"on": "shared_limits", "for": "1m"},
    {"on": "unknown_cost"},
    {"on": "config"},
]
"""Rules that nobody minds, read like any that are written."""


class Alerts(Section):
    """What operators are told of when it happens."""

    to: dict[str, Destination] = {}
    """Where notices go, by a name of your choice. Without one nothing is watched."""
    smtp: Smtp | None = None
    """Who sends e-mail."""
    rules: list[AlertRule] = Field(_USUAL, validate_default=True)
    """When they go there."""

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Alerts:
        if self.smtp is None and any(each.email for each in self.to.values()):
            raise fault("smtp", "is needed to send e-mail")
        for rule in self.rules:
            if (missing := next((name for name in rule.to if name not in self.to), None)) is not None:
                raise fault("rules", f"name the destination '{missing}', which `to` has not")
        return self
