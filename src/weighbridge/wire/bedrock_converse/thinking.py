"""How much to think: the fields of each vendor's, since Converse has none of its own but `outputConfig.effort`.

Claude: https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html. Nova 2:
https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html. Qwen's and gpt-oss's as recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from weighbridge.wire.bedrock_converse.families import Family
from weighbridge.wire.conversation import Conversation, Reasoning, ReasoningWish, Role, ToolCall, ToolResult, Turn
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.reasoning import MIN_BUDGET, budget_of, effort_of, is_off, nearest
from weighbridge.wire.receipt import Receipt

_CLAUDES_EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")
_THREE_EFFORTS: Final = ("low", "medium", "high")
_USUAL_BUDGET: Final = 8_192
"""Where thinking is switched on without saying how much."""


class Thinking(NamedTuple):
    """What a wish comes to."""

    fields: JsonObject
    """For `additionalModelRequestFields`."""
    effort: str | None = None
    """For `outputConfig.effort`."""
    is_claude: bool = False
    """Claude thinks: it then refuses to be sampled otherwise, and to be forced to a tool."""
    is_unbounded: bool = False
    """Nova at the highest effort: it then refuses every bound and every way to sample."""


_NONE: Final = Thinking({})


def write_thinking(conversation: Conversation, model: str, family: Family, quirks: Quirks, receipt: Receipt) -> Thinking:
    """The wish of a conversation in the words of the model's vendor."""
    wish = conversation.reasoning
    if wish is None:
        return _NONE
    if family.thinking == "claude":
        return _claude(conversation, wish, model, quirks, receipt)
    if is_off(wish):
        if family.thinking == "nova":
            return Thinking({"reasoningConfig": {"type": "disabled"}})
        return _NONE
    if family.thinking == "none":
        receipt.dropped("reasoning", "how much this model thinks cannot be said")
        return _NONE
    effort = nearest(effort_of(wish) or "medium", quirks.reasoning_efforts or _THREE_EFFORTS)
    if effort != wish.effort:
        receipt.mapped("reasoning", f"effort {effort}")
    if family.thinking == "nova":
        return Thinking({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}, is_unbounded=effort == "high")
    return Thinking({family.thinking: effort})


def _claude(conversation: Conversation, wish: ReasoningWish, model: str, quirks: Quirks, receipt: Receipt) -> Thinking:
    is_adaptive = _is_adaptive(model, quirks)
    if is_off(wish):
        return Thinking({"thinking": {"type": "disabled"}}) if is_adaptive else _NONE
    if _is_unsigned_round(conversation.turns):
        receipt.dropped("reasoning", "calls of tools are answered whose thinking is not at hand")
        return _NONE
    if is_adaptive:
        effort = effort_of(wish)
        if effort is not None:
            effort = nearest(effort, quirks.reasoning_efforts or _CLAUDES_EFFORTS)
            receipt.mapped("reasoning", f"adaptive, effort {effort}")
        return Thinking({"thinking": {"type": "adaptive"}}, effort, is_claude=True)
    budget = max(budget_of(wish) or _USUAL_BUDGET, MIN_BUDGET)
    bound = conversation.max_output_tokens
    if bound is not None and budget >= bound:
        budget = bound - 1
        if budget < MIN_BUDGET:
            receipt.dropped("reasoning", f"it takes at least {MIN_BUDGET} tokens of output")
            return _NONE
    if budget != wish.budget_tokens:
        receipt.mapped("reasoning", f"a budget of {budget} tokens")
    return Thinking({"thinking": {"type": "enabled", "budget_tokens": budget}}, is_claude=True)


def _is_adaptive(model: str, quirks: Quirks) -> bool:
    name = model.rpartition("anthropic.")[2]
    return any(fnmatchcase(model, glob) or fnmatchcase(name, glob) for glob in quirks.adaptive_thinking)


def _is_unsigned_round(turns: Sequence[Turn]) -> bool:
    """Whether the last turn answers calls that no signed thinking precedes: Claude refuses to think on then.

    "Expected `thinking` or `redacted_thinking`, but found `tool_use`" is what it says to a caller whose dialect lost the
    thinking, or whose calls were made by another model.
    """
    if not turns or not any(isinstance(part, ToolResult) for part in turns[-1].parts):
        return False
    for turn in reversed(turns):
        if turn.role is Role.USER and not any(isinstance(part, ToolResult) for part in turn.parts):
            return True
        if turn.role is Role.ASSISTANT and any(isinstance(part, ToolCall) for part in turn.parts):
            return not any(
                isinstance(part, Reasoning) and part.seal is not None and part.seal.origin in {"anthropic", "bedrock"}
                for part in turn.parts
            )
    return True
