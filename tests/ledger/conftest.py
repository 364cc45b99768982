"""Exchanges as the pipeline would settle them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weighbridge.core.rates import PriceState
from weighbridge.core.terms import Attempt, Dialect, Operation, Record, Usage
from weighbridge.ledger.terms import Charge, Settled, Started

START = 1_800_000_000_000_000_000


@pytest.fixture
def record() -> Callable[..., Record]:
    """A Record whose attempts cost so much, each at a provider of its own: `record(5, None)`; None is unknown."""

    def make(
        *costs: int | None, reserved: int = 900, key_id: str = "key_1", team: str = "", user: str = "", organisation: str = ""
    ):
        usage = Usage(10, output=5)
        states = [PriceState.UNKNOWN if cost is None else PriceState.KNOWN for cost in costs]
        attempts = tuple(
            Attempt(f"p{number}", "m", "default", 200, None, usage, 1, 2, 3, cost, state, reserved)
            for number, (cost, state) in enumerate(zip(costs, states, strict=True))
        )
        facts = ("req_1", START, key_id, Dialect.OPENAI, Operation.CHAT, "POST", "/v1/chat/completions", "m", "p0", "m")
        outcome = (200, None, "", False, "stop", usage, (), 1, 2, attempts, 5, 2, 1, 1)
        return Record(*facts, *outcome, team=team, user=user, organisation=organisation)

    return make


@pytest.fixture
def settled(record: Callable[..., Record]) -> Callable[..., Settled]:
    """The same as it lies in a journal; `charges` by counter."""

    def make(*costs: int | None, charges: dict[str, int] | None = None, **others: str) -> Settled:
        return Settled(record(*costs, **others), tuple(Charge(*each) for each in (charges or {}).items()))

    return make


@pytest.fixture
def started() -> Callable[..., Started]:
    """An attempt that is about to be sent."""

    def make(request_id: str = "req_1", attempt: int = 0, reserved: int = 1_000, provider: str = "p0") -> Started:
        return Started(request_id, attempt, START, "key_1", provider, "m", reserved, (Charge("b", reserved),))

    return make
