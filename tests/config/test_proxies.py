from __future__ import annotations

import base64

import pytest

from weighbridge.config.proxies import ProxyRules, is_loopback, parse_proxy, read_proxy_rules
from weighbridge.core.terms import Proxy

PROXY = Proxy("proxy.test", 3128)


def rules(no_proxy: str = "", **environ: str) -> ProxyRules:
    found, faults = read_proxy_rules({"HTTPS_PROXY": "http://proxy.test:3128", "NO_PROXY": no_proxy, **environ})
    assert not faults
    return found


def is_direct(no_proxy: str, host: str, port: int = 443) -> bool:
    return rules(no_proxy).proxy_for("https", host, port) is None


def test_the_proxy_follows_from_the_scheme_of_the_target() -> None:
    found = rules(http_proxy="http://other.test:80")
    assert found.proxy_for("https", "api.test", 443) == PROXY
    assert found.proxy_for("http", "api.test", 80) == Proxy("other.test", 80)
    assert found.proxy_for("demo", "demo", 0) is None


def test_upper_case_goes_before_lower_case() -> None:
    assert rules(https_proxy="http://other.test:80").proxy_for("https", "api.test", 443) == PROXY


def test_without_variables_everything_is_direct() -> None:
    assert read_proxy_rules({})[0].proxy_for("https", "api.test", 443) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"])
def test_loopback_is_never_asked_of_a_proxy(host: str) -> None:
    assert is_loopback(host)
    assert is_direct("", host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "localhost.example.com", ""])
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("rule", "host", "port", "direct"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "api.Example.com", 443, True),
        (".example.com", "api.example.com", 443, True),
        ("*.example.com", "api.example.com", 443, True),
        ("example.com", "badexample.com", 443, False),
        ("api.example.com", "example.com", 443, False),
        ("example.com:443", "example.com", 443, True),
        ("example.com:8443", "example.com", 443, False),
        ("*", "anything.test", 443, True),
        ("10.1.2.3", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "10.1.2.3", 443, True),
        ("10.0.0.0/8", "11.1.2.3", 443, False),
        ("10.1.2.3:80", "10.1.2.3", 443, False),
        ("2001:db8::/32", "2001:db8::7", 443, True),
        ("[2001:db8::7]:443", "2001:db8::7", 443, True),
        ("10.0.0.0/8", "ten.test", 443, False),
        (".", "example.com", 443, False),
        ("nonsense/99", "10.1.2.3", 443, False),
        ("a.test, b.test", "b.test", 443, True),
        ("a.test b.test", "b.test", 443, True),
    ],
)
def test_no_proxy(rule: str, host: str, port: int, *, direct: bool) -> None:
    assert is_direct(rule, host, port) is direct


def test_a_password_is_decoded_and_becomes_a_ready_header() -> None:
    proxy = parse_proxy("http://us%40er:p%3Aw@proxy.test:3128/")
    assert proxy.authorization is not None
    assert base64.b64decode(proxy.authorization.reveal().removeprefix("Basic ")) == b"us@er:p:w"
    assert "p:w" not in repr(proxy)


def test_a_proxy_may_lack_scheme_and_port() -> None:
    assert parse_proxy("proxy.test:3128") == PROXY
    assert parse_proxy("http://[::1]") == Proxy("::1", 80)


@pytest.mark.parametrize(
    "url", ["socks5://h:1", "https://h:1", "http://", "http://h:99999", "http://h/p", "http://h?q", "http://[x"]
)
def test_other_proxies_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        parse_proxy(url)


def test_a_bad_variable_is_named_without_its_value() -> None:
    found, faults = read_proxy_rules({"HTTP_PROXY": "socks5://user:sk-secret@h"})
    assert list(faults) == ["HTTP_PROXY"]
    assert "sk-secret" not in str(faults)
    assert found.by_scheme == {}
