"""The field's terms as frozen structs: what an endpoint, a deployment, a key, a usage and a record *are* (routes: `routes.py`).

All are msgspec Structs without behaviour beyond arithmetic, so that they can travel between our processes as they stand.
Times are nanoseconds: `*_ns` durations and monotonic readings, `*_wall_ns` Unix time.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final

import msgspec

from weighbridge.core.rates import PriceState
from weighbridge.core.secret import Secret


class Dialect(StrEnum):
    """A vendor's way of speaking: the shape of errors, of model lists, of keys in headers."""

    # Enum's own hash is a Python function: 0.1 µs more for every dict look-up.
    __hash__ = str.__hash__

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    GEMINI = "gemini"
    # Spoken by providers only: callers never are answered in one of these.
    BEDROCK = "bedrock"
    COHERE = "cohere"
    OLLAMA = "ollama"


class WireFormat(StrEnum):
    """The format of a request for an answer and of its reply. A dialect may have several."""

    __hash__ = str.__hash__  # as above

    OPENAI_CHAT = "openai-chat"
    OPENAI_COMPLETIONS = "openai-completions"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    GEMINI_GENERATE = "gemini-generate"
    BEDROCK_CONVERSE = "bedrock-converse"
    COHERE_CHAT = "cohere-chat"
    OLLAMA_CHAT = "ollama-chat"


class Operation(StrEnum):
    """What is asked for. The wire format of a body follows from it."""

    __hash__ = str.__hash__  # as above

    CHAT = "chat"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    RESPONSES_STORED = "responses.stored"
    EMBEDDINGS = "embeddings"
    RERANK = "rerank"
    MODERATIONS = "moderations"
    IMAGES = "images"
    AUDIO = "audio"
    FILES = "files"
    BATCHES = "batches"
    """One is made; what is asked of it later is the next."""
    BATCHES_STORED = "batches.stored"
    REALTIME = "realtime"
    MESSAGES = "messages"
    COUNT_TOKENS = "count_tokens"
    MESSAGE_BATCHES = "message_batches"
    MESSAGE_BATCHES_STORED = "message_batches.stored"
    GENERATE = "generate"
    STREAM_GENERATE = "stream_generate"
    EMBED = "embed"
    MODELS = "models"
    EXPLAIN = "explain"
    """Who would be asked, and why: answered by the gateway."""
    RAW = "raw"


class ModelPlace(Enum):
    """Where a request names its model, and so where another name is spliced in."""

    BODY = "body"
    FORM = "form"
    PATH = "path"
    QUERY = "query"
    NOWHERE = "nowhere"


class Endpoint(msgspec.Struct, frozen=True):
    """One operation of one dialect, and where its model name stands."""

    dialect: Dialect
    operation: Operation
    model_place: ModelPlace = ModelPlace.NOWHERE


class Provenance(Enum):
    """Where a number comes from. Every count and every amount carries one."""

    REPORTED = "reported"
    """The provider said so."""
    DERIVED = "derived"
    """Follows from what the provider said."""
    ESTIMATED = "estimated"
    """Our own bound or count."""
    UNKNOWN = "unknown"
    """Nobody said; it is not zero."""
    COUNTED = "counted"
    """An estimate, too: a tokenizer has counted the text that was seen."""


ESTIMATES: Final = frozenset((Provenance.ESTIMATED, Provenance.COUNTED))
"""What is a guess of ours, by whichever method."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one attempt as a vector of *disjoint* counts, so that a sum is a total and a price is a dot product.

    `input` is what was read at the full price: neither from a cache nor written to one, and neither audio nor image.
    `output` is all that was generated as text, `reasoning` being that part of it which was thought (so a part, not a
    further count), as `cached_audio` and `cached_image` are parts of `cache_read`. `tool_calls` are searches of the web, which cost
    a fee each, `file_searches` those of files kept by the vendor. `search_units` are what Cohere bills rankings by: each hundred
    documents are one. `audio_ms` are milliseconds of audio and `characters` those of a
    text that is spoken, where these are what is charged: tokens may be told of the same audio.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    reasoning: int = 0
    input_audio: int = 0
    input_image: int = 0
    output_audio: int = 0
    output_image: int = 0
    tool_calls: int = 0
    provenance: Provenance = Provenance.REPORTED
    file_searches: int = 0
    told_nanousd: int | None = None
    """What the provider itself says that it charges for all of this, as OpenRouter, xAI and Perplexity do."""
    cached_audio: int = 0
    cached_image: int = 0
    audio_ms: int = 0
    characters: int = 0
    search_units: int = 0

    @property
    def total_input(self) -> int:
        """Every token that went in."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h + self.input_audio + self.input_image

    @property
    def total_output(self) -> int:
        """Every token that came out."""
        return self.output + self.output_audio + self.output_image


COUNTS: Final = tuple(name for name in Usage.__struct_fields__ if name not in ("provenance", "told_nanousd"))
"""Those fields of `Usage` that count something."""

NO_USAGE: Final = Usage(provenance=Provenance.UNKNOWN)
"""The provider has said nothing (yet): unknown, which is not zero."""


class UsageApart(msgspec.Struct, frozen=True, gc=False):
    """A part of an attempt's usage that is priced by itself: what a run of its own within the reply used.

    `model` ran it, empty for the attempt's own: Anthropic sums up a long context in a run of its own, has another model give
    advice, or lets another one answer what the first refused. Of a batch, a part is what `n_requests` used together.
    """

    model: str
    usage: Usage
    n_requests: int = 1


class Tls(msgspec.Struct, frozen=True):
    """How we meet a provider's TLS: certificates are always verified.

    `ca_file` replaces the system's store; `client_cert_file` and `client_key_file` are for mutual TLS. Paths to PEM files.
    """

    ca_file: str | None = None
    client_cert_file: str | None = None
    client_key_file: str | None = None


class Proxy(msgspec.Struct, frozen=True):
    """An HTTP proxy between us and a provider. `authorization` is the ready `Basic …` value."""

    host: str
    port: int
    authorization: Secret | None = None


class Origin(msgspec.Struct, frozen=True):
    """Where a connection goes; equal origins share a pool.

    `scheme` is `http`, `https`, `unix` (then `host` is the socket's path) or `demo` (no socket at all).
    """

    scheme: str
    host: str
    port: int = 0
    tls: Tls = Tls()
    proxy: Proxy | None = None


class Deadlines(msgspec.Struct, frozen=True):
    """Bounds on one attempt, each in nanoseconds, counted from: the start of connecting; the request's last byte sent;
    the last byte received; the start of the attempt."""

    connect_ns: int = 10_000_000_000
    first_byte_ns: int = 300_000_000_000
    between_bytes_ns: int = 120_000_000_000
    total_ns: int = 1_800_000_000_000


class DataTerms(msgspec.Struct, frozen=True):
    """What a provider promises about data, as the operator declares it. None: nobody said, which satisfies no demand."""

    region: str = ""
    """Where data is processed: `eu`, `us-east-1`."""
    zdr: bool | None = None
    """Zero data retention."""
    retention_days: int | None = None
    """For how long requests are kept."""
    trains: bool | None = None
    """Whether requests are used for training."""


class DataDemand(msgspec.Struct, frozen=True):
    """What a key, a route or a request demands of where its data goes. Demands add up; a target that does not declare that it
    meets one is never used."""

    regions: tuple[str, ...] = ()
    """Any of these; `eu` also takes `eu-west-1` and `europe-west4`. Empty: anywhere."""
    zdr: bool = False
    max_retention_days: int | None = None
    no_training: bool = False

    @property
    def is_empty(self) -> bool:
        """Nothing is demanded."""
        return self is NO_DEMAND or (not self.regions and not self.zdr and self.max_retention_days is None and not self.no_training)


NO_DEMAND: Final = DataDemand()
"""Anywhere, anyhow: what nearly every request demands."""


class VirtualKey(msgspec.Struct, frozen=True):
    """A key of ours that applications hold instead of a provider's. Only its hash is kept.

    `digest` is SHA-256 of the whole key; a key has 256 random bits, so that a slow hash would only cost time.
    `models` are the names it may ask for: exact, or with `*` (`openai/*`); an empty tuple allows all.
    """

    id: str
    name: str
    digest: bytes
    hint: str = ""
    """The last characters of the key, for people to tell keys apart."""
    models: tuple[str, ...] = ()
    expires_wall_ns: int | None = None
    is_admin: bool = False
    is_blocked: bool = False
    """It, or whom it belongs to, may not be used for the time being."""
    demand: DataDemand = NO_DEMAND
    """Where its requests' data may go."""
    priority: int = 0
    """Who goes first where requests have to wait: the higher."""
    team: str = ""
    """Whose it is; like the next two a name, or empty."""
    user: str = ""
    organisation: str = ""
    addresses: tuple[str, ...] = ()
    """Networks (`10.0.0.0/8`, `2001:db8::/32`) that it may be used from; empty: from anywhere."""
    max_output_tokens: int | None = None
    """The most that one of its requests may have generated: what asks for more, or for no bound, is capped at this."""
    tags: tuple[str, ...] = ()
    """What its requests are booked under besides."""


class Deployment(msgspec.Struct, frozen=True):
    """One model at one provider. `model` is the provider's own name for it."""

    provider: str
    model: str


OWN_KEY_PREFIX: Final = "own:"
"""How the names of credentials begin that a customer has brought. Those of the configuration begin with a provider's name, in
which there is no colon."""


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try at one deployment: what was sent, what came, when. `*_ns` count from the start of the exchange; -1 never came."""

    provider: str
    model: str
    credential: str
    """Name of the provider key that was used, never the key."""
    status: int
    error: str | None
    usage: Usage
    sent_ns: int
    first_byte_ns: int
    end_ns: int
    cost_nanousd: int | None = None
    """What the provider charges for it in nano-dollars; None: nobody knows, which is not nothing."""
    price_state: PriceState = PriceState.UNKNOWN
    reserved_nanousd: int = 0
    """The most that it could cost, as it was held in budgets; what is booked where nobody knows the cost."""
    tier: str | None = None
    """Which tier served it, as its provider said; empty: it did not say. None: it was not kept."""
    cache_saved_nanousd: int = 0
    """How much less it cost than the same tokens would have without the provider's prompt cache; negative where what was written
    to the cache cost more than was saved by reading."""
    apart: tuple[UsageApart, ...] = ()
    """Parts of `usage` that have prices of their own."""
    region: str = ""
    """Where it was served, if its provider said so and prices depend on it."""

    @property
    def is_own_key(self) -> bool:
        """Whether it was made with the customer's own key, so that the provider bills the customer and not us."""
        return self.credential.startswith(OWN_KEY_PREFIX)


class Resolves(msgspec.Struct, frozen=True, gc=False):
    """What an exchange of the past took is known by now, and is in this one's account: the bound at which that was booked is taken
    back."""

    request_id: str
    attempt: int
    provider: str
    nanousd: int
    wall_ns: int
    """When it was asked for: by the prices of then it is charged."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """The settled account of one exchange: made exactly once, whatever happened. Sinks get these and nothing else."""

    request_id: str
    start_wall_ns: int
    key_id: str
    dialect: Dialect
    operation: Operation
    method: str
    path: str
    """The path without its query: queries can hold keys."""
    requested_model: str
    provider: str
    model: str
    status: int
    error: str | None
    detail: str
    is_stream: bool
    finish_reason: str | None
    usage: Usage
    edits: tuple[str, ...]
    request_bytes: int
    reply_bytes: int
    attempts: tuple[Attempt, ...]
    duration_ns: int
    first_byte_ns: int
    overhead_ns: int
    config_version: int
    end_user: str = ""
    cost_nanousd: int | None = None
    """Of all attempts together; of those whose cost nobody knows nothing is in it, and `price_state` says so."""
    price_state: PriceState = PriceState.UNKNOWN
    route: str = ""
    """The route that was asked for, or the bare name."""
    team: str = ""
    """Whose virtual key it was; so the next two."""
    user: str = ""
    organisation: str = ""
    session: str = ""
    """What the caller says it belongs to (an agent's run)."""
    tags: tuple[str, ...] = ()
    """The key's, and the request's own."""
    trace: str = ""
    """The caller's `traceparent`, as it came."""
    resolves: Resolves | None = None
    """It has fetched a response that went on in the background, whose cost is in this account."""

    @property
    def priced_wall_ns(self) -> int:
        """The prices of which moment count."""
        return self.start_wall_ns if self.resolves is None else self.resolves.wall_ns
