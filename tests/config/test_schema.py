from __future__ import annotations

from pathlib import Path

import pytest
import trustme
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


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    authority = trustme.CA()
    for name in ("one", "two"):
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        certificate.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path


def test_certificates_are_found_beside_the_file(load, pem: Path) -> None:
    tls = load("server:\n  tls: {cert_file: one.pem, key_file: one.key}\n").config.server.tls
    assert tls is not None
    assert tls.cert_file == pem / "one.pem"


def test_a_key_of_another_certificate_is_refused_at_load(refused, pem: Path) -> None:
    (said,) = refused("server:\n  tls:\n    cert_file: one.pem\n    key_file: two.key\n")
    assert said.startswith("4: server.tls.key_file: the files are not a PEM certificate and its private key")


def test_an_unreadable_certificate_is_refused_at_load(refused) -> None:
    assert refused("server:\n  tls:\n    cert_file: none.pem\n    key_file: none.key\n") == [
        "3: server.tls.cert_file: names a file that cannot be read (No such file or directory)",
        "4: server.tls.key_file: names a file that cannot be read (No such file or directory)",
    ]


def test_mutual_tls_needs_both_files(refused, load, pem: Path) -> None:
    entry = "providers:\n  openai:\n    api_key: a\n    tls: {ca_file: ca.pem, client_cert_file: one.pem"
    assert load(entry + ", client_key_file: one.key}\n").config.providers["openai"].tls.ca_file == pem / "ca.pem"
    (said,) = refused(entry + "}\n")
    assert "a client certificate needs both" in said


def test_an_authority_that_is_none_is_refused(refused, pem: Path) -> None:
    (pem / "ca.pem").write_text("not a certificate")
    (said,) = refused("providers:\n  openai: {api_key: a, tls: {ca_file: ca.pem}}\n")
    assert said == "2: providers.openai.tls.ca_file: holds no certificate in PEM form"


def test_what_is_kept_is_told_in_days(load, refused) -> None:
    kept = load("ledger: {keep_records: 3d, keep_requests: 400d}\n").config.ledger
    assert (kept.keep_records, kept.keep_requests, kept.keep_minutes) == (3, 400, 7)
    for wrong in ("12h", "0d", "99999d", "forever"):
        (said,) = refused(f"ledger:\n  keep_requests: {wrong}\n")
        assert "number of days" in said
    (said,) = refused("ledger:\n  keep_records: 90d\n  keep_requests: 30d\n")
    assert "must not be more than `keep_requests`" in said
