"""How much to think, as `thinking` and `output_config.effort` say it, within the bounds that the API keeps.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN
from weighbridge.wire.conversation import Conversation, Part, Reasoning, ReasoningWish, Role, ToolResult, Turn
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.reasoning import EFFORTS, MIN_BUDGET, budget_of, effort_of, is_off, nearest
from weighbridge.wire.receipt import Receipt

_EFFORTS: Final = EFFORTS[2:]
"""`none` and `minimal` are not known (EffortLevel in the vendor's description)."""
_DEFAULT_EFFORT: Final = "medium"
"""For thinking that is switched on without saying how much, where a budget is required."""


class Thinking(NamedTuple):
    """What a body says of thinking. `config` is `thinking`, `effort` belongs into `output_config`."""

    config: dict[str, object] | None = None
    effort: str | None = None
    max_tokens: int = 0

    @property
    def is_on(self) -> bool:
        """Whether the rules for thinking requests apply."""
        return self.config is not None and self.config["type"] != "disabled"


def write_thinking(conversation: Conversation, model: str, quirks: Quirks, receipt: Receipt) -> Thinking:
    """Thinking and `max_tokens`, which bounds it. What cannot be had is told in the receipt."""
    wish = conversation.reasoning
    given = conversation.max_output_tokens
    bound = quirks.max_tokens_for(model) if given is None else given
    if given is None:
        receipt.mapped("max_output_tokens", f"{bound}: a bound is required")
    if wish is None:
        return Thinking(max_tokens=bound)
    is_adaptive_model = any(fnmatchcase(model, pattern) for pattern in quirks.adaptive_thinking)
    if conversation.vendor_origin == ORIGIN:
        thinking = _as_said(wish, bound)
    elif is_off(wish):
        thinking = Thinking({"type": "disabled"}, None, bound)
    elif is_adaptive_model:
        thinking = _adaptive(wish, bound, quirks, receipt)
    else:
        thinking = _budgeted(wish, bound, receipt, is_bound_given=given is not None)
    if thinking.config is not None and thinking.is_on and wish.summary is not None:
        thinking.config["display"] = "omitted" if wish.summary == "omitted" else "summarized"
    return _unless_unfit(thinking, conversation, bound, receipt)


def _as_said(wish: ReasoningWish, bound: int) -> Thinking:
    """The wish of a caller of this dialect, in its own words."""
    if wish.is_enabled is False:
        return Thinking({"type": "disabled"}, wish.effort, bound)
    if wish.is_adaptive:
        return Thinking({"type": "adaptive"}, wish.effort, bound)
    if wish.budget_tokens is not None:
        return Thinking({"type": "enabled", "budget_tokens": wish.budget_tokens}, wish.effort, bound)
    return Thinking(None, wish.effort, bound)


def _adaptive(wish: ReasoningWish, bound: int, quirks: Quirks, receipt: Receipt) -> Thinking:
    effort = effort_of(wish)
    if effort is not None:
        fitting = nearest(nearest(effort, _EFFORTS), quirks.reasoning_efforts)
        if fitting != wish.effort:
            receipt.mapped("reasoning", f"effort {fitting}")
        effort = fitting
    return Thinking({"type": "adaptive"}, effort, bound)


def _budgeted(wish: ReasoningWish, bound: int, receipt: Receipt, *, is_bound_given: bool) -> Thinking:
    budget = budget_of(wish)
    if budget is None:
        budget = budget_of(ReasoningWish(_DEFAULT_EFFORT)) or MIN_BUDGET
    fitting = max(budget, MIN_BUDGET)
    if fitting >= bound:
        if not is_bound_given:
            bound += fitting
        elif bound > 2 * MIN_BUDGET:  # the caller's bound is for thinking and answer together, as it is elsewhere
            fitting = max(MIN_BUDGET, bound - max(MIN_BUDGET, bound // 5))
        elif bound > MIN_BUDGET:
            fitting = MIN_BUDGET
        else:
            fitting = MIN_BUDGET
            bound += MIN_BUDGET
            receipt.widened("max_output_tokens", f"{bound}: the least that there is to think is {MIN_BUDGET}")
    if fitting != wish.budget_tokens:
        receipt.mapped("reasoning", f"a budget of {fitting} tokens")
    return Thinking({"type": "enabled", "budget_tokens": fitting}, None, bound)


def _unless_unfit(thinking: Thinking, conversation: Conversation, bound: int, receipt: Receipt) -> Thinking:
    """Without thinking where the API would refuse it for what was said before.

    "a final `assistant` message must start with a thinking block (preceding the lastmost set of `tool_use` and `tool_result`
    blocks)": calls that another vendor's model made have none that Anthropic signed. Adaptive thinking knows no such rule.
    """
    config = thinking.config
    if config is None or config["type"] != "enabled" or not _lacks_thinking(conversation.turns):
        return thinking
    receipt.dropped("reasoning", "the tools were called without thinking that Anthropic signed")
    return Thinking(None, thinking.effort, bound)


def _lacks_thinking(turns: tuple[Turn, ...]) -> bool:
    """Whether the assistant's open turn, which ends in results or in words to continue, has no thinking of Anthropic's."""
    is_open = is_in_user = has_results = False
    for turn in reversed(turns):
        if turn.role is Role.USER:
            is_in_user = True
            has_results = has_results or any(isinstance(part, ToolResult) for part in turn.parts)
        elif turn.role is Role.ASSISTANT:
            if is_in_user and not has_results:
                break
            if any(_is_own_thinking(part) for part in turn.parts):
                return False
            is_open, is_in_user, has_results = True, False, False
    return is_open


def _is_own_thinking(part: Part) -> bool:
    return isinstance(part, Reasoning) and part.seal is not None and part.seal.origin == ORIGIN
