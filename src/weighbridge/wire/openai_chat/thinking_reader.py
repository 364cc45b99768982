"""How much a caller wants a model to think, in each of the ways in which servers of this format are told."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import ReasoningWish
from weighbridge.wire.fields import Fields
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.receipt import Receipt

_SWITCHES: Final = {"enabled": True, "disabled": False}
_DISPLAYS: Final = {"omitted": "omitted", "summarized": "auto"}
"""Anthropic's `thinking.display`."""


def read_wish(fields: Fields, receipt: Receipt) -> ReasoningWish | None:
    """`reasoning_effort` (OpenAI); `reasoning` (OpenRouter); `thinking` (Anthropic, as LiteLLM takes it, and Z.ai);
    `enable_thinking` with `thinking_budget` (Alibaba) and `chat_template_kwargs` (vLLM). The first that is given counts."""
    effort = fields.text("reasoning_effort")
    is_shown = fields.boolean("include_reasoning")
    summary = "omitted" if is_shown is False else None
    wish: ReasoningWish | None = None
    for read in (_routed, _thinking, _switched):
        found = read(fields, receipt, effort)
        if found is not None and wish is not None:
            receipt.dropped("reasoning", "asked for in several ways: the first counts")
        wish = wish or found
    if wish is None:
        return None if effort is None and summary is None else ReasoningWish(effort, summary=summary)
    if summary is None or wish.summary is not None:
        return wish
    return ReasoningWish(wish.effort, wish.budget_tokens, wish.is_enabled, wish.is_adaptive, summary)


def _routed(fields: Fields, receipt: Receipt, effort: str | None) -> ReasoningWish | None:
    routed = fields.nested("reasoning")
    if routed is None:
        return None
    is_hidden = routed.boolean("exclude")
    told = routed.text("summary")
    wish = ReasoningWish(
        effort=routed.text("effort") or effort,
        budget_tokens=routed.integer("max_tokens"),
        is_enabled=routed.boolean("enabled"),
        summary="omitted" if is_hidden else told,
    )
    routed.leftover(receipt)
    return wish


def _thinking(fields: Fields, receipt: Receipt, effort: str | None) -> ReasoningWish | None:
    thinking = fields.nested("thinking")
    if thinking is None:
        return None
    kind = thinking.text("type")
    display = thinking.text("display")
    wish = ReasoningWish(
        effort=effort,
        budget_tokens=thinking.integer("budget_tokens"),
        is_enabled=_SWITCHES.get(kind) if kind is not None else None,
        is_adaptive=True if kind == "adaptive" else None,
        summary=_DISPLAYS.get(display) if display is not None else None,
    )
    thinking.leftover(receipt)
    return wish


def _switched(fields: Fields, _receipt: Receipt, effort: str | None) -> ReasoningWish | None:
    is_on, budget = fields.boolean("enable_thinking"), fields.integer("thinking_budget")
    template = fields.rest.get("chat_template_kwargs")
    if is_on is None and isinstance(template, dict):
        rest: JsonObject = dict(template)
        told = rest.pop("enable_thinking", rest.pop("thinking", None))
        if isinstance(told, bool):
            is_on = told
            fields.rest["chat_template_kwargs"] = rest or None
    if is_on is None and budget is None:
        return None
    return ReasoningWish(effort, budget, is_on)
