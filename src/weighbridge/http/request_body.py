"""A streamed request body on its way to the provider: the sink that an upload's source feeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.core.errors import GatewayError

if TYPE_CHECKING:
    from weighbridge.http.client_connection import UpstreamConnection
    from weighbridge.http.client_reply import ClientReply


class RequestBody:
    """Takes a streamed request body and writes it to the provider."""

    __slots__ = ("_connection", "_is_chunked", "_reply")

    def __init__(self, connection: UpstreamConnection, reply: ClientReply, *, is_chunked: bool) -> None:
        self._connection = connection
        self._reply = reply
        self._is_chunked = is_chunked

    def on_data(self, data: bytes) -> None:
        """The next bytes of the upload."""
        if self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._connection.write_raw(data)

    def on_end(self) -> None:
        """The upload is complete."""
        if self._is_chunked:
            self._connection.write_raw(b"0\r\n\r\n")
        self._connection.request_sent(self._reply)

    def on_error(self, error: GatewayError) -> None:
        """The upload broke off: so does the request, and the caller learns why."""
        self._connection.request_broken(self._reply, error)
