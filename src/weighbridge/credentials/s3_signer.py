"""Signature Version 4 as S3 wants it: paths are signed as they are sent, and the body's hash stands in a header of its own.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.credentials.sigv4 import Signer, canonical_query, hash_of


class S3Signer(Signer):
    """A `Signer` for S3 and for what speaks like it."""

    __slots__ = ()

    def header_lines(self, method: bytes, host: bytes, target: bytes, body: Sequence[bytes | memoryview], wall_ns: int) -> bytes:
        """As `Signer.header_lines`, and `x-amz-content-sha256`. The path of `target` has everything encoded but `/` and what is
        never encoded."""
        self._tick(wall_ns)
        path, _, query = target.partition(b"?")
        digest = hash_of(body)
        names = self._signed_names.replace(b"host;", b"host;x-amz-content-sha256;")
        canonical = b"%b\n%b\n%b\nhost:%b\nx-amz-content-sha256:%b\nx-amz-date:%b\n%b\n%b\n%b" % (
            method,
            path,
            canonical_query(query),
            host,
            digest,
            self._stamp,
            self._token_line,
            names,
            digest,
        )
        return b"x-amz-content-sha256: %b\r\n%b" % (digest, self._signed(canonical, names))
