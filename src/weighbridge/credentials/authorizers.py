"""The kinds of `core.ports.Authorizer`, and which one an account needs."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.core.ports import Clock
from weighbridge.credentials.aws import AwsKeys, fixed_signer
from weighbridge.credentials.azure import EntraTokens
from weighbridge.credentials.gcp import GoogleTokens
from weighbridge.credentials.renewal import Renewal
from weighbridge.credentials.sigv4 import Signer
from weighbridge.providers.cloud_accounts import AwsAccount, CloudAccount, GoogleAccount


class FixedLines:
    """The same header lines for every request: a key that stands in the configuration."""

    renewal: Renewal[bytes] | None = None

    def __init__(self, lines: bytes) -> None:
        self._lines = lines

    def ready(self) -> bool:
        """Always."""
        return True

    async def refresh(self) -> None:
        """There is nothing to get."""

    def header_lines(self, method: bytes, host: bytes, target: bytes, body: Sequence[bytes | memoryview]) -> bytes:  # noqa: ARG002
        """See `core.ports.Authorizer`."""
        return self._lines

    def invalidate(self) -> None:
        """There is no other key."""


class Token:
    """A bearer token that is renewed."""

    def __init__(self, renewal: Renewal[bytes]) -> None:
        self.renewal = renewal
        self.ready = renewal.ready
        self.invalidate = renewal.invalidate

    async def refresh(self) -> None:
        """See `core.ports.Authorizer`."""
        await self.renewal.renew()

    def header_lines(self, method: bytes, host: bytes, target: bytes, body: Sequence[bytes | memoryview]) -> bytes:  # noqa: ARG002
        """See `core.ports.Authorizer`."""
        lines = self.renewal.current
        if lines is None:
            raise self.renewal.failure()
        return lines


class FixedSignature:
    """Requests signed with keys that stand in the configuration."""

    renewal: Renewal[Signer] | None = None

    def __init__(self, signer: Signer, clock: Clock) -> None:
        self._signer = signer
        self._clock = clock

    def ready(self) -> bool:
        """Always."""
        return True

    async def refresh(self) -> None:
        """There is nothing to get."""

    def header_lines(self, method: bytes, host: bytes, target: bytes, body: Sequence[bytes | memoryview]) -> bytes:
        """See `core.ports.Authorizer`."""
        return self._signer.header_lines(method, host, target, body, self._clock.wall_ns())

    def invalidate(self) -> None:
        """There are no other keys."""


class Signature:
    """Requests signed with keys that are renewed."""

    def __init__(self, renewal: Renewal[Signer], clock: Clock) -> None:
        self.renewal = renewal
        self.ready = renewal.ready
        self.invalidate = renewal.invalidate
        self._clock = clock

    async def refresh(self) -> None:
        """See `core.ports.Authorizer`."""
        await self.renewal.renew()

    def header_lines(self, method: bytes, host: bytes, target: bytes, body: Sequence[bytes | memoryview]) -> bytes:
        """See `core.ports.Authorizer`."""
        signer = self.renewal.current
        if signer is None:
            raise self.renewal.failure()
        return signer.header_lines(method, host, target, body, self._clock.wall_ns())


AnyAuthorizer = FixedLines | FixedSignature | Token | Signature


def authorizer_for(account: CloudAccount, clock: Clock) -> AnyAuthorizer:
    """The authorizer of an account. Loads no library and reads no file: that is done by the first fetch."""
    if isinstance(account, AwsAccount):
        return _aws(account, clock)
    if isinstance(account, GoogleAccount):
        return Token(Renewal(GoogleTokens(account).fetch, clock=clock, what="Google"))
    return Token(Renewal(EntraTokens(account).fetch, clock=clock, what="Azure"))


def _aws(account: AwsAccount, clock: Clock) -> AnyAuthorizer:
    if account.api_key is not None:
        return FixedLines(b"authorization: Bearer %b\r\n" % account.api_key.reveal().encode())
    if (signer := fixed_signer(account)) is not None:
        return FixedSignature(signer, clock)
    return Signature(Renewal(AwsKeys(account, clock).fetch, clock=clock, what="AWS"), clock)
