"""Budgets and rate limits as operators write them: whom they count, how much, how long."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, WithJsonSchema, model_validator

from weighbridge.config.fields import Duration, LargeCount
from weighbridge.config.price_fields import Dollars
from weighbridge.config.section import Section, fault, written
from weighbridge.core.allowances import MAX_PER_NS, Scope, ScopeKind

_KINDS: Final = tuple(kind.value for kind in ScopeKind)
_TOKENS: Final = re.compile(r"([0-9][0-9_]{0,17}) tokens")
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,4})?)%")
_MEASURES: Final = ("requests", "tokens", "input_tokens", "output_tokens", "dollars", "concurrent")
_MAX_DOLLARS: Final = 1_000_000_000
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:*/@-]{0,99}")


class Amount(NamedTuple):
    """What a budget has: dollars, or tokens."""

    dollars: Decimal | None
    tokens: int | None


def _scope(value: object) -> Scope:
    kind, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    if kind not in _KINDS or (bool(colon) and not name) or (kind == ScopeKind.GATEWAY and name):
        others = ", ".join(kind for kind in _KINDS if kind != "gateway")
        raise ValueError(f"must be `gateway`, or one of {others} and a name: `team:search`, `key:*`")
    if kind != ScopeKind.GATEWAY and not name:
        raise ValueError(f"must name whom it counts: `{kind}:…`, or `{kind}:*` for each by itself")
    if len(name) > 300:
        raise ValueError("must be at most 300 characters")
    return Scope(ScopeKind(kind), name)


def _amount(value: object) -> Amount:
    text = value if isinstance(value, str) else "" if isinstance(value, bool) else f"${value}"
    if (found := _TOKENS.fullmatch(text)) is not None:
        return Amount(None, int(found[1].replace("_", "")))
    try:
        dollars = Decimal(text.removeprefix("$").replace("_", "")) if text.startswith("$") else Decimal("NaN")
    except InvalidOperation:
        dollars = Decimal("NaN")
    if not dollars.is_finite() or not 0 <= dollars <= _MAX_DOLLARS:
        raise ValueError("must be dollars or tokens, such as `$100`, `$0.50` or `1_000_000 tokens`")
    return Amount(dollars, None)


def _share(value: object) -> int:
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a percentage such as `80%`")
    return int(Decimal(found[1]) * 10_000)


def _timezone(value: object) -> object:
    try:
        ZoneInfo(str(value))
    except (OSError, ValueError, KeyError):
        raise ValueError("must be a time zone such as `Europe/Berlin` or `UTC`") from None
    return value


def _id(value: object) -> object:
    if isinstance(value, str) and not _ID.fullmatch(value):
        raise ValueError("must be letters, digits and `._:*/@-`, at most 100")
    return value


def _said(scope: Scope) -> str:
    return f"{scope.kind.value}:{scope.name}" if scope.name else scope.kind.value


def _editor(title: str, pattern: str) -> Any:
    return WithJsonSchema({"title": title, "type": "string", "pattern": pattern})


ScopeText = Annotated[Scope, BeforeValidator(_scope), _editor("kind:name", rf"^({'|'.join(_KINDS)})(:.+)?$|\$\{{")]
AmountText = Annotated[Amount, BeforeValidator(_amount), _editor("dollars or tokens", r"^\$[0-9._]+$|^[0-9_]+ tokens$|\$\{")]
Share = Annotated[int, BeforeValidator(_share), _editor("percentage", r"^[0-9.]+%$|\$\{")]
TimeZone = Annotated[str, BeforeValidator(_timezone)]
AllowanceId = Annotated[str, BeforeValidator(_id)]


class Budget(Section):
    """What may be spent in a period."""

    scope: ScopeText
    """Whom it counts: `gateway`, or `organisation`, `team`, `user`, `key`, `end_user`, `tag`, `route`, `model`, `provider`,
    `provider_key` and a name (`team:search`, `model:openai/gpt-5`). With `*` as the name, each by itself."""
    amount: AmountText
    """`$100`, or `1_000_000 tokens`."""
    period: Literal["hour", "day", "week", "month", "total"] = "month"
    """When it begins anew; `total` never does."""
    timezone: TimeZone = "UTC"
    """Where its days begin."""
    hard: bool = True
    """Never overspent: what does not fit is capped or refused. A soft one only tells."""
    on_shortage: Literal["lower", "refuse"] = "lower"
    """What happens to a request whose worst case does not fit: its output is capped at what does, or it is refused."""
    alert_at: list[Share] = written(["80%", "100%"])  # type: ignore[arg-type]  # read like any value
    """When operators are told."""
    counts_own_keys: bool = True
    """Whether it counts requests that are made with customers' own provider keys, too: with `false` it holds what the gateway's own
    keys cost."""
    id: AllowanceId | None = None
    """A lasting name: what was spent stays with it when the rest changes. Made from the scope, unit and period if not given."""

    def lasting_id(self) -> str:
        """The given id, or `team:search/usd/month`."""
        unit = "usd" if self.amount.dollars is not None else "tokens"
        return self.id or f"{_said(self.scope)}/{unit}/{self.period}"


class Limit(Section):
    """How much somebody may have in a time."""

    scope: ScopeText
    """Whom it counts, as in `budgets`."""
    requests: LargeCount | None = None
    """Of any kind."""
    tokens: LargeCount | None = None
    """In and out."""
    input_tokens: LargeCount | None = None
    """What goes in."""
    output_tokens: LargeCount | None = None
    """What comes out."""
    dollars: Dollars | None = None
    """What providers charge."""
    concurrent: LargeCount | None = None
    """Requests at a time."""
    per: Duration = written("1m")
    """In which time, at most a day; not for `concurrent`. What is to hold for longer is a budget."""
    burst: LargeCount | None = None
    """How much may come at once, where that is another amount."""
    id: AllowanceId | None = None
    """Made from the scope and the measure if not given."""

    @model_validator(mode="after")
    def _measures_one_thing(self) -> Limit:
        if len(self.measures()) != 1:
            raise fault(
                "scope", "needs exactly one of `requests`, `tokens`, `input_tokens`, `output_tokens`, `dollars`, `concurrent`"
            )
        if not 0 < self.per <= MAX_PER_NS:
            raise fault("per", "must be at most `1d`: what is to hold for longer is a budget")
        if self.dollars is not None and self.burst is not None:
            raise fault("burst", "cannot be told for `dollars`")
        return self

    def lasting_id(self) -> str:
        """The given id, or `key:*/requests`."""
        return self.id or f"{_said(self.scope)}/{'+'.join(self.measures())}"

    def measures(self) -> list[str]:
        """What of it is given."""
        return [name for name in _MEASURES if getattr(self, name) is not None]
