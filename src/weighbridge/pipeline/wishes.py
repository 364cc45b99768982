"""What a request, its key and its route demand and prefer: what `routing.decide` is given beside the route.

A request that says nothing, of a key that demands nothing, costs three look-ups.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import Route
from weighbridge.core.terms import DataDemand
from weighbridge.pipeline.exchange import Exchange
from weighbridge.routing.decide import Wishes
from weighbridge.routing.members import Preferences
from weighbridge.routing.preferences import read_provider
from weighbridge.routing.residency import joined

DEMAND_HEADER: Final = b"x-weighbridge-demand"
"""For example `region=eu, zdr, no-training, max-retention=30d`."""

_NO_WISHES: Final = Wishes()
_RETENTION: Final = re.compile(r"max-retention=(\d{1,4})d?")
_REGION: Final = re.compile(r"region=([A-Za-z0-9|-]{1,100})")


def wishes_of(exchange: Exchange, route: Route) -> Wishes:
    """The wishes for a decision. Raises `GatewayError` INVALID_REQUEST for what is said in no way that is known."""
    demand = demand_of(exchange, route)
    envelope = exchange.envelope
    preferences = None
    if exchange.has_preferences and envelope is not None and (raw := envelope.raw("provider")) is not None:
        preferences, asked = read_provider(raw)
        demand = joined(demand, asked)
    if (sort := exchange.sort) is not None:
        preferences = msgspec.structs.replace(preferences or Preferences(), sort=sort)
    if preferences is None and demand.is_empty:
        return _NO_WISHES
    return Wishes(None if demand.is_empty else demand, preferences)


def demand_of(exchange: Exchange, route: Route) -> DataDemand:
    """What key, route and header demand of where data goes, all together."""
    demand = route.demand
    if exchange.key is not None and not exchange.key.demand.is_empty:
        demand = joined(exchange.key.demand, demand)
    if (header := exchange.fields.get(DEMAND_HEADER)) is not None:
        demand = joined(demand, read_demand(header))
    return demand


def read_demand(header: bytes) -> DataDemand:
    """The header's words. Raises `GatewayError` INVALID_REQUEST for one that is not known: a demand is never passed over."""
    regions: tuple[str, ...] = ()
    days: int | None = None
    zdr = no_training = False
    for word in header.decode("latin-1").lower().replace(" ", "").split(","):
        if word == "zdr":
            zdr = True
        elif word == "no-training":
            no_training = True
        elif found := _REGION.fullmatch(word):
            regions = (*regions, *found[1].split("|"))
        elif found := _RETENTION.fullmatch(word):
            days = int(found[1])
        else:
            raise GatewayError(
                ErrorKind.INVALID_REQUEST,
                f"The header x-weighbridge-demand takes 'region=eu', 'zdr', 'no-training', 'max-retention=30d', and not '{word}'.",
                code="invalid_demand",
            )
    return DataDemand(regions, zdr, days, no_training)


def needs_a_decision(exchange: Exchange) -> bool:
    """Whether a route with one target has to be looked at all the same."""
    key = exchange.key
    return (
        exchange.has_preferences
        or DEMAND_HEADER in exchange.fields
        or exchange.sort is not None
        or (key is not None and not key.demand.is_empty)
    )
