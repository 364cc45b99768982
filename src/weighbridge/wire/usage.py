"""Each vendor's usage object, and its reading as a `Usage` of disjoint counts.

The vendors nest their counts differently: OpenAI's and Gemini's input contains what came from a cache, Anthropic's does not;
OpenAI's output contains the reasoning, Gemini's does not. The structs name only the fields that are read; unknown fields
are skipped by the decoder and null means "not said". A count that is negative or absurd fails the decoding, so that the
caller leaves the usage unknown: a wrong number is worse than none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import ceil
from typing import Annotated, Final

import msgspec

from weighbridge.core.money import NANO
from weighbridge.core.terms import COUNTS, NO_USAGE, Provenance, Usage, UsageApart

MAX_COUNT: Final = 2**40
"""A count above a trillion is a provider's bug: no context window is within five orders of magnitude of it."""

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] | None
Seconds = Annotated[float, msgspec.Meta(ge=0, le=10**8)] | None
"""Three years are no request."""

# Bound once: reaching a member through its class costs 0.1 µs on CPython 3.11.
_REPORTED: Final = Provenance.REPORTED
_DERIVED: Final = Provenance.DERIVED
_UNKNOWN: Final = Provenance.UNKNOWN


class OpenAiModalities(msgspec.Struct, gc=False):
    """Tokens by kind of content (`cached_tokens_details` of the realtime API)."""

    audio_tokens: Count = None
    image_tokens: Count = None


class OpenAiDetails(msgspec.Struct, gc=False):
    """`prompt_tokens_details`, `completion_tokens_details` and their namesakes: parts of the total beside them."""

    cached_tokens: Count = None
    cache_write_tokens: Count = None
    audio_tokens: Count = None
    image_tokens: Count = None
    reasoning_tokens: Count = None
    cached_tokens_details: OpenAiModalities | None = None


class ServerTools(msgspec.Struct, gc=False):
    """Server-side tools. Fetching a page is free at the vendors that report it, so only searches are read."""

    web_search_requests: Count = None


class OpenAiCost(msgspec.Struct, gc=False):
    """Perplexity's `cost`, in dollars."""

    total_cost: float | None = None


class OpenAiCostDetails(msgspec.Struct, gc=False):
    """OpenRouter's: what the vendor behind it charges, to whoever's key it was."""

    upstream_inference_cost: float | None = None


class OpenAiUsage(msgspec.Struct, gc=False):
    """`usage` of every OpenAI-dialect reply.

    Chat, completions and embeddings say `prompt_tokens`; Responses, images, audio and realtime say `input_tokens`, the last
    two with `input_token_details` in the singular. The cache counts at the top are those of vendors that report them there:
    Mistral (`num_cached_tokens`), DeepSeek (`prompt_cache_hit_tokens`), Moonshot and Novita (`cached_tokens`). Audio is told in
    `seconds` by OpenAI (`type: duration`) and OpenRouter, in `prompt_audio_seconds` by Mistral.
    """

    prompt_tokens: Count = None
    completion_tokens: Count = None
    total_tokens: Count = None
    prompt_tokens_details: OpenAiDetails | None = None
    completion_tokens_details: OpenAiDetails | None = None
    input_tokens: Count = None
    output_tokens: Count = None
    input_tokens_details: OpenAiDetails | None = None
    output_tokens_details: OpenAiDetails | None = None
    input_token_details: OpenAiDetails | None = None
    output_token_details: OpenAiDetails | None = None
    num_cached_tokens: Count = None
    prompt_cache_hit_tokens: Count = None
    cached_tokens: Count = None
    server_tool_use_details: ServerTools | None = None
    service_tier: str | None = None
    cost: float | OpenAiCost | None = None
    cost_details: OpenAiCostDetails | None = None
    is_byok: bool | None = None
    cost_in_usd_ticks: Count = None
    seconds: Seconds = None
    prompt_audio_seconds: Seconds = None


class AnthropicCacheCreation(msgspec.Struct, gc=False):
    """Cache writes by life time."""

    ephemeral_5m_input_tokens: Count = None
    ephemeral_1h_input_tokens: Count = None


class AnthropicOutputDetails(msgspec.Struct, gc=False):
    """Parts of `output_tokens`."""

    thinking_tokens: Count = None


class AnthropicIteration(msgspec.Struct, gc=False):
    """A run within a reply: `message`, `compaction`, `advisor_message`, `fallback_message`."""

    type: str | None = None
    model: str | None = None
    input_tokens: Count = None
    output_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation: AnthropicCacheCreation | None = None


class AnthropicUsage(msgspec.Struct, gc=False):
    """`usage` of a message, of `message_start` and of `message_delta`."""

    input_tokens: Count = None
    output_tokens: Count = None
    cache_creation_input_tokens: Count = None
    cache_read_input_tokens: Count = None
    cache_creation: AnthropicCacheCreation | None = None
    output_tokens_details: AnthropicOutputDetails | None = None
    server_tool_use: ServerTools | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    iterations: list[AnthropicIteration] | None = None

    @property
    def tier(self) -> str | None:
        """Which price list counts: fast mode has one of its own (https://platform.claude.com/docs/en/build-with-claude/fast-mode)."""
        return self.speed if self.speed == "fast" and self.service_tier != "batch" else self.service_tier


class GeminiModality(msgspec.Struct, rename="camel", gc=False):
    """Tokens of one kind of content; clients that ask for numeric enums get numbers."""

    modality: str | int | None = None
    token_count: Count = None


class GeminiUsage(msgspec.Struct, rename="camel", gc=False):
    """`usageMetadata`. The embedding endpoints spell `promptTokenDetails` without the s."""

    prompt_token_count: Count = None
    candidates_token_count: Count = None
    thoughts_token_count: Count = None
    cached_content_token_count: Count = None
    tool_use_prompt_token_count: Count = None
    total_token_count: Count = None
    prompt_tokens_details: list[GeminiModality] | None = None
    prompt_token_details: list[GeminiModality] | None = None
    cache_tokens_details: list[GeminiModality] | None = None
    candidates_tokens_details: list[GeminiModality] | None = None
    service_tier: str | None = None


_NO_DETAILS: Final = OpenAiDetails()
# google.genai MediaModality, by name and by protobuf number.
_IMAGE: Final[frozenset[str | int | None]] = frozenset({"IMAGE", 2})
_AUDIO: Final[frozenset[str | int | None]] = frozenset({"AUDIO", 4})


def from_openai(usage: OpenAiUsage) -> Usage:
    """OpenAI's counts made disjoint; `NO_USAGE` where nothing is counted (images billed by the piece)."""
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if completion is None:  # embeddings
        completion = usage.output_tokens or 0
    read, made = usage.prompt_tokens_details, usage.completion_tokens_details
    # Most replies: text, with totals that agree. Everything else takes the long way, which costs twice as much.
    if prompt is None or prompt + completion != usage.total_tokens or usage.server_tool_use_details is not None:
        return from_openai_in_full(usage)
    if usage.cost is not None or usage.cost_in_usd_ticks is not None:
        return from_openai_in_full(usage)
    if usage.prompt_audio_seconds is not None or usage.seconds is not None:
        return from_openai_in_full(usage)
    cached = reasoning = 0
    if read is not None:
        if read.audio_tokens or read.image_tokens or read.cache_write_tokens or read.cached_tokens_details is not None:
            return from_openai_in_full(usage)
        cached = read.cached_tokens or 0
    elif usage.input_tokens_details is not None or usage.input_token_details is not None:
        return from_openai_in_full(usage)
    if made is not None:
        if made.audio_tokens or made.image_tokens:
            return from_openai_in_full(usage)
        reasoning = made.reasoning_tokens or 0
    elif usage.output_tokens_details is not None or usage.output_token_details is not None:
        return from_openai_in_full(usage)
    cached = cached or usage.num_cached_tokens or usage.prompt_cache_hit_tokens or usage.cached_tokens or 0
    if cached > prompt or reasoning > completion:
        return from_openai_in_full(usage)
    return Usage(prompt - cached, cached, 0, 0, completion, reasoning)


def from_openai_in_full(usage: OpenAiUsage, *, is_image_output: bool = False) -> Usage:
    """As `from_openai`, for any reply, with the cost that the provider tells. `is_image_output` says that output without details is
    images."""
    counted = _counted_in_full(usage, is_image_output=is_image_output)
    if (seconds := usage.seconds or usage.prompt_audio_seconds) is not None:
        counted = heard(seconds, counted)
    told = _told_cost(usage)
    if told is None:
        return counted
    # Of a picture xAI tells its price and no tokens.
    return Usage(told_nanousd=told) if counted is NO_USAGE else msgspec.structs.replace(counted, told_nanousd=told)


def from_rerank(usage: OpenAiUsage | None, search_units: float | None) -> Usage:
    """What a ranking took: tokens at most vendors, at Cohere the units that it bills."""
    counted = NO_USAGE if usage is None else from_openai_in_full(usage)
    if not search_units:
        return counted
    units = ceil(search_units)
    return Usage(search_units=units) if counted is NO_USAGE else msgspec.structs.replace(counted, search_units=units)


def heard(seconds: float, counted: Usage = NO_USAGE) -> Usage:
    """What was counted, and so much audio, which is charged by time at some vendors (https://platform.openai.com/docs/pricing)."""
    audio_ms = round(seconds * 1_000)
    return Usage(audio_ms=audio_ms) if counted is NO_USAGE else msgspec.structs.replace(counted, audio_ms=audio_ms)


def _told_cost(usage: OpenAiUsage) -> int | None:
    """In nano-dollars. Nothing is no cost that anybody tells: Azure's xAI says 0 for what it bills."""
    dollars: float | None
    if usage.cost_in_usd_ticks:
        return (usage.cost_in_usd_ticks + _TICKS_A_NANO // 2) // _TICKS_A_NANO
    dollars = usage.cost.total_cost if isinstance(usage.cost, OpenAiCost) else usage.cost
    if usage.is_byok and usage.cost_details is not None and dollars is not None:
        dollars += usage.cost_details.upstream_inference_cost or 0
    return round(dollars * NANO) if dollars is not None and 0 < dollars < _MOST_DOLLARS else None


_TICKS_A_NANO: Final = 10
"""Ten billion of xAI's ticks are a dollar (https://docs.x.ai/docs/guides/usage)."""
_MOST_DOLLARS: Final = 1_000_000


def _counted_in_full(usage: OpenAiUsage, *, is_image_output: bool) -> Usage:
    total_input = usage.input_tokens if usage.prompt_tokens is None else usage.prompt_tokens
    total_output = usage.output_tokens if usage.completion_tokens is None else usage.completion_tokens
    if total_input is None and total_output is None:
        # Voyage reports only the total of an embedding: all of it was read.
        return NO_USAGE if usage.total_tokens is None else Usage(usage.total_tokens, provenance=_DERIVED)
    read = usage.prompt_tokens_details or usage.input_tokens_details or usage.input_token_details or _NO_DETAILS
    made = usage.completion_tokens_details or usage.output_tokens_details or usage.output_token_details or _NO_DETAILS
    total_input, total_output = total_input or 0, total_output or 0
    reasoning = made.reasoning_tokens or 0
    audio_beside, provenance = 0, _REPORTED
    if usage.prompt_tokens is not None and (excess := (usage.total_tokens or 0) - total_input - total_output) > 0:
        if excess == reasoning:  # xAI's chat: completion_tokens is without reasoning_tokens
            total_output += excess
        elif excess == read.audio_tokens:  # Mistral's Voxtral: prompt_tokens is without audio_tokens
            total_input += excess
        elif usage.prompt_audio_seconds:  # and where it transcribes, only the total has them
            total_input, audio_beside, provenance = total_input + excess, excess, _DERIVED
        else:  # Gemini's OpenAI-compatible endpoint: thinking shows only in the total
            total_output, reasoning, provenance = total_output + excess, reasoning + excess, _DERIVED
    cached = read.cached_tokens or usage.num_cached_tokens or usage.prompt_cache_hit_tokens or usage.cached_tokens or 0
    audio, image = audio_beside or read.audio_tokens or 0, read.image_tokens or 0
    cached_audio = cached_image = 0
    if read.cached_tokens_details is not None:
        cached_audio = read.cached_tokens_details.audio_tokens or 0
        cached_image = read.cached_tokens_details.image_tokens or 0
    tools = usage.server_tool_use_details
    tool_calls = (tools.web_search_requests or 0) if tools is not None else 0
    output_image = made.image_tokens
    if output_image is None:
        output_image = total_output if is_image_output else 0
    counts = _disjoint(
        total_input, cached, read.cache_write_tokens or 0, audio - cached_audio, image - cached_image,
        total_output, reasoning, made.audio_tokens or 0, output_image, tool_calls, provenance,
    )  # fmt: skip
    return _with_cached_media(counts, cached_audio, cached_image) if cached_audio or cached_image else counts


def _with_cached_media(usage: Usage, audio: int, image: int) -> Usage:
    """With the parts of what came from a cache that cost more than text."""
    audio = min(audio, usage.cache_read)
    image = min(image, usage.cache_read - audio)
    return msgspec.structs.replace(usage, cached_audio=audio, cached_image=image) if audio or image else usage


def merge_anthropic(start: AnthropicUsage | None, delta: AnthropicUsage) -> AnthropicUsage:
    """What `message_start` said, overridden by every field that `message_delta` gives: its counts are cumulative."""
    if start is None:
        return delta
    given = {name: value for name in delta.__struct_fields__ if (value := getattr(delta, name)) is not None}
    return msgspec.structs.replace(start, **given)


def from_anthropic(usage: AnthropicUsage) -> Usage:
    """Anthropic's counts, which are disjoint already; the cache writes are told apart by life time.

    With what the totals at the top leave out: "To calculate total tokens consumed and billed for a request, sum across all entries
    in the `usage.iterations` array" (https://platform.claude.com/docs/en/build-with-claude/compaction#understanding-usage).
    """
    if usage.input_tokens is None and usage.output_tokens is None:
        return NO_USAGE
    told = _told_by_anthropic(usage)
    if usage.iterations:
        for part in usage.iterations:
            if part.type in _LEFT_OUT:
                told = add(told, _of_iteration(part))
    return told


def apart_by_anthropic(usage: AnthropicUsage) -> tuple[UsageApart, ...]:
    """The parts of `from_anthropic` that are priced by themselves: a context summed up, advice at the adviser's price, and an
    answer of the model that was fallen back to. Who refused before anything was said is not billed
    (https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback)."""
    found: list[UsageApart] = []
    answered = ""
    for part in usage.iterations or ():
        if part.type in _LEFT_OUT:
            found.append(UsageApart(part.model or "", _of_iteration(part)))
        elif part.type == _FALLBACK:
            answered = part.model or ""
    return (*found, UsageApart(answered, _told_by_anthropic(usage))) if answered else tuple(found)


_LEFT_OUT: Final = frozenset(("compaction", "advisor_message"))
_FALLBACK: Final = "fallback_message"


def _of_iteration(part: AnthropicIteration) -> Usage:
    counts = AnthropicUsage(
        part.input_tokens, part.output_tokens, part.cache_creation_input_tokens, part.cache_read_input_tokens, part.cache_creation
    )
    return _told_by_anthropic(counts)


def _told_by_anthropic(usage: AnthropicUsage) -> Usage:
    written, split, thinking, tools = (
        usage.cache_creation_input_tokens,
        usage.cache_creation,
        usage.output_tokens_details,
        usage.server_tool_use,
    )
    five_minutes, hour, provenance = written or 0, 0, _REPORTED
    if split is not None:
        five_minutes, hour = split.ephemeral_5m_input_tokens or 0, split.ephemeral_1h_input_tokens or 0
        if written is not None and written != five_minutes + hour:
            # message_delta gave a new total without a new split: an hour's write is the dearer one and stays.
            hour = min(hour, written)
            five_minutes, provenance = written - hour, _DERIVED
    output = usage.output_tokens or 0
    reasoning = min(thinking.thinking_tokens or 0, output) if thinking is not None else 0
    return Usage(
        usage.input_tokens or 0,
        usage.cache_read_input_tokens or 0,
        five_minutes,
        hour,
        output,
        reasoning,
        tool_calls=(tools.web_search_requests or 0) if tools is not None else 0,
        provenance=provenance,
    )


def from_gemini(usage: GeminiUsage) -> Usage:
    """Gemini's counts made disjoint: tool results are input beside the prompt, thoughts are output beside the candidates."""
    counts = (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count)
    if counts == (None, None, None):
        return NO_USAGE
    prompt = usage.prompt_tokens_details or usage.prompt_token_details or ()
    cached = usage.cache_tokens_details or ()
    candidates = usage.candidates_tokens_details or ()
    thoughts = usage.thoughts_token_count or 0
    cached_audio, cached_image = _tokens_of(_AUDIO, cached), _tokens_of(_IMAGE, cached)
    found = _disjoint(
        (usage.prompt_token_count or 0) + (usage.tool_use_prompt_token_count or 0),
        usage.cached_content_token_count or 0,
        0,
        _tokens_of(_AUDIO, prompt) - cached_audio,
        _tokens_of(_IMAGE, prompt) - cached_image,
        (usage.candidates_token_count or 0) + thoughts,
        thoughts,
        _tokens_of(_AUDIO, candidates),
        _tokens_of(_IMAGE, candidates),
        0,
        _REPORTED,
    )
    return _with_cached_media(found, cached_audio, cached_image)


def with_gemini_searches(usage: Usage, queries: Collection[str], model: str) -> Usage:
    """With the searches that Google bills: each query but for empty ones and the same again; up to Gemini 2.5 one for the prompt
    (https://ai.google.dev/gemini-api/docs/google-search#pricing)."""
    if usage.provenance is _UNKNOWN:
        return usage
    n_searches = len(set(queries) - {""})
    is_by_prompt = model.startswith(("gemini-1", "gemini-2"))
    return msgspec.structs.replace(usage, tool_calls=min(n_searches, 1) if is_by_prompt else n_searches)


def add(left: Usage, right: Usage) -> Usage:
    """The sum of two attempts or turns. Nothing known plus something known is what is known."""
    if left.provenance is _UNKNOWN:
        return right
    if right.provenance is _UNKNOWN:
        return left
    weakest = left.provenance if right.provenance is _REPORTED else right.provenance
    counts = {name: getattr(left, name) + getattr(right, name) for name in COUNTS}
    told = None if left.told_nanousd is None or right.told_nanousd is None else left.told_nanousd + right.told_nanousd
    return msgspec.structs.replace(left, **counts, told_nanousd=told, provenance=weakest)


def as_derived(usage: Usage) -> Usage:
    """The same counts, marked as found by other means than reading the whole reply. Unknown stays unknown."""
    if usage.provenance is _UNKNOWN:
        return usage
    return msgspec.structs.replace(usage, provenance=_DERIVED)


def _tokens_of(kinds: frozenset[str | int | None], details: Iterable[GeminiModality]) -> int:
    return sum(entry.token_count or 0 for entry in details if entry.modality in kinds)


def _disjoint(  # noqa: PLR0917 - a vector, in the order of `Usage` with its totals first; names would cost 0.3 µs a reply
    total_input: int,
    cache_read: int,
    cache_write: int,
    input_audio: int,
    input_image: int,
    total_output: int,
    reasoning: int,
    output_audio: int,
    output_image: int,
    tool_calls: int,
    provenance: Provenance,
) -> Usage:
    """Take the parts out of the totals. Parts that exceed a total are cut (cached audio may count as both): then DERIVED."""
    plain = total_input - cache_read - cache_write - input_audio - input_image
    text = total_output - output_audio - output_image
    if plain >= 0 <= text >= reasoning and input_audio >= 0 <= input_image:
        return Usage(
            plain, cache_read, cache_write, 0, text, reasoning,
            input_audio, input_image, output_audio, output_image, tool_calls, provenance,
        )  # fmt: skip
    cut, rest = [], total_input
    for part in (cache_read, cache_write, input_audio, input_image):
        cut.append(min(max(part, 0), rest))
        rest -= cut[-1]
    output_audio = min(output_audio, total_output)
    output_image = min(output_image, total_output - output_audio)
    text = total_output - output_audio - output_image
    cache_read, cache_write, input_audio, input_image = cut
    return Usage(
        rest, cache_read, cache_write, 0, text, min(reasoning, text),
        input_audio, input_image, output_audio, output_image, tool_calls, _DERIVED,
    )  # fmt: skip
