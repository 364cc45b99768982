from __future__ import annotations

from pathlib import Path

import pytest
import trustme


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
