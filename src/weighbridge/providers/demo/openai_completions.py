"""OpenAI legacy completions, whole and streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec

from weighbridge.core.codec import encode_json
from weighbridge.providers.demo.exchange import (
    SSE_TYPE,
    DemoError,
    DemoReply,
    DemoRequest,
    Stamp,
    StreamEvent,
    read_body,
    sse_event,
    whole,
)
from weighbridge.providers.demo.generate import Answer, Finish, Prompt, answer
from weighbridge.providers.demo.models import MAX_CHOICES, pace_of
from weighbridge.providers.demo.openai_model import DONE, find_model, stop_sequences, usage_object
from weighbridge.providers.demo.text import count_tokens

DEFAULT_MAX_TOKENS: Final = 16
"""As OpenAI has it for this operation."""

_Prompts = str | list[str | int | list[int]] | None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _CompletionRequest(msgspec.Struct):
    model: str
    prompt: _Prompts = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: Annotated[int, msgspec.Meta(ge=1, le=MAX_CHOICES)] | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    stop: str | list[str] | None = None
    metadata: dict[str, object] | None = None

    @property
    def includes_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage is True


def completion(request: DemoRequest, stamp: Stamp) -> DemoReply:
    """`POST /completions`: `n` choices for each prompt."""
    asked = read_body(request, _CompletionRequest)
    model = find_model(asked.model)
    pace = pace_of(model, request.headers, asked.metadata)
    prompts = _texts(asked.prompt)
    copies = asked.n or 1
    if len(prompts) * copies > MAX_CHOICES:
        raise DemoError(400, f"The demo gives at most {MAX_CHOICES} choices.", param="n")
    limit, stops = asked.max_tokens or DEFAULT_MAX_TOKENS, stop_sequences(asked.stop)
    each = [answer(Prompt(model=model, user_text=text, max_tokens=limit, stops=stops)) for text in prompts]
    answers = [given for given in each for _ in range(copies)]
    head: dict[str, object] = {
        "id": stamp.id("cmpl-"),
        "object": "text_completion",
        "created": stamp.now_s,
        "model": asked.model,
    }
    output, thoughts = sum(given.tokens for given in answers), sum(len(given.thoughts) for given in answers)
    usage = usage_object(sum(map(count_tokens, prompts)), output, thoughts)
    if asked.stream:
        events = list(_events(head, answers, usage, includes_usage=asked.includes_usage))
        return DemoReply(status=200, headers=[SSE_TYPE], chunks=pace.play(events))
    choices = [_choice(at, given.text, _finish(given)) for at, given in enumerate(answers)]
    return whole({**head, "choices": choices, "usage": usage}, delay_ns=pace.whole_ns(output))


def _texts(prompts: _Prompts) -> list[str]:
    """Prompts as texts; token ids, which nobody can read, as their JSON."""
    if prompts is None or isinstance(prompts, str):
        return [prompts or ""]
    if any(isinstance(prompt, int) for prompt in prompts):
        return [encode_json(prompts).decode()]
    return [prompt if isinstance(prompt, str) else encode_json(prompt).decode() for prompt in prompts] or [""]


def _events(
    head: dict[str, object], answers: list[Answer], usage: dict[str, object], *, includes_usage: bool
) -> Iterator[StreamEvent]:
    no_usage: dict[str, object] = {"usage": None} if includes_usage else {}
    for at, given in enumerate(answers):
        yield StreamEvent(b"", len(given.thoughts))
        for piece in given.pieces:
            yield StreamEvent(sse_event({**head, "choices": [_choice(at, piece, None)], **no_usage}), tokens=1)
        yield StreamEvent(sse_event({**head, "choices": [_choice(at, "", _finish(given))], **no_usage}))
    if includes_usage:
        yield StreamEvent(sse_event({**head, "choices": [], "usage": usage}))
    yield StreamEvent(DONE)


def _choice(at: int, text: str, finish: str | None) -> dict[str, object]:
    return {"text": text, "index": at, "logprobs": None, "finish_reason": finish}


def _finish(given: Answer) -> str:
    return "length" if given.finish is Finish.LENGTH else "stop"
