from __future__ import annotations

import pytest

from weighbridge.config.shared_limit_fields import ServerAddress, parse_address
from weighbridge.core.secret import Secret


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("valkey://cache", ServerAddress("cache", 6379, "", "", None, 0, has_tls=False)),
        ("redis://cache:7000/3", ServerAddress("cache", 7000, "", "", None, 3, has_tls=False)),
        ("valkeys://:p%40ss@[::1]/", ServerAddress("::1", 6379, "", "", Secret("p@ss"), 0, has_tls=True)),
        ("rediss://wb:secret@c.example:1/0", ServerAddress("c.example", 1, "", "wb", Secret("secret"), 0, has_tls=True)),
        ("unix:///run/valkey.sock", ServerAddress("", 0, "/run/valkey.sock", "", None, 0, has_tls=False)),
    ],
)
def test_where_a_valkey_is_is_told_as_everybody_does(url, address):
    assert parse_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "cache:6379",
        "http://cache",
        "valkey://",
        "valkey://cache/x",
        "valkey://cache:port",
        "valkey://user@cache",
        "valkey://cache?tls=1",
        "unix://cache/path",
    ],
)
def test_what_is_no_address_is_refused_without_being_quoted(refused, url):
    (said,) = refused(f"shared_limits:\n  url: '{url}'\n")
    assert said.startswith("2: shared_limits.url: must be a URL such as `valkey://user:password@host:6379/0`")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("prefix: '{a}'", "prefix"),
        ("prefix: ''", "prefix"),
        ("wait: 6s", "at most `5s`"),
        ("wait: 0s", "wait"),
        ("on_outage: open", "on_outage"),
        ("gateways: 0", "gateways"),
    ],
)
def test_what_cannot_be_is_told(refused, wrong, words):
    (said,) = refused(f"shared_limits: {{url: 'valkey://cache', {wrong}}}\n")
    assert words in said


def test_there_is_no_place_without_an_address(refused):
    assert refused("shared_limits: {}\n") == ["1: shared_limits.url: is required"]
