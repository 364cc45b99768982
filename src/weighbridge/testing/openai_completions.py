"""OpenAI's legacy completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from weighbridge.core.terms import Usage
from weighbridge.testing.generation import CREATED, Finish, Generation, Prompt
from weighbridge.testing.invoice import Bill
from weighbridge.testing.openai_chat import Count, Fraction, Probability, StreamOptions, Temperature, usage_body
from weighbridge.testing.openai_errors import STREAM_ERROR, invalid
from weighbridge.testing.provider import Call
from weighbridge.testing.reply import SSE_TYPE, Chunk, Reply, json_reply, sse


class CompletionRequest(msgspec.Struct):
    """The documented fields of `POST /v1/completions`."""

    model: str
    prompt: str | list[Any]
    best_of: Count | None = None
    echo: bool | None = None
    frequency_penalty: Fraction | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: int | None = None
    max_tokens: Annotated[int, msgspec.Meta(ge=0)] | None = None
    n: Count | None = None
    presence_penalty: Fraction | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    suffix: str | None = None
    temperature: Temperature | None = None
    top_p: Probability | None = None
    user: str | None = None


def complete(call: Call) -> Reply:
    """`POST /v1/completions`."""
    request = call.read(CompletionRequest)
    if request.stream_options is not None and not request.stream:
        raise invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    call.check_model(request.model)
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    prompts = [
        Prompt(texts=[text], user_text=text, stops=stops, max_tokens=request.max_tokens) for text in texts_of(request.prompt)
    ]
    generations = [call.generate(prompt) for prompt in prompts for _ in range(request.n or 1)]
    usage = Usage(input=sum(prompt.tokens for prompt in prompts), output=sum(generation.tokens for generation in generations))
    bills = (Bill("completions", request.model, usage),)
    envelope = {"id": call.id("cmpl-"), "object": "text_completion", "created": CREATED, "model": request.model}
    if request.stream:
        chunks = _chunks(envelope, generations, request, usage)
        return Reply(content_type=SSE_TYPE, chunks=chunks, is_stream=True, bills=bills, error_event=sse(STREAM_ERROR))
    choices = [_choice(index, generation.text, generation) for index, generation in enumerate(generations)]
    return json_reply(envelope | {"choices": choices, "usage": usage_body(usage)}, bills=bills, is_pretty=True)


def texts_of(value: str | list[Any]) -> list[str]:
    """A prompt or embedding input: text, texts, one list of token numbers or several. Four letters stand for a token number."""
    if isinstance(value, str):
        return [value]
    if value and all(isinstance(item, int) for item in value):
        return ["".join(f"{token % 10_000:04d}" for token in value)]
    return [item if isinstance(item, str) else texts_of(item)[0] for item in value]


def _choice(index: int, text: str, generation: Generation | None) -> dict[str, Any]:
    finish = None if generation is None else "length" if generation.finish is Finish.LENGTH else "stop"
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _chunks(envelope: dict[str, Any], generations: list[Generation], request: CompletionRequest, usage: Usage) -> Iterator[Chunk]:
    includes_usage = request.stream_options is not None and bool(request.stream_options.include_usage)
    extra: dict[str, Any] = {"usage": None} if includes_usage else {}
    done = 0
    for index, generation in enumerate(generations):
        for piece, tokens in generation.text_with_tokens():
            yield Chunk(sse(envelope | {"choices": [_choice(index, piece, None)]} | extra), done + tokens)
        done += generation.tokens
        yield Chunk(sse(envelope | {"choices": [_choice(index, "", generation)]} | extra), done)
    if includes_usage:
        yield Chunk(sse(envelope | {"choices": [], "usage": usage_body(usage)}), usage.output)
    yield Chunk(b"data: [DONE]\n\n", usage.output)
