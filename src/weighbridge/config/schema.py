"""The configuration file, field by field. Descriptions become the reference page and the editors' JSON Schema.

Unknown fields are refused and nothing is converted by guess. Defaults are written as an operator would write them; that they
equal those of `plan.Limits` and `terms.Deadlines` is a test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from weighbridge.auth.virtual_keys import MAX_MODELS
from weighbridge.config.alert_fields import Alerts
from weighbridge.config.allowance_fields import Budget, Limit, Share
from weighbridge.config.archive_fields import Archive
from weighbridge.config.aws_fields import AwsIdentity
from weighbridge.config.fields import (
    AnyPath,
    BaseUrl,
    Count,
    Days,
    Duration,
    DurationOrZero,
    Expiry,
    HeaderName,
    HeaderValue,
    Host,
    KeyDigest,
    KeyInClear,
    KeyName,
    LargeCount,
    ModelName,
    Network,
    Port,
    ProviderName,
    ProxyUrl,
    ReadableFile,
    RouteName,
    SecretText,
    Size,
    choice_schema,
)
from weighbridge.config.log_fields import LogSink
from weighbridge.config.payload_fields import Payloads
from weighbridge.config.price_fields import Dollars, PriceRule
from weighbridge.config.provider_fields import FormatName, ProbeInterval, QuirkValues, UrlPart
from weighbridge.config.provider_key_fields import ProviderKeys
from weighbridge.config.proxies import is_loopback
from weighbridge.config.route_fields import DataDemand, DataTerms, Health, Retry, Route
from weighbridge.config.section import Section, Timeouts, fault, written
from weighbridge.config.shared_limit_fields import SharedLimits
from weighbridge.config.sign_in_fields import SignIn
from weighbridge.config.tariff_fields import Tariff
from weighbridge.config.tls_fields import ProviderTls, ServerTls
from weighbridge.core.secret import Secret

DialectName = Literal["openai", "anthropic", "gemini", "bedrock", "cohere", "ollama"]


class ServerLimits(Section):
    """Bounds on what clients may send and how slowly. What exceeds one is refused with the fitting status."""

    max_body: Size = written("64MB")
    """Largest request body that is read as a whole (JSON)."""
    max_upload: Size = written("1GB")
    """Largest body that is passed on as it comes: files, batches and raw pass-through."""
    max_header: Size = written("64kB")
    """Request line and headers together."""
    max_url: Size = written("16kB")
    """Path and query."""
    header_timeout: Duration = written("15s")
    """From the first byte of a request to the end of its headers."""
    body_idle_timeout: Duration = written("30s")
    """Longest pause between two pieces of a request body."""
    keepalive_timeout: Duration = written("75s")
    """How long an idle connection is kept. Longer than your load balancer's, so that it closes first."""
    write_stall_timeout: Duration = written("120s")
    """A client that takes nothing of its reply for this long is cut off."""
    max_connections: Count = Field(20_000)
    """Open connections of clients, for each worker."""
    max_in_flight: Count = Field(4_000)
    """Requests at a time, for each worker; more have to wait."""
    max_queue: Count = Field(1_000)
    """Requests that wait for a place, for each worker; more are refused with 503."""
    queue_timeout: DurationOrZero = written("5s")
    """How long a request waits for a place before it is refused with 503. `0s` refuses at once."""
    max_upstream_connections: Count = Field(1_000)
    """Connections to one provider, for each worker."""
    upstream_idle_timeout: Duration = written("55s")
    """How long an idle connection to a provider is kept. Shorter than the provider's own limit."""


class Server(Section):
    """Where and how the gateway listens."""

    host: Host = Field("127.0.0.1")
    """Address or name to listen on. `0.0.0.0` is every IPv4 address, `::` every address."""
    port: Port = Field(8080)
    """Port to listen on; 0 takes a free one."""
    workers: Annotated[Count, Field(le=256)] = Field(1)
    """Processes that serve requests. One for each core is enough."""
    tls: ServerTls | None = None
    """Serve HTTPS."""
    public_url: BaseUrl | None = None
    """What browsers call the gateway by (`https://gateway.example.com`), if it is not how it listens: behind a proxy that ends TLS.
    Cookies then are for HTTPS only, and an OpenID provider sends people back there."""
    drain_timeout: DurationOrZero = written("30s")
    """On shutdown, how long running requests may go on."""
    auth: Annotated[Literal["required", "none"], choice_schema("word", "required", "none")] = "required"
    """`none` serves everybody without a key, and is only accepted on a loopback address."""
    limits: ServerLimits = Field(default_factory=lambda: ServerLimits.model_validate({}))
    """Bounds on requests."""

    @model_validator(mode="after")
    def _never_open_to_the_network(self) -> Server:
        if self.auth == "none" and not is_loopback(self.host):
            raise fault("auth", "`none` is only accepted on a loopback address: set `host: 127.0.0.1`, or `auth: required`")
        return self

    @model_validator(mode="after")
    def _has_no_path_of_its_own(self) -> Server:
        if self.public_url is not None and urlsplit(self.public_url).path:
            raise fault("public_url", "must have no path: the dashboard is at `/dashboard` of whatever host it is")
        return self


class Ledger(Section):
    """How the accounts of all requests are kept."""

    fsync: Literal["never", "interval", "always"] = "interval"
    """When the disk is told to keep what a worker has written: `never` leaves it to the kernel (a power cut may take half a
    minute, a crash of the gateway nothing), `interval` does it each second, `always` before each reply ends."""
    count_tokens: bool = True
    """Whether the text of an attempt whose usage its provider did not tell is counted by a tokenizer. Needs the extra `tokenizer`;
    without it its estimate is made of bytes."""
    keep_records: Days = written("30d")
    """What the page of one request shows."""
    keep_requests: Days = written("90d")
    """A row for each request: lists, and usage by end user, tag, session and error."""
    keep_minutes: Days = written("7d")
    """Sums by minute."""
    keep_hours: Days = written("400d")
    """Sums by hour. Those by day stay for ever, as do the entries."""
    archive: Archive | None = None
    """Where requests go before they are deleted. If given, Records and rows of requests stay until they are there."""

    @model_validator(mode="after")
    def _has_the_rows_of_its_records(self) -> Ledger:
        if self.keep_records > self.keep_requests:
            raise fault("keep_records", "must not be more than `keep_requests`")
        return self


class AccessLog(Section):
    """One line for each request."""

    format: Annotated[Literal["json", "console", "off"], choice_schema("word", "json", "console", "off")] = "console"
    """`json` for machines, `console` for people, `off` for none."""
    path: AnyPath | None = None
    """File to append to. Standard output if not given."""


class Metrics(Section):
    """What Prometheus is told at `/metrics`."""

    open: bool = False
    """Whether it needs no key. With one, that of a user who may look at the gateway will do."""
    labels: list[Literal["route", "team", "organisation", "user", "key"]] = []
    """Further labels of requests, tokens and cost. Each multiplies the series."""
    max_values: Annotated[Count, Field(le=10_000)] = 200
    """Values of each label; those beyond are `other`."""


class Traces(Section):
    """Spans for an OpenTelemetry collector: one for each request and one for each attempt, without prompts or answers. Needs the
    extra `otel`."""

    endpoint: BaseUrl | None = None
    """The collector's OTLP address: `http://collector:4318`, for `grpc` `http://collector:4317`. None if not given."""
    protocol: Literal["http", "grpc"] = "http"
    """OTLP over HTTP (protobuf), or gRPC."""
    headers: dict[HeaderName, HeaderValue] = {}
    """Sent along, such as a key of whoever keeps the traces."""
    sample: Share = written("100%")
    """Of requests that do not say themselves (`traceparent`) whether they are sampled."""
    service: Annotated[str, Field(min_length=1, max_length=100)] = "weighbridge"
    """`service.name`."""


class GoogleIdentity(Section):
    """A Google Cloud account. Without any of these: Application Default Credentials."""

    credentials_file: ReadableFile | None = None
    """JSON file of a service account, or of another identity that Google's library knows."""
    quota_project: str | None = None
    """The project that pays, where it is not the account's own."""


class EntraIdentity(Section):
    """A Microsoft Entra ID account. Without any of these: the environment, the machine's managed identity, the Azure CLI."""

    tenant_id: str | None = None
    """The directory of an application."""
    client_id: str | None = None
    """The application; alone, a managed identity."""
    client_secret: SecretText | None = None
    """The application's secret."""
    scope: str | None = None
    """What the token is for. The provider's own if not given."""


class Provider(Section):
    """A provider. Everything is optional where the catalogue knows the provider; the name then says which it is."""

    type: str | None = None
    """A name of the catalogue, which is on the reference page. `openai`, `anthropic` and `gemini` also stand for every server
    that speaks so. The entry's own name if not given."""
    base_url: BaseUrl | None = None
    """Where the provider's main dialect is spoken, as its SDK takes it: with `/v1` for OpenAI, without for Anthropic and
    Gemini. Replaces every address of the catalogue."""
    base_urls: dict[DialectName, BaseUrl] = {}
    """Addresses by dialect, for a server that speaks several."""
    api_key: SecretText | None = None
    """The provider's key."""
    api_keys: list[SecretText] | None = None
    """Several keys, which take turns. An empty list sends none. If neither is given and the address is the catalogue's, the
    provider's usual environment variable is read."""
    models: list[ModelName] | None = None
    """Models to list and to reach by their bare names."""
    live_models: bool | None = None
    """Whether `/v1/models` also shows, as `provider/model`, what the provider itself lists. It is asked when somebody wants to
    know, at most once an hour. If not given: where `models` is not given."""
    headers: dict[HeaderName, HeaderValue] = {}
    """Headers to add to every request."""
    timeouts: Timeouts = Field(default_factory=lambda: Timeouts.model_validate({}))
    """Bounds on one attempt."""
    tls: ProviderTls = Field(default_factory=lambda: ProviderTls.model_validate({}))
    """Certificates."""
    proxy: ProxyUrl | None = None
    """HTTP proxy to this provider, `http://user:password@host:port`. If not given, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`
    count."""
    region: UrlPart | None = None
    """The cloud's region (`us-east-1`), where the address has one. This and the next five come from the usual environment
    variables if they are not given."""
    project: UrlPart | None = None
    """The cloud project."""
    location: UrlPart | None = None
    """The location of a Google Cloud project's models (`global`, `europe-west1`)."""
    resource: UrlPart | None = None
    """The name of an Azure resource, or of a Databricks or Snowflake host."""
    account: UrlPart | None = None
    """The account that is part of the address."""
    api_version: UrlPart | None = None
    """The `api-version` of Azure's deployments."""
    aws: AwsIdentity = Field(default_factory=AwsIdentity)
    """Who asks Amazon Bedrock, where it is no API key."""
    google: GoogleIdentity = Field(default_factory=GoogleIdentity)
    """Who asks Vertex AI, where it is no API key."""
    entra: EntraIdentity = Field(default_factory=EntraIdentity)
    """Who asks Azure, where it is no API key."""
    formats: Annotated[list[FormatName], Field(min_length=1)] | None = None
    """Formats that the server can be asked in, the best first, in place of the catalogue's. Requests in another are
    translated."""
    data: DataTerms = Field(default_factory=DataTerms)
    """What the provider promises about data. Its `region`, if not given here, is the one above."""
    max_in_flight: Count | None = None
    """Requests at a time to one of its models, for each worker."""
    max_in_flight_per_key: Count | None = None
    """Requests at a time with one of its keys, for each worker."""
    probe: ProbeInterval | None = None
    """How often its list of models is asked for with each of its keys, between `5s` and `1d`, so that it is known whether it is
    there before anybody needs it. Not at all if not given: what requests show is enough for most."""
    quirks: QuirkValues = {}
    """In what the server differs from its dialect's vendor, in place of the catalogue's facts. The page on providers lists
    them."""

    @model_validator(mode="after")
    def _one_way_to_give_keys(self) -> Provider:
        if self.api_key is not None and self.api_keys is not None:
            raise fault("api_key", "is given beside `api_keys`; keep one of them")
        return self

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys, in order."""
        return (self.api_key,) if self.api_key is not None else tuple(self.api_keys or ())


class Ceiling(Section):
    """Prices that no model of unknown price exceeds, as its operator declares."""

    input: Dollars
    """Of what goes in."""
    output: Dollars
    """Of what comes out."""


class UnknownPrices(Section):
    """A price that nobody knows is never taken for zero."""

    action: Literal["refuse", "reserve_high", "ceiling"] = "reserve_high"
    """`refuse` such requests; serve them and reckon with the dearest prices there are; or with those of the `ceiling`."""
    ceiling: Ceiling | None = None
    """Dollars per million tokens."""

    @model_validator(mode="after")
    def _has_its_ceiling(self) -> UnknownPrices:
        if (self.action == "ceiling") != (self.ceiling is not None):
            raise fault("ceiling", "goes with `action: ceiling`")
        return self


class ModelLimit(Section):
    """What models write and read at most, where you know it better than their vendors' pages. Of several entries that match, later
    ones go on top."""

    match: Annotated[str, Field(min_length=1, max_length=300)]
    """`provider/model`, with `*` for anything: `local/*`."""
    max_output_tokens: Annotated[LargeCount, Field(le=10_000_000)] | None = None
    """The most that one answer has, reasoning included. Budgets hold it for requests that name no bound: one that is too low lets
    them be overspent."""
    context_window: Annotated[LargeCount, Field(le=100_000_000)] | None = None
    """The most that goes in and comes out together."""

    @model_validator(mode="after")
    def _says_something(self) -> ModelLimit:
        if self.max_output_tokens is None and self.context_window is None:
            raise fault("match", "comes without `max_output_tokens` or `context_window`")
        return self


class Key(Section):
    """A virtual key, for an application to hold instead of a provider's. Only its hash is kept."""

    name: KeyName
    """What logs and reports call the key."""
    key: KeyInClear | None = None
    """The key itself, at least 16 characters; hashed as soon as it is read."""
    key_sha256: KeyDigest | None = None
    """The key's SHA-256 instead of the key."""
    models: Annotated[list[ModelName], Field(max_length=MAX_MODELS)] = []
    """Models it may ask for: exact names, or with `*` (`openai/*`). All if empty."""
    expires: Expiry | None = None
    """When it stops working. A date means midnight UTC, at its beginning."""
    team: Annotated[str, Field(max_length=100)] = ""
    """Whose it is."""
    user: Annotated[str, Field(max_length=100)] = ""
    """The person who holds it."""
    organisation: Annotated[str, Field(max_length=100)] = ""
    """The team's."""
    tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=16)] = []
    """What its requests are booked under besides."""
    addresses: Annotated[list[Network], Field(max_length=100)] = []
    """Networks it may be used from (`10.0.0.0/8`); from anywhere if empty."""
    max_output_tokens: Annotated[LargeCount, Field(le=10_000_000)] | None = None
    """The most that one of its requests may have generated: what asks for more, or for no bound, is capped;
    a batch of which it is not seen is refused."""
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    """Where requests have to wait, those with a higher number go first."""
    demand: DataDemand = Field(default_factory=DataDemand)
    """What is demanded of where its requests' data goes."""

    @model_validator(mode="after")
    def _one_key(self) -> Key:
        if (self.key is None) == (self.key_sha256 is None):
            raise fault("key", "give either `key` or `key_sha256`")
        return self


def _empty_is_none(value: object) -> object:
    return {} if value is None else value


class Config(Section):
    """The whole file."""

    server: Server = Field(default_factory=lambda: Server.model_validate({}))
    """Where and how the gateway listens."""
    data_dir: AnyPath = Field(Path("data"))
    """Directory for what the gateway keeps: its database and its first keys."""
    database: SecretText | None = None
    """PostgreSQL's URL (`postgresql://user:password@host/name`) in place of SQLite in the data directory, in which journals and
    first keys stay. Several gateways may share one, each with a data directory of its own. Needs the extra `postgresql`."""
    access_log: AccessLog = Field(default_factory=AccessLog)
    """One line for each request."""
    alerts: Alerts = Field(default_factory=lambda: Alerts.model_validate({}))
    """What operators are told of when it happens."""
    logs: Annotated[list[LogSink], BeforeValidator(lambda value: value if value is not None else [])] = []
    """Where each settled request is told: webhooks, tables of ClickHouse, and buckets."""
    traces: Traces = Field(default_factory=lambda: Traces.model_validate({}))
    """For an OpenTelemetry collector."""
    metrics: Metrics = Field(default_factory=Metrics)
    """For Prometheus."""
    ledger: Ledger = Field(default_factory=Ledger)
    """The accounts of all requests."""
    sign_in: SignIn = Field(default_factory=SignIn)
    """How people get into the dashboard."""
    providers: Annotated[dict[ProviderName, Provider], BeforeValidator(_empty_is_none)] = {}
    """Whom the gateway calls, by a name of your choice."""
    provider_keys: ProviderKeys = Field(default_factory=lambda: ProviderKeys.model_validate({}))
    """Customers' own keys at providers, beside those of the gateway's own that stand above."""
    retry: Retry = Field(default_factory=Retry)
    """How often and for how long a request may be tried, where its route does not say."""
    health: Health = Field(default_factory=Health)
    """What follows from failures for later requests."""
    routes: Annotated[dict[RouteName, Route], BeforeValidator(_empty_is_none)] = {}
    """Names of your own for models."""
    prices: Annotated[list[PriceRule], BeforeValidator(lambda value: value if value is not None else [])] = []
    """Prices of models that no list has, discounts, and prices of your own; the lists are those of `genai-prices`."""
    model_limits: Annotated[list[ModelLimit], BeforeValidator(lambda value: value if value is not None else [])] = []
    """What models write and read at most, in place of what vendors say."""
    keys: Annotated[list[Key], BeforeValidator(lambda value: value if value is not None else [])] = []
    """Virtual keys, beside those that are made with `weighbridge keys create`."""
    budgets: Annotated[list[Budget], BeforeValidator(lambda value: value if value is not None else [])] = []
    """What may be spent in a period, by whom."""
    limits: Annotated[list[Limit], BeforeValidator(lambda value: value if value is not None else [])] = []
    """How much may come in a time, from whom."""
    shared_limits: SharedLimits | None = None
    """Where several gateways keep what they have used of `limits`. Each has limits of its own if not given."""
    tariffs: Annotated[list[Tariff], BeforeValidator(lambda value: value if value is not None else [])] = []
    """What customers pay on top of the provider's price. Nothing where no entry is for them."""
    properties: Annotated[list[Annotated[str, Field(min_length=1, max_length=40)]], Field(max_length=16)] = []
    """Members of a request's `metadata` that it is booked under, as a header `x-weighbridge-property-<name>` says it too. Name what
    has few values, such as `feature` or `env`: each value is a line of reports."""
    payloads: Payloads | None = None
    """What was asked and answered is kept. Nothing of it if not given."""
    unknown_prices: UnknownPrices = Field(default_factory=UnknownPrices)
    """What happens to requests for models whose price no list has."""

    @model_validator(mode="after")
    def _allowances_have_ids_of_their_own(self) -> Config:
        for field, entries in (("budgets", self.budgets), ("limits", self.limits)):
            ids = [each.lasting_id() for each in entries]
            if (double := next((each for each in ids if ids.count(each) > 1), None)) is not None:
                raise fault(field, f"has two entries under the id '{double}': give one of them an `id`")
        names = [each.name for each in self.logs]
        if len(set(names)) < len(names):
            raise fault("logs", "has two sinks of one name")
        return self

    @model_validator(mode="after")
    def _is_reached_by_browsers(self) -> Config:
        if self.sign_in.oidc is not None and self.server.public_url is None:
            raise fault("sign_in", "`oidc` needs `server.public_url`, which is where the provider sends people back to")
        return self
