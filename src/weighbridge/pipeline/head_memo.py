"""What follows from a request's head alone, remembered for one connection.

Clients that keep their connection alive send the same head with every request, but for its length. What was derived from it
(the operation, the key, the headers to forward) holds as long as the head and the snapshot are the same: comparing twelve
headers takes 0.7 µs, deriving it all again 12. Nothing else is remembered: a key's expiry and every limit are looked at each time.
"""

from __future__ import annotations

from weighbridge.core.ports import Downstream
from weighbridge.core.terms import VirtualKey
from weighbridge.pipeline.attribution import Attribution
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.snapshot import Snapshot
from weighbridge.pipeline.target import Target
from weighbridge.wire.endpoints import Match


class HeadMemo:
    """The head of a connection's last request and what it meant."""

    __slots__ = (
        "attribution",
        "fields",
        "headers",
        "key",
        "match",
        "method",
        "method_text",
        "path_text",
        "sent",
        "sent_to",
        "snapshot",
        "target",
        "turn",
    )

    def __init__(self, exchange: Exchange, match: Match, key: VirtualKey) -> None:
        downstream = exchange.downstream
        self.method = downstream.method
        self.target = downstream.target
        self.headers = downstream.headers
        self.snapshot: Snapshot = exchange.snapshot
        self.fields = exchange.fields
        self.match = match
        self.key = key
        self.attribution: Attribution | None = None
        """What its headers say of whom it is for."""
        self.method_text = downstream.method.decode("latin-1")
        self.path_text = exchange.path.decode("latin-1")
        """Both as a Record has them."""
        self.sent: bytes = b""
        """The head of the request to the provider, where it does not depend on the body: to this target with this credential."""
        self.sent_to: Target | None = None
        self.turn = 0

    def is_of(self, downstream: Downstream) -> bool:
        """Whether a request has this head."""
        return self.target == downstream.target and self.method == downstream.method and self.headers == downstream.headers


def recall(exchange: Exchange) -> bool:
    """Whether the head is that of the request before; then the exchange knows what it means, else only its fields."""
    downstream = exchange.downstream
    memo = downstream.memo
    if (
        memo.__class__ is not HeadMemo
        or memo.snapshot is not exchange.snapshot
        # The engine hands out the very same lines where it recognised the head's bytes.
        or not (memo.headers is downstream.headers or memo.is_of(downstream))
    ):
        exchange.fields = dict(downstream.headers)
        return False
    exchange.fields = memo.fields
    exchange.match = memo.match
    exchange.endpoint = endpoint = memo.match.endpoint
    exchange.dialect = endpoint.dialect
    exchange.key = memo.key
    exchange.head_memo = memo
    return True


def remember(exchange: Exchange) -> None:
    """Keep what the head meant for the connection's next request."""
    assert exchange.match is not None
    assert exchange.key is not None
    exchange.downstream.memo = HeadMemo(exchange, exchange.match, exchange.key)
