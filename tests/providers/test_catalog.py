from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import msgspec
import pytest

from weighbridge.core.terms import Dialect, WireFormat
from weighbridge.providers.base import AuthStyle, CallPath
from weighbridge.providers.catalog import (
    DEFAULT_PATHS,
    DIALECT_OF,
    CatalogRow,
    Variable,
    formats_of,
    load_catalog,
    natively_spoken,
    parse_catalog,
)
from weighbridge.providers.demo.models import MODELS
from weighbridge.wire.codecs import Framing
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.embeddings import OUTBOUND_EMBEDDINGS, EmbeddingStyle
from weighbridge.wire.quirks import NO_QUIRKS, ReasoningStyle
from weighbridge.wire.rerank import OUTBOUND_RERANK, RerankStyle

CATALOG = load_catalog()
CALLERS = {Dialect.OPENAI, Dialect.ANTHROPIC, Dialect.GEMINI}
SOURCE = Path(__file__).parents[2] / "src" / "weighbridge"
# Their addresses are of this machine, and they ask for no key.
OWN_SERVERS = {name for name, row in CATALOG.items() if all(urlsplit(url).hostname == "localhost" for url in row.dialects.values())}
VALUES = {"region": "us-east-1", "project": "p", "location": "global", "resource": "r", "account": "a", "api_version": "v"}
PLACEHOLDER = re.compile(r"\{(\w+)(?:\.host)?\}")


def urls(row: CatalogRow) -> list[str]:
    return [row.fill(url, VALUES) for url in row.dialects.values()]


def of_each_row(check: Callable[[CatalogRow], None]) -> Callable[[], None]:
    """One test of all rows: as tests of their own, so many rows by so many rules take longer to tell about than to check."""

    def checked() -> None:
        for name, row in CATALOG.items():
            try:
                check(row)
            except AssertionError as error:
                error.add_note(f"in the row of {name}")
                raise

    checked.__name__ = check.__name__
    return checked


def test_there_are_more_than_a_hundred_and_fifty_providers() -> None:
    assert len(CATALOG) > 150
    assert len(OWN_SERVERS) >= 15


def test_the_three_vendors_speak_their_own_dialects() -> None:
    bases = {name: dict(CATALOG[name].dialects) for name in ("openai", "anthropic", "gemini")}
    assert bases == {
        "openai": {Dialect.OPENAI: "https://api.openai.com/v1"},
        "anthropic": {Dialect.ANTHROPIC: "https://api.anthropic.com"},
        "gemini": {Dialect.GEMINI: "https://generativelanguage.googleapis.com"},
    }


def test_each_part_of_the_file_is_sorted_after_the_three_vendors() -> None:
    names = list(CATALOG)
    starts = [names.index(name) for name in ("azure", "abacus", "docker-model-runner", "demo")]
    parts = [names[a:b] for a, b in zip(starts, [*starts[1:], len(names)], strict=True)]
    assert names[:3] == ["openai", "anthropic", "gemini"]
    assert starts[0] == 3
    assert parts == [sorted(part) for part in parts]


@of_each_row
def test_a_row_is_complete(row: CatalogRow) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", row.name)
    assert row.title
    assert row.dialects
    assert row.main_dialect is next(iter(row.dialects))
    assert row.name == "demo" or row.source.startswith("https://")
    variables = [name for variable in row.variables.values() for name in variable.env]
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in (*row.env, *variables, *filter(None, [row.base_url_env])))


@of_each_row
def test_keys_go_to_strangers_over_tls_only(row: CatalogRow) -> None:
    for url in urls(row):
        parts = urlsplit(url)
        assert parts.scheme == "https" or row.name in OWN_SERVERS | {"demo"}
        assert (parts.query, parts.fragment, parts.username) == ("", "", None)
        assert not url.endswith("/")
        assert re.fullmatch(r"[a-z]+://[a-z0-9.-]+(:\d+)?(/[A-Za-z0-9._/-]*)?", url)


@of_each_row
def test_every_placeholder_is_a_variable_and_every_variable_is_used(row: CatalogRow) -> None:
    paths = [
        text for path in (*row.paths.values(), *row.operation_paths.values()) for text in (path.whole, path.stream, path.query)
    ]
    hosts = [text for variable in row.variables.values() for text in variable.host.values()]
    used = {name for text in (*row.dialects.values(), *paths, *hosts) for name in PLACEHOLDER.findall(text)} - {"model"}
    assert used == set(row.variables)
    assert set(row.needed(own_address=False)) == set(row.variables)
    assert all(not variable.host or "*" in variable.host for variable in row.variables.values())


@of_each_row
def test_the_anthropic_and_gemini_bases_have_no_version_as_in_the_vendors_sdks(row: CatalogRow) -> None:
    for dialect in (Dialect.ANTHROPIC, Dialect.GEMINI):
        assert not row.dialects.get(dialect, "").endswith(("/v1", "/v1beta"))


@of_each_row
def test_only_ones_own_servers_and_clouds_do_without_a_key(row: CatalogRow) -> None:
    assert bool(row.env) or row.name in OWN_SERVERS | {"demo"} or row.identity is not None
    assert not (row.env and row.name in OWN_SERVERS)
    assert (row.auth is AuthStyle.NONE) is (row.name == "demo")
    assert row.auth not in (AuthStyle.AWS, AuthStyle.GOOGLE, AuthStyle.ENTRA)


@of_each_row
def test_identities_are_those_of_clouds_and_say_for_what(row: CatalogRow) -> None:
    assert row.identity in (None, AuthStyle.AWS, AuthStyle.GOOGLE, AuthStyle.ENTRA)
    assert bool(row.identity_for) is (row.identity in (AuthStyle.AWS, AuthStyle.ENTRA))
    assert row.identity is not AuthStyle.AWS or "region" in row.variables


def test_no_two_rows_claim_a_pattern_or_a_variable_unless_they_share_an_account() -> None:
    patterns = [pattern for row in CATALOG.values() for pattern in row.patterns]
    assert len(patterns) == len(set(patterns))
    keys = [name for row in CATALOG.values() if not row.variant_of for name in row.env]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("row", [row for row in CATALOG.values() if row.variant_of], ids=lambda row: row.name)
def test_a_variant_shares_the_key_of_a_row_that_is_none(row: CatalogRow) -> None:
    first = CATALOG[row.variant_of]
    assert not first.variant_of
    assert set(row.env) <= set(first.env)
    assert not row.patterns


@of_each_row
def test_formats_are_those_of_the_dialects_it_speaks_and_are_named_once(row: CatalogRow) -> None:
    assert len(set(row.spoken)) == len(row.spoken)
    assert {DIALECT_OF[spoken] for spoken in row.spoken} <= set(row.dialects)
    assert set(row.paths) <= set(row.spoken)
    assert row.spoken or row.operations


@of_each_row
def test_paths_are_absolute_and_stand_where_the_base_ends(row: CatalogRow) -> None:
    for wire_format in row.spoken:
        path = row.call_path(wire_format)
        assert path.whole.startswith("/")
        assert path.stream.startswith("/") or not path.stream
        assert "?" not in path.whole
    assert not row.model_list or row.model_list.startswith("/")


@of_each_row
def test_bytes_are_only_forwarded_where_path_and_body_are_the_vendors_own(row: CatalogRow) -> None:
    native = natively_spoken({f: row.call_path(f) for f in row.spoken})
    assert native <= formats_of(row.dialects)
    for wire_format in native:
        path = row.call_path(wire_format)
        assert (path.query, path.body_fields, path.from_root, path.framing) == ("", {}, False, None)


def test_azures_deployments_vertex_and_bedrock_are_never_forwarded_to() -> None:
    for name in ("azure-deployments", "azure-ai-inference", "vertex", "bedrock", "writer"):
        row = CATALOG[name]
        assert natively_spoken({f: row.call_path(f) for f in row.spoken}) <= {WireFormat.OPENAI_COMPLETIONS}
    assert natively_spoken({f: CATALOG["azure"].call_path(f) for f in CATALOG["azure"].spoken}) == {
        WireFormat.OPENAI_CHAT,
        WireFormat.OPENAI_RESPONSES,
    }


def test_claude_at_bedrock_is_invoked_without_a_model_in_the_body_and_streams_in_aws_frames() -> None:
    path = CATALOG["bedrock"].call_path(WireFormat.ANTHROPIC_MESSAGES)
    assert path == CallPath(
        "/model/{model}/invoke",
        "/model/{model}/invoke-with-response-stream",
        model_in_body=False,
        stream_in_body=False,
        body_fields={"anthropic_version": "bedrock-2023-05-31"},
        framing=Framing.AWS,
        from_root=True,
        models=("*anthropic.claude-*",),
    )
    assert path.serves("us.anthropic.claude-sonnet-5-v1:0")
    assert not path.serves("amazon.nova-lite-v1:0")
    assert CallPath("/x").serves("anything")


@of_each_row
def test_quirks_name_fields_of_the_neutral_conversation(row: CatalogRow) -> None:
    assert set(row.quirks.refuses) <= set(Conversation.__struct_fields__)
    assert row.quirks.default_max_tokens[-1][0] == "*"
    assert all(bound > 0 for _, bound in row.quirks.default_max_tokens)


def test_who_only_speaks_like_the_vendor_begins_with_what_holds_elsewhere() -> None:
    assert CATALOG["openai"].quirks == msgspec.structs.replace(NO_QUIRKS, is_strict_about_fields=True)
    assert CATALOG["groq"].quirks.max_tokens_field == "max_tokens"
    assert CATALOG["azure"].quirks == CATALOG["openai"].quirks
    assert CATALOG["cerebras"].quirks.max_tokens_field == "max_completion_tokens"
    assert CATALOG["moonshot-cn"].quirks == CATALOG["moonshot"].quirks
    assert CATALOG["vertex"].quirks.adaptive_thinking == CATALOG["anthropic"].quirks.adaptive_thinking
    assert CATALOG["kimi-coding"].quirks == NO_QUIRKS


@pytest.mark.parametrize(
    ("model", "bound"), [("claude-3-haiku-20240307", 4096), ("claude-3-5-sonnet-20241022", 8192), ("claude-opus-5", 64_000)]
)
def test_a_claude_that_was_given_no_bound_gets_one_that_it_takes(model: str, bound: int) -> None:
    assert CATALOG["anthropic"].quirks.max_tokens_for(model) == bound
    assert CATALOG["bedrock"].quirks.max_tokens_for(f"us.anthropic.{model}-v1:0") == bound


@of_each_row
def test_operations_are_asked_in_a_style_that_is_known_at_an_address_that_is_there(row: CatalogRow) -> None:
    dialects = {"gemini": Dialect.GEMINI, "vertex": Dialect.GEMINI, "cohere": Dialect.COHERE, "ollama": Dialect.OLLAMA}
    if (style := row.operations.get("embeddings")) is not None:
        assert EmbeddingStyle(style) in OUTBOUND_EMBEDDINGS
    if (style := row.operations.get("rerank")) is not None:
        assert RerankStyle(style) in OUTBOUND_RERANK
    for operation, style in row.operations.items():
        assert dialects.get(style, Dialect.OPENAI) in row.dialects
        assert operation in ("embeddings", "rerank") or style == "openai"


def test_the_demo_speaks_everything_that_callers_do_without_a_socket() -> None:
    demo = CATALOG["demo"]
    assert set(demo.dialects) == CALLERS
    assert set(demo.spoken) == formats_of(CALLERS)
    assert {urlsplit(url).scheme for url in demo.dialects.values()} == {"demo"}
    assert demo.models == tuple(MODELS)


def test_every_format_has_a_dialect_and_a_path_and_both_tables_agree_with_the_translation() -> None:
    assert set(DIALECT_OF) == set(DEFAULT_PATHS) == set(WireFormat)
    translate = pytest.importorskip("weighbridge.wire.translate", exc_type=ImportError)
    assert dict(DIALECT_OF) == translate.DIALECT_OF


def test_a_global_location_is_at_another_host_than_a_region() -> None:
    row = CATALOG["vertex"]
    base = row.dialects[Dialect.ANTHROPIC]
    paths = "/v1/projects/p/locations/{}/publishers/anthropic"
    for location, host in (
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us-east5", "us-east5-aiplatform.googleapis.com"),
    ):
        assert row.fill(base, {"project": "p", "location": location}) == f"https://{host}" + paths.format(location)
    assert row.values_for({"project": "p"}) == {"project": "p", "location": "global"}


def test_a_variable_that_holds_a_url_means_a_part_of_it() -> None:
    assert Variable().read("https://mine.openai.azure.com/") == "mine"
    assert Variable(part="host").read("https://adb-1.2.azuredatabricks.net") == "adb-1.2.azuredatabricks.net"
    assert Variable().read("us-east-1") == "us-east-1"


def test_what_has_no_value_stays_a_placeholder() -> None:
    row = CATALOG["azure-deployments"]
    path = row.call_path(WireFormat.OPENAI_CHAT)
    filled = row.fill_path(path, {"resource": "r", "api_version": "2024-10-21"})
    assert (filled.whole, filled.query) == ("/deployments/{model}/chat/completions", "api-version=2024-10-21")
    assert row.fill_path(CallPath("/chat"), {}) == CallPath("/chat")
    assert row.needed(own_address=True) == ("api_version",)
    assert row.fill("https://{resource}.x", {}) == "https://{resource}.x"


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CATALOG["openai"] = CATALOG["demo"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        CATALOG["openai"].title = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    "field",
    [
        "dialect.openai = 'https://h'",
        "auth = 'basic'",
        "dialects.grok = 'https://h'",
        "quirks.max_token_field = 'max_tokens'",
        "quirks_like = 'nobody'",
        "formats = ['openai']",
        "variables.zone = {}",
        "operations.video = 'openai'",
    ],
)
def test_a_misspelt_row_is_refused(field: str) -> None:
    row = f"[x]\ntitle = 'X'\n{field}\n" + ("" if field.startswith("auth") else "auth = 'bearer'\n")
    row += "" if field.startswith("dialects") else "dialects.openai = 'https://h'\n"
    with pytest.raises(msgspec.ValidationError):
        parse_catalog(row)


def test_the_quirks_of_a_row_cannot_come_from_one_that_has_another_rows() -> None:
    plain = "title = 'X'\nauth = 'bearer'\ndialects.anthropic = 'https://h'\n"
    with pytest.raises(msgspec.ValidationError, match="quirks of its own"):
        parse_catalog(f"[a]\n{plain}[b]\n{plain}quirks_like = 'a'\n[c]\n{plain}quirks_like = 'b'\n")


# --- names stay in the catalogue ----------------------------------------------------------------------------------------------

# Words that are a provider's name and something else besides: what is compared there is not a provider.
OTHER_MEANINGS = {
    # A dialect, or the style in which an endpoint is asked (`Dialect.OPENAI.value`, "cohere").
    *(dialect.value for dialect in Dialect),
    *(style.value for style in EmbeddingStyle),
    # A way to ask for thinking.
    *get_args(ReasoningStyle),
}


@pytest.mark.slow
def test_no_provider_is_told_apart_by_its_name_outside_of_its_row() -> None:
    names = set(CATALOG) - {"demo"}
    found = [
        f"{path.relative_to(SOURCE)}:{node.lineno} compares with {text!r}"
        for path in sorted(SOURCE.rglob("*.py"))
        if path.relative_to(SOURCE).parts[0] not in ("providers", "testing")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for text in compared(node)
        if text in names and text not in OTHER_MEANINGS
    ]
    assert found == []


def compared(node: ast.AST) -> list[str]:
    """Texts that a comparison or a `match` is about, also within tuples and sets."""
    parts: list[ast.AST] = []
    if isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
    elif isinstance(node, ast.MatchValue):
        parts = [node.value]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("startswith", "endswith"):
        parts = list(node.args)
    inner = [element for part in parts for element in (part.elts if isinstance(part, ast.Tuple | ast.Set | ast.List) else [part])]
    return [part.value for part in inner if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def test_the_search_for_names_finds_each_way_to_compare() -> None:
    code = "a == 'groq'\na in ('groq', 'xai')\na.startswith('groq')\nmatch a:\n    case 'groq':\n        pass\n"
    assert [text for node in ast.walk(ast.parse(code)) for text in compared(node)].count("groq") == 4
