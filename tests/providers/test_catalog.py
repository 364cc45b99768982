from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec
import pytest

from weighbridge.core.terms import Dialect
from weighbridge.providers.base import AuthStyle
from weighbridge.providers.catalog import CatalogRow, load_catalog, parse_catalog
from weighbridge.providers.demo.models import MODELS

CATALOG = load_catalog()
ROWS = [pytest.param(row, id=name) for name, row in CATALOG.items()]
OWN_SERVERS = {"llamacpp", "lmstudio", "ollama", "vllm"}


def test_the_three_vendors_speak_their_own_dialects() -> None:
    bases = {name: dict(CATALOG[name].dialects) for name in ("openai", "anthropic", "gemini")}
    assert bases == {
        "openai": {Dialect.OPENAI: "https://api.openai.com/v1"},
        "anthropic": {Dialect.ANTHROPIC: "https://api.anthropic.com"},
        "gemini": {Dialect.GEMINI: "https://generativelanguage.googleapis.com"},
    }


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_complete(row: CatalogRow) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", row.name)
    assert row.title
    assert row.dialects
    assert row.main_dialect is next(iter(row.dialects))
    assert row.name == "demo" or row.source.startswith("https://")
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in (*row.env, *filter(None, [row.base_url_env])))


@pytest.mark.parametrize("row", ROWS)
def test_keys_go_to_strangers_over_tls_only(row: CatalogRow) -> None:
    for url in row.dialects.values():
        parts = urlsplit(url)
        assert parts.scheme == "https" or (row.name in OWN_SERVERS and parts.hostname == "localhost") or row.name == "demo"
        assert (parts.query, parts.fragment, parts.username) == ("", "", None)
        assert not url.endswith("/")


@pytest.mark.parametrize("row", ROWS)
def test_the_anthropic_and_gemini_bases_have_no_version_as_in_the_vendors_sdks(row: CatalogRow) -> None:
    for dialect in (Dialect.ANTHROPIC, Dialect.GEMINI):
        assert not row.dialects.get(dialect, "").endswith(("/v1", "/v1beta"))


@pytest.mark.parametrize("row", ROWS)
def test_only_ones_own_servers_do_without_a_key(row: CatalogRow) -> None:
    assert bool(row.env) is (row.name not in OWN_SERVERS | {"demo"})
    assert (row.auth is AuthStyle.NONE) is (row.name == "demo")


def test_no_two_rows_claim_a_pattern_or_a_variable() -> None:
    for claims in ([p for row in CATALOG.values() for p in row.patterns], [e for row in CATALOG.values() for e in row.env]):
        assert len(claims) == len(set(claims))


def test_the_demo_speaks_everything_without_a_socket() -> None:
    demo = CATALOG["demo"]
    assert set(demo.dialects) == set(Dialect)
    assert {urlsplit(url).scheme for url in demo.dialects.values()} == {"demo"}
    assert demo.models == tuple(MODELS)


def test_the_catalogue_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CATALOG["openai"] = CATALOG["demo"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        CATALOG["openai"].title = "x"  # type: ignore[misc]


@pytest.mark.parametrize("field", ["dialect.openai = 'https://h'", "auth = 'basic'", "dialects.grok = 'https://h'"])
def test_a_misspelt_row_is_refused(field: str) -> None:
    row = f"[x]\ntitle = 'X'\n{field}\n" + ("" if field.startswith("auth") else "auth = 'bearer'\n")
    row += "" if field.startswith("dialects") else "dialects.openai = 'https://h'\n"
    with pytest.raises(msgspec.ValidationError):
        parse_catalog(row)
