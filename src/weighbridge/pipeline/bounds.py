"""The most that an attempt can use, from what its request shows: what budgets hold for it until the provider has told.

A token is at least one byte of the request's text (byte-level vocabularies have no shorter ones), so its bytes bound the tokens
that go in, but for pictures, whose tokens follow from their size, and for what only the provider sees: files, earlier responses,
results of its own tools. Those are bounded by the model's context window.
"""

from __future__ import annotations

import re
from typing import Final

from weighbridge.core.model_sizes import ASSUMED_OUTPUT
from weighbridge.core.terms import Dialect, Operation
from weighbridge.ledger.pricing import ALL_KINDS, Extent, Kinds
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.pieces import most_pieces
from weighbridge.pipeline.target import OUTPUT_FIELDS, Target
from weighbridge.wire.envelope import Envelope
from weighbridge.wire.response_tools import most_of_a_picture

ASSUMED_WINDOW: Final = 200_000
"""Where the context window is not known: Anthropic's, and above what OpenAI's chat models take but for a few."""
HIDDEN_TOKENS: Final = 1_024
"""What providers add to a prompt: role markers, and for tools a system prompt (Anthropic: up to 530 tokens)."""
_TOKENS_A_PICTURE: Final = 25_600
"""For each time that a picture is mentioned. The dearest are gpt-4o-mini's, 2,833 + 5,667 for each of up to eight tiles, and
OpenAI's word for them stands twice in each."""
_MAX_TOOL_CALLS: Final = 16
"""Of tools that the provider runs, in one request: twice what vendors' own agents use."""
_MAX_CHOICES: Final = 128
"""OpenAI's bound on `n`; a larger one is refused by the provider."""

_MENTIONS: Final = re.compile(rb'"(image|input_image|input_audio|inline_?[dD]ata|input_file|file|document|video)')
_ESCAPED: Final = re.compile(rb"\\u00[4-7]")
"""A letter that is written as `\\u0069`, which no encoder does: any word may stand there. This and the words are sought apart since
`re` skips to the literal with which a pattern begins: 26 µs for 20 kB, and 115 where either may begin (Python 3.11)."""
_PICTURES: Final = frozenset((b"image", b"input_image", b"inlineData", b"inline_data", b"inlinedata"))
_RUNS_TOOLS: Final = re.compile(
    rb'\\u00[4-7]|"(?:web_search|file_search|code_interpreter|computer|code_execution|web_fetch|mcp|tool_search|google_?[sS]earch|url_?[cC]ontext|'
    rb"code_?[eE]xecution|image_generation)"
)
_CACHE_MARK: Final = b'"cache_control"'
_SEEN_BY_THE_PROVIDER: Final = ("previous_response_id", "conversation", "prompt", "container", "cachedContent", "cached_content")
"""Fields that bring into the prompt what the request does not hold. (`prompt` of the Responses API is a stored template.)"""
_BRINGS_MORE: Final = frozenset((*_SEEN_BY_THE_PROVIDER, "tools", "web_search_options"))

_MAY_SUM_UP: Final = frozenset(("compaction", "context_management"))
"""Fields by which the provider may sum the context up first, in a run of its own that reads all of it and is billed besides
(https://platform.claude.com/docs/en/build-with-claude/compaction#understanding-usage)."""
_BOUNDS: Final = frozenset(OUTPUT_FIELDS)
_CHOICES: Final = frozenset(("n", "best_of"))
_GEMINI: Final = Dialect.GEMINI
_O = Operation
_REALTIME: Final = _O.REALTIME
_RERANK: Final = _O.RERANK
WRITES_TEXT: Final = frozenset((_O.CHAT, _O.COMPLETIONS, _O.RESPONSES, _O.MESSAGES, _O.GENERATE, _O.STREAM_GENERATE))
"""Operations whose output a parameter can bound."""
_WRITES_NOTHING: Final = frozenset((_O.EMBEDDINGS, _O.RERANK, _O.MODERATIONS, _O.EMBED))
_FREE: Final = frozenset(
    (_O.RESPONSES_STORED, _O.BATCHES_STORED, _O.MESSAGE_BATCHES_STORED, _O.FILES, _O.MODELS, _O.COUNT_TOKENS, _O.EXPLAIN)
)
BOUNDLESS: Final = frozenset((_O.RAW, _O.BATCHES, _O.MESSAGE_BATCHES))
"""Operations whose cost nothing in the request shows."""
_POST: Final = b"POST"


def may_cost(exchange: Exchange) -> bool:
    """Whether a provider bills such a request."""
    operation = exchange.endpoint.operation
    if exchange.downstream.method == _POST:
        return operation not in _FREE
    return operation is _REALTIME


def extent_of(exchange: Exchange, target: Target, cap: int | None) -> tuple[Extent, Kinds]:
    """The most that this request may use at a target, if each of its choices may have `cap` tokens (None: what the model may
    write), and which kinds of input it has."""
    size = size_of(exchange)
    window = window_of(exchange, target)
    envelope, body = exchange.envelope, exchange.body
    tokens, calls, kinds = size + HIDDEN_TOKENS, 0, _PLAIN
    if envelope is not None and body is not None:
        pricer = target.pricer
        writes = pricer is not None and pricer.distinguishes.writes_cache and _CACHE_MARK in body
        if size >= (window or ASSUMED_WINDOW):
            kinds = Kinds(has_media=True, writes_cache=writes)
        elif _ESCAPED.search(body):
            kinds, tokens = ALL_KINDS, max(tokens, window or ASSUMED_WINDOW)
        elif mentioned := _MENTIONS.findall(body):
            kinds = Kinds(has_media=True, writes_cache=writes)
            tokens = _with_media(tokens, mentioned, window)
        elif writes:
            kinds = _WRITES
        if envelope.has_any(_BRINGS_MORE):
            calls = _tool_calls(envelope)
            if calls or _shows_not_all(exchange, envelope):
                tokens = max(tokens, window or ASSUMED_WINDOW)
    if window is not None and tokens > window:
        tokens = window
    output = most_output(exchange, target, cap, size)
    if envelope is not None and envelope.has_any(_MAY_SUM_UP) and _sums_up(envelope):
        return Extent(2 * tokens, output + model_output(exchange, target), calls), kinds
    if target.pricer is not None and (target.pricer.counts_pieces or exchange.endpoint.operation is _RERANK):
        return Extent(tokens, output, calls, most_pieces(exchange, target.pricer)), kinds
    return Extent(tokens, output, calls), kinds


def extent_of_response(exchange: Exchange, target: Target) -> tuple[Extent, Kinds]:
    """The most that one response of a realtime session may use."""
    return Extent(window_of(exchange, target) or ASSUMED_WINDOW, target.output_bound), _SPEECH


def size_of(exchange: Exchange) -> int:
    """Bytes of the request's text, unpacked if it came compressed."""
    body = exchange.body
    return exchange.request_bytes if body is None else max(exchange.request_bytes, len(body))


def window_of(exchange: Exchange, target: Target) -> int | None:
    """The most that the model reads, as far as that is known: not where the request asks for a larger window than the usual."""
    window = target.context_window
    if window is not None and b"context-" in exchange.fields.get(b"anthropic-beta", b""):
        return None
    return window


def model_output(exchange: Exchange, target: Target) -> int:
    """The most that the model writes in an answer whose bound is not named; more where the request asks for more than is usual."""
    if b"output-" in exchange.fields.get(b"anthropic-beta", b""):
        return max(target.output_bound, window_of(exchange, target) or ASSUMED_WINDOW)
    return target.output_bound


_PLAIN: Final = Kinds(has_media=False, writes_cache=False)
_WRITES: Final = Kinds(has_media=False, writes_cache=True)
_SPEECH: Final = Kinds(has_media=True, writes_cache=False)


def _with_media(tokens: int, mentioned: list[bytes], window: int | None) -> int:
    if all(word in _PICTURES for word in mentioned):
        return tokens + _TOKENS_A_PICTURE * len(mentioned)
    return max(tokens, window or ASSUMED_WINDOW)  # pages and minutes are not told by bytes


def _tool_calls(envelope: Envelope) -> int:
    raw = envelope.raw("tools")
    if (raw is not None and _RUNS_TOOLS.search(raw)) or envelope.has("web_search_options"):
        return _MAX_TOOL_CALLS
    return 0


def _sums_up(envelope: Envelope) -> bool:
    """`context_management` may as well only leave out what tools have answered."""
    return envelope.has("compaction") or b"compact" in bytes(envelope.raw("context_management") or b"")


def shows_all_it_asks(exchange: Exchange) -> bool:
    """Whether a request's text is all that goes into the prompt: no media, and nothing that only the provider sees."""
    envelope, body = exchange.envelope, exchange.body
    if envelope is None or body is None or _ESCAPED.search(body) or _MENTIONS.search(body):
        return False
    return not (envelope.has_any(_BRINGS_MORE) and (_tool_calls(envelope) or _shows_not_all(exchange, envelope)))


def _shows_not_all(exchange: Exchange, envelope: Envelope) -> bool:
    if exchange.endpoint.operation is _O.COMPLETIONS:
        return False
    return bool(envelope.given(_SEEN_BY_THE_PROVIDER))


def most_output(exchange: Exchange, target: Target, cap: int | None, size: int) -> int:
    """The most tokens that may come out: of all answers, each with `cap` tokens (None: what the model may write), to a request of
    `size` bytes."""
    operation = exchange.endpoint.operation
    if operation in WRITES_TEXT:
        return (cap or model_output(exchange, target)) * choices(exchange)
    if operation in _WRITES_NOTHING:
        return 0
    if operation is _O.IMAGES:
        return most_of_a_picture(target.deployment.model) * choices(exchange)
    return min(ASSUMED_OUTPUT, 16 * size + 256)  # speech: some ten tokens for each letter; what is heard: fewer than its bytes


def choices(exchange: Exchange) -> int:
    """How many answers are asked for, each of which may have the whole output."""
    envelope = exchange.envelope
    if envelope is None:
        return 1
    if exchange.dialect is not _GEMINI:
        if not envelope.has_any(_CHOICES):
            return 1
        return max([_number(envelope, name) for name in _CHOICES])
    if _is_twofold(envelope):
        return _MAX_CHOICES
    configs = gemini_configs(envelope)
    return max((_number(config, name) for config in configs for name in ("candidateCount", "candidate_count")), default=1)


def _number(envelope: Envelope, name: str) -> int:
    if not envelope.has(name):
        return 1
    number = whole_number(envelope, name)
    return max(1, min(number, _MAX_CHOICES)) if number is not None and _is_sole(envelope, name) else _MAX_CHOICES


def named_cap(exchange: Exchange, target: Target) -> tuple[int | None, bool]:
    """The bound on each answer's tokens that the provider will be told: the route's, the request's own, or the route's default; and
    whether it is said in more ways than one, so that a provider may take another one for it."""
    if target.output_override is not None:
        return target.output_override, False
    envelope = exchange.envelope
    if envelope is None:
        return None, False
    if exchange.dialect is _GEMINI:
        found = [(config, name) for config in gemini_configs(envelope) for name in _GEMINI_BOUNDS if config.has(name)]
    else:
        if not envelope.has_any(_BOUNDS):
            return target.output_default, False
        names = envelope.given(OUTPUT_FIELDS)
        if len(names) == 1 and _is_sole(envelope, names[0]):
            return whole_number(envelope, names[0]) or None, False
        found = [(envelope, name) for name in names]
    if not found:
        return target.output_default, False
    caps = [cap for of, name in found if (cap := whole_number(of, name))]
    is_doubtful = len(found) > 1 or not all(_is_sole(of, name) for of, name in found)
    return max(caps, default=None), is_doubtful or (exchange.dialect is _GEMINI and _is_twofold(envelope))


def _is_twofold(envelope: Envelope) -> bool:
    """Whether a Gemini request has its parameters in two places, of which providers may read either."""
    given = envelope.given(GEMINI_CONFIGS)
    return len(given) > 1 or not all(_is_sole(envelope, name) for name in given)


def _is_sole(envelope: Envelope, name: str) -> bool:
    return envelope.occurs_once(name) or len(envelope.locate(name)) < 2


GEMINI_CONFIGS: Final = ("generationConfig", "generation_config")
"""Google's JSON takes both spellings of every name (https://protobuf.dev/programming-guides/json)."""
_GEMINI_BOUNDS: Final = ("maxOutputTokens", "max_output_tokens")


def gemini_configs(envelope: Envelope) -> list[Envelope]:
    """The objects in which a Gemini request has its parameters."""
    raws = [(name, raw) for name in GEMINI_CONFIGS if (raw := envelope.raw(name)) is not None]
    nested = [envelope.nested(name) for name, raw in raws if bytes(raw)[:1] == b"{"]
    return [each for each in nested if each is not None]


def whole_number(envelope: Envelope, name: str) -> int | None:
    """A field that is a number without a fraction; None where it is none, or absent."""
    text = bytes(envelope.raw(name) or b"")
    return int(text) if text.isdigit() and len(text) < 10 else None
