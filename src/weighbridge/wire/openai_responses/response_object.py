"""The `response` object around the output: what it is, how it ended, what it cost, and the caller's own wishes once more.

https://platform.openai.com/docs/api-reference/responses/object. The API repeats the request's fields with its defaults filled in.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import NO_USAGE, Usage
from weighbridge.wire.codecs import ReplyContext
from weighbridge.wire.conversation import AnswerFormat, Conversation, FormatKind
from weighbridge.wire.events import FinishReason
from weighbridge.wire.finish_reasons import WRITE_RESPONSES_INCOMPLETE
from weighbridge.wire.json_value import Json, JsonObject
from weighbridge.wire.openai_responses.input_writer import instructions_of
from weighbridge.wire.openai_responses.request_writer import text_of
from weighbridge.wire.openai_responses.tools_writer import write_choice, write_tool
from weighbridge.wire.openai_responses.vocabulary import Item
from weighbridge.wire.quirks import NO_QUIRKS
from weighbridge.wire.receipt import Receipt
from weighbridge.wire.service_tiers import tier_for

_PLAIN: Final = AnswerFormat(FormatKind.TEXT)

_FAILURES: Final = {
    FinishReason.ERROR: "The model gave up on its answer.",
    FinishReason.MALFORMED_TOOL_CALL: "The model called a tool in a way that makes no sense.",
}
"""Ends that are no answer. A complete response without one would look like a model that had nothing to say."""

_ERROR_CODES: Final = {
    ErrorKind.RATE_LIMIT_EXCEEDED: "rate_limit_exceeded",
    ErrorKind.INSUFFICIENT_QUOTA: "insufficient_quota",
    ErrorKind.CONTEXT_LENGTH_EXCEEDED: "context_length_exceeded",
    ErrorKind.CONTENT_POLICY_VIOLATION: "invalid_prompt",
    ErrorKind.PROVIDER_INVALID_REQUEST: "invalid_prompt",
    ErrorKind.UNPROCESSABLE: "invalid_prompt",
}
"""`error.code` of a failed response; every other failure is a `server_error`."""


class Ending(NamedTuple):
    """How a response ended. `status` is also the name of the last event: `response.completed`."""

    status: str
    incomplete_details: JsonObject | None = None
    error: JsonObject | None = None

    @property
    def item_status(self) -> str:
        """The status of the last item."""
        return "completed" if self.status == "completed" else "incomplete"


_COMPLETED: Final = Ending("completed")


def ending_of(reason: FinishReason) -> Ending:
    """The end of a response for the reason of its end."""
    why = WRITE_RESPONSES_INCOMPLETE.get(reason)
    if why is not None:
        return Ending("incomplete", {"reason": why})
    message = _FAILURES.get(reason)
    if message is not None:
        return Ending("failed", None, {"code": "server_error", "message": message})
    return _COMPLETED


def failure_of(error: GatewayError) -> Ending:
    """The end of a response that broke off."""
    return Ending("failed", None, {"code": _ERROR_CODES.get(error.kind, "server_error"), "message": error.public})


def response_id(given: str, request_id: str) -> str:
    """The provider's id, if it is one of a response; an id of a chat or a message could not be asked for again."""
    return given if given.startswith("resp_") else f"resp_{request_id}"


class ResponseFrame:
    """Everything of a response that does not change while it is made."""

    __slots__ = ("_echo", "_head", "_tier")

    def __init__(self, context: ReplyContext, given_id: str, model: str, created_s: int) -> None:
        self._head: JsonObject = {
            "id": response_id(given_id, context.request_id),
            "object": "response",
            "created_at": created_s or context.created_s,
        }
        self._echo = _echo(context.conversation, model or context.model)
        self._tier: str | None = context.conversation.service_tier

    def render(self, status: str, output: list[Item]) -> JsonObject:
        """The object while it is made."""
        tier = "auto" if self._tier is None else tier_for("openai", self._tier)
        return {
            **self._head,
            "status": status,
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "output": list[Json](output),
            "usage": None,
            "service_tier": tier,
            **self._echo,
        }

    def render_end(self, ending: Ending, output: list[Item], usage: Usage, tier: str | None) -> JsonObject:
        """The object at its end."""
        return {
            **self._head,
            "status": ending.status,
            "completed_at": None,
            "error": ending.error,
            "incomplete_details": ending.incomplete_details,
            "output": list[Json](output),
            "usage": write_usage(usage),
            "service_tier": "default" if tier is None else tier_for("openai", tier) or "default",
            **self._echo,
        }


def write_usage(usage: Usage) -> JsonObject | None:
    """The counts as OpenAI nests them: what was cached is part of the input, reasoning of the output. None if nothing is known."""
    if usage == NO_USAGE:
        return None
    read: JsonObject = {
        "cached_tokens": usage.cache_read,
        "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
    }
    made: JsonObject = {"reasoning_tokens": usage.reasoning}
    for details, audio, image in ((read, usage.input_audio, usage.input_image), (made, usage.output_audio, usage.output_image)):
        if audio:
            details["audio_tokens"] = audio
        if image:
            details["image_tokens"] = image
    total_input, total_output = usage.total_input, usage.total_output
    return {
        "input_tokens": total_input,
        "input_tokens_details": read,
        "output_tokens": total_output,
        "output_tokens_details": made,
        "total_tokens": total_input + total_output,
    }


def _echo(asked: Conversation, model: str) -> JsonObject:
    receipt = Receipt()
    tools: list[Json] = []
    for tool in asked.tools:
        written = write_tool(tool, "tools", NO_QUIRKS, receipt)
        if written is not None:
            tools.append(written)
    choice = None if asked.tool_choice is None else write_choice(asked.tool_choice, tools, NO_QUIRKS, receipt)
    wish = asked.reasoning
    return {
        "background": asked.background or False,
        "conversation": None if asked.conversation_id is None else {"id": asked.conversation_id},
        "frequency_penalty": asked.frequency_penalty or 0.0,
        "instructions": instructions_of(asked),
        "max_output_tokens": asked.max_output_tokens,
        "max_tool_calls": asked.max_tool_calls,
        "metadata": asked.metadata or {},
        "model": model,
        "parallel_tool_calls": asked.parallel_tool_calls is not False,
        "presence_penalty": asked.presence_penalty or 0.0,
        "previous_response_id": asked.previous_response_id,
        "prompt_cache_key": asked.prompt_cache_key,
        "prompt_cache_retention": asked.prompt_cache_retention,
        "reasoning": {
            "effort": None if wish is None else wish.effort,
            "summary": None if wish is None or wish.summary == "omitted" else wish.summary,
        },
        "safety_identifier": asked.safety_identifier,
        "store": asked.store is not False,
        "temperature": 1.0 if asked.temperature is None else asked.temperature,
        "text": text_of(asked.answer_format or _PLAIN, asked.verbosity),
        "tool_choice": choice or "auto",
        "tools": tools,
        "top_logprobs": asked.top_logprobs or 0,
        "top_p": 1.0 if asked.top_p is None else asked.top_p,
        "truncation": asked.truncation or "disabled",
        "user": asked.user,
    }
