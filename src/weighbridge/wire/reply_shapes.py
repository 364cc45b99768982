"""The few fields of a reply that are read, for each dialect, and their decoders. Everything else is skipped undecoded."""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.core.codec import JsonError
from weighbridge.wire.response_tools import ResponseTool, ToolUsage
from weighbridge.wire.tolerant_decoder import tolerant_decoder
from weighbridge.wire.usage import AnthropicUsage, GeminiUsage, OpenAiUsage, Seconds


class ErrorShape(msgspec.Struct, gc=False):
    """An error in any dialect: OpenAI has `code`, Anthropic `type`, Gemini `status`; OpenRouter's code is a number."""

    code: str | int | None = None
    type: str | None = None
    status: str | None = None


class Choice(msgspec.Struct, gc=False):
    """One answer of chat or completions."""

    finish_reason: str | None = None
    index: int | None = 0


class GroqExtra(msgspec.Struct, gc=False):
    """Groq's own place for usage in a stream."""

    usage: OpenAiUsage | None = None


class OpenAiReply(msgspec.Struct, gc=False):
    """Chat, completions, embeddings, images and audio: whole replies and stream events alike."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] | None = None
    usage: OpenAiUsage | None = None
    service_tier: str | None = None
    error: ErrorShape | str | None = None
    x_groq: GroqExtra | None = None
    type: str | None = None


class RerankBilled(msgspec.Struct, gc=False):
    """What Cohere bills by."""

    search_units: int | float | None = None


class RerankMeta(msgspec.Struct, gc=False):
    """Where Cohere says it."""

    billed_units: RerankBilled | None = None

    @property
    def search_units(self) -> int | float | None:
        """What it bills; None: it does not say."""
        return self.billed_units.search_units if self.billed_units is not None else None


class RerankedReply(msgspec.Struct, gc=False):
    """A ranking, without what is ranked."""

    id: str | None = None
    model: str | None = None
    usage: OpenAiUsage | None = None
    meta: RerankMeta | None = None


class Transcript(msgspec.Struct, gc=False):
    """What `verbose_json` and `diarized_json` say beside it: how many seconds the audio took."""

    duration: Seconds = None


class Action(msgspec.Struct, gc=False):
    """What a search was: of the web, or in a page that was found before."""

    type: str | None = None


class OutputItem(msgspec.Struct, gc=False):
    """One item of a response's output."""

    type: str | None = None
    action: Action | None = None
    status: str | None = None
    quality: str | None = None
    size: str | None = None


class IncompleteDetails(msgspec.Struct, gc=False):
    """Why a response ended early."""

    reason: str | None = None


class ResponseReply(msgspec.Struct, gc=False):
    """A whole reply of the Responses API."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    background: bool | None = None
    usage: OpenAiUsage | None = None
    tool_usage: ToolUsage | None = None
    tools: list[ResponseTool] | None = None
    output: list[OutputItem] | None = None
    service_tier: str | None = None
    incomplete_details: IncompleteDetails | None = None
    error: ErrorShape | str | None = None


class ResponseEvent(msgspec.Struct, gc=False):
    """A stream event of the Responses API."""

    type: str | None = None
    response: ResponseReply | None = None
    code: str | None = None
    error: ErrorShape | str | None = None


class Transcription(msgspec.Struct, gc=False):
    """Which model writes down what the user says."""

    model: str | None = None


class AudioInput(msgspec.Struct, gc=False):
    """What is done with what the user says."""

    transcription: Transcription | None = None


class SessionAudio(msgspec.Struct, gc=False):
    """How a session hears and speaks."""

    input: AudioInput | None = None


class BatchCounts(msgspec.Struct, gc=False):
    """Of OpenAI's requests in a batch."""

    completed: int | None = None


class BatchReply(msgspec.Struct, gc=False):
    """A batch, of OpenAI (`object`) or Anthropic (`type`)."""

    id: str | None = None
    object: str | None = None
    type: str | None = None
    status: str | None = None
    model: str | None = None
    usage: OpenAiUsage | None = None
    request_counts: BatchCounts | None = None


class Session(msgspec.Struct, gc=False):
    """A realtime session. The transcription stands at the top in the beta's events."""

    id: str | None = None
    model: str | None = None
    audio: SessionAudio | None = None
    input_audio_transcription: Transcription | None = None

    @property
    def transcriber(self) -> str | None:
        """The model that writes down what the user says, where the event tells it."""
        told = self.input_audio_transcription
        if self.audio is not None and self.audio.input is not None:
            told = self.audio.input.transcription
        return told.model if told is not None else None


class RealtimeEvent(msgspec.Struct, gc=False):
    """A server message of a realtime session."""

    type: str | None = None
    session: Session | None = None
    response: ResponseReply | None = None
    usage: OpenAiUsage | None = None
    error: ErrorShape | str | None = None


class MessageReply(msgspec.Struct, gc=False):
    """A whole reply of the Messages API, or the parts of it in `message_start` and `message_delta`."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: AnthropicUsage | None = None
    error: ErrorShape | str | None = None


class BatchOutcome(msgspec.Struct, gc=False):
    """What became of one request of Anthropic's."""

    type: str | None = None
    message: MessageReply | None = None


class BatchLine(msgspec.Struct, gc=False):
    """A line of a batch's results."""

    result: BatchOutcome | None = None


class MessageEvent(msgspec.Struct, gc=False):
    """A stream event of the Messages API."""

    type: str | None = None
    message: MessageReply | None = None
    delta: MessageReply | None = None
    usage: AnthropicUsage | None = None
    error: ErrorShape | str | None = None


class Grounding(msgspec.Struct, rename="camel", gc=False):
    """What Gemini has searched for, which is billed."""

    web_search_queries: list[str] | None = None


class Candidate(msgspec.Struct, rename="camel", gc=False):
    """One answer of Gemini; numeric where the client asked for numeric enums."""

    finish_reason: str | int | None = None
    index: int | None = 0
    grounding_metadata: Grounding | None = None


class PromptFeedback(msgspec.Struct, rename="camel", gc=False):
    """Why Gemini refused a prompt."""

    block_reason: str | int | None = None


class GeminiReply(msgspec.Struct, rename="camel", gc=False):
    """A reply or stream chunk of Gemini."""

    response_id: str | None = None
    model_version: str | None = None
    candidates: list[Candidate] | None = None
    prompt_feedback: PromptFeedback | None = None
    usage_metadata: GeminiUsage | None = None
    error: ErrorShape | str | None = None


decode_openai: Final = tolerant_decoder(OpenAiReply)
decode_reranked: Final = tolerant_decoder(RerankedReply)
decode_batch: Final = tolerant_decoder(BatchReply)
decode_batch_line: Final = tolerant_decoder(BatchLine)
decode_transcript: Final = tolerant_decoder(Transcript)
decode_response: Final = tolerant_decoder(ResponseReply)
decode_response_event: Final = tolerant_decoder(ResponseEvent)
decode_realtime_event: Final = tolerant_decoder(RealtimeEvent)
decode_message: Final = tolerant_decoder(MessageReply)
decode_message_event: Final = tolerant_decoder(MessageEvent)
decode_gemini: Final = tolerant_decoder(GeminiReply)
_split_array: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


def split_gemini_array(document: bytes) -> list[msgspec.Raw]:
    """The chunks of a JSON array, unread. Raises `JsonError` for bytes that are none."""
    try:
        return _split_array(document)
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
