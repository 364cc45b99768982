"""The client's side of an exchange that remembers what it was sent, where an operator has payloads kept.

Only then does an exchange have one, so that nobody else's bytes are looked at. What is remembered is the reply as the client got
it, translations and all, up to a bound.
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.payloads import Payload, PayloadRules
from weighbridge.core.ports import Downstream, Rng
from weighbridge.pipeline.exchange import Exchange
from weighbridge.pipeline.passing import Passing

HEADER: Final = b"x-weighbridge-payload"
_OMIT: Final = b"omit"
"""What a caller says so that neither its request nor the reply is kept, whatever is configured."""
_UNIT: Final = 1_000_000


class Witness(Passing):
    """In front of the client: it remembers at most so many bytes of what is sent."""

    def __init__(self, downstream: Downstream, most: int) -> None:
        super().__init__(downstream)
        self._most = most
        self._pieces: list[bytes] = []
        self._size = 0
        self._head = b""
        self.n_bytes = 0
        """Of the reply's body, kept or not."""

    def kept(self) -> bytes:
        """The beginning of the reply."""
        return b"".join(self._pieces)

    def header(self, name: bytes) -> str:
        """A header of the reply, in lower case; empty: it has none."""
        for line in self._head.split(b"\r\n"):
            found, _, value = line.partition(b":")
            if found.strip().lower() == name:
                return value.strip().lower().decode("latin-1")
        return ""

    def start(self, status: int, header_lines: bytes, length: int | None) -> None:
        """See `Downstream`."""
        self._head = header_lines
        self._downstream.start(status, header_lines, length)

    def write(self, data: bytes) -> None:
        """See `Downstream`."""
        self._remember(data)
        self._downstream.write(data)

    def end(self, data: bytes = b"") -> None:
        """See `Downstream`."""
        self._remember(data)
        self._downstream.end(data)

    def _remember(self, data: bytes) -> None:
        self.n_bytes += len(data)
        if self._size < self._most and data:
            piece = data[: self._most - self._size]
            self._pieces.append(piece)
            self._size += len(piece)


def witness(exchange: Exchange, rules: PayloadRules, rng: Rng) -> None:
    """Have an exchange's reply remembered, if its payload may have to be kept. Its route is not known yet."""
    key = exchange.key
    if rules.teams and (key is None or key.team not in rules.teams):
        return
    if rules.share_ppm < _UNIT and rng.random() * _UNIT >= rules.share_ppm:
        return
    if exchange.fields.get(HEADER, b"").strip().lower() == _OMIT:
        return
    exchange.downstream = exchange.witness = Witness(exchange.downstream, rules.max_bytes)


def payload_of(exchange: Exchange, witnessed: Witness, rules: PayloadRules) -> Payload | None:
    """What is to be kept of an exchange that is over; None: nothing, since it went by another route."""
    body = exchange.body
    if body is None or (rules.routes and exchange.route_name not in rules.routes):
        return None
    return Payload(
        exchange.request_id,
        exchange.start_wall_ns,
        exchange.account.end_user,
        exchange.key.user if exchange.key is not None else "",
        body[: rules.max_bytes],
        len(body),
        witnessed.kept(),
        witnessed.n_bytes,
        witnessed.header(b"content-type").partition(";")[0].strip(),
        witnessed.header(b"content-encoding"),
    )
