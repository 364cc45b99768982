"""From a method and a path to the operation, for every base URL that a client may have been pointed at.

Two tables say it all: which operations a dialect has, relative to its base URL, and under which mounts they stand. Exact
paths are multiplied out at import into one dict; paths that name a model or a stored thing are matched by pattern after a miss.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect, Endpoint, ModelPlace, Operation


class Match(NamedTuple):
    """What a request asks for.

    `path` is relative to the dialect's base (`/chat/completions`) and is appended to a provider's `Base.path`. `model_span`
    is where the model's name stands in it, *as it was sent*: percent-encoded where the client encoded it, without the
    `models/` before it. `provider` is pinned by the mount.
    """

    endpoint: Endpoint
    path: str
    model_span: tuple[int, int] | None = None
    provider: str | None = None


class _Fixed(NamedTuple):
    methods: str
    path: str
    endpoint: Endpoint


class _Pattern(NamedTuple):
    methods: str
    path: re.Pattern[str]
    endpoint: Endpoint


class _Mount(NamedTuple):
    prefix: str
    dialects: tuple[Dialect, ...]
    pins: str | None = None
    has_patterns: bool = True


_O = Operation
_BODY, _FORM, _PATH, _QUERY, _NOWHERE = (
    ModelPlace.BODY,
    ModelPlace.FORM,
    ModelPlace.PATH,
    ModelPlace.QUERY,
    ModelPlace.NOWHERE,
)


def _openai(operation: Operation, place: ModelPlace = _NOWHERE) -> Endpoint:
    return Endpoint(Dialect.OPENAI, operation, place)


def _anthropic(operation: Operation, place: ModelPlace = _NOWHERE) -> Endpoint:
    return Endpoint(Dialect.ANTHROPIC, operation, place)


def _gemini(operation: Operation, place: ModelPlace = _NOWHERE) -> Endpoint:
    return Endpoint(Dialect.GEMINI, operation, place)


# https://github.com/openai/openai-openapi, https://docs.anthropic.com/en/api, https://ai.google.dev/api
_FIXED: Final[dict[Dialect, tuple[_Fixed, ...]]] = {
    Dialect.OPENAI: (
        _Fixed("POST", "/chat/completions", _openai(_O.CHAT, _BODY)),
        # Stored completions: the list, as in `client.chat.completions.list()`.
        _Fixed("GET", "/chat/completions", _openai(_O.RAW)),
        _Fixed("POST", "/completions", _openai(_O.COMPLETIONS, _BODY)),
        _Fixed("POST", "/responses", _openai(_O.RESPONSES, _BODY)),
        _Fixed("POST", "/responses/input_tokens", _openai(_O.COUNT_TOKENS, _BODY)),
        _Fixed("POST", "/responses/compact", _openai(_O.RESPONSES, _BODY)),
        _Fixed("POST", "/embeddings", _openai(_O.EMBEDDINGS, _BODY)),
        _Fixed("POST", "/rerank", _openai(_O.RERANK, _BODY)),  # https://docs.cohere.com/reference/rerank, Jina, vLLM, LiteLLM
        _Fixed("POST", "/moderations", _openai(_O.MODERATIONS, _BODY)),
        _Fixed("GET", "/models", _openai(_O.MODELS)),
        _Fixed("POST", "/explain", _openai(_O.EXPLAIN)),
        _Fixed("POST", "/images/generations", _openai(_O.IMAGES, _BODY)),
        _Fixed("POST", "/images/edits", _openai(_O.IMAGES, _FORM)),
        _Fixed("POST", "/images/variations", _openai(_O.IMAGES, _FORM)),
        _Fixed("POST", "/audio/speech", _openai(_O.AUDIO, _BODY)),
        _Fixed("POST", "/audio/transcriptions", _openai(_O.AUDIO, _FORM)),
        _Fixed("POST", "/audio/translations", _openai(_O.AUDIO, _FORM)),
        _Fixed("GET POST", "/files", _openai(_O.FILES)),
        _Fixed("POST", "/uploads", _openai(_O.FILES)),
        _Fixed("POST", "/batches", _openai(_O.BATCHES)),
        _Fixed("GET", "/batches", _openai(_O.BATCHES_STORED)),
        _Fixed("GET", "/realtime", _openai(_O.REALTIME, _QUERY)),
    ),
    Dialect.ANTHROPIC: (
        _Fixed("POST", "/messages", _anthropic(_O.MESSAGES, _BODY)),
        _Fixed("POST", "/messages/count_tokens", _anthropic(_O.COUNT_TOKENS, _BODY)),
        _Fixed("POST", "/messages/batches", _anthropic(_O.MESSAGE_BATCHES)),
        _Fixed("GET", "/messages/batches", _anthropic(_O.MESSAGE_BATCHES_STORED)),
        _Fixed("GET", "/models", _anthropic(_O.MODELS)),
        _Fixed("GET POST", "/files", _anthropic(_O.FILES)),
    ),
    Dialect.GEMINI: (
        _Fixed("GET", "/models", _gemini(_O.MODELS)),
        _Fixed("GET", "/tunedModels", _gemini(_O.RAW)),
        _Fixed("GET POST", "/files", _gemini(_O.FILES)),
        _Fixed("GET POST", "/batches", _gemini(_O.RAW)),
    ),
}

_ID: Final = r"/[^/%]+"
_NAME: Final = r"(?P<model>[^:/][^:]*(?::[^:/]+)*)"  # `demo/echo`, `demo%2Fecho`, `org/model:free`, `ft:gpt-4o:org::id`
_VERBS: Final = {
    "generateContent": _O.GENERATE,
    "streamGenerateContent": _O.STREAM_GENERATE,
    "countTokens": _O.COUNT_TOKENS,
    "embedContent": _O.EMBED,
    "batchEmbedContents": _O.EMBED,
}
_AZURE_OPERATIONS: Final = tuple(
    row for row in _FIXED[Dialect.OPENAI] if row.methods == "POST" and row.endpoint.model_place in {_BODY, _FORM}
)


# What a vendor keeps besides, at no price a request, and what it makes that has no name here (so that no price of it is known): its
# SDK asks for all of it at its one base URL. An organisation's own administration is not among it: that is not for callers.
# https://github.com/openai/openai-python, https://github.com/anthropics/anthropic-sdk-python, https://github.com/googleapis/python-genai
_KEPT: Final = {Dialect.OPENAI: "vector_stores", Dialect.GEMINI: "files"}
_UNNAMED: Final = {
    # Mistral's conversations run a model, in OpenAI's dialect.
    Dialect.OPENAI: "agents|assistants|chatkit|containers|conversations|evals|fine_tuning|skills|threads|vaults|videos",
    Dialect.ANTHROPIC: "agents|complete|environments|memory_stores|sessions|skills|user_profiles|vaults",
    Dialect.GEMINI: "batches|cachedContents|corpora|fileSearchStores|interactions|operations",
}
_UNNAMED_VERBS: Final = "batchGenerateContent|asyncBatchEmbedContent|predict|predictLongRunning"
_ANY_METHOD: Final = "GET POST PUT PATCH DELETE"


def _others(dialect: Dialect) -> tuple[_Pattern, ...]:
    roots = ((_KEPT.get(dialect), _O.FILES), (_UNNAMED[dialect], _O.RAW))
    return tuple(
        _Pattern(_ANY_METHOD, re.compile(rf"/(?:{names})(?:[/:].*)?"), Endpoint(dialect, operation))
        for names, operation in roots
        if names is not None
    )


def _in_path(endpoint: Endpoint) -> Endpoint:
    return Endpoint(endpoint.dialect, endpoint.operation, _PATH)


_PATTERNS: Final[dict[Dialect, tuple[_Pattern, ...]]] = {
    Dialect.OPENAI: (
        _Pattern("GET", re.compile(r"/models/(?P<model>.+)"), _openai(_O.MODELS, _PATH)),
        _Pattern("GET POST DELETE", re.compile(rf"/chat/completions{_ID}"), _openai(_O.RAW)),
        _Pattern("GET", re.compile(rf"/chat/completions{_ID}/messages"), _openai(_O.RAW)),
        _Pattern("GET DELETE", re.compile(rf"/responses{_ID}"), _openai(_O.RESPONSES_STORED)),
        _Pattern("POST", re.compile(rf"/responses{_ID}/cancel"), _openai(_O.RESPONSES_STORED)),
        _Pattern("GET", re.compile(rf"/responses{_ID}/input_items"), _openai(_O.RESPONSES_STORED)),
        _Pattern("GET DELETE", re.compile(rf"/files{_ID}"), _openai(_O.FILES)),
        _Pattern("GET", re.compile(rf"/files{_ID}/content"), _openai(_O.FILES)),
        _Pattern("POST", re.compile(rf"/uploads{_ID}/(?:parts|complete|cancel)"), _openai(_O.FILES)),
        _Pattern("GET", re.compile(rf"/batches{_ID}"), _openai(_O.BATCHES_STORED)),
        _Pattern("POST", re.compile(rf"/batches{_ID}/cancel"), _openai(_O.BATCHES_STORED)),
        # Client secrets, transcription sessions and calls: short requests that set a session up.
        _Pattern("GET POST", re.compile(r"/realtime/[^%]+"), _openai(_O.RAW)),
        *(
            _Pattern("POST", re.compile(rf"/{root}/(?P<model>[^/]+){row.path}"), _in_path(row.endpoint))
            for root in ("deployments", "engines")
            for row in _AZURE_OPERATIONS
        ),
        *_others(Dialect.OPENAI),
    ),
    Dialect.ANTHROPIC: (
        _Pattern("GET", re.compile(r"/models/(?P<model>.+)"), _anthropic(_O.MODELS, _PATH)),
        _Pattern("GET DELETE", re.compile(rf"/messages/batches{_ID}"), _anthropic(_O.MESSAGE_BATCHES_STORED)),
        _Pattern("POST", re.compile(rf"/messages/batches{_ID}/cancel"), _anthropic(_O.MESSAGE_BATCHES_STORED)),
        _Pattern("GET", re.compile(rf"/messages/batches{_ID}/results"), _anthropic(_O.MESSAGE_BATCHES_STORED)),
        _Pattern("GET DELETE", re.compile(rf"/files{_ID}"), _anthropic(_O.FILES)),
        _Pattern("GET", re.compile(rf"/files{_ID}/content"), _anthropic(_O.FILES)),
        *_others(Dialect.ANTHROPIC),
    ),
    Dialect.GEMINI: (
        *(
            _Pattern("POST", re.compile(rf"/(?:models|tunedModels)/{_NAME}:{verb}"), _gemini(operation, _PATH))
            for verb, operation in _VERBS.items()
        ),
        # Without colons, so that POSTing a verb that is not listed is "not found" and not "wrong method".
        _Pattern("GET", re.compile(r"/models/(?P<model>[^:]+)"), _gemini(_O.MODELS, _PATH)),
        _Pattern("GET", re.compile(r"/tunedModels/(?P<model>[^:]+)"), _gemini(_O.RAW, _PATH)),
    ),
}

_GEMINI_ALONE: Final = (
    _Pattern("POST", re.compile(rf"/models/[^/:]+:(?:{_UNNAMED_VERBS})"), _gemini(_O.RAW)),
    _Pattern("GET", re.compile(r"/models/[^/:]+/operations/[^/:]+"), _gemini(_O.RAW)),
    *_others(Dialect.GEMINI),
)
"""For those who speak Google's dialect alone: to others `/v1/batches` and `/v1/files` are OpenAI's."""

_ALL: Final = (Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI)
# Where dialects share a path (`/models`), the first one has it, or the one that the caller's headers show.
_MOUNTS: Final = (
    _Mount("/v1", _ALL),
    _Mount("/openai/v1", (Dialect.OPENAI,), pins="openai"),
    _Mount("/openai", (Dialect.OPENAI,), pins="openai"),
    _Mount("/anthropic/v1", (Dialect.ANTHROPIC,), pins="anthropic"),
    _Mount("/anthropic", (Dialect.ANTHROPIC,), pins="anthropic"),
    _Mount("/v1beta/openai", (Dialect.OPENAI,)),  # Google's OpenAI-compatible base URL
    _Mount("/v1beta", (Dialect.GEMINI,)),
    _Mount("/gemini/v1beta", (Dialect.GEMINI,), pins="gemini"),
    _Mount("/genai/v1beta", (Dialect.GEMINI,), pins="genai"),
    _Mount("/api/v1", (Dialect.OPENAI, Dialect.ANTHROPIC)),  # OpenRouter
)
_ROOT_PATTERNS: Final = (
    *(pattern for pattern in _PATTERNS[Dialect.OPENAI] if pattern.path.pattern.startswith("/engines")),
    # Google takes what is uploaded beside its API: https://ai.google.dev/api/files#method:-media.upload
    _Pattern("POST PUT", re.compile(r"/upload/v1(?:alpha|beta)?/files"), _gemini(_O.FILES)),
    # Which are embedded there, at a price.
    _Pattern("POST PUT", re.compile(r"/upload/v1(?:alpha|beta)?/fileSearchStores/.+"), _gemini(_O.RAW)),
)
_BY_LENGTH: Final = tuple(sorted(_MOUNTS, key=lambda mount: -len(mount.prefix)))
_DIALECT_OF_PROVIDER: Final = {"anthropic": Dialect.ANTHROPIC, "gemini": Dialect.GEMINI, "genai": Dialect.GEMINI}

_Exact = dict[tuple[bytes, bytes], Match]


def _multiply(mounts: tuple[_Mount, ...], preferred: Dialect | None) -> _Exact:
    exact: _Exact = {}
    for mount in mounts:
        for dialect in sorted(mount.dialects, key=lambda dialect: dialect is not preferred):
            for row in _FIXED[dialect]:
                for method in row.methods.split():
                    match = Match(row.endpoint, row.path, None, mount.pins)
                    exact.setdefault((method.encode(), (mount.prefix + row.path).encode()), match)
    return exact


_EXACT: Final = {prefers: _multiply(_MOUNTS, prefers) for prefers in (None, *_ALL)}

# What another server might read as a different path than we do: bytes that RFC 3986 does not allow unencoded, backslashes,
# empty and dot segments (also behind an encoded slash, or with a path parameter as `..;`), encoded dots, backslashes,
# control bytes and percent signs (a second decoding would bring out anything), and broken escapes.
_UNSAFE: Final = re.compile(
    rb"[^\x21-\x7e]|[\\?#]|"
    rb"(?:/|%2f)(?:/|%2f)|"
    rb"(?:/|%2f)\.\.?(?:/|%2f|;|:|$)|"
    rb"%(?:2e|5c|25|[01][0-9a-f]|7f)|%(?![0-9a-f]{2})",
    re.IGNORECASE,
)

# The usual path, which needs no such search: segments of letters, digits and a few marks, dots only between them.
_PLAIN: Final = re.compile(rb"(?:/[\w:@~-]+(?:\.[\w:@~-]+)*)+")


class Listed(NamedTuple):
    """A row for those who read about them: methods, and the path below a root, as an expression if it has variables."""

    methods: str
    path: str
    endpoint: Endpoint


def listed(dialect: Dialect) -> Iterator[Listed]:
    """All that callers of a dialect may ask for."""
    for row in _FIXED[dialect]:
        yield Listed(row.methods, row.path, row.endpoint)
    of_google = (*_GEMINI_ALONE, *_ROOT_PATTERNS[-2:]) if dialect is Dialect.GEMINI else ()
    for pattern in (*_PATTERNS[dialect], *of_google):
        yield Listed(pattern.methods, pattern.path.pattern, pattern.endpoint)


def match(method: bytes, path: bytes, *, providers: Collection[str], prefers: Dialect | None) -> Match:
    """Find the operation for a request.

    `path` is the request target without its query; `providers` are the configured names, of which a mount may pin one;
    `prefers` has whose paths they are where dialects share one: Anthropic's with `anthropic-version`, Google's with
    `x-goog-api-key`. Raises `GatewayError` NOT_FOUND, METHOD_NOT_ALLOWED (its text lists the methods) or, for a path that servers
    read in different ways, INVALID_REQUEST.
    """
    found = _EXACT[prefers].get((method, path))
    if found is None:
        return _match_slowly(method, path, providers, prefers)
    if found.provider is None or found.provider in providers:
        return found
    return found._replace(provider=None)


def _match_slowly(method: bytes, path: bytes, providers: Collection[str], prefers: Dialect | None) -> Match:
    if _PLAIN.fullmatch(path) is None and (not path.startswith(b"/") or _UNSAFE.search(path) is not None):
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            "The path is malformed: it must start with a slash and hold no empty or dot segment and no encoded dot, "
            "backslash, percent sign or control character.",
            code="invalid_path",
        )
    text, verb = path.decode("ascii"), method.decode("ascii", "replace")
    allowed: set[str] = set()
    for mount in _BY_LENGTH:
        if text.startswith(mount.prefix + "/"):
            relative = text[len(mount.prefix) :]
            pinned = mount.pins if mount.pins in providers else None
            if (found := _match_patterns(verb, relative, pinned, mount, allowed, prefers)) is not None:
                return found
            # An operation that the dialect lacks, at the provider that the mount names.
            if pinned is not None and not allowed:
                return _raw(mount.dialects[0], relative, pinned)
    if (legacy := _first(_ROOT_PATTERNS, verb, text, None, allowed)) is not None:
        return legacy
    if allowed:
        methods = ", ".join(sorted(allowed))
        raise GatewayError(ErrorKind.METHOD_NOT_ALLOWED, f"This path does not take {verb}. It takes: {methods}.")
    provider, slash, rest = text[1:].partition("/")
    if slash and provider in providers:
        dialect = prefers or _DIALECT_OF_PROVIDER.get(provider, Dialect.OPENAI)
        return _raw(dialect, "/" + rest, provider)
    raise GatewayError(ErrorKind.NOT_FOUND, "There is no such path. The OpenAI-compatible API is at /v1/chat/completions.")


def _match_patterns(
    verb: str, relative: str, pinned: str | None, mount: _Mount, allowed: set[str], prefers: Dialect | None
) -> Match | None:
    is_google = mount.dialects == (Dialect.GEMINI,) or (prefers is Dialect.GEMINI and prefers in mount.dialects)
    if is_google and (found := _first(_GEMINI_ALONE, verb, relative, pinned, allowed)) is not None:
        return found
    for dialect in sorted(mount.dialects, key=lambda dialect: dialect is not prefers):
        if (found := _first(_PATTERNS[dialect], verb, relative, pinned, allowed)) is not None:
            return found
        for row in _FIXED[dialect]:
            if row.path == relative:
                allowed.update(row.methods.split())
    return None


def _first(patterns: tuple[_Pattern, ...], verb: str, relative: str, pinned: str | None, allowed: set[str]) -> Match | None:
    for pattern in patterns:
        if (found := pattern.path.fullmatch(relative)) is None:
            continue
        if verb not in pattern.methods.split():
            allowed.update(pattern.methods.split())
            continue
        has_model = "model" in pattern.path.groupindex
        # Azure's paths are those of Azure's deployments, not of the vendor that the mount is named after.
        is_azure = relative.startswith("/deployments/")
        return Match(pattern.endpoint, relative, found.span("model") if has_model else None, None if is_azure else pinned)
    return None


def _raw(dialect: Dialect, relative: str, provider: str) -> Match:
    if "%2f" in relative.lower():
        raise GatewayError(ErrorKind.INVALID_REQUEST, "The path holds an encoded slash.", code="invalid_path")
    return Match(Endpoint(dialect, Operation.RAW), relative, None, provider)
