"""How much to think: efforts, budgets and switches, each made from the others where a target knows only one of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.wire.conversation import ReasoningWish
from weighbridge.wire.receipt import Receipt

EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Weakest first."""

_BUDGETS: Final = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 32_768, "max": 65_536}
"""Tokens for an effort: Google's own mapping of its OpenAI-compatible endpoint up to `high`
(https://ai.google.dev/gemini-api/docs/openai#thinking), and steps in the same proportion above."""

MIN_BUDGET: Final = 1_024
"""Anthropic refuses a smaller `budget_tokens`."""


def is_off(wish: ReasoningWish | None) -> bool:
    """Whether the caller asked not to think. Having said nothing is not off."""
    return wish is not None and (wish.is_enabled is False or wish.effort == "none" or wish.budget_tokens == 0)


def budget_of(wish: ReasoningWish) -> int | None:
    """The bound in tokens; None where nothing bounds it (adaptive, or switched on without saying how much)."""
    if wish.budget_tokens is not None:
        return wish.budget_tokens
    return None if wish.effort is None else _BUDGETS.get(wish.effort)


def effort_of(wish: ReasoningWish) -> str | None:
    """The effort; from a budget, the weakest whose own budget is as large. None where nothing was said."""
    if wish.effort is not None:
        return wish.effort
    if is_off(wish):
        return "none"
    if wish.budget_tokens is None:
        return None
    return next((effort for effort, budget in _BUDGETS.items() if effort != "minimal" and budget >= wish.budget_tokens), "max")


def nearest(effort: str, understood: Sequence[str]) -> str:
    """The understood effort that is nearest; the weaker of two. An effort that nobody knows is left as it is."""
    if not understood or effort in understood or effort not in EFFORTS:
        return effort
    rank = EFFORTS.index(effort)
    return min(understood, key=lambda other: abs(EFFORTS.index(other) - rank) if other in EFFORTS else len(EFFORTS))


def note_that_it_is_shown(wish: ReasoningWish, receipt: Receipt) -> None:
    """For providers that hide nothing of what their models think and sum nothing up."""
    if wish.summary is not None:
        note = receipt.widened if wish.summary == "omitted" else receipt.mapped
        note("reasoning.summary", "what is thought is shown as it is")
