"""Certificates as operators write them: the gateway's own, and how it meets others. Files are looked at when the configuration is
loaded."""

from __future__ import annotations

import ssl
from pathlib import Path

from pydantic import model_validator

from weighbridge.config.fields import AuthorityFile, ReadableFile
from weighbridge.config.section import Section, fault
from weighbridge.core.terms import Tls


class ServerTls(Section):
    """The gateway's own certificate. Both files are PEM; they are read at each load."""

    cert_file: ReadableFile
    """The certificate, followed by its intermediates."""
    key_file: ReadableFile
    """The certificate's private key, not encrypted."""

    @model_validator(mode="after")
    def _pair_fits(self) -> ServerTls:
        _check_pair(self.cert_file, self.key_file, "key_file")
        return self


class ProviderTls(Section):
    """How the gateway meets another server's TLS. Certificates are always verified."""

    ca_file: AuthorityFile | None = None
    """PEM file of the authorities to trust, in place of the system's."""
    client_cert_file: ReadableFile | None = None
    """Client certificate for mutual TLS, PEM."""
    client_key_file: ReadableFile | None = None
    """Private key of the client certificate, PEM, not encrypted."""

    def compiled(self) -> Tls:
        """As connections take it."""
        files = (self.ca_file, self.client_cert_file, self.client_key_file)
        return Tls(*(None if file is None else str(file) for file in files))

    @model_validator(mode="after")
    def _usable(self) -> ProviderTls:
        if self.client_cert_file and self.client_key_file:
            _check_pair(self.client_cert_file, self.client_key_file, "client_key_file")
        elif self.client_cert_file or self.client_key_file:
            raise fault("client_key_file", "a client certificate needs both `client_cert_file` and `client_key_file`")
        return self


def _check_pair(cert_file: Path, key_file: Path, field: str) -> None:
    """Refuse a certificate and key that do not belong together, before a listener or a request stumbles over them."""
    try:
        # An empty password fails where OpenSSL would otherwise ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert_file, key_file, password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError):
        raise fault(field, "the files are not a PEM certificate and its private key without a password") from None
