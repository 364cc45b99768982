"""A request in no dialect: what a caller wants of a model, rich enough for the union of the vendors' APIs.

Used only where caller and provider speak different dialects. A dialect's *request reader* makes a `Conversation` from bytes,
and another's *request writer* makes bytes from it; what the writer cannot say goes into the `Receipt`.

Normal form, which every reader produces and every writer may rely on:

- `turns` are in the caller's order. System and developer messages are turns like others, wherever they stood.
- Results of tools are `ToolResult` parts of a USER turn; results that came in separate messages one after another share one
  turn. Calls of tools, reasoning and refusals are parts of an ASSISTANT turn, in the order in which they were made.
- Neighbouring turns of one role stay as they came: dialects that forbid them join them when writing.
- Empty texts are left out, except that a turn always has at least one part.
- What is `None` (or empty, for tuples) was not said. Nothing is filled in by a reader.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec

from weighbridge.wire.json_value import Json, JsonObject


class Role(StrEnum):
    """Who speaks in a turn."""

    __hash__ = str.__hash__  # Enum's own hash is a Python function: 0.1 µs more for every dict look-up

    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"


class CacheBreakpoint(msgspec.Struct, frozen=True, gc=False):
    """ "Cache the prompt up to here" (Anthropic's `cache_control`, Bedrock's `cachePoint`). `ttl` is the caller's: `5m` or `1h` of
    Anthropic's, `30m` or `12h` of OpenAI's."""

    ttl: str | None = None


class SealKind(StrEnum):
    """What a sealed text is to the vendor that made it."""

    SIGNATURE = "signature"
    """Proves that the visible text beside it is the model's (Anthropic's `signature`, Gemini's `thoughtSignature`)."""
    ENCRYPTED = "encrypted"
    """The reasoning itself, readable by its vendor only (OpenAI's `encrypted_content`)."""
    REDACTED = "redacted"
    """Reasoning that the vendor withheld (Anthropic's `redacted_thinking`)."""


class Seal(msgspec.Struct, frozen=True, gc=False):
    """An opaque text of a vendor's that has to come back unchanged in the next turn, or its API refuses the conversation.

    `origin` is who can read it: `openai`, `anthropic`, `gemini`, `bedrock`. It is sent to no other vendor. How a caller of another
    dialect keeps it for us between turns: `wire/sealing.py`.
    """

    origin: str
    kind: SealKind
    text: str


class MediaUrl(msgspec.Struct, frozen=True, gc=False):
    """A file at an address (`https:`, `gs:`, `s3:`), fetched by the provider. Inline `data:` addresses are `MediaBytes`."""

    url: str
    media_type: str | None = None


class MediaBytes(msgspec.Struct, frozen=True, gc=False):
    """A file within the request. `base64` is the text as the caller wrote it."""

    base64: str
    media_type: str


class MediaFile(msgspec.Struct, frozen=True, gc=False):
    """A file that was uploaded to a vendor before (`origin`), known by its id there."""

    file_id: str
    origin: str
    media_type: str | None = None


Media: TypeAlias = MediaUrl | MediaBytes | MediaFile


class Citation(msgspec.Struct, frozen=True, gc=False):
    """Where a passage of a text comes from. `start` and `end` are characters of the text that cites, where they are known.

    `raw` is the citation in the words of the dialect `origin`, written back unchanged to a caller of that dialect.
    """

    origin: str
    raw: JsonObject
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    start: int | None = None
    end: int | None = None


class Text(msgspec.Struct, frozen=True, gc=False):
    """Plain text."""

    text: str
    cache: CacheBreakpoint | None = None
    citations: tuple[Citation, ...] = ()
    seal: Seal | None = None
    """Gemini signs texts as well."""


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """The model declined, in its own words (OpenAI's `refusal`)."""

    text: str


class Image(msgspec.Struct, frozen=True, gc=False):
    """A picture. `detail` is OpenAI's `low`, `high`, `auto` or `original`."""

    source: Media
    detail: str | None = None
    cache: CacheBreakpoint | None = None


class Audio(msgspec.Struct, frozen=True, gc=False):
    """Sound: of the caller's (`source`), or an answer of the model's (`id`, `transcript`)."""

    source: Media | None = None
    id: str | None = None
    transcript: str | None = None
    expires_at: int | None = None
    cache: CacheBreakpoint | None = None


class Video(msgspec.Struct, frozen=True, gc=False):
    """A film (Gemini, Bedrock)."""

    source: Media
    cache: CacheBreakpoint | None = None


class Document(msgspec.Struct, frozen=True, gc=False):
    """A PDF, a text or another file to read. `plain_text` in place of `source` is a document given as text.

    `cites`: the model shall cite it (Anthropic's and Bedrock's `citations.enabled`).
    """

    source: Media | None = None
    plain_text: str | None = None
    name: str | None = None
    """File name or title."""
    context: str | None = None
    cites: bool | None = None
    cache: CacheBreakpoint | None = None


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """The model wants one of the caller's tools. `arguments` is JSON text, or free text where `is_custom`."""

    id: str
    name: str
    arguments: str
    is_custom: bool = False
    seal: Seal | None = None
    """Gemini's `thoughtSignature`: without it the next turn is refused (Gemini 3)."""
    item_id: str | None = None
    """The Responses API gives a call an id of its own beside `call_id`."""
    cache: CacheBreakpoint | None = None


class Reasoning(msgspec.Struct, frozen=True, gc=False):
    """What the model thought. `text` is the thinking as it was, `summary` what the vendor made of it; either may be empty."""

    text: str = ""
    summary: tuple[str, ...] = ()
    seal: Seal | None = None
    id: str | None = None
    """The Responses API's item id."""


class ServerTool(msgspec.Struct, frozen=True, gc=False):
    """A step that the vendor's own tool took within the answer: a call, its result, or both (a search, a code run).

    `raw` is the block in the words of `origin`; only that dialect can say it again. `kind` is our word for the tool, see
    `ServerToolKind`; `query` is what a search asked for.
    """

    origin: str
    kind: str
    raw: JsonObject
    id: str | None = None
    query: str | None = None


Part: TypeAlias = "Text | Refusal | Image | Audio | Video | Document | ToolCall | ToolResult | Reasoning | ServerTool"


class ToolResult(msgspec.Struct, frozen=True, gc=False):
    """What a tool of the caller's answered. `parts` are texts, images and documents; JSON answers are texts.

    `name` is the tool's, which Gemini asks for; readers of dialects that do not repeat it look it up by `call_id`.
    """

    call_id: str
    parts: tuple[Part, ...]
    name: str | None = None
    is_error: bool | None = None
    is_custom: bool = False
    cache: CacheBreakpoint | None = None


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One message. `name` is a participant's (OpenAI chat)."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


class FunctionTool(msgspec.Struct, frozen=True, gc=False):
    """A tool of the caller's. `schema` is its JSON Schema, whole: `$defs`, recursion, `anyOf` and all; None takes no arguments."""

    name: str
    description: str | None = None
    schema: JsonObject | None = None
    strict: bool | None = None
    cache: CacheBreakpoint | None = None
    raw: JsonObject | None = None
    """Options that only Anthropic knows (`defer_loading`, `input_examples`, `eager_input_streaming`), under their names."""


class CustomTool(msgspec.Struct, frozen=True, gc=False):
    """A tool of the caller's that takes free text (OpenAI's `custom`). `format` is the grammar, if one was given, as the
    Responses API writes it: `{type: "grammar", syntax, definition}`."""

    name: str
    description: str | None = None
    format: JsonObject | None = None


class ServerToolKind(StrEnum):
    """Tools that a vendor runs itself, where several vendors have the same one."""

    __hash__ = str.__hash__  # as above

    WEB_SEARCH = "web_search"
    WEB_FETCH = "web_fetch"
    CODE_EXECUTION = "code_execution"
    FILE_SEARCH = "file_search"
    IMAGE_GENERATION = "image_generation"
    MCP = "mcp"
    COMPUTER = "computer"
    OTHER = "other"


class ServerToolUse(msgspec.Struct, frozen=True, gc=False):
    """Leave to use a vendor's own tool. `raw` is the definition in the words of `origin`.

    The fields beside it are what vendors have in common, for a target of another dialect: domains and a place for a search.
    """

    origin: str
    kind: ServerToolKind
    raw: JsonObject
    name: str | None = None
    allowed_domains: tuple[str, ...] = ()
    blocked_domains: tuple[str, ...] = ()
    max_uses: int | None = None
    user_location: JsonObject | None = None
    """`city`, `region`, `country`, `timezone`."""
    context_size: str | None = None
    """How much a search may bring: `low`, `medium` or `high`."""
    own_options: tuple[str, ...] = ()
    """The names of further options, which only `origin` knows."""


Tool: TypeAlias = FunctionTool | CustomTool | ServerToolUse


class ChoiceMode(StrEnum):
    """Whether tools are to be used."""

    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"


class ToolChoice(msgspec.Struct, frozen=True, gc=False):
    """How the model shall choose. `names` limits it to these tools: one with REQUIRED is "this tool", and must be called."""

    mode: ChoiceMode
    names: tuple[str, ...] = ()


class FormatKind(StrEnum):
    """The shape of the answer's text."""

    TEXT = "text"
    JSON = "json"
    JSON_SCHEMA = "json_schema"


class AnswerFormat(msgspec.Struct, frozen=True, gc=False):
    """Structured output. `name` and `description` are OpenAI's; dialects without them make the name up or leave it out."""

    kind: FormatKind
    schema: JsonObject | None = None
    name: str | None = None
    description: str | None = None
    strict: bool | None = None


class ReasoningWish(msgspec.Struct, frozen=True, gc=False):
    """How much the model shall think, and what of it the caller wants to see.

    `effort`: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`. `budget_tokens`: Anthropic's and Gemini's bound.
    `is_adaptive`: the model chooses (Anthropic's `adaptive`, Gemini's budget -1). `is_enabled` False switches it off.
    How one is made from the other stands in `wire/reasoning.py`.
    """

    effort: str | None = None
    budget_tokens: int | None = None
    is_enabled: bool | None = None
    is_adaptive: bool | None = None
    summary: str | None = None
    """`auto`, `concise`, `detailed`; `omitted` where the caller asked not to see any of it."""


class AudioWish(msgspec.Struct, frozen=True, gc=False):
    """The answer shall be spoken, too: `voice` (a name, or the vendor's object) and `format` (OpenAI's `audio`)."""

    voice: Json
    format: str | None = None


class Conversation(msgspec.Struct, frozen=True):
    """One request for an answer. See the module's text for its normal form."""

    model: str
    turns: tuple[Turn, ...]
    stream: bool = False
    include_usage: bool | None = None
    """OpenAI chat: the caller wants the usage as the last event of the stream."""
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    repetition_penalty: float | None = None
    logit_bias: JsonObject | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    answer_format: AnswerFormat | None = None
    verbosity: str | None = None
    reasoning: ReasoningWish | None = None
    modalities: tuple[str, ...] = ()
    """`text`, `audio`, `image`."""
    audio: AudioWish | None = None
    prediction: str | None = None
    """Text that the answer will mostly repeat (OpenAI's predicted outputs)."""
    user: str | None = None
    """The end user, as the caller's application knows them."""
    safety_identifier: str | None = None
    metadata: JsonObject | None = None
    service_tier: str | None = None
    """In the caller's dialect's word; writers map it by the table in `wire/service_tiers.py`."""
    store: bool | None = None
    previous_response_id: str | None = None
    conversation_id: str | None = None
    background: bool | None = None
    truncation: str | None = None
    include: tuple[str, ...] = ()
    """The Responses API's wishes for more output (`reasoning.encrypted_content`)."""
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    cached_content: str | None = None
    """Gemini: the name of a cache made before."""
    cache: CacheBreakpoint | None = None
    """Anthropic: cache the whole prompt automatically (`cache_control` at the top)."""
    safety_settings: tuple[JsonObject, ...] = ()
    """Gemini's thresholds for harm."""
    vendor: JsonObject = {}
    """Fields of one vendor's that have no neutral meaning, under their own names; `vendor_origin` can say them again."""
    vendor_origin: str = ""
    wants_function_call: bool = False
    """OpenAI chat: the tools came as `functions`, so the answer has `function_call`, which is one call, and no `tool_calls`."""
