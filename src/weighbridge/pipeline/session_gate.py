"""A realtime session under a hard budget: it goes on for as long as there is a slice (`slices.py`) for the response that may come.

Both directions are read along. A response begins when the client asks for one or the provider says so (it answers speech by
itself). From then on another slice is held, for the response after it; where a budget has none, the client is no longer listened
to until the response is over and has said what it took: often less than its slice, so that there is room again. If there is none
then, the session ends, with an error event of the protocol and the close code 1008.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from weighbridge.core.codec import UNREADABLE, decode_json, encode_json
from weighbridge.core.errors import GatewayError
from weighbridge.core.ports import RawPipe
from weighbridge.core.terms import Dialect
from weighbridge.pipeline.inlet import Inlet
from weighbridge.pipeline.refusals import session_cut
from weighbridge.pipeline.slices import Slices
from weighbridge.wire.error_bodies import render_error
from weighbridge.wire.meter import RealtimeMeter
from weighbridge.wire.realtime_client import asks_for_response, is_speech
from weighbridge.wire.websocket import FrameReader, Message, Opcode, encode_close, encode_frame

_POLICY_VIOLATION: Final = 1008
_PROTOCOL_ERROR: Final = 1002
"""RFC 6455, section 7.4.1."""
_MAX_HELD: Final = 1024 * 1024
"""Of a client that is not listened to: half a minute of speech. It is paused, so that hardly more than a read is there."""


class _Told(msgspec.Struct):
    type: str = ""


_read_told = msgspec.json.Decoder(_Told).decode


class SessionGate:
    """One session's. `on_change` is called once it has ended the session, and when its client has taken leave then; `on_short`
    where other hosts may have what a budget lacks: `look_again` then."""

    def __init__(self, slices: Slices, request_id: str, on_change: Callable[[], None], on_short: Callable[[], bool]) -> None:
        self.meter = RealtimeMeter()
        self.error: GatewayError | None = None
        """What ended it."""
        self.has_left = False
        """Whether the client has sent its close frame."""
        self._slices = slices
        self._request_id = request_id
        self._on_change = on_change
        self._on_short = on_short
        self._client: RawPipe | None = None
        self._provider: RawPipe | None = None
        self._inlet: Inlet | None = None
        self._asked = FrameReader(masked=True)
        self._told = FrameReader(masked=False)
        self._held: list[bytes] = []
        self._n_next = 0
        """Responses that the first of what is held asks for: it has been read already."""
        self._has_spoken = False
        """Whether the client has sent speech, which the provider may answer by itself whatever is asked for beside it."""
        self._is_shut = False
        self._close_code = _POLICY_VIOLATION
        self._has_said_why = False
        self._is_closed = False

    @property
    def n_wanted(self) -> int:
        """Slices without which it cannot go on."""
        return self._wanted(self._n_next)

    def _wanted(self, n_asked: int) -> int:
        """The same, were so many responses asked for."""
        return self._slices.n_open + max(1, n_asked + (self._has_spoken and n_asked > 0))

    def connect(self, client: RawPipe, provider: RawPipe) -> None:
        """Both sides are there."""
        self._client, self._provider = client, provider
        self._inlet = Inlet(client)
        client.throttle(provider)
        provider.throttle(self._inlet)

    def close(self) -> None:
        """The session is over, and what it came to stands: what may come still is not looked at."""
        self._is_closed = True
        for pipe in (self._provider, self._client):
            if pipe is not None:
                pipe.close()

    # --- the client's direction ---------------------------------------------------------------------------------

    def from_client(self, data: bytes) -> None:
        """The client's next bytes: to the provider, or held until there is room for what they ask for."""
        if self._is_closed:
            return
        if self.error is not None:
            self._await_leave(data)
            return
        if self._is_shut:
            self._hold(data)
            return
        try:
            messages = self._read(data)
        except GatewayError as violation:
            self._break(violation.bare())
            return
        n_asked = sum(map(asks_for_response, messages))
        self._has_spoken = self._has_spoken or any(map(is_speech, messages))
        if n_asked and not self._covers(self._wanted(n_asked)):
            self._n_next = n_asked
            self._shut()
            self._hold(data)
            self.look_again()
            return
        self._pass(data, n_asked)

    def _pass(self, data: bytes, n_asked: int) -> None:
        assert self._provider is not None
        self._slices.asked(n_asked)
        self._provider.write(data)
        if n_asked:
            self.look_again()

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        if sum(map(len, self._held)) > _MAX_HELD:
            self._end(session_cut())

    def _read(self, data: bytes) -> list[Message]:
        messages = self._asked.feed(data)
        self.has_left = self.has_left or any(message.opcode is Opcode.CLOSE for message in messages)
        return messages

    def _await_leave(self, data: bytes) -> None:
        with suppress(GatewayError):
            self._read(data)
        if self.has_left:
            self._on_change()

    # --- the provider's direction -------------------------------------------------------------------------------

    def from_provider(self, data: bytes) -> None:
        """The provider's next bytes, which the client gets as they are."""
        if self._is_closed or self._has_said_why or self._client is None:
            return
        try:
            messages = self._told.feed(data)
        except GatewayError as violation:
            self._break(violation.bare())
            return
        self._client.write(data)
        n_changes = sum(map(self._take, messages))
        if self.error is not None:
            self._say_why()
        elif n_changes:
            self.look_again()

    def _take(self, message: Message) -> bool:
        """Whether a message of the provider's changes what has to be held."""
        if message.opcode is not Opcode.TEXT or message.is_truncated:
            return False
        text, before = message.payload, self.meter.usage
        self.meter.feed(text)
        is_told = self.meter.usage is not before
        if text.rfind(b'"response.created"') < 0 and text.rfind(b'"response.done"') < 0 and text.rfind(b'"error"') < 0:
            return is_told
        match _kind(text):
            case "response.created":
                self._slices.began()
            case "response.done":
                self._slices.ended(is_told=is_told)
            case "error":
                self._slices.erred()
            case _:
                return is_told
        return True

    # --- what is held of budgets --------------------------------------------------------------------------------

    def _covers(self, n_responses: int) -> bool:
        return self._slices.cover(n_responses, self.meter.usage)

    def _covers_what_is_open(self) -> bool:
        """And one more if there is room: speech that was sent before may be answered."""
        return self._covers(self._slices.n_open + 1) or self._covers(self._slices.n_open)

    def look_again(self, *, has_asked: bool = False) -> None:
        """Hold what is needed now. Where there is not enough, stop listening to the client, or end the session if nothing is under
        way that could leave something, or something that is more than what is held. `has_asked`: other hosts were asked."""
        if self.error is not None or self._is_closed:
            return
        if self._covers(self.n_wanted):
            self._open()
        elif (not has_asked and self._on_short()) or (self._slices.is_under_way and self._covers_what_is_open()):
            self._shut()
        else:
            self._end(session_cut())

    def _shut(self) -> None:
        self._is_shut = True
        if self._inlet is not None:
            self._inlet.shut()

    def _open(self) -> None:
        if not self._is_shut:
            return
        self._is_shut = False
        held, self._held = self._held, []
        if self._n_next:
            n_asked, self._n_next = self._n_next, 0
            self._pass(held.pop(0), n_asked)
        for data in held:
            self.from_client(data)
        if not self._is_shut and self.error is None and self._inlet is not None:
            self._inlet.open()

    # --- the end ------------------------------------------------------------------------------------------------

    def _end(self, error: GatewayError, close_code: int = _POLICY_VIOLATION) -> None:
        self.error, self._close_code = error, close_code
        unread, self._held = self._held[1 if self._n_next else 0 :], []
        for data in unread:
            self._await_leave(data)
        if self._inlet is not None:
            self._inlet.open()  # for its close frame
        self._say_why()
        self._on_change()

    def _break(self, violation: GatewayError) -> None:
        """What the session uses cannot be read any more, so that a hard budget would not hold."""
        self._end(violation, _PROTOCOL_ERROR)
        if self._provider is not None:
            self._provider.close()

    def _say_why(self) -> None:
        """Tell the client, where an event of ours can stand: not within one of the provider's."""
        if self._has_said_why or self._client is None or self.error is None or not self._told.is_between:
            return
        self._has_said_why = True
        self._client.write(encode_frame(Opcode.TEXT, _error_event(self.error, self._request_id), mask=None))
        self._client.write(encode_close(self._close_code, self.error.code or self.error.kind.value, mask=None))
        if self._provider is not None:
            self._provider.close()


def _kind(text: bytes) -> str:
    try:
        return _read_told(text).type
    except UNREADABLE:
        return ""


def _error_event(error: GatewayError, request_id: str) -> bytes:
    """https://platform.openai.com/docs/api-reference/realtime-server-events/error"""
    body = decode_json(render_error(error, Dialect.OPENAI, request_id))
    assert isinstance(body, dict)
    return encode_json({"type": "error", "event_id": request_id, "error": body["error"]})
