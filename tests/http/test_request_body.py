"""What an upload's source writes to the provider."""

from __future__ import annotations

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.http.request_body import RequestBody


class Wire:
    """Stands in for the connection, whose tests run on real sockets."""

    def __init__(self):
        self.written = b""
        self.sent = self.broken = None

    def write_raw(self, data):
        self.written += data

    def request_sent(self, reply):
        self.sent = reply

    def request_broken(self, reply, error):
        self.broken = (reply, error)


def test_a_body_of_known_length_is_written_as_it_is():
    wire = Wire()
    body = RequestBody(wire, "reply", is_chunked=False)
    body.on_data(b"abc")
    body.on_end()
    assert (wire.written, wire.sent) == (b"abc", "reply")


def test_a_body_of_unknown_length_is_chunked():
    wire = Wire()
    body = RequestBody(wire, "reply", is_chunked=True)
    body.on_data(b"a" * 20)
    body.on_end()
    assert wire.written == b"14\r\n" + b"a" * 20 + b"\r\n0\r\n\r\n"


def test_a_body_that_breaks_off_has_no_end():
    wire = Wire()
    error = GatewayError(ErrorKind.CLIENT_CLOSED, "gone")
    body = RequestBody(wire, "reply", is_chunked=True)
    body.on_data(b"a")
    body.on_error(error)
    assert (wire.written, wire.sent, wire.broken) == (b"1\r\na\r\n", None, ("reply", error))
