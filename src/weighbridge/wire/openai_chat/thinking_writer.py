"""How much to think, in the way in which the provider is told."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import ReasoningWish
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.reasoning import budget_of, effort_of, is_off, nearest
from weighbridge.wire.receipt import Receipt

_SHOWN_NOWHERE: Final = ("effort", "none")
"""Styles of providers that, with the usual field, keep their reasoning to themselves."""


def write_wish(wish: ReasoningWish | None, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> None:
    """Put the wish into a request's `body`; what the provider cannot be told goes into the receipt."""
    if wish is None:
        return
    style = quirks.reasoning_style
    is_silent = style in _SHOWN_NOWHERE and quirks.reasoning_field == "reasoning_content"
    if is_silent and wish.summary is not None and wish.summary != "omitted":
        receipt.dropped("reasoning.summary", "the provider shows no reasoning")
    if style == "openrouter":
        if written := _openrouter(wish):
            body["reasoning"] = written
        return
    if not _says_how_much(wish):
        return
    if style == "none":
        if not is_off(wish):
            receipt.dropped("reasoning", "the provider cannot be asked to think")
    elif style == "effort":
        _write_effort(wish, quirks, receipt, body)
    else:
        _write_switch(wish, quirks, receipt, body)


def _says_how_much(wish: ReasoningWish) -> bool:
    return (wish.effort, wish.budget_tokens, wish.is_enabled, wish.is_adaptive) != (None, None, None, None)


def _write_switch(wish: ReasoningWish, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> None:
    """Thinking that is on or off, with a budget at one vendor."""
    is_on = not is_off(wish)
    style = quirks.reasoning_style
    if style == "enable_thinking":
        body["enable_thinking"] = is_on
        if is_on and (budget := budget_of(wish)) is not None:
            body["thinking_budget"] = budget
            if wish.budget_tokens is None:
                receipt.mapped("reasoning", f"budget {budget}")
        return
    if style == "thinking_type":
        body["thinking"] = {"type": "enabled" if is_on else "disabled"}
    else:
        body["chat_template_kwargs"] = {"enable_thinking": is_on}
    if is_on and quirks.reasoning_efforts:  # DeepSeek and Z.ai take both
        _write_effort(wish, quirks, receipt, body)
    elif is_on and (wish.effort or wish.budget_tokens):
        receipt.widened("reasoning", "on or off only")


def _write_effort(wish: ReasoningWish, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> None:
    effort = effort_of(wish)
    if effort is None:
        # Thinking at the model's own measure is what an unsaid effort means.
        return
    written = nearest(effort, quirks.reasoning_efforts)
    if written != wish.effort:
        receipt.mapped("reasoning", f"effort {written}")
    body["reasoning_effort"] = written


def _openrouter(wish: ReasoningWish) -> JsonObject:
    written: JsonObject = {}
    if is_off(wish):
        written["enabled"] = False
    elif wish.budget_tokens is not None:
        written["max_tokens"] = wish.budget_tokens
    elif wish.effort is not None:
        written["effort"] = wish.effort
    elif wish.is_enabled is not None or wish.is_adaptive:
        written["enabled"] = True
    if wish.summary == "omitted":
        written["exclude"] = True
    return written
