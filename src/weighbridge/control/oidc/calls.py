"""What the gateway asks an OpenID provider itself: JSON over the control plane's own client, bounded in bytes and time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec

from weighbridge.auth.identities import NotAdmittedError, Refusal
from weighbridge.config.compile import parse_base
from weighbridge.config.proxies import ProxyRules
from weighbridge.control.live_models import body_of
from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import UNREADABLE, decode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import Upstream, UpstreamRequest
from weighbridge.core.secret import Secret
from weighbridge.core.terms import Deadlines, Origin, Tls

DEADLINES: Final = Deadlines(
    connect_ns=5 * NS_PER_S, first_byte_ns=8 * NS_PER_S, between_bytes_ns=5 * NS_PER_S, total_ns=10 * NS_PER_S
)
"""Somebody waits before an empty page meanwhile."""
MAX_ANSWER_BYTES: Final = 512 * 1024
"""Entra's keys have 15 kB; a token of 200 groups 10."""
_MAX_PLACES: Final = 64
_LINES: Final = b"accept: application/json\r\naccept-encoding: identity\r\n"


class Answer(msgspec.Struct, frozen=True):
    """A status, and a JSON object (empty where the body was none)."""

    status: int
    content: Mapping[str, object]


class Calls:
    """Asks over `upstream`; `proxies` say which way. Raises `NotAdmittedError` UNAVAILABLE where nothing comes back."""

    def __init__(self, upstream: Upstream, proxies: ProxyRules, deadlines: Deadlines = DEADLINES) -> None:
        self._upstream = upstream
        self._proxies = proxies
        self._deadlines = deadlines
        self._places: dict[tuple[str, str | None], Origin] = {}
        """Kept, since the client remembers each object that it has met."""

    async def get(self, url: str, ca_file: str | None = None, token: Secret | None = None) -> Answer:
        """GET; `token` goes along as a bearer's."""
        lines = b"" if token is None else b"authorization: Bearer %b\r\n" % token.reveal().encode()
        return await self._ask(b"GET", url, ca_file, lines, b"")

    async def post(self, url: str, ca_file: str | None, form: Mapping[str, str], basic: Secret | None = None) -> Answer:
        """POST of a form; `basic` is what follows that word in `authorization`."""
        lines = b"content-type: application/x-www-form-urlencoded\r\n"
        if basic is not None:
            lines += b"authorization: Basic %b\r\n" % basic.reveal().encode()
        return await self._ask(b"POST", url, ca_file, lines, urlencode(form).encode())

    async def _ask(self, method: bytes, url: str, ca_file: str | None, lines: bytes, body: bytes) -> Answer:
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = b"%b %b HTTP/1.1\r\nhost: %b\r\n%b%b" % (method, target.encode(), parts.netloc.encode(), _LINES, lines)
        origin = self._origin(f"{parts.scheme}://{parts.netloc}", ca_file)
        request = UpstreamRequest(method, origin, head, [body] if body else [], len(body), self._deadlines)
        try:
            reply = await self._upstream.send(request)
            content = await body_of(reply, MAX_ANSWER_BYTES)
        except GatewayError as error:
            raise NotAdmittedError(Refusal.UNAVAILABLE, f"{parts.netloc} does not answer: {error.public}") from None
        return Answer(reply.status, _object(content))

    def _origin(self, place: str, ca_file: str | None) -> Origin:
        origin = self._places.get((place, ca_file))
        if origin is None:
            if len(self._places) >= _MAX_PLACES:
                self._places.clear()
            origin = parse_base(place, tls=Tls(ca_file), proxy=None, rules=self._proxies).origin
            self._places[place, ca_file] = origin
        return origin


def _object(content: bytes) -> Mapping[str, object]:
    try:
        read = decode_json(content)
    except UNREADABLE:
        return {}
    return read if isinstance(read, dict) else {}
