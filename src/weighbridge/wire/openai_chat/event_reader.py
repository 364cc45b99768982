"""A provider's stream of a chat completion -> events.

Chunks hold what is new of each choice. `[DONE]` ends the stream; Perplexity, Writer and others never send it: a finish reason and
the end will do.
"""

from __future__ import annotations

from weighbridge.core.codec import encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import Provenance
from weighbridge.wire.conversation import Citation
from weighbridge.wire.event_markers import payload_of
from weighbridge.wire.events import Ended, Event, Failed, KeepAlive, LogprobsAdded, PartKind, Started, TextDelta, UsageReported
from weighbridge.wire.loose_json import as_object
from weighbridge.wire.openai_chat.open_choice import OpenChoice
from weighbridge.wire.openai_chat.stream_chunk import NO_DELTA, Chunk, ChunkChoice, ChunkDelta, read_chunk
from weighbridge.wire.openai_chat.vocabulary import search_citations
from weighbridge.wire.provider_error_bodies import read_error_body
from weighbridge.wire.sse import EventSplitter
from weighbridge.wire.usage import from_openai


class ChatEventReader:
    """See `wire/codecs.py:EventReader`."""

    __slots__ = ("_choices", "_found", "_is_started", "_reply_id", "_splitter", "_tier", "is_ended")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._choices: dict[int, OpenChoice] = {}
        self._found: tuple[Citation, ...] = ()
        self._is_started = False
        self._reply_id = ""
        self._tier: str | None = None
        self.is_ended = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete. Raises `GatewayError` PROVIDER_MALFORMED."""
        events: list[Event] = []
        for frame in self._splitter.feed(data):
            self._take_frame(frame, events)
        return events

    def finish(self) -> list[Event]:
        """What the end of the bytes completes: `Ended`, where every choice has finished though the server did not say `[DONE]`."""
        events: list[Event] = []
        for frame in (*self._splitter.finish(), self._splitter.pending):
            if frame and not self.is_ended:
                try:
                    self._take_frame(frame, events)
                except GatewayError:  # broken off in the middle of an event
                    break
        if not self.is_ended and self._choices and all(choice.is_finished for choice in self._choices.values()):
            self.is_ended = True
            events.append(Ended())
        return events

    def _take_frame(self, frame: bytes, events: list[Event]) -> None:
        if self.is_ended:
            return
        if frame.startswith(b"data: ") and frame.find(b"\n") == len(frame) - 2:
            payload = frame[6:-2]
        else:
            payload = payload_of(frame.removeprefix(b"\xef\xbb\xbf"))
        if not payload:
            events.append(KeepAlive())
        elif payload.startswith(b"[DONE]"):
            self._end(events)
        else:
            self._take_chunk(read_chunk(payload), payload, events)

    def _end(self, events: list[Event]) -> None:
        """`[DONE]` without a finish reason is no end of an answer, but the server's word that there is no more."""
        for choice in self._choices.values():
            if not choice.is_finished:
                self._finish_choice(choice, "", events)
        self.is_ended = True
        events.append(Ended())

    def _take_chunk(self, chunk: Chunk, payload: bytes, events: list[Event]) -> None:
        choices = chunk.choices
        if chunk.error is not None or (not choices and _is_failure(chunk, payload)):
            self._fail(payload, events)
            return
        if chunk.x_groq is not None and chunk.x_groq.error is not None:
            self._fail(encode_json({"error": chunk.x_groq.error}), events)
            return
        if not self._is_started:
            self._start(chunk, events)
        if chunk.search_results or chunk.citations:
            self._found = search_citations({"search_results": chunk.search_results, "citations": chunk.citations})
        for choice in choices or ():
            if choice.error is not None:
                self._fail(encode_json({"error": choice.error}), events)
                return
            self._take_choice(choice, events)
        usage = chunk.usage
        if usage is None and chunk.x_groq is not None:
            usage = chunk.x_groq.usage
        if usage is not None and (counts := from_openai(usage)).provenance is not Provenance.UNKNOWN:
            events.append(UsageReported(counts, chunk.service_tier or usage.service_tier or self._tier))

    def _start(self, chunk: Chunk, events: list[Event]) -> None:
        """Azure's first chunk tells of its filters and nothing of the reply: that is no start yet."""
        if chunk.id or chunk.choices or chunk.usage is not None:
            self._is_started = True
            self._reply_id = chunk.id or ""
            self._tier = chunk.service_tier or None
            events.append(Started(self._reply_id, chunk.model or "", chunk.created or 0, self._tier))

    def _fail(self, payload: bytes, events: list[Event]) -> None:
        self.is_ended = True
        told = read_error_body(payload)
        events.append(Failed(told.message, told.type, told.code, told.status))

    def _take_choice(self, choice: ChunkChoice, events: list[Event]) -> None:
        index = choice.index or 0
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = OpenChoice(index, self._reply_id)
        if state.is_finished:
            return
        state.events = events
        delta = choice.delta or choice.message or NO_DELTA
        content = delta.content
        # The usual chunk: more of the text that grows already.
        if state.kind is PartKind.TEXT and isinstance(content, str) and content and _is_only_text(delta):
            events.append(TextDelta(index, state.current, content))
        elif delta is not NO_DELTA:
            state.take(delta)
        if choice.text:
            state.take_text(choice.text)
        if choice.logprobs is not None:
            _take_logprobs(index, choice.logprobs, events)
        if choice.finish_reason:
            self._finish_choice(state, choice.finish_reason, events)

    def _finish_choice(self, state: OpenChoice, native: str, events: list[Event]) -> None:
        state.events = events
        if state.kind is PartKind.TEXT and self._found:
            state.cite(self._found)
        state.finish(native)


def _is_failure(chunk: Chunk, payload: bytes) -> bool:
    """An error without a field `error`: vLLM's and Mistral's, FastAPI's."""
    if chunk.object is not None or chunk.id is not None or chunk.choices is not None or chunk.usage is not None:
        return chunk.object == "error"
    return bool(read_error_body(payload).message)


def _is_only_text(delta: ChunkDelta) -> bool:
    return (
        delta.tool_calls is None
        and delta.extra_content is None
        and delta.reasoning_details is None
        and not delta.reasoning_content
        and not delta.reasoning
        and not delta.annotations
        and delta.audio is None
        and delta.images is None
        and delta.refusal is None
        and delta.function_call is None
        and delta.thinking_blocks is None
    )


def _take_logprobs(index: int, logprobs: object, events: list[Event]) -> None:
    told = as_object(logprobs)
    for name, is_refusal in (("content", False), ("refusal", True)):
        tokens = told.get(name)
        if isinstance(tokens, list) and tokens:
            events.append(LogprobsAdded(index, tuple(as_object(token) for token in tokens), is_refusal))
