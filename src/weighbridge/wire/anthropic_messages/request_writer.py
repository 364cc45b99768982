"""`Conversation` -> a request for a message.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.anthropic_messages.answer_format import write_answer_format
from weighbridge.wire.anthropic_messages.cache_marks import limit_cache_marks
from weighbridge.wire.anthropic_messages.messages_writer import write_messages
from weighbridge.wire.anthropic_messages.sampling import write_sampling
from weighbridge.wire.anthropic_messages.thinking import Thinking, write_thinking
from weighbridge.wire.anthropic_messages.tools_writer import write_tools
from weighbridge.wire.anthropic_messages.vocabulary import ORIGIN
from weighbridge.wire.cache_control import write_cache
from weighbridge.wire.codecs import TargetContext
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.service_tiers import tier_for
from weighbridge.wire.unsaid import drop_store, drop_unsaid, drop_vendor_fields, without_refused

_MAX_USER_ID: Final = 512
"""Characters of `metadata.user_id`, in the vendor's description."""

_UNSAID: Final = (
    "n", "seed", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias", "logprobs", "top_logprobs",
    "max_tool_calls", "verbosity", "modalities", "audio", "prediction", "metadata", "previous_response_id", "conversation_id",
    "background", "truncation", "include", "prompt_cache_key", "prompt_cache_retention", "cached_content", "safety_settings",
)  # fmt: skip
"""Fields that this dialect has not."""


def write_request(conversation: Conversation, context: TargetContext, receipt: Receipt) -> bytes:
    """The body. Raises `GatewayError` INVALID_REQUEST where nothing would be left to send."""
    return encode_json(build_body(conversation, context, receipt))


def build_body(conversation: Conversation, context: TargetContext, receipt: Receipt) -> dict[str, object]:
    """The body before it is encoded. Raises as `write_request`."""
    quirks = context.quirks
    conversation = without_refused(conversation, quirks, receipt)
    thinking = write_thinking(conversation, context.model, quirks, receipt)
    shape = write_answer_format(conversation.answer_format, quirks, receipt)
    system, messages = write_messages(conversation.turns, quirks, receipt, shape.instruction, is_thinking=thinking.is_on)
    if not messages:
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The request has no message that the model can be sent.", param="messages")
    body: dict[str, object] = {"model": context.model, "max_tokens": thinking.max_tokens, "messages": messages}
    if system:
        body["system"] = system
    if conversation.stream:
        body["stream"] = True
    tools = write_tools(conversation, quirks, receipt, can_force=_can_force(thinking, conversation))
    if tools.tools:
        body["tools"] = tools.tools
    if tools.choice is not None:
        body["tool_choice"] = tools.choice
    write_sampling(conversation, context.model, quirks, receipt, body, is_thinking=thinking.is_on)
    _write_output(body, thinking, shape.config)
    _write_rest(conversation, receipt, body)
    drop_unsaid(conversation, _UNSAID, receipt, "not known")
    drop_store(conversation, receipt)
    limit_cache_marks(body, receipt)
    for name, other in quirks.renames.items():
        if name in body:
            body[other] = body.pop(name)
    return body


def _can_force(thinking: Thinking, conversation: Conversation) -> bool:
    """Whether a tool can be forced. Thinking excludes it, but for adaptive thinking at Claude Opus 4.8 and later, which a caller of
    this dialect is taken to know (https://github.com/langchain-ai/langchain-aws/pull/1141)."""
    is_adaptive = thinking.config is not None and thinking.config["type"] == "adaptive"
    return not thinking.is_on or (is_adaptive and conversation.vendor_origin == ORIGIN)


def _write_output(body: dict[str, object], thinking: Thinking, shape: object) -> None:
    if thinking.config is not None:
        body["thinking"] = thinking.config
    output: dict[str, object] = {}
    if thinking.effort is not None:
        output["effort"] = thinking.effort
    if shape is not None:
        output["format"] = shape
    if output:
        body["output_config"] = output


def _write_rest(conversation: Conversation, receipt: Receipt, body: dict[str, object]) -> None:
    if conversation.cache is not None:
        body["cache_control"] = write_cache(conversation.cache, "cache", receipt)
    _write_user(conversation, receipt, body)
    if conversation.service_tier is not None:
        tier = tier_for(ORIGIN, conversation.service_tier)
        if tier is None:
            receipt.dropped("service_tier", "no such tier")
        else:
            body["service_tier"] = tier
            if tier != conversation.service_tier:
                receipt.mapped("service_tier", tier)
    if conversation.vendor_origin == ORIGIN:
        _write_own_fields(conversation, body)
    elif conversation.vendor:
        drop_vendor_fields(conversation, receipt)


def _write_own_fields(conversation: Conversation, body: dict[str, object]) -> None:
    """What a caller of this dialect said that nobody else understands."""
    for name, value in conversation.vendor.items():
        before = body.get(name)
        body[name] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value


def _write_user(conversation: Conversation, receipt: Receipt, body: dict[str, object]) -> None:
    user = conversation.user
    if user is None:
        if (user := conversation.safety_identifier) is None:
            return
        receipt.mapped("safety_identifier", "as metadata.user_id")
    elif conversation.safety_identifier not in (None, user):
        receipt.dropped("safety_identifier", "there is one place for both: user has it")
    if len(user) > _MAX_USER_ID:
        receipt.dropped("user" if conversation.user is not None else "safety_identifier", f"longer than {_MAX_USER_ID} characters")
    else:
        body["metadata"] = {"user_id": user}
