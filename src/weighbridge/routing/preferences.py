"""What a request says of who may serve it, in OpenRouter's words: `models`, `provider`, and `:floor` or `:nitro` behind a name.

https://openrouter.ai/docs/guides/routing/provider-selection. Names of providers are those of the gateway's configuration. Prices
are dollars per million tokens.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, NoReturn

import msgspec

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import DataDemand
from weighbridge.routing.members import Preferences

FIELDS: Final = ("provider", "models", "route")
"""Members of a request's body that are for the gateway, and go to no vendor but OpenRouter itself."""

SUFFIXES: Final = {"floor": "price", "nitro": "throughput"}
"""Behind a route's name and a colon: how its targets are sorted."""

_MAX_MODELS: Final = 16
_NANO_PER_TOKEN: Final = 1000.0
"""A dollar per million tokens in nano-dollars per token."""

_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _By(msgspec.Struct):
    by: Literal["price", "throughput", "latency"] | None = None


class _Price(msgspec.Struct):
    prompt: float | str | None = None
    completion: float | str | None = None


class _Provider(msgspec.Struct):
    order: list[_Name] | None = None
    only: list[_Name] | None = None
    ignore: list[_Name] | None = None
    sort: Literal["price", "throughput", "latency"] | _By | None = None
    max_price: _Price | None = None
    allow_fallbacks: bool | None = None
    data_collection: Literal["allow", "deny"] | None = None
    zdr: bool | None = None


_provider = msgspec.json.Decoder(_Provider).decode
_models = msgspec.json.Decoder(list[_Name]).decode


def read_provider(raw: msgspec.Raw) -> tuple[Preferences, DataDemand]:
    """The `provider` object. Fields that are none of ours are passed over. Raises `GatewayError` INVALID_REQUEST."""
    try:
        given = _provider(raw)
    except msgspec.DecodeError as error:
        _refuse("provider", str(error))
    sort = given.sort.by if isinstance(given.sort, _By) else given.sort
    price = given.max_price or _Price()
    preferences = Preferences(
        tuple(given.order or ()),
        tuple(given.only or ()),
        tuple(given.ignore or ()),
        sort or "",
        _rate(price.prompt),
        _rate(price.completion),
        given.allow_fallbacks is not False,
    )
    return preferences, DataDemand(zdr=given.zdr is True, no_training=given.data_collection == "deny")


def read_models(raw: msgspec.Raw) -> tuple[str, ...]:
    """The `models` list: who is asked after `model`. Raises `GatewayError` INVALID_REQUEST."""
    try:
        names = _models(raw)
    except msgspec.DecodeError as error:
        _refuse("models", str(error))
    if len(names) > _MAX_MODELS:
        _refuse("models", f"at most {_MAX_MODELS} names")
    return tuple(names)


def _rate(price: float | str | None) -> float:
    if price is None:
        return float("inf")
    try:
        rate = float(price)
    except ValueError:
        _refuse("provider", "max_price must be a number")
    if rate < 0 or rate != rate:  # noqa: PLR0124 - not a number
        _refuse("provider", "max_price must not be negative")
    return rate * _NANO_PER_TOKEN


def _refuse(field: str, why: str) -> NoReturn:
    raise GatewayError(ErrorKind.INVALID_REQUEST, f"'{field}' is not as OpenRouter has it: {why}.", param=field)
