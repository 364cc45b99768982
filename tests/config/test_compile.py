from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from weighbridge.config.compile import compile_plan, parse_base
from weighbridge.config.load import load_config
from weighbridge.config.proxies import ProxyRules
from weighbridge.core.codec import encode_private, private_decoder
from weighbridge.core.routes import plain_route
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deadlines, Deployment, Dialect, Origin, Proxy, Tls, VirtualKey, WireFormat
from weighbridge.pipeline.plan import Limits, Plan
from weighbridge.providers.base import AuthStyle, CallPath, Provider
from weighbridge.providers.catalog import load_catalog
from weighbridge.providers.cloud_accounts import AwsAccount, EntraAccount, GoogleAccount

DIRECT = ProxyRules()


def plan_of(loaded, *stored: VirtualKey) -> Plan:
    return compile_plan(loaded, version=7, stored_keys=stored)


def provider_of(loaded, name: str) -> Provider:
    (found,) = (provider for provider in plan_of(loaded).providers if provider.name == name)
    return found


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path"),
    [
        ("https://api.openai.com/v1", "https", "api.openai.com", 443, "/v1"),
        ("https://API.test", "https", "api.test", 443, ""),
        ("http://h:8000/a/b/", "http", "h", 8000, "/a/b"),
        ("http://[2001:db8::7]/v1", "http", "2001:db8::7", 80, "/v1"),
        ("https://[::1]:8443", "https", "::1", 8443, ""),
        ("demo://demo/v1", "demo", "demo", 0, "/v1"),
    ],
)
def test_a_base_url_is_an_origin_and_a_path(url: str, scheme: str, host: str, port: int, path: str) -> None:
    base = parse_base(url, tls=Tls(), proxy=None, rules=DIRECT)
    assert base.origin == Origin(scheme, host, port)
    assert base.path == path


def test_a_proxy_of_the_entry_goes_before_the_environment() -> None:
    rules = ProxyRules({"https": Proxy("env.test", 1)})
    assert parse_base("https://h", tls=Tls(), proxy=None, rules=rules).origin.proxy == Proxy("env.test", 1)
    assert parse_base("https://h", tls=Tls(), proxy=Proxy("own.test", 2), rules=rules).origin.proxy == Proxy("own.test", 2)
    assert parse_base("http://h", tls=Tls(), proxy=None, rules=rules).origin.proxy is None


def test_plain_http_has_no_tls_so_that_equal_origins_share_a_pool() -> None:
    assert parse_base("http://h", tls=Tls("ca.pem"), proxy=None, rules=DIRECT).origin == Origin("http", "h", 80)
    assert parse_base("https://h", tls=Tls("ca.pem"), proxy=None, rules=DIRECT).origin.tls == Tls("ca.pem")


def test_defaults_of_the_file_are_those_of_the_data_plane() -> None:
    loaded = load_config(None, environ={})
    assert plan_of(loaded).limits == Limits()
    assert provider_of(loaded, "demo").deadlines == Deadlines()


def test_every_limit_and_deadline_reaches_the_plan(load) -> None:
    loaded = load(
        "server:\n  limits: {max_body: 1kB, max_upload: 2kB, max_header: 3kB, max_url: 4kB, header_timeout: 1s,\n"
        "    body_idle_timeout: 2s, keepalive_timeout: 3s, write_stall_timeout: 4s, max_connections: 5, max_in_flight: 6,\n"
        "    max_upstream_connections: 7, upstream_idle_timeout: 8s}\n"
        "providers:\n  demo: {timeouts: {connect: 1ms, first_byte: 2ms, between_bytes: 3ms, total: 4ms}}\n"
    )
    s = 1_000_000_000
    assert plan_of(loaded).limits == Limits(
        max_header_bytes=3072,
        max_url_bytes=4096,
        max_body_bytes=1024,
        max_upload_bytes=2048,
        header_timeout_ns=s,
        body_idle_timeout_ns=2 * s,
        keepalive_timeout_ns=3 * s,
        write_stall_timeout_ns=4 * s,
        max_connections=5,
        max_in_flight=6,
        max_upstream_connections=7,
        upstream_idle_timeout_ns=8 * s,
    )
    assert provider_of(loaded, "demo").deadlines == Deadlines(1_000_000, 2_000_000, 3_000_000, 4_000_000)


def test_keys_of_a_provider_take_turns_under_names_of_their_own(load) -> None:
    provider = provider_of(load("providers:\n  openai: {api_keys: [a, b], headers: {X-Team: t}}\n"), "openai")
    assert [(c.name, c.secret.reveal()) for c in provider.credentials] == [("openai#1", "a"), ("openai#2", "b")]
    assert provider.auth is AuthStyle.BEARER
    assert provider.headers == (("x-team", Secret("t")),)


def test_a_server_of_ones_own_is_asked_without_a_key_or_with_one(load) -> None:
    assert provider_of(load("providers:\n  ollama:\n"), "ollama").auth is AuthStyle.NONE
    assert provider_of(load("providers:\n  ollama: {api_key: k}\n"), "ollama").auth is AuthStyle.BEARER


def test_a_base_url_replaces_every_address_of_the_catalogue(load) -> None:
    provider = provider_of(load("providers:\n  deepseek: {api_key: k, base_url: https://proxy.test/ds}\n"), "deepseek")
    assert {d: b.origin.host + b.path for d, b in provider.bases.items()} == {Dialect.OPENAI: "proxy.test/ds"}


def test_a_server_may_speak_several_dialects(load) -> None:
    entry = "{type: openai, base_url: http://h:8000/v1, base_urls: {anthropic: http://h:8000}, models: [qwen3]}"
    provider = provider_of(load("providers:\n  vllm: " + entry + "\n"), "vllm")
    assert {d: b.path for d, b in provider.bases.items()} == {Dialect.OPENAI: "/v1", Dialect.ANTHROPIC: ""}
    assert provider.models == ("qwen3",)


def test_a_server_that_only_speaks_like_a_vendor_does_not_claim_its_models(load) -> None:
    loaded = load(
        "providers:\n  vllm: {type: openai, base_url: http://h/v1}\n  openai: {api_key: k, base_url: https://eu.test/v1}\n"
        "  second: {type: openai, api_key: k}\n"
    )
    assert provider_of(loaded, "vllm").patterns == ()
    assert "gpt-*" in provider_of(loaded, "openai").patterns
    assert "gpt-*" in provider_of(loaded, "second").patterns


def base_of(provider: Provider, dialect: Dialect) -> str:
    base = provider.bases[dialect]
    return f"{base.origin.scheme}://{base.origin.host}{base.path}"


def test_a_provider_is_asked_in_its_rows_formats_and_forwarded_to_in_those_that_are_the_vendors_own(load) -> None:
    provider = provider_of(load("providers:\n  deepseek: {api_key: k}\n"), "deepseek")
    assert list(provider.formats) == [WireFormat.OPENAI_CHAT, WireFormat.ANTHROPIC_MESSAGES, WireFormat.OPENAI_RESPONSES]
    assert provider.native_formats == set(provider.formats)
    assert provider.formats[WireFormat.OPENAI_CHAT] == CallPath("/chat/completions")
    assert (provider.quirks.reasoning_style, provider.quirks.max_tokens_field) == ("thinking_type", "max_tokens")
    assert provider.lists_models == "/models"


def test_another_server_that_speaks_as_openai_does_is_asked_for_chats_and_forwarded_whatever_comes(load) -> None:
    loaded = load(
        "providers:\n  mine: {type: openai, base_url: http://h/v1, base_urls: {anthropic: http://h}}\n"
        "  openai: {api_key: k, base_url: https://eu.test/v1}\n"
    )
    mine, openai = provider_of(loaded, "mine"), provider_of(loaded, "openai")
    assert list(mine.formats) == [WireFormat.OPENAI_CHAT, WireFormat.ANTHROPIC_MESSAGES]
    assert mine.native_formats == {
        WireFormat.OPENAI_CHAT,
        WireFormat.OPENAI_RESPONSES,
        WireFormat.OPENAI_COMPLETIONS,
        WireFormat.ANTHROPIC_MESSAGES,
    }
    assert mine.quirks.max_tokens_field == "max_tokens"
    assert mine.operations == {}
    assert WireFormat.OPENAI_RESPONSES in openai.formats
    assert openai.quirks.max_tokens_field == "max_completion_tokens"
    assert openai.operations["embeddings"] == "openai"


def test_a_server_of_a_known_kind_is_that_at_another_address_too(load) -> None:
    provider = provider_of(load("providers:\n  gpu1: {type: vllm, base_url: http://10.0.0.1/v1}\n"), "gpu1")
    assert provider.quirks.reasoning_style == "chat_template"
    assert provider.operations["rerank"] == "jina"
    assert WireFormat.OPENAI_RESPONSES in provider.formats
    assert WireFormat.ANTHROPIC_MESSAGES not in provider.formats


def test_formats_and_quirks_of_the_file_replace_those_of_the_row(load) -> None:
    text = (
        "providers:\n  mine: {type: openai, base_url: http://h/v1, formats: [openai-responses, gemini-generate],\n"
        "    quirks: {images: none, max_stop: '4', default_max_tokens: [['*', 100]]}}\n"
    )
    provider = provider_of(load(text), "mine")
    assert list(provider.formats) == [WireFormat.OPENAI_RESPONSES]
    assert provider.native_formats == {WireFormat.OPENAI_RESPONSES}
    assert (provider.quirks.images, provider.quirks.max_stop, provider.quirks.max_tokens_field) == ("none", 4, "max_tokens")
    assert provider.quirks.max_tokens_for("x") == 100


def test_bedrock_has_its_region_and_is_signed_for_by_an_account(load) -> None:
    text = "providers:\n  bedrock: {region: eu-west-1, aws: {role_arn: arn:aws:iam::1:role/r, secret_access_key: s}}\n"
    provider = provider_of(load(text), "bedrock")
    assert base_of(provider, Dialect.BEDROCK) == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert (provider.auth, provider.credentials) == (AuthStyle.AWS, ())
    assert provider.account == AwsAccount(
        region="eu-west-1", service="bedrock", role_arn="arn:aws:iam::1:role/r", secret_access_key=Secret("s")
    )
    assert provider.native_formats == frozenset()
    assert provider.variables == {"region": "eu-west-1"}


def test_a_key_of_a_cloud_goes_before_an_account(load) -> None:
    provider = provider_of(load("providers:\n  bedrock: {region: eu-west-1, api_key: k}\n"), "bedrock")
    assert (provider.auth, provider.account) == (AuthStyle.BEARER, None)


def test_vertex_has_an_address_for_each_publisher(load, tmp_path) -> None:
    (tmp_path / "sa.json").write_text("{}")
    text = "providers:\n  vertex: {project: p, location: us-east5, google: {credentials_file: sa.json, quota_project: q}}\n"
    provider = provider_of(load(text), "vertex")
    start = "https://us-east5-aiplatform.googleapis.com/v1/projects/p/locations/us-east5/publishers/"
    assert base_of(provider, Dialect.GEMINI) == start + "google"
    assert base_of(provider, Dialect.ANTHROPIC) == start + "anthropic"
    assert provider.formats[WireFormat.GEMINI_GENERATE].stream == "/models/{model}:streamGenerateContent?alt=sse"
    assert provider.account == GoogleAccount(credentials_file=str(tmp_path / "sa.json"), quota_project="q")


def test_azure_has_a_version_in_the_query_of_its_deployments_and_a_token_without_a_key(load) -> None:
    text = "providers:\n  azure-deployments: {resource: r, api_version: v, entra: {tenant_id: t, client_id: c, client_secret: s}}\n"
    provider = provider_of(load(text), "azure-deployments")
    path = provider.formats[WireFormat.OPENAI_CHAT]
    assert (path.whole, path.query) == ("/deployments/{model}/chat/completions", "api-version=v")
    assert provider.operation_paths["embeddings"].query == "api-version=v"
    assert provider.auth is AuthStyle.ENTRA
    assert provider.account == EntraAccount("t", "c", Secret("s"))


def test_a_clouds_own_address_replaces_the_first_and_needs_no_parts(load) -> None:
    provider = provider_of(load("providers:\n  azure: {api_key: k, base_url: https://proxy.test/x}\n"), "azure")
    assert base_of(provider, Dialect.OPENAI) == "https://proxy.test/x"
    assert provider.auth is AuthStyle.API_KEY


def test_every_row_compiles_and_travels(load) -> None:
    entries = "".join(
        f"  {name}: {{api_key: k, region: r, project: p, resource: r, account: a}}\n" for name in load_catalog() if name != "demo"
    )
    plan = plan_of(load("server: {port: 9}\nproviders:\n" + entries))
    assert len(plan.providers) == len(load_catalog()) - 1
    assert private_decoder(Plan)(encode_private(plan)) == plan
    assert all("{" not in base.path + base.origin.host for provider in plan.providers for base in provider.bases.values())


def test_routes_keep_their_order(load) -> None:
    loaded = load("providers:\n  demo:\nroutes:\n  fast: [demo/echo, demo/org/lorem]\n  b: {targets: [demo/think]}\n")
    assert plan_of(loaded).routes == (
        plain_route("fast", Deployment("demo", "echo"), Deployment("demo", "org/lorem")),
        plain_route("b", Deployment("demo", "think")),
    )


def test_keys_of_the_file_become_digests_with_a_stable_id(load) -> None:
    digest = hashlib.sha256(b"wb-0123456789abcdef").digest()
    text = "keys:\n  - {name: ci, key: wb-0123456789abcdef, models: ['openai/*'], expires: 2027-01-01}\n"
    (key,) = plan_of(load(text)).keys
    at_ns = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000_000
    assert key == VirtualKey("file:ci", "ci", digest, "cdef", ("openai/*",), at_ns)


def test_a_key_may_be_given_as_its_digest(load) -> None:
    (key,) = plan_of(load("keys:\n  - {name: ci, key_sha256: '" + "ab" * 32 + "'}\n")).keys
    assert (key.digest, key.hint, key.expires_wall_ns) == (b"\xab" * 32, "", None)


def test_stored_keys_are_served_too_and_the_file_wins_over_them(load) -> None:
    digest = hashlib.sha256(b"wb-0123456789abcdef").digest()
    stored = (VirtualKey("key_1", "old", digest), VirtualKey("key_2", "other", b"x" * 32))
    keys = plan_of(load("keys:\n  - {name: ci, key: wb-0123456789abcdef}\n"), *stored).keys
    assert {key.id for key in keys} == {"file:ci", "key_2"}


def test_authentication_is_required_unless_the_file_says_otherwise(load) -> None:
    assert plan_of(load("")).auth_required
    assert not plan_of(load("server: {auth: none}\n")).auth_required


def test_a_plan_travels_to_the_workers_as_it_stands(load) -> None:
    loaded = load(
        "providers:\n  demo:\n  openai: {api_keys: ['${K}'], proxy: 'http://u:p@proxy.test:3128'}\nroutes: {a: [demo/echo]}\n"
        "keys: [{name: ci, key: wb-0123456789abcdef}]\n",
        K="sk-1",
    )
    plan = plan_of(loaded)
    assert plan.version == 7
    assert private_decoder(Plan)(encode_private(plan)) == plan
    assert "sk-1" not in repr(plan)
