from __future__ import annotations

import subprocess
import sys

import pytest

from weighbridge.core.secret import Secret
from weighbridge.core.terms import Dialect, Origin
from weighbridge.pipeline.provider_head import heads_of, host_of, with_version, without_version
from weighbridge.providers.base import AuthStyle, Base, Credential, Provider


@pytest.mark.parametrize(
    ("path", "dialect", "called"),
    [
        ("/v1", Dialect.OPENAI, "/v1"),
        ("/openai", Dialect.OPENAI, "/openai"),
        ("", Dialect.ANTHROPIC, "/v1"),
        ("/proxy/v2", Dialect.ANTHROPIC, "/proxy/v2"),
        ("", Dialect.GEMINI, "/v1beta"),
        ("/v1alpha", Dialect.GEMINI, "/v1alpha"),
    ],
)
def test_a_base_without_a_version_gets_the_one_that_its_vendors_sdk_adds(path, dialect, called):
    assert with_version(path, dialect) == called


@pytest.mark.parametrize(("path", "left"), [("/v1beta", ""), ("/proxy/v1", "/proxy"), ("/v1/openai", "/v1/openai")])
def test_the_version_is_the_last_segment_or_none(path, left):
    assert without_version(path) == left


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (Origin("https", "api.example", 443), b"api.example"),
        (Origin("https", "api.example", 8443), b"api.example:8443"),
        (Origin("http", "::1", 80), b"[::1]"),
        (Origin("unix", "/run/server.sock"), b"localhost"),
    ],
)
def test_the_host_line_names_a_port_where_it_is_not_the_usual_one(origin, host):
    assert host_of(origin) == host


def test_each_credential_has_a_head_with_what_is_configured_besides():
    origin = Origin("https", "api.example", 443)
    credentials = (Credential("x#1", Secret("one")), Credential("x#2", Secret("two")))
    facts = {"credentials": credentials, "headers": (("X-Team", Secret("blue")),)}
    provider = Provider("x", {Dialect.ANTHROPIC: Base(origin, "")}, AuthStyle.X_API_KEY, **facts)
    assert heads_of(provider, origin) == (
        b"host: api.example\r\nx-api-key: one\r\nx-team: blue\r\n",
        b"host: api.example\r\nx-api-key: two\r\nx-team: blue\r\n",
    )


def test_without_a_credential_there_is_a_head_all_the_same():
    origin = Origin("http", "localhost", 11434)
    assert heads_of(Provider("ollama", {Dialect.OPENAI: Base(origin, "/v1")}), origin) == (b"host: localhost:11434\r\n",)


@pytest.mark.slow
def test_the_control_plane_starts_without_reading_a_single_dialect():
    """They are a sixth of the time until it is ready, and no request passes through it."""
    code = "import sys, weighbridge.cli.serve; print(*[name for name in sys.modules if name.startswith('weighbridge.wire.openai')])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"
