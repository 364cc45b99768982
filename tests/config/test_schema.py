from __future__ import annotations

import pytest
from pydantic import ValidationError

from weighbridge.config.schema import Config, Server


def test_an_empty_configuration_is_safe() -> None:
    config = Config.model_validate({})
    assert config.server.host == "127.0.0.1"
    assert config.server.auth == "required"
    assert config.providers == {}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.4.5.6", "::1", "[::1]", "localhost"])
def test_loopback_may_be_open(host: str) -> None:
    assert Server.model_validate({"host": host, "auth": "none"}).auth == "none"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gateway.test", "localhost.test"])
def test_the_network_never_gets_an_open_listener(refused, host: str) -> None:
    assert refused(f'server:\n  host: "{host}"\n  auth: none\n') == [
        "3: server.auth: `none` is only accepted on a loopback address: set `host: 127.0.0.1`, or `auth: required`"
    ]


def test_a_section_without_contents_is_an_empty_one(load) -> None:
    config = load("server:\nproviders:\n  demo:\nroutes:\nkeys:\naccess_log:\n").config
    assert list(config.providers) == ["demo"]


def test_the_configuration_cannot_be_changed() -> None:
    config = Config.model_validate({})
    with pytest.raises(ValidationError):
        config.server.port = 1  # type: ignore[misc]


def test_one_key_or_several_but_not_both(load, refused) -> None:
    text = "providers:\n  openai:\n    api_key: a\n"
    assert [s.reveal() for s in load(text).config.providers["openai"].secrets] == ["a"]
    assert refused(text + "    api_keys: [b]\n") == ["3: providers.openai.api_key: is given beside `api_keys`; keep one of them"]


@pytest.mark.parametrize("fields", ["", ", key: wb-0123456789abcdef, key_sha256: " + "ab" * 32])
def test_a_virtual_key_has_one_key(refused, fields: str) -> None:
    assert refused("keys:\n  - {name: ci" + fields + "}\n") == ["2: keys[0].key: give either `key` or `key_sha256`"]


def test_a_key_in_clear_is_nowhere_in_the_configuration(load) -> None:
    config = load(
        "keys:\n  - {name: ci, key: wb-0123456789abcdef}\nproviders:\n  openai: {headers: {x: sk-secret}, api_key: sk-2}\n"
    )
    assert "0123456789" not in repr(config)
    assert "sk-" not in repr(config)


def test_what_is_kept_is_told_in_days(load, refused) -> None:
    kept = load("ledger: {keep_records: 3d, keep_requests: 400d}\n").config.ledger
    assert (kept.keep_records, kept.keep_requests, kept.keep_minutes) == (3, 400, 7)
    for wrong in ("12h", "0d", "99999d", "forever"):
        (said,) = refused(f"ledger:\n  keep_requests: {wrong}\n")
        assert "number of days" in said
    (said,) = refused("ledger:\n  keep_records: 90d\n  keep_requests: 30d\n")
    assert "must not be more than `keep_requests`" in said
