"""`thinkingConfig`, both ways: levels for Gemini 3, budgets for Gemini 2.5 (`families.py`).

https://ai.google.dev/gemini-api/docs/thinking: the two exclude each other in one request.
"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import Conversation, ReasoningWish
from weighbridge.wire.fields import Fields
from weighbridge.wire.gemini_generate.families import Family
from weighbridge.wire.gemini_generate.vocabulary import ORIGIN, enum_word, integer
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.reasoning import budget_of, effort_of, is_off, nearest
from weighbridge.wire.receipt import Receipt

_LEVELS: Final = {1: "LOW", 2: "MEDIUM", 3: "HIGH", 4: "MINIMAL"}
_DYNAMIC: Final = -1
"""A budget that the model chooses by itself."""


def read_thinking(config: Fields, receipt: Receipt) -> ReasoningWish:
    """A caller's `thinkingConfig`."""
    budget, level = integer(config, "thinkingBudget"), enum_word(config.value("thinkingLevel"), _LEVELS)
    shown = config.boolean("includeThoughts")
    config.leftover(receipt)
    return ReasoningWish(
        effort=None if level is None else level.lower(),
        budget_tokens=budget if budget is not None and budget >= 0 else None,
        is_adaptive=True if budget == _DYNAMIC else None,
        summary=None if shown is None else "auto" if shown else "omitted",
    )


def write_thinking(conversation: Conversation, family: Family, quirks: Quirks, receipt: Receipt) -> JsonObject | None:
    """The `thinkingConfig` of a request; None where nothing is to be said."""
    wish = conversation.reasoning
    if wish is None:
        return None
    if family.thinking == "none" or quirks.reasoning_style == "none":
        if not is_off(wish):
            receipt.dropped("reasoning", "the model does not think, or cannot be told how much")
        return None
    config = _amount(wish, family, quirks, receipt)
    if _is_shown(wish, conversation) and not is_off(wish):
        config["includeThoughts"] = True
    elif wish.summary == "omitted":
        config["includeThoughts"] = False
    return config or None


def _is_shown(wish: ReasoningWish, conversation: Conversation) -> bool:
    """Anthropic shows thinking that is switched on, Gemini and OpenAI only on demand."""
    if wish.summary is not None:
        return wish.summary != "omitted"
    return bool(wish.is_enabled or wish.is_adaptive) and conversation.vendor_origin != ORIGIN


def _amount(wish: ReasoningWish, family: Family, quirks: Quirks, receipt: Receipt) -> JsonObject:
    if family.thinking == "budget":
        return _budget(wish, family, receipt)
    levels = quirks.reasoning_efforts or family.levels
    effort = effort_of(wish)
    if effort is None:
        return {}  # on, or adaptive: what these models do by themselves
    level = nearest(effort, levels)
    if effort == "none":
        receipt.widened("reasoning", f"it cannot be switched off: level {level}")
    elif level != wish.effort:
        receipt.mapped("reasoning", f"level {level}")
    return {"thinkingLevel": level.upper()}


def _budget(wish: ReasoningWish, family: Family, receipt: Receipt) -> JsonObject:
    if is_off(wish):
        if not family.can_be_off:
            receipt.widened("reasoning", f"it cannot be switched off: a budget of {family.min_budget} tokens")
        return {"thinkingBudget": 0 if family.can_be_off else family.min_budget}
    budget = budget_of(wish)
    if budget is None:
        return {"thinkingBudget": _DYNAMIC} if wish.is_adaptive or wish.is_enabled else {}
    bounded = min(max(budget, family.min_budget), family.max_budget)
    if bounded != wish.budget_tokens:
        receipt.mapped("reasoning", f"a budget of {bounded} tokens")
    return {"thinkingBudget": bounded}
