"""What a request sees: one version of the configuration and keys, indexed for the hot path, never changed once made.

A reload makes another snapshot and swaps it in by one assignment; requests under way keep the one they began with. What
must survive a reload (turns of keys, pools, counters) lives elsewhere, under stable names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from weighbridge.auth.presented_key import may_use
from weighbridge.auth.virtual_keys import KeysDelta
from weighbridge.core.codec import encode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.routes import Route
from weighbridge.core.terms import Deployment, Dialect, Endpoint, Operation, Origin, VirtualKey, WireFormat
from weighbridge.pipeline.plan import Limits, Plan
from weighbridge.providers.base import AuthStyle, CallPath, Credential, Provider
from weighbridge.routing.fit import CountStyle, Translation, is_native, translation_for
from weighbridge.routing.resolve import home_provider, resolve
from weighbridge.wire.embeddings import OUTBOUND_EMBEDDINGS
from weighbridge.wire.embeddings.terms import EmbeddingStyle
from weighbridge.wire.model_lists import ModelEntry
from weighbridge.wire.rerank import OUTBOUND_RERANK
from weighbridge.wire.rerank.terms import RerankStyle
from weighbridge.wire.translate import DIALECT_OF

_MAX_RESOLVED: Final = 4096
"""Resolved names that are remembered. They come from callers, so there must be a bound; a full table is emptied."""

_AUTH_LINES: Final = {
    AuthStyle.BEARER: b"authorization: Bearer %b\r\n",
    AuthStyle.X_API_KEY: b"x-api-key: %b\r\n",
    AuthStyle.X_GOOG_API_KEY: b"x-goog-api-key: %b\r\n",
    AuthStyle.API_KEY: b"api-key: %b\r\n",
}


_VERSION_SEGMENTS: Final = {Dialect.ANTHROPIC: "/v1", Dialect.GEMINI: "/v1beta"}
"""Base URLs are written as the vendors' SDKs take them: OpenAI's with `/v1`, Anthropic's and Google's without a version."""

_VERSION: Final = re.compile(r"/v\d[a-z0-9]*$")


def _with_version(path: str, dialect: Dialect) -> str:
    segment = _VERSION_SEGMENTS.get(dialect, "")
    return path if _VERSION.search(path) else path + segment


def _without_version(path: str) -> str:
    return _VERSION.sub("", path)


class Target:
    """A deployment made ready for the wire: everything about a request to it that does not change from call to call."""

    __slots__ = (
        "base_path",
        "call",
        "credentials",
        "deployment",
        "dialect",
        "heads",
        "host",
        "is_signed",
        "knows_max_tokens_only",
        "model_json",
        "model_quoted",
        "origin",
        "override_names",
        "provider",
        "reply_lines",
        "translated_into",
        "unversioned_path",
        "v1_path",
    )

    def __init__(
        self, provider: Provider, dialect: Dialect, model: str, version: int, translated_into: Translation | None = None
    ) -> None:
        base = provider.bases[dialect]
        self.provider = provider
        self.dialect = dialect
        """The provider's, at the address that is called."""
        self.translated_into = translated_into
        """What a request is written anew as; None where the caller's bytes are forwarded."""
        self.call: CallPath | None = None if translated_into is None else _call_path(provider, translated_into)
        self.deployment = Deployment(provider.name, model)
        self.origin: Origin = base.origin
        self.unversioned_path = _without_version(base.path).encode()
        self.base_path = _with_version(base.path, dialect).encode()
        self.v1_path = self.base_path
        """The base for a client that asked under `/v1`: Google's API has two versions, and its SDKs choose."""
        if dialect is Dialect.GEMINI and not _VERSION.search(base.path):
            self.v1_path = self.unversioned_path + b"/v1"
        self.model_json = encode_json(model)
        # In Bedrock's paths the slashes of an ARN are part of the name.
        self.model_quoted = quote(model, safe=":@-._~" if dialect is Dialect.BEDROCK else "/:@-._~").encode()
        self.credentials: tuple[Credential, ...] = provider.credentials
        self.host = _host_of(base.origin)
        self.is_signed = provider.account is not None
        """Whether each request needs lines of its own that prove who we are (a cloud's signature or token)."""
        self.heads = tuple(_static_lines(provider, base.origin, c) for c in provider.credentials) or (
            _static_lines(provider, base.origin, None),
        )
        """One block of header lines for each credential: host, authentication, configured headers."""
        self.knows_max_tokens_only = provider.quirks.max_tokens_field == "max_tokens"
        self.override_names = frozenset(name.lower().encode() for name, _ in provider.headers)
        self.reply_lines = b"x-weighbridge-provider: %b\r\nx-weighbridge-model: %b\r\nx-weighbridge-config-version: %d\r\n" % (
            provider.name.encode(),
            _header_safe(model),
            version,
        )


def _host_of(origin: Origin) -> bytes:
    """The value of the `host` line."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    default_port = {"http": 80, "https": 443}.get(origin.scheme)
    if origin.scheme in ("unix", "demo"):
        host = "localhost"
    elif origin.port != default_port:
        host = f"{host}:{origin.port}"
    return host.encode()


def _static_lines(provider: Provider, origin: Origin, credential: Credential | None) -> bytes:
    lines = [b"host: %b\r\n" % _host_of(origin)]
    # An account of a cloud has no fixed line: each request is signed, see `attempt.py`.
    if credential is not None and provider.auth in _AUTH_LINES:
        lines.append(_AUTH_LINES[provider.auth] % credential.secret.reveal().encode())
    lines += [b"%b: %b\r\n" % (name.lower().encode(), value.reveal().encode()) for name, value in provider.headers]
    return b"".join(lines)


_STYLE_DIALECTS: Final[dict[Translation, Dialect]] = {
    EmbeddingStyle.OPENAI: Dialect.OPENAI,
    EmbeddingStyle.MISTRAL: Dialect.OPENAI,
    EmbeddingStyle.VOYAGE: Dialect.OPENAI,
    EmbeddingStyle.JINA: Dialect.OPENAI,
    EmbeddingStyle.GEMINI: Dialect.GEMINI,
    EmbeddingStyle.VERTEX: Dialect.GEMINI,
    EmbeddingStyle.COHERE: Dialect.COHERE,
    EmbeddingStyle.BEDROCK_COHERE: Dialect.BEDROCK,
    EmbeddingStyle.TITAN: Dialect.BEDROCK,
    EmbeddingStyle.OLLAMA: Dialect.OLLAMA,
    RerankStyle.COHERE: Dialect.COHERE,
    RerankStyle.JINA: Dialect.OPENAI,
    RerankStyle.VOYAGE: Dialect.OPENAI,
}
"""At which of a provider's addresses a request for embeddings or a ranking is sent."""


def _dialect_asked(wanted: Translation) -> Dialect:
    return DIALECT_OF[wanted] if isinstance(wanted, WireFormat) else _STYLE_DIALECTS[wanted]


def _call_path(provider: Provider, wanted: Translation) -> CallPath:
    if isinstance(wanted, WireFormat):
        return provider.formats[wanted]
    if isinstance(wanted, CountStyle):
        return CallPath("")
    operation = Operation.RERANK if isinstance(wanted, RerankStyle) else Operation.EMBEDDINGS
    if (own := provider.operation_paths.get(operation.value)) is not None:
        return own
    if isinstance(wanted, RerankStyle):
        return CallPath(OUTBOUND_RERANK[wanted].path)
    generate = provider.formats.get(WireFormat.GEMINI_GENERATE)
    if wanted is EmbeddingStyle.VERTEX and generate is not None:
        # Vertex has its models' verbs all under one path of the project.
        return msgspec.structs.replace(generate, whole=generate.whole.replace(":generateContent", ":predict"), stream="")
    return CallPath(OUTBOUND_EMBEDDINGS[wanted].path)


def _header_safe(text: str) -> bytes:
    """A name for a header value: what is not printable ASCII is percent-encoded (RFC 9110 §5.5)."""
    return quote(text, safe="!#$&'()*+,/:;=?@[]-._~ ").encode()


class Snapshot:
    """Indexes over a `Plan`."""

    def __init__(self, plan: Plan, keys: Mapping[bytes, VirtualKey] | None = None) -> None:
        self.plan = plan
        self.version = plan.version
        self.limits: Limits = plan.limits
        self.providers: dict[str, Provider] = {provider.name: provider for provider in plan.providers}
        self.routes: dict[str, Route] = {route.requested_model: route for route in plan.routes}
        self.keys: dict[bytes, VirtualKey] = dict(keys) if keys is not None else {key.digest: key for key in plan.keys}
        self.models: tuple[ModelEntry, ...] = tuple(_model_entries(plan))
        self._targets: dict[tuple[str, Dialect, Operation, str | None], Target] = {}
        self._homes: dict[tuple[Dialect, str | None], Target] = {}
        self._permitted: set[tuple[str, str, str]] = set()

    def with_keys(self, delta: KeysDelta) -> Snapshot:
        """The same configuration with other keys."""
        keys = dict(self.keys)
        for digest in delta.removed:
            keys.pop(digest, None)
        for key in delta.upserted:
            keys[key.digest] = key
        return Snapshot(self.plan, keys)

    def target_for(self, requested: str, endpoint: Endpoint, pinned: str | None) -> Target:
        """Who serves a requested model, and in which format. Raises `GatewayError` (see `routing.resolve`)."""
        name = (requested, endpoint.dialect, endpoint.operation, pinned)
        target = self._targets.get(name)
        if target is None:
            deployment = resolve(
                requested,
                endpoint.dialect,
                endpoint.operation,
                pinned=pinned,
                providers=self.providers,
                routes=self.routes,
            )
            target = self._target(deployment, endpoint.dialect, endpoint.operation)
            _bounded(self._targets)
            self._targets[name] = target
        return target

    def home_for(self, dialect: Dialect, pinned: str | None) -> Target:
        """Who serves a request without a model. Raises `GatewayError`."""
        name = (dialect, pinned)
        target = self._homes.get(name)
        if target is None:
            provider = home_provider(dialect, pinned=pinned, providers=self.providers)
            target = self._homes[name] = Target(provider, dialect, "", self.version)
        return target

    def _target(self, deployment: Deployment, dialect: Dialect, operation: Operation) -> Target:
        provider = self.providers[deployment.provider]
        if is_native(provider, dialect, operation, deployment.model):
            return Target(provider, dialect, deployment.model, self.version)
        wanted = translation_for(provider, operation, deployment.model)
        assert wanted is not None  # `resolve` found that it can be served
        if wanted is CountStyle.ESTIMATE:  # nobody is asked, so any of its addresses will do
            return Target(provider, next(iter(provider.bases)), deployment.model, self.version, wanted)
        return Target(provider, _dialect_asked(wanted), deployment.model, self.version, wanted)

    def check_permitted(self, key: VirtualKey, requested: str, target: Target) -> None:
        """Whether a key may use a model, by the name it was asked for or by `provider/model`. Raises PERMISSION_DENIED."""
        deployment = target.deployment
        name = (key.id, requested, deployment.provider)
        if name in self._permitted:
            return
        full_name = f"{deployment.provider}/{deployment.model}"
        # A name with another provider's prefix is not that provider's model when this provider was pinned.
        is_own_name = "/" not in requested or requested in self.routes
        if not may_use(key.models, (requested, full_name) if is_own_name else (full_name,)):
            raise GatewayError(
                ErrorKind.PERMISSION_DENIED,
                f"This key may not use the model '{requested}'.",
                param="model",
                code="model_not_allowed",
            )
        if len(self._permitted) >= _MAX_RESOLVED:
            self._permitted.clear()
        self._permitted.add(name)

    def check_whole_provider(self, key: VirtualKey, target: Target) -> None:
        """Whether a key may use every model of a provider (`openai/*`), for requests whose model is not seen. Raises
        PERMISSION_DENIED."""
        provider = target.provider.name
        if not may_use(key.models, (f"{provider}/*",)):
            raise GatewayError(
                ErrorKind.PERMISSION_DENIED,
                f"This key is limited to certain models, and this request does not show which it uses. It needs '{provider}/*'.",
                code="model_not_allowed",
            )


def _bounded(table: dict[tuple[str, Dialect, Operation, str | None], Target]) -> None:
    if len(table) >= _MAX_RESOLVED:
        table.clear()


def _model_entries(plan: Plan) -> list[ModelEntry]:
    """What `/v1/models` lists: routes, then every provider's models as `provider/model`."""
    entries = [ModelEntry(id=route.requested_model, owned_by="weighbridge") for route in plan.routes]
    for provider in plan.providers:
        named = dict.fromkeys((*provider.models, *provider.live_models))
        entries += [ModelEntry(id=f"{provider.name}/{model}", owned_by=provider.name) for model in named]
    return entries
