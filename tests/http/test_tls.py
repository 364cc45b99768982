"""Contexts for both directions."""

from __future__ import annotations

import ssl

import pytest
import trustme

from weighbridge.core.terms import Tls
from weighbridge.http.tls import Certificate, client_context


@pytest.fixture
def files(tmp_path):
    def write(name="localhost"):
        issued = trustme.CA().issue_cert(name)
        issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
        issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        return str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")

    return write


def test_providers_are_always_verified():
    context = client_context(Tls())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_unusable_files_are_an_error(tmp_path, files):
    (tmp_path / "bad.pem").write_text("not a certificate")
    for tls in (Tls(ca_file=str(tmp_path / "bad.pem")), Tls(client_cert_file=str(tmp_path / "missing.pem"))):
        with pytest.raises(OSError):
            client_context(tls)
    with pytest.raises(OSError):
        Certificate(str(tmp_path / "bad.pem"), str(tmp_path / "bad.pem"))


def test_a_certificate_that_is_being_replaced_changes_nothing_until_it_fits(files, tmp_path):
    certificate = Certificate(*files())
    assert certificate.context.minimum_version >= ssl.TLSVersion.TLSv1_2
    (tmp_path / "key.pem").write_text("half a key")
    certificate.reload()
    files("renewed.test")
    certificate.reload()
