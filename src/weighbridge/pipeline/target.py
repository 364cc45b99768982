"""A deployment made ready for the wire: everything about a request to it that does not change from call to call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import quote

import msgspec

from weighbridge.core.clock import SystemRng
from weighbridge.core.codec import encode_json
from weighbridge.core.model_sizes import ModelSizes, sizes_of
from weighbridge.core.own_keys import Owner, OwnKey
from weighbridge.core.rates import ModelFacts
from weighbridge.core.routes import Parameter, RouteTarget
from weighbridge.core.terms import Deadlines, Deployment, Dialect, Operation, Origin, WireFormat
from weighbridge.ledger.pricing import HIGH_PRICER, Pricer
from weighbridge.pipeline.provider_head import has_version, heads_of, host_of, with_version, without_version
from weighbridge.providers.base import CallPath, Credential, Provider
from weighbridge.routing.fit import CountStyle, Translation
from weighbridge.routing.key_pool import KeyPool, KeyPools
from weighbridge.wire.embeddings import OUTBOUND_EMBEDDINGS
from weighbridge.wire.embeddings.terms import EmbeddingStyle
from weighbridge.wire.rerank import OUTBOUND_RERANK
from weighbridge.wire.rerank.terms import RerankStyle
from weighbridge.wire.translate import DIALECT_OF

OUTPUT_FIELDS: Final = ("max_tokens", "max_completion_tokens", "max_output_tokens")
"""What OpenAI's and Anthropic's APIs call the bound on the output."""
OUTPUT_PARAMETERS: Final = frozenset((*OUTPUT_FIELDS, "generationConfig.maxOutputTokens"))


class Pricing(NamedTuple):
    """What a target costs: `pricer` by its price list or its operator's word, `ceiling` where nobody knows (see
    `UnknownAction`)."""

    pricer: Pricer | None
    ceiling: Pricer | None

    @property
    def facts(self) -> ModelFacts:
        """What the price list says of the model besides."""
        return ModelFacts() if self.pricer is None else self.pricer.card.facts


NO_PRICING: Final = Pricing(None, HIGH_PRICER)


class OwnPool(NamedTuple):
    """A customer's own keys at one provider, which take turns. `keys` are those that can be read."""

    name: str
    """Under which their health is kept: never the provider's."""
    owner: Owner
    keys: tuple[OwnKey, ...]
    falls_back: bool
    """Whether the gateway's keys may be used where these fail."""


def _output_bound(parameters: Sequence[Parameter]) -> int | None:
    bounds = [int(p.json) for p in parameters if p.name in OUTPUT_PARAMETERS and p.json.isdigit()]
    return max(bounds, default=None)


class Target:
    """A deployment made ready for the wire. `spec` is what a route says of it beyond its name."""

    __slots__ = (
        "base_path",
        "call",
        "ceiling",
        "context_window",
        "credentials",
        "deadlines",
        "dearest",
        "defaults",
        "deployment",
        "dialect",
        "heads",
        "host",
        "is_signed",
        "keys",
        "knows_max_tokens_only",
        "max_in_flight",
        "max_output_tokens",
        "model_json",
        "model_quoted",
        "name",
        "origin",
        "output_bound",
        "output_default",
        "output_override",
        "override_names",
        "overrides",
        "own",
        "pool_name",
        "pricer",
        "provider",
        "reply_lines",
        "sizes",
        "translated_into",
        "unversioned_path",
        "v1_path",
    )

    def __init__(
        self,
        provider: Provider,
        dialect: Dialect,
        model: str,
        version: int,
        translated_into: Translation | None = None,
        spec: RouteTarget | None = None,
        keys: KeyPool | None = None,
        pricing: Pricing = NO_PRICING,
        own: OwnPool | None = None,
        sizes: ModelSizes | None = None,
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
        self.unversioned_path = without_version(base.path).encode()
        self.base_path = with_version(base.path, dialect).encode()
        self.v1_path = self.base_path
        """The base for a client that asked under `/v1`: Google's API has two versions, and its SDKs choose."""
        if dialect is Dialect.GEMINI and not has_version(base.path):
            self.v1_path = self.unversioned_path + b"/v1"
        self.model_json = encode_json(model)
        # In Bedrock's paths the slashes of an ARN are part of the name.
        self.model_quoted = quote(model, safe=":@-._~" if dialect is Dialect.BEDROCK else "/:@-._~").encode()
        self.credentials: tuple[Credential, ...] = provider.credentials
        self.own = own
        """Whose keys these are, where they are a customer's own; None: the gateway's."""
        self.pool_name = provider.name if own is None else own.name
        self.keys = keys if keys is not None else KeyPools(SystemRng()).pool(provider.name, provider.credentials)
        """Who says which credential is to be used."""
        self.pricer = pricing.pricer
        """What it costs; None: nobody knows."""
        self.ceiling = pricing.ceiling
        """What it is reckoned at where nobody knows what it costs; None: then it is not asked."""
        region = provider.variables.get("region", "") if provider.variables else ""
        priced = next((p for p in (pricing.pricer, pricing.ceiling) if p is not None and p.dearest(region) is not None), None)
        self.dearest = priced.dearest(region) if priced is not None else None
        """The highest rates of a token in, a token out and a request, in pico-dollars; None: it is not asked."""
        self.name = f"{provider.name}/{model}"
        self.sizes = sizes_of((), self.name, pricing.facts) if sizes is None else sizes
        """What is known of how much the model writes and reads."""
        self.context_window = self.sizes.context_window
        self.max_output_tokens = self.sizes.max_output_tokens
        self.output_bound = self.sizes.output_bound
        """What a request that names no bound may write at most."""
        self.deadlines: Deadlines = spec.deadlines if spec is not None and spec.deadlines is not None else provider.deadlines
        self.defaults: tuple[Parameter, ...] = spec.defaults if spec is not None else ()
        self.overrides: tuple[Parameter, ...] = spec.overrides if spec is not None else ()
        self.output_default = _output_bound(self.defaults)
        self.output_override = _output_bound(self.overrides)
        """The bound on the output that the route sets, if it sets one."""
        self.max_in_flight = (spec.max_in_flight if spec is not None else 0) or provider.max_in_flight
        """Requests at a time, for this worker; 0: no bound of its own."""
        self.host = host_of(base.origin)
        self.is_signed = provider.account is not None
        """Whether each request needs lines of its own that prove who we are (a cloud's signature or token)."""
        self.heads = heads_of(provider, base.origin)
        """One block of header lines for each credential."""
        self.knows_max_tokens_only = provider.quirks.max_tokens_field == "max_tokens"
        self.override_names = frozenset(name.lower().encode() for name, _ in provider.headers)
        self.reply_lines = b"x-weighbridge-provider: %b\r\nx-weighbridge-model: %b\r\nx-weighbridge-config-version: %d\r\n" % (
            provider.name.encode(),
            _header_safe(model),
            version,
        )
        if own is not None:
            self.reply_lines += b"x-weighbridge-own-key: %b\r\n" % own.owner.kind.encode()


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


def dialect_asked(wanted: Translation) -> Dialect:
    """At which of a provider's addresses a translated request is sent."""
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
