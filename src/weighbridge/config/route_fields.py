"""Routes as operators write them: targets, strategies, retries, hedging, and what is demanded of where data goes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from weighbridge.config.fields import Count, Duration, DurationOrZero, Target, choice_schema
from weighbridge.config.section import Section, Timeouts, fault
from weighbridge.core.routes import StickyBy, StrategyName
from weighbridge.routing.conditions import compile_condition

_REFERENCE: Final = r"\$\{"
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%")
_STICKY_WORDS: Final = tuple(str(word) for word in StickyBy if word not in (StickyBy.NOTHING, StickyBy.HEADER))
_MAX_WEIGHT: Final = 1_000_000.0


def _share(value: object) -> float:
    if isinstance(value, str) and (found := _PERCENT.fullmatch(value)):
        value = float(found[1]) / 100
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise ValueError("must be a share between 0 and 1, or a percentage such as `5%`")
    return float(value)


def _weight(value: object) -> float:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,7}(\.[0-9]{1,6})?", value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _MAX_WEIGHT:
        raise ValueError("must be a number that is not negative")
    return float(value)


def _condition(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text; put it in quotes")  # noqa: TRY004 - pydantic takes it for a bug
    compile_condition(value)
    return value


def _sticky(value: object) -> str:
    text = str(value)
    if text not in _STICKY_WORDS and not re.fullmatch(r"header:[A-Za-z0-9-]{1,100}", text):
        raise ValueError(f"must be one of {', '.join(_STICKY_WORDS)}, or `header:` with a header's name")
    return text


def _parameters(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be a mapping of parameters")  # noqa: TRY004 - pydantic takes it for a bug
    for name in value:
        if name in ("model", "stream", "messages", "input", "contents"):
            raise ValueError(f"cannot set `{name}`")
        if not re.fullmatch(r"[A-Za-z0-9_]{1,80}(\.[A-Za-z0-9_]{1,80})?", str(name)):
            raise ValueError("has a name that is no parameter's (a dot leads one level down)")
    return value


def _number(title: str, *, also: str = "") -> Any:
    text = {"type": "string", "pattern": f"{also}|{_REFERENCE}" if also else _REFERENCE}
    return WithJsonSchema({"title": title, "anyOf": [{"type": "number", "minimum": 0}, text]})


Share = Annotated[float, BeforeValidator(_share), _number("share", also=r"^[0-9.]+%$")]
Weight = Annotated[float, BeforeValidator(_weight), _number("number")]
Percentile = Annotated[float, BeforeValidator(_share), _number("share", also=r"^[0-9.]+%$")]
ConditionText = Annotated[str, BeforeValidator(_condition), WithJsonSchema({"title": "condition", "type": "string"})]
StickyText = Annotated[str, BeforeValidator(_sticky), WithJsonSchema({"title": "word", "type": "string"})]
Parameters = Annotated[dict[str, Any], BeforeValidator(_parameters), WithJsonSchema({"title": "mapping", "type": "object"})]
KeyReference = Annotated[str, BeforeValidator(lambda key: str(key) if isinstance(key, int) else key), _number("text", also="^.+$")]
RouteReference = Annotated[str, AfterValidator(lambda name: name), WithJsonSchema({"title": "text", "type": "string"})]


class DataTerms(Section):
    """What a provider promises about data, as you declare it. What is not declared satisfies no demand."""

    region: str | None = None
    """Where data is processed: `eu`, `us-east-1`."""
    zdr: bool | None = None
    """Zero data retention."""
    retention: DurationOrZero | None = None
    """For how long requests are kept, in whole days."""
    trains: bool | None = None
    """Whether requests are used for training."""


class DataDemand(Section):
    """What is demanded of where data goes. A request that no target satisfies is refused, and never served elsewhere."""

    regions: list[str] = []
    """Any of these. `eu` also takes `eu-west-1` and `europe-west4`."""
    zdr: bool = False
    """Zero data retention."""
    max_retention: DurationOrZero | None = None
    """Kept at most this long."""
    no_training: bool = False
    """Not used for training."""


class Retry(Section):
    """How often and for how long a request may be tried. What a route does not say, the top level does."""

    attempts: Annotated[Count, Field(le=20)] | None = None
    """Calls to providers in all. 3 if not given; 1 forwards whatever comes."""
    time: Duration | None = None
    """No further attempt begins later than this after the first. `60s` if not given."""
    backoff: DurationOrZero | None = None
    """The first wait before the same target is asked again is by chance up to this, doubled each time. `250ms` if not given."""
    max_backoff: DurationOrZero | None = None
    """`8s` if not given."""
    max_hint: DurationOrZero | None = None
    """A provider that asks for a longer wait is not waited for. `10s` if not given."""
    ambiguous: bool | None = None
    """Try again after an outcome that the provider may have billed: it broke off, or took too long. True if not given."""
    on_empty: bool | None = None
    """A 200 without any content is a failure. True if not given."""
    on_context_length: bool | None = None
    """What is too long for one target goes to the next. True if not given."""
    on_content_policy: bool | None = None
    """What one target's content policy refuses goes to the next. False if not given."""
    first_event: Duration | None = None
    """How long the head of a stream is held for the event that proves it good. `15s` if not given."""


class Health(Section):
    """What follows from failures for later requests. [Explained](../explanation/health.md)."""

    breakers: bool = True
    """Leave targets that fail alone for a while."""
    keys: bool = True
    """Have keys rest that are throttled, and park those that are refused."""


class Hedge(Section):
    """A second target is asked beside one that is slow to begin; the first good token wins."""

    percentile: Percentile = Field(0.95)
    """Of the route's time to first token lately: the second is asked after that."""
    min_delay: Duration = Field("50ms")  # type: ignore[assignment]  # read like any value
    """Never sooner than this."""
    max_extra: Share = Field(0.05)
    """Second calls, as a share of the route's requests."""


class RouteTarget(Section):
    """One member of a route. A plain `provider/model`, or another route's name, is short for it."""

    target: Target | None = None
    """`provider/model`. A `*` in the model takes what the `*` of the route's name matched."""
    route: RouteReference | None = None
    """Another route, in place of `target`."""
    weight: Weight = Field(1.0)
    """Its share, relative to the others. 0: only when all others have failed."""
    when: ConditionText | None = None
    """A condition in CEL, for example `tools || request_bytes > 100000`: the target is considered only where it holds."""
    keys: list[KeyReference] = []
    """The provider's keys that may be used, by number or name: `openai#1`. All if empty."""
    region: str | None = None
    """Where data is processed, in place of the provider's `data`; so are the next three."""
    zdr: bool | None = None
    """Zero data retention."""
    retention: DurationOrZero | None = None
    """For how long requests are kept, in whole days."""
    trains: bool | None = None
    """Whether requests are used for training."""
    timeouts: Timeouts | None = None
    """In place of the provider's."""
    defaults: Parameters = {}
    """Parameters, in the provider's words, that are set where the request does not set them."""
    overrides: Parameters = {}
    """Parameters that are set whatever the request says."""
    max_in_flight: Count | None = None
    """Requests at a time, for each worker."""

    @model_validator(mode="before")
    @classmethod
    def _text_is_a_target(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return {"target": value} if "/" in value else {"route": value}

    @model_validator(mode="after")
    def _one_of_two(self) -> RouteTarget:
        if (self.target is None) == (self.route is None):
            raise fault("target", "give either `target` or `route`")
        if self.route is not None and (self.defaults or self.overrides or self.keys or self.timeouts or self.max_in_flight):
            raise fault("route", "is another route, which says this of its own targets")
        return self


class Route(Section):
    """A name of your own for a model. A plain list is short for `targets`, and a plain text for a single one.

    The name may hold one `*` (`gpt-*`); of several that match, the one with the most other characters counts.
    """

    targets: Annotated[list[RouteTarget], Field(min_length=1, max_length=32)]
    """Who can answer: `provider/model`, or another route."""
    strategy: Annotated[Literal[*map(str, StrategyName)], choice_schema("word", *map(str, StrategyName))] = "ordered"  # type: ignore[valid-type]
    """In which order they are asked. [Each is explained](../explanation/routing.md)."""
    sticky: StickyText | None = None
    """What makes two requests the same caller's, for `weighted` and `consistent_hash`: `key`, `user`, `session`,
    `header:x-tenant`."""
    strict: bool = False
    """Refuse a request that cannot be translated for its target without loss, in place of naming the losses in
    `x-weighbridge-edits`."""
    retry: Retry = Field(default_factory=Retry)
    """How often and for how long a request may be tried."""
    hedge: Hedge | None = None
    """Ask a second target when the first is slow. `true` takes the defaults."""
    midstream: bool = False
    """Have a stream of plain text that breaks off continued by the next target."""
    join: bool = False
    """Identical requests of a key at the same time share one call."""
    demand: DataDemand = Field(default_factory=DataDemand)
    """What is demanded of where data goes."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: object) -> object:
        if isinstance(value, str):
            return {"targets": [value]}
        if isinstance(value, list):
            return {"targets": value}
        if isinstance(value, dict) and isinstance(value.get("hedge"), bool):
            return {**value, "hedge": {} if value["hedge"] else None}
        return value

    @model_validator(mode="after")
    def _makes_sense(self) -> Route:
        if all(target.weight == 0 for target in self.targets):
            raise fault("targets", "have no weight at all: give at least one a `weight` above 0")
        if self.sticky is None and self.strategy == StrategyName.CONSISTENT_HASH:
            raise fault("strategy", "needs to know by what: give it `sticky`")
        return self
