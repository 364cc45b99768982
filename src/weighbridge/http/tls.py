"""TLS contexts: ours for clients, and one for each way of meeting providers. Certificates are always verified."""

from __future__ import annotations

import contextlib
import ssl

from weighbridge.core.terms import Tls


class Certificate:
    """Our own certificate (PEM chain and key) in a context for TLS 1.2 and newer.

    Raises `OSError` (which `ssl.SSLError` is) for unusable files.
    """

    def __init__(self, cert_file: str, key_file: str) -> None:
        self._cert_file = cert_file
        self._key_file = key_file
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.load_cert_chain(cert_file, key_file)

    def reload(self) -> None:
        """Read the files again, for new connections. Files that don't fit (in the midst of being replaced) change nothing."""
        with contextlib.suppress(OSError):
            self.context.load_cert_chain(self._cert_file, self._key_file)


def client_context(tls: Tls) -> ssl.SSLContext:
    """How we meet a provider. Raises `OSError` or `ssl.SSLError` for unusable files."""
    context = verifying_context(tls)
    context.set_alpn_protocols(["http/1.1"])
    return context


def verifying_context(tls: Tls) -> ssl.SSLContext:
    """How we meet any server: the system's store or one CA file, host name checked, and a client certificate if asked for.

    Raises `OSError` or `ssl.SSLError` for unusable files.
    """
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=tls.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.client_cert_file is not None:
        context.load_cert_chain(tls.client_cert_file, tls.client_key_file)
    return context
