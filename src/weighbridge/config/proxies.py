"""Which HTTP proxy leads to a host: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, upper or lower case.

There is no standard. What most programs agree on is taken: the proxy is chosen by the *target's* scheme, a `NO_PROXY` name
stands for itself and everything below it, and a loopback address is never asked of a proxy (as in Go's net/http).
https://about.gitlab.com/blog/we-need-to-talk-no-proxy/
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

import msgspec

from weighbridge.core.secret import Secret
from weighbridge.core.terms import Proxy

_DEFAULT_PORT: Final = 80


class ProxyRules(msgspec.Struct, frozen=True):
    """The environment's proxies by the target's scheme, and the hosts that are reached without one."""

    by_scheme: Mapping[str, Proxy] = {}
    exceptions: tuple[str, ...] = ()

    def proxy_for(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for a target, or None for a direct connection. `host` without brackets."""
        proxy = self.by_scheme.get(scheme)
        if proxy is None or is_loopback(host) or any(_matches(rule, host, port) for rule in self.exceptions):
            return None
        return proxy


def read_proxy_rules(environ: Mapping[str, str]) -> tuple[ProxyRules, dict[str, str]]:
    """The rules, and what is wrong with them: a sentence by the variable's name."""
    by_scheme: dict[str, Proxy] = {}
    faults: dict[str, str] = {}
    for scheme in ("http", "https"):
        for name in (f"{scheme}_proxy".upper(), f"{scheme}_proxy"):
            if url := environ.get(name):
                try:
                    by_scheme[scheme] = parse_proxy(url)
                except ValueError as fault:
                    faults[name] = str(fault)
                break
    listed = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    return ProxyRules(by_scheme, tuple(listed.replace(",", " ").split())), faults


def parse_proxy(url: str) -> Proxy:
    """`http://user:password@host:3128`, or `host:3128`, as a proxy. Raises `ValueError` without quoting the URL."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port or _DEFAULT_PORT
    except ValueError:
        raise ValueError("must be a URL such as `http://proxy.example:3128`") from None
    if parts.scheme != "http":
        raise ValueError("must be an `http://` proxy; SOCKS and TLS to the proxy itself are not supported")
    if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must be a URL such as `http://proxy.example:3128`, without a path")
    if parts.username is None:
        return Proxy(host, port)
    credentials = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    # RFC 7617, section 2.1: UTF-8 is what a proxy that says anything asks for.
    return Proxy(host, port, Secret("Basic " + base64.b64encode(credentials.encode()).decode()))


def is_loopback(host: str) -> bool:
    """Whether a listener or target of this name is this machine only. `host` without brackets."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _matches(rule: str, host: str, port: int) -> bool:
    if rule == "*":
        return True
    name, rule_port = _split_port(rule)
    if rule_port and rule_port != str(port):
        return False
    address = _address(host)
    if address is not None:
        try:
            return address in ipaddress.ip_network(name, strict=False)
        except ValueError:
            return False
    domain = name.lower().removeprefix("*").removeprefix(".")
    return bool(domain) and (host.lower() == domain or host.lower().endswith("." + domain))


def _split_port(rule: str) -> tuple[str, str]:
    if rule.startswith("["):
        name, _, port = rule[1:].partition("]")
        return name, port.removeprefix(":")
    if rule.count(":") == 1:
        name, _, port = rule.partition(":")
        return name, port
    return rule, ""


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
