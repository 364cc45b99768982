"""Which headers never cross the gateway, in either direction, and why. Everything that is not named here does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.auth.presented_key import KEY_HEADERS

HOP_BY_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade "
    b"content-length".split()
)
"""They belong to one connection (RFC 9110 §7.6.1); the engine makes its own."""

_OF_OUR_CONNECTION: Final = frozenset(b"host expect http2-settings".split())
_PRIVATE: Final = frozenset(
    b"cookie cookie2 forwarded via x-real-ip x-client-ip x-cluster-client-ip "
    b"x-original-forwarded-for true-client-ip cf-connecting-ip".split()
)
"""A dashboard's session, and where the client sits: no provider's business."""

_SIGNATURES: Final = frozenset(b"x-amz-date x-amz-security-token x-amz-content-sha256".split())
"""What a client signed for itself; the gateway signs its own request."""

NEVER_SENT: Final = HOP_BY_HOP | _OF_OUR_CONNECTION | _PRIVATE | KEY_HEADERS | _SIGNATURES

CONTROL_PREFIXES: Final = (b"x-weighbridge-", b"x-litellm-", b"x-portkey-", b"helicone-", b"cf-aig-", b"x-bf-", b"x-forwarded-")
"""What a client says to a gateway, and what the proxies before us say of the client."""

MAY_BE_CONTROL: Final = frozenset(prefix[0] for prefix in CONTROL_PREFIXES)
"""First letters of those prefixes: most headers are told by one byte."""

TRANSLATED_TOO: Final = frozenset(b"user-agent traceparent tracestate baggage idempotency-key".split())
"""What passes where a request is translated: everything else is said in the target's dialect."""

OF_THE_BODY: Final = frozenset(b"content-type content-encoding content-length content-md5 etag digest repr-digest".split())
"""They describe a body that the client does not get where it is translated."""

_OF_ITS_CONNECTION: Final = frozenset(b"set-cookie set-cookie2 alt-svc strict-transport-security".split())
_OURS: Final = frozenset(
    b"x-weighbridge-request-id x-weighbridge-provider x-weighbridge-model x-weighbridge-edits x-weighbridge-overhead-us "
    b"x-weighbridge-config-version".split()
)
"""What we say of a reply. Behind a second gateway of this kind, the first one's words would stand twice."""

NEVER_RETURNED: Final = HOP_BY_HOP | _OF_ITS_CONNECTION | _OURS
"""The provider's cookies belong to our connection; its other addresses and its policies belong to its host name."""


def connection_options(value: bytes) -> frozenset[bytes]:
    """The headers that a `Connection` header names, which are hop-by-hop as well (RFC 9110 §7.6.1)."""
    return frozenset(option.strip().lower() for option in value.split(b","))


NOT_FOR_CONTROL: Final = (
    HOP_BY_HOP | _OF_OUR_CONNECTION | frozenset(b"x-forwarded-for x-forwarded-proto forwarded x-real-ip".split())
)
"""Not copied to the control plane: what a client says of its own address is not believed."""


def returned_lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The header lines of a reply that its client gets: all but `NEVER_RETURNED` and those that `Connection` names."""
    dropped = NEVER_RETURNED
    lines = []
    for name, value in headers:
        if name == b"connection" and value.lower() not in (b"keep-alive", b"close"):
            dropped |= connection_options(value)
    for name, value in headers:
        if name not in dropped:
            lines.append(b"%b: %b\r\n" % (name, value))
    return b"".join(lines)
