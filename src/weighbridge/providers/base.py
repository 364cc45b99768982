"""What a provider is: addresses by dialect, a way to authenticate, keys, and the models it is known for."""

from __future__ import annotations

from enum import Enum
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from weighbridge.core.secret import Secret
from weighbridge.core.terms import DataTerms, Deadlines, Dialect, Origin, WireFormat
from weighbridge.providers.cloud_accounts import CloudAccount
from weighbridge.wire.codecs import Framing
from weighbridge.wire.quirks import NO_QUIRKS, Quirks


class AuthStyle(Enum):
    """Where a provider wants its key."""

    BEARER = "bearer"
    """`Authorization: Bearer K` (OpenAI and everybody who speaks its dialect)."""
    X_API_KEY = "x-api-key"
    """`x-api-key: K` (Anthropic)."""
    X_GOOG_API_KEY = "x-goog-api-key"
    """`x-goog-api-key: K` (Gemini); in a header and never in the query, since URLs end in logs."""
    API_KEY = "api-key"
    """`api-key: K` (Azure)."""
    NONE = "none"
    """No key (a server of one's own)."""
    AWS = "aws"
    """Requests signed with AWS credentials (SigV4), or a Bedrock API key as a bearer token."""
    GOOGLE = "google"
    """An OAuth token of a Google Cloud account (Vertex AI)."""
    ENTRA = "entra"
    """An OAuth token of Microsoft Entra ID (Azure)."""


KEY_STYLES: Final = frozenset((AuthStyle.BEARER, AuthStyle.X_API_KEY, AuthStyle.X_GOOG_API_KEY, AuthStyle.API_KEY))
"""Those that are a fixed header line with the key."""


class Credential(msgspec.Struct, frozen=True):
    """One provider key. `name` is what Records show instead of it (`openai#1`)."""

    name: str
    secret: Secret


class Base(msgspec.Struct, frozen=True):
    """Where a provider speaks a dialect: `https://api.openai.com/v1` is the origin and `path` `/v1` (no trailing slash)."""

    origin: Origin
    path: str


class CallPath(msgspec.Struct, frozen=True):
    """Where a format is called, relative to its dialect's base; `{model}` stands for the percent-encoded model.

    `stream` is used for streams where that is another path. `query` is appended to both (`api-version=…`).
    `model_in_body` and `body_fields` say what the body needs here: Claude on Vertex and Bedrock has no `model` in its body but
    `"anthropic_version": "vertex-2023-10-16"`. A path that is called by bytes forwarded untouched is not looked up here.
    """

    whole: str
    stream: str = ""
    query: str = ""
    model_in_body: bool = True
    stream_in_body: bool = True
    """False where the path alone says whether to stream, and a `stream` field is refused."""
    body_fields: dict[str, str] = {}
    framing: Framing | None = None
    """Where it differs from the format's own: Claude's events in AWS frames (Bedrock invoke)."""
    from_root: bool = False
    """The path counts from the base URL as it is written, without the version that the vendor's SDK would put in between."""
    models: tuple[str, ...] = ()
    """Globs of the models that are asked this way; empty: all. A cloud serves several vendors' models, each in its own format."""

    def serves(self, model: str) -> bool:
        """Whether a model is asked this way."""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)


class Provider(msgspec.Struct, frozen=True):
    """A configured provider.

    `formats` are the formats in which it can be asked for an answer, the best first, each with its path; a caller's own format
    is forwarded untouched where the provider speaks it (`native_formats`), and translated otherwise. `quirks` say in what it
    differs.

    `bases` has an entry for each dialect that it speaks. `models` are the names that it is known to serve, listed by
    `/v1/models`; `patterns` are globs (`gpt-*`) for a bare model name that no provider lists. `headers` are added to every
    request. `credentials` take turns.
    """

    name: str
    bases: dict[Dialect, Base]
    auth: AuthStyle = AuthStyle.BEARER
    credentials: tuple[Credential, ...] = ()
    headers: tuple[tuple[str, Secret], ...] = ()
    models: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    deadlines: Deadlines = Deadlines()
    formats: dict[WireFormat, CallPath] = {}
    native_formats: frozenset[WireFormat] = frozenset()
    """Formats in which a caller's bytes may be forwarded as they are. Azure's, Vertex's and Bedrock's paths and bodies differ from
    the vendor's, so that a request to them is always written anew or spliced."""
    quirks: Quirks = NO_QUIRKS
    operations: dict[str, str] = {}
    """Further endpoints (`embeddings`, `rerank`, `images`, `audio`, `moderations`) and in whose style they are asked there."""
    variables: dict[str, str] = {}
    """What its addresses were made of and signing needs to know: `region`, `project`, `location`, `resource`, `account`."""
    lists_models: str = ""
    """Where it lists its models, relative to its main (first) base; empty where it does not."""
    shows_live: bool = False
    """Whether `/v1/models` shows what it lists itself."""
    live_models: tuple[str, ...] = ()
    """Names from that list as it was when last asked: for `/v1/models` only. A bare name is not resolved by them, since a reseller
    lists every vendor's models and would make all their names ambiguous."""
    operation_paths: dict[str, CallPath] = {}
    """Paths of the further endpoints, where they are not those of the style."""
    account: CloudAccount | None = None
    """Whom a cloud sees where no key is sent (`auth` is AWS, GOOGLE or ENTRA)."""
    terms: DataTerms = DataTerms()
    """What it promises about data, as the operator declares it."""
    probe_ns: int = 0
    """How often it is asked whether it is there, though nobody needs it; 0: never."""
    max_in_flight: int = 0
    """Requests at a time to one of its models, for each worker; 0: no bound of its own."""
    max_in_flight_per_key: int = 0
    """The same for each of its keys."""
    key_auth: AuthStyle | None = None
    """How a key would be sent, where the gateway has none of its own; None: as `auth` says."""

    @property
    def takes_keys(self) -> AuthStyle | None:
        """How a customer's own key is sent; None: nothing but an account of its cloud opens it, or it asks for no key."""
        style = self.key_auth or self.auth
        return style if style in KEY_STYLES else None
