"""What the gateway wants to know of a reply, and one function per dialect that reads it from a JSON document or event.

A reader takes whole JSON and writes what it finds into a `ReplyFacts`; what is absent stays as it was, so that the events of
a stream add up to what the whole reply would have said. Readers raise `JsonError` for bytes that are not JSON.
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.terms import NO_USAGE, Usage, UsageApart
from weighbridge.wire.reply_shapes import (
    ErrorShape,
    MessageReply,
    RealtimeEvent,
    ResponseReply,
    decode_gemini,
    decode_message,
    decode_message_event,
    decode_openai,
    decode_realtime_event,
    decode_reranked,
    decode_response,
    decode_response_event,
    decode_transcript,
    split_gemini_array,
)
from weighbridge.wire.response_tools import Step, with_tools
from weighbridge.wire.usage import (
    AnthropicUsage,
    apart_by_anthropic,
    as_derived,
    from_anthropic,
    from_gemini,
    from_openai,
    from_openai_in_full,
    from_rerank,
    heard,
    merge_anthropic,
    with_gemini_searches,
)


class ReplyFacts:
    """What has been learned of one reply. `None` and `NO_USAGE` mean: not said (yet)."""

    # Slots, not defaults on the class: CPython 3.11 specialises no access to an attribute that the class has as well, so that
    # making, filling and reading the facts of one reply took 0.80 µs that way and takes 0.48 µs this way.
    __slots__ = (
        "anthropic_start",
        "apart",
        "finish_reason",
        "is_background",
        "is_complete",
        "region",
        "response_id",
        "searched",
        "served_model",
        "service_tier",
        "stream_error",
        "usage",
    )

    def __init__(self) -> None:
        self.usage: Usage = NO_USAGE
        self.finish_reason: str | None = None
        """The dialect's own word: `stop`, `end_turn`, `MAX_TOKENS`, `completed`."""
        self.served_model: str | None = None
        self.service_tier: str | None = None
        """The tier that was served and is billed, which may differ from the one asked for."""
        self.region: str = ""
        """Where it was served, for providers whose prices depend on it; empty: not said."""
        self.response_id: str | None = None
        self.is_background: bool = False
        """It may go on when it is answered, or its stream is left."""
        self.is_complete: bool = False
        """The protocol's own end was seen."""
        self.stream_error: str | None = None
        """Code or type of an error inside a reply whose status said 200."""
        self.apart: tuple[UsageApart, ...] = ()
        """Parts of `usage` that have prices of their own."""
        self.searched: tuple[str, ...] = ()
        """What Gemini has searched for, in however many chunks it says so."""
        self.anthropic_start: AnthropicUsage | None = None
        """What Anthropic's earlier events counted; the later ones may leave fields out."""


# Ends of OpenAI's other streams: transcriptions, speech, images.
_OPENAI_ENDS: Final = frozenset({"transcript.text.done", "speech.audio.done", "image_generation.completed", "image_edit.completed"})
_RESPONSE_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


def read_file(facts: ReplyFacts, document: bytes) -> None:
    """A file that was uploaded."""
    facts.response_id = decode_openai(document).id


def read_reranked(facts: ReplyFacts, document: bytes) -> None:
    """A ranking, in any vendor's shape."""
    reply = decode_reranked(document)
    facts.usage = from_rerank(reply.usage, reply.meta.search_units if reply.meta is not None else None)
    facts.served_model, facts.response_id = reply.model, reply.id


def read_openai(facts: ReplyFacts, document: bytes, *, is_image_output: bool = False) -> None:
    """A reply or a stream chunk of chat, completions, embeddings, moderations, audio and images."""
    reply = decode_openai(document)
    choices = reply.choices
    if choices:
        for choice in choices:
            reason = choice.finish_reason
            if reason and (facts.finish_reason is None or choice.index == 0):
                facts.finish_reason = reason
                break
    usage = reply.usage
    if usage is None and reply.x_groq is not None:
        usage = reply.x_groq.usage
    if usage is not None:
        counts = from_openai_in_full(usage, is_image_output=True) if is_image_output else from_openai(usage)
        if counts is not NO_USAGE:
            facts.usage = counts
        if usage.service_tier:
            facts.service_tier = usage.service_tier
    if reply.model:
        facts.served_model = reply.model
    if reply.id and facts.response_id is None:  # Groq's last chunk is named "stub"
        facts.response_id = reply.id
    if reply.service_tier:
        facts.service_tier = reply.service_tier
    if reply.error is not None:
        facts.stream_error = _error_name(reply.error)
    if reply.type is not None and reply.type in _OPENAI_ENDS:
        facts.is_complete = True


def read_openai_image(facts: ReplyFacts, document: bytes) -> None:
    """A reply or an event of the image endpoints, whose output tokens are images."""
    read_openai(facts, document, is_image_output=True)


def read_openai_audio(facts: ReplyFacts, document: bytes) -> None:
    """A transcript or an event of the audio endpoints. Its `duration` counts where it has no usage: Groq's have none."""
    read_openai(facts, document)
    if facts.usage is NO_USAGE and (duration := decode_transcript(document).duration):
        facts.usage = as_derived(heard(duration))


def read_response(facts: ReplyFacts, document: bytes) -> None:
    """A whole reply of the Responses API."""
    _take_response(facts, decode_response(document))


def read_response_event(facts: ReplyFacts, document: bytes) -> None:
    """A stream event of the Responses API; the last one carries the whole reply."""
    event = decode_response_event(document)
    if event.response is not None:
        _take_response(facts, event.response)
    if event.type in _RESPONSE_ENDS:
        facts.is_complete = True
    elif event.type == "error":
        facts.stream_error = event.code or _error_name(event.error)
    elif event.error is not None:
        facts.stream_error = _error_name(event.error)


def _take_response(facts: ReplyFacts, reply: ResponseReply) -> None:
    if reply.usage is not None:
        steps = [
            Step(item.type, item.action.type if item.action is not None else None, item.status, item.quality, item.size)
            for item in reply.output or ()
        ]
        counts, apart = with_tools(from_openai_in_full(reply.usage), reply.tool_usage, steps, reply.tools or ())
        _take_usage(facts, counts)
        if apart:
            facts.apart = apart
    facts.served_model = reply.model or facts.served_model
    facts.response_id = reply.id or facts.response_id
    facts.service_tier = reply.service_tier or facts.service_tier
    if reply.background:
        facts.is_background = True
    if reply.status not in {None, "in_progress", "queued"}:
        why = reply.incomplete_details.reason if reply.incomplete_details is not None else None
        facts.finish_reason = why or reply.status
    if reply.error is not None:
        facts.stream_error = _error_name(reply.error)


def read_realtime_event(facts: ReplyFacts, document: bytes) -> RealtimeEvent:
    """A server message of a realtime session. The counts are of this event alone: a session has many."""
    event = decode_realtime_event(document)
    if event.session is not None:
        facts.served_model = event.session.model or facts.served_model
    if event.type == "response.done" and event.response is not None:
        _take_response(facts, event.response)
    elif event.usage is not None:  # the transcription of what the user said, which is billed by itself
        _take_usage(facts, from_openai(event.usage))
    if event.error is not None:
        facts.stream_error = _error_name(event.error)
    return event


def read_message(facts: ReplyFacts, document: bytes) -> None:
    """A whole reply of the Messages API."""
    _take_message(facts, decode_message(document))


def read_message_event(facts: ReplyFacts, document: bytes) -> None:
    """A stream event of the Messages API. `message_start` counts the input, `message_delta` the rest; a stream has one of each."""
    event = decode_message_event(document)
    if event.message is not None:
        _take_message(facts, event.message)
        # The output has only begun: should the stream break off here, this count is a floor and no more.
        facts.usage = as_derived(facts.usage)
    if event.delta is not None:
        _take_message(facts, event.delta)
    if event.usage is not None:
        _take_anthropic_usage(facts, event.usage)
    if event.error is not None:
        facts.stream_error = _error_name(event.error)
    if event.type == "message_stop":
        facts.is_complete = True


def _take_message(facts: ReplyFacts, message: MessageReply) -> None:
    if message.usage is not None:
        _take_anthropic_usage(facts, message.usage)
    facts.served_model = message.model or facts.served_model
    facts.response_id = message.id or facts.response_id
    facts.finish_reason = message.stop_reason or facts.finish_reason
    if message.error is not None:
        facts.stream_error = _error_name(message.error)


def _take_anthropic_usage(facts: ReplyFacts, usage: AnthropicUsage) -> None:
    merged = merge_anthropic(facts.anthropic_start, usage)
    facts.anthropic_start = merged
    facts.service_tier = merged.tier or facts.service_tier
    facts.region = merged.inference_geo or ""
    _take_usage(facts, from_anthropic(merged))
    if merged.iterations:
        facts.apart = apart_by_anthropic(merged)


def read_gemini(facts: ReplyFacts, document: bytes) -> None:
    """A reply or a stream chunk of `generateContent`, or a reply of the embedding methods. Counts are running totals."""
    reply = decode_gemini(document)
    for candidate in reply.candidates or ():
        if candidate.grounding_metadata is not None and candidate.grounding_metadata.web_search_queries:
            facts.searched = (*facts.searched, *candidate.grounding_metadata.web_search_queries)
    for candidate in reply.candidates or ():
        if candidate.finish_reason and (facts.finish_reason is None or candidate.index == 0):
            facts.finish_reason = str(candidate.finish_reason)
            facts.is_complete = True
            break
    if reply.prompt_feedback is not None and reply.prompt_feedback.block_reason:
        facts.finish_reason = str(reply.prompt_feedback.block_reason)
        facts.is_complete = True
    if reply.usage_metadata is not None:
        _take_usage(facts, from_gemini(reply.usage_metadata))
        facts.service_tier = reply.usage_metadata.service_tier or facts.service_tier
    facts.served_model = reply.model_version or facts.served_model
    if facts.searched:
        facts.usage = with_gemini_searches(facts.usage, facts.searched, facts.served_model or "")
    facts.response_id = reply.response_id or facts.response_id
    if reply.error is not None:
        facts.stream_error = _error_name(reply.error)


def read_gemini_array(facts: ReplyFacts, document: bytes) -> None:
    """`streamGenerateContent` without `alt=sse`: a JSON array of chunks, or an error on its own."""
    if document.lstrip()[:1] != b"[":
        read_gemini(facts, document)
        return
    for chunk in split_gemini_array(document):
        read_gemini(facts, bytes(chunk))


def _take_usage(facts: ReplyFacts, usage: Usage) -> None:
    if usage is not NO_USAGE:
        facts.usage = usage


def _error_name(error: ErrorShape | str | None) -> str:
    """The finest word for an error: OpenAI's code, Gemini's status, Anthropic's type; OpenRouter's code is a number."""
    if error is None or isinstance(error, str):
        return error or "error"
    if isinstance(error.code, str) and error.code:
        return error.code
    return error.status or error.type or (str(error.code) if error.code is not None else "error")
