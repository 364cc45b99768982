"""Responses of a provider, one after another -> events. A whole reply is a stream of one response (`reply_reader.py`).

Every response holds what is new. Parts have no marks of their beginning and end: pieces of one kind go on with the part before.
There is no end but that of the bytes; what came before is whole if every candidate gave a finish reason, which some servers repeat
in every response.
"""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import Audio, Citation, MediaBytes, Part, Reasoning, Seal, ServerTool
from weighbridge.wire.events import (
    ArgumentsDelta,
    AudioDelta,
    CitationAdded,
    Ended,
    Event,
    Finished,
    FinishReason,
    LogprobsAdded,
    PartEnded,
    PartKind,
    PartStarted,
    ReasoningDelta,
    Started,
    TextDelta,
    UsageReported,
)
from weighbridge.wire.gemini_generate.chunk import Call, Candidate, Chunk, ReplyPart, read_counts
from weighbridge.wire.gemini_generate.finishing import block_word, finish_word, read_finish
from weighbridge.wire.gemini_generate.grounding import fetch_step, read_grounding, read_recitations, search_step
from weighbridge.wire.gemini_generate.logprobs import read_logprobs
from weighbridge.wire.gemini_generate.media import decodable, media_part
from weighbridge.wire.gemini_generate.partial_arguments import PartialArguments
from weighbridge.wire.gemini_generate.response_pieces import read_error, unix_seconds, whole_part
from weighbridge.wire.gemini_generate.vocabulary import call_id, compact_json, read_seal
from weighbridge.wire.loose_json import as_list, as_object
from weighbridge.wire.usage import from_gemini, with_gemini_searches

_TEXT: Final = PartKind.TEXT
_THOUGHT: Final = PartKind.REASONING


class _OpenChoice:
    """One candidate: the part that grows now, and what waits for the end."""

    __slots__ = (
        "calls",
        "citations",
        "current",
        "has_calls",
        "is_blocked",
        "kind",
        "partial",
        "parts",
        "reason",
        "seal",
        "steps",
        "texts",
    )

    def __init__(self) -> None:
        self.parts = 0
        self.current = -1
        self.kind: PartKind | None = None
        self.texts: list[str] = []
        """Of the part that grows, if it is a text: places of citations are counted in it."""
        self.calls = 0
        self.has_calls = False
        self.is_blocked = False
        self.partial: PartialArguments | None = None
        self.seal: Seal | None = None
        self.reason: str | None = None
        self.citations: list[Citation] = []
        self.steps: list[ServerTool] = []


class ChunkReader:
    """Responses, one after another, as events. `finish` gives what only the end of them shows."""

    __slots__ = ("_choices", "_counts", "_id", "_is_started", "_model", "_searched", "_tells_counts", "is_ended")

    def __init__(self) -> None:
        self._choices: dict[int, _OpenChoice] = {}
        self._counts = b""
        self._tells_counts = True
        self._id = self._model = ""
        self._searched: list[str] = []
        self._is_started = False
        self.is_ended = False

    def take(self, chunk: Chunk, events: list[Event]) -> None:
        """The events of one response."""
        if chunk.error is not None:
            self.is_ended = True
            events.append(read_error(chunk.error))
            return
        if not self._is_started:
            self._is_started = True
            self._id, self._model = chunk.response_id or "", chunk.model_version or ""
            events.append(Started(self._id, self._model, unix_seconds(chunk.create_time)))
        counts = bytes(chunk.usage_metadata)
        if counts and counts != b"null":
            self._counts = counts
            if self._tells_counts:  # the size of the prompt is known from the first response on
                self._tells_counts = False
                self._report(events)
        for candidate in chunk.candidates or ():
            self._take_candidate(candidate, events)
        if chunk.prompt_feedback is not None and not self._choices:
            reason = block_word(chunk.prompt_feedback)
            if reason is not None:
                self._choices[0] = blocked = _OpenChoice()
                blocked.reason, blocked.is_blocked = reason, True

    def finish(self, events: list[Event]) -> None:
        """All responses have been taken: the ends of parts and choices, the counts, and `Ended` if the answer is whole."""
        if self.is_ended or not self._choices or any(choice.reason is None for choice in self._choices.values()):
            return
        for index in sorted(self._choices):
            self._finish_choice(index, self._choices[index], events)
        self._report(events)
        self.is_ended = True
        events.append(Ended())

    def give_up(self, events: list[Event]) -> None:
        """The same for a whole reply that does not say why it ended, or has no answer at all: nothing is made up."""
        if not self._choices:
            events.append(Finished(0, FinishReason.OTHER))
        for index, choice in self._choices.items():
            if choice.reason is None:
                self._close_with_citations(index, choice, events)
            else:
                self._finish_choice(index, choice, events)
        self._report(events)

    def _report(self, events: list[Event]) -> None:
        counts = read_counts(self._counts) if self._counts else None
        if counts is None:
            return
        usage = from_gemini(counts)
        if self._searched:
            usage = with_gemini_searches(usage, self._searched, self._model)
        events.append(UsageReported(usage, counts.service_tier))

    def _take_candidate(self, candidate: Candidate, events: list[Event]) -> None:
        index = candidate.index or 0
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _OpenChoice()
        content = candidate.content
        if content is not None and content.parts:
            for part in content.parts:
                text = part.text
                # The usual part: more of the text or thought that grows already.
                if text and part.thought_signature is None and state.kind is (_THOUGHT if part.thought else _TEXT):
                    if part.thought:
                        events.append(ReasoningDelta(index, state.current, text))
                    else:
                        state.texts.append(text)
                        events.append(TextDelta(index, state.current, text))
                else:
                    self._take_part(index, state, part, events)
        if candidate.finish_reason is not None:
            state.reason = finish_word(candidate.finish_reason) or state.reason
        if candidate.grounding_metadata is not None or candidate.citation_metadata is not None:
            self._take_sources(state, candidate)
        if candidate.url_context_metadata is not None:
            state.steps += [step for step in (fetch_step(candidate.url_context_metadata),) if step is not None]
        if candidate.logprobs_result is not None and (tokens := read_logprobs(candidate.logprobs_result)):
            events.append(LogprobsAdded(index, tokens))

    def _take_part(self, index: int, state: _OpenChoice, part: ReplyPart, events: list[Event]) -> None:
        seal = read_seal(part.thought_signature) if part.thought_signature else None
        if part.function_call is not None:
            self._take_call(index, state, part.function_call, seal, events)
        elif part.text is not None:
            self._take_text(index, state, part, seal, events)
        elif part.inline_data is not None and part.inline_data.data:
            self._take_blob(index, state, part.inline_data.mime_type or "", part.inline_data.data, events)
        elif (whole := whole_part(part)) is not None:
            self._add_whole(index, state, whole, events)
        elif seal is not None:
            self._take_text(index, state, ReplyPart(text=""), seal, events)

    def _take_text(self, index: int, state: _OpenChoice, part: ReplyPart, seal: Seal | None, events: list[Event]) -> None:
        text, kind = part.text or "", _THOUGHT if part.thought else _TEXT
        if not text:
            if seal is None:
                return
            # The signature of what came before, in a piece without a text.
            if state.kind is kind:
                state.seal = seal
                self._close(index, state, events)
            else:
                self._add_whole(index, state, Reasoning(seal=seal), events)
            return
        self._open(index, state, kind, events)
        if kind is _TEXT:
            state.texts.append(text)
            events.append(TextDelta(index, state.current, text))
        else:
            events.append(ReasoningDelta(index, state.current, text))
        if seal is not None:
            state.seal = seal
            if kind is _THOUGHT:
                self._close(index, state, events)

    def _take_call(self, index: int, state: _OpenChoice, call: Call, seal: Seal | None, events: list[Event]) -> None:
        if state.kind is not PartKind.TOOL_CALL or call.name:
            self._close(index, state, events)
            made = call.id or call_id(self._id, state.calls)
            state.calls += 1
            state.has_calls = True
            self._open(index, state, PartKind.TOOL_CALL, events, made, call.name or "")
            state.seal = seal
        elif seal is not None:
            state.seal = seal
        args = bytes(call.args)
        if args and args != b"null":
            events.append(ArgumentsDelta(index, state.current, compact_json(args)))
            state.partial = None
        elif call.partial_args or call.will_continue:
            if state.partial is None:
                state.partial = PartialArguments()
            for piece in call.partial_args or ():
                state.partial.add(piece)
        elif state.partial is None:
            events.append(ArgumentsDelta(index, state.current, "{}"))
        if not call.will_continue:
            self._close(index, state, events)

    def _take_blob(self, index: int, state: _OpenChoice, media_type: str, data: str, events: list[Event]) -> None:
        part = media_part(MediaBytes(data, media_type), media_type)
        if isinstance(part, Audio):
            data = decodable(data)
            if not data:
                return
            self._open(index, state, PartKind.AUDIO, events)
            events.append(AudioDelta(index, state.current, data))
        else:
            self._add_whole(index, state, part, events)

    def _take_sources(self, state: _OpenChoice, candidate: Candidate) -> None:
        text = "".join(state.texts)
        found = read_grounding(candidate.grounding_metadata, text) + read_recitations(candidate.citation_metadata, text)
        state.citations += [citation for citation in found if citation not in state.citations]
        queries = as_list(as_object(candidate.grounding_metadata).get("webSearchQueries"))
        self._searched += [query for query in queries if isinstance(query, str)]
        step = search_step(candidate.grounding_metadata)
        if step is not None and step not in state.steps:
            state.steps.append(step)

    def _open(self, index: int, state: _OpenChoice, kind: PartKind, events: list[Event], made_id: str = "", name: str = "") -> None:
        if state.kind is kind:
            return
        self._close(index, state, events)
        state.current = state.parts
        state.parts += 1
        state.kind = kind
        state.texts = []
        events.append(PartStarted(index, state.current, kind, made_id, name))

    def _close(self, index: int, state: _OpenChoice, events: list[Event]) -> None:
        if state.kind is None:
            return
        if state.partial is not None:
            events.append(ArgumentsDelta(index, state.current, state.partial.text()))
        events.append(PartEnded(index, state.current, state.seal))
        state.kind = state.seal = state.partial = None

    def _add_whole(self, index: int, state: _OpenChoice, whole: Part, events: list[Event]) -> None:
        self._close(index, state, events)
        state.current = state.parts
        state.parts += 1
        if isinstance(whole, Reasoning):
            events.append(PartStarted(index, state.current, _THOUGHT))
            events.append(PartEnded(index, state.current, whole.seal))
            return
        kind = PartKind.SERVER_TOOL if isinstance(whole, ServerTool) else PartKind.IMAGE
        events.append(PartStarted(index, state.current, kind, whole=whole))
        events.append(PartEnded(index, state.current))

    def _close_with_citations(self, index: int, state: _OpenChoice, events: list[Event]) -> None:
        if state.kind is _TEXT:
            events += [CitationAdded(index, state.current, citation) for citation in state.citations]
        self._close(index, state, events)
        for step in state.steps:
            self._add_whole(index, state, step, events)

    def _finish_choice(self, index: int, state: _OpenChoice, events: list[Event]) -> None:
        self._close_with_citations(index, state, events)
        native = state.reason or ""
        reason = FinishReason.CONTENT_FILTER if state.is_blocked else read_finish(native, has_calls=state.has_calls)
        events.append(Finished(index, reason, native))
