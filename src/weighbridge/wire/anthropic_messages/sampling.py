"""Temperature and its like, within the bounds that the API keeps.

`temperature` reaches to 1; newer models take either it or `top_p`, and the newest take neither. Thinking takes no temperature and
no `top_k`, and `top_p` only from 0.95
(https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking#feature-compatibility).
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from weighbridge.wire.conversation import Conversation
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt

_MAX_TEMPERATURE: Final = 1
_MIN_TOP_P_THINKING: Final = 0.95


def write_sampling(
    conversation: Conversation,
    model: str,
    quirks: Quirks,
    receipt: Receipt,
    body: dict[str, object],
    *,
    is_thinking: bool,
) -> None:
    """Temperature, nucleus and stops into the body. What it cannot say is told in the receipt."""
    _write_stops(conversation, quirks, receipt, body)
    temperature, top_p, top_k = conversation.temperature, conversation.top_p, conversation.top_k
    if temperature is None and top_p is None and top_k is None:
        return
    is_fixed = any(fnmatchcase(model, pattern) for pattern in quirks.fixed_sampling)
    why = "the model takes none" if is_fixed else "thinking takes none"
    if temperature is not None and temperature > _MAX_TEMPERATURE:
        receipt.widened("temperature", f"at most {_MAX_TEMPERATURE}")
        temperature = _MAX_TEMPERATURE
    if is_fixed or is_thinking:
        if temperature is not None and temperature != _MAX_TEMPERATURE:
            receipt.dropped("temperature", why)
        if top_k is not None:
            receipt.dropped("top_k", why)
        temperature = top_k = None
        if top_p is not None and top_p < 1 and (is_fixed or top_p < _MIN_TOP_P_THINKING):
            receipt.dropped("top_p", why)
            top_p = None
    top_p, temperature = _one_of(top_p, temperature, receipt)
    given = {"temperature": temperature, "top_p": top_p, "top_k": top_k}
    body.update({name: value for name, value in given.items() if value is not None})


def _one_of(
    top_p: float | None,
    temperature: float | None,
    receipt: Receipt,
) -> tuple[float | None, float | None]:
    """ "`temperature` and `top_p` cannot both be specified for this model" (Claude 4.1 and later). 1 is what either is anyway."""
    if top_p is None or temperature is None:
        return top_p, temperature
    if top_p == 1:
        receipt.mapped("top_p", "1 is the default, and does not go beside temperature")
        return None, temperature
    if temperature == 1:
        receipt.mapped("temperature", "1 is the default, and does not go beside top_p")
        return top_p, None
    receipt.dropped("top_p", "does not go beside temperature")
    return None, temperature


def _write_stops(conversation: Conversation, quirks: Quirks, receipt: Receipt, body: dict[str, object]) -> None:
    """ "stop_sequences: each stop sequence must contain non-whitespace"."""
    stops = [text for text in conversation.stop if text and not text.isspace()]
    if len(stops) < len(conversation.stop):
        receipt.dropped("stop", "sequences of blanks are refused")
    if quirks.max_stop and len(stops) > quirks.max_stop:
        receipt.dropped("stop", f"only the first {quirks.max_stop}")
        stops = stops[: quirks.max_stop]
    if stops:
        body["stop_sequences"] = stops
