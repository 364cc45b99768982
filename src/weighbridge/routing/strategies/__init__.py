"""How the members of a route are put in order: one file for each strategy, and this table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.core.routes import StrategyName
from weighbridge.routing.members import Strategy
from weighbridge.routing.strategies.cache_affinity import CacheAffinity
from weighbridge.routing.strategies.consistent_hash import ConsistentHash
from weighbridge.routing.strategies.least_in_flight import LeastInFlight
from weighbridge.routing.strategies.lowest_cost import LowestCost
from weighbridge.routing.strategies.lowest_latency import LowestLatency
from weighbridge.routing.strategies.most_headroom import MostHeadroom
from weighbridge.routing.strategies.ordered import Ordered
from weighbridge.routing.strategies.round_robin import RoundRobin
from weighbridge.routing.strategies.weighted import Weighted

__all__ = ["STRATEGIES", "CacheAffinity"]

STRATEGIES: Final[dict[StrategyName, Callable[[], Strategy]]] = {
    StrategyName.ORDERED: Ordered,
    StrategyName.WEIGHTED: Weighted,
    StrategyName.ROUND_ROBIN: RoundRobin,
    StrategyName.LEAST_IN_FLIGHT: LeastInFlight,
    StrategyName.LOWEST_LATENCY: LowestLatency,
    StrategyName.LOWEST_COST: LowestCost,
    StrategyName.MOST_HEADROOM: MostHeadroom,
    StrategyName.CONSISTENT_HASH: ConsistentHash,
    StrategyName.CACHE_AFFINITY: CacheAffinity,
}
"""Each makes one with an empty memory, for one route and worker."""
