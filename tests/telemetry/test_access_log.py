from __future__ import annotations

import io

import msgspec
import pytest

from weighbridge.core.codec import decode_json
from weighbridge.core.terms import NO_USAGE, Attempt, Dialect, Operation, Record, Usage
from weighbridge.telemetry.access_log import AccessLog, LogFormat
from weighbridge.telemetry.record_lines import RecordLines

USAGE = Usage(input=9, cache_read=3, output=4)
RECORD = Record(
    request_id="req_1",
    start_wall_ns=1_800_000_000_000_000_000,
    key_id="key_1",
    dialect=Dialect.OPENAI,
    operation=Operation.CHAT,
    method="POST",
    path="/v1/chat/completions",
    requested_model="smart",
    provider="openai",
    model="gpt-4o",
    status=200,
    error=None,
    detail="",
    is_stream=False,
    finish_reason="stop",
    usage=USAGE,
    edits=("model",),
    request_bytes=10,
    reply_bytes=20,
    attempts=(Attempt("openai", "gpt-4o", "openai#1", 200, None, USAGE, 1, 2, 3),),
    duration_ns=1_234_567,
    first_byte_ns=2,
    overhead_ns=45_678,
    config_version=7,
)


def written(log_format, *records):
    stream = io.BytesIO()
    AccessLog(stream, log_format).write(RecordLines.of(records))
    return stream.getvalue()


def test_json_line_holds_the_whole_record():
    (line,) = written(LogFormat.JSON, RECORD).splitlines()
    fields = decode_json(line)
    assert set(fields) == {field.name for field in msgspec.structs.fields(Record)}
    assert (fields["dialect"], fields["operation"], fields["usage"]["output"]) == ("openai", "chat", 4)
    assert msgspec.convert(fields, Record) == RECORD


def test_console_line_is_for_people():
    assert written(LogFormat.CONSOLE, RECORD) == (
        b"08:00:00 200 POST /v1/chat/completions openai/gpt-4o 12+4 tokens 1.2 ms (ours 0.05)\n"
    )


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"usage": NO_USAGE}, b" - tokens "),
        ({"model": ""}, b" openai 12"),
        ({"model": "", "provider": ""}, b" - 12"),
        ({"error": "provider_timeout"}, b") provider_timeout\n"),
    ],
)
def test_console_line_where_something_is_missing(changes, part):
    assert part in written(LogFormat.CONSOLE, msgspec.structs.replace(RECORD, **changes))


@pytest.mark.parametrize("log_format", [LogFormat.JSON, LogFormat.CONSOLE])
def test_one_line_for_each_record_whatever_a_path_holds(log_format):
    odd = msgspec.structs.replace(RECORD, path="/a\nb\r\u2028\x1b[31m", model="x\ny", error="z\n")
    lines = written(log_format, odd, RECORD, odd)
    assert lines.count(b"\n") == 3
    assert b"\r" not in lines
    assert b"\x1b" not in lines


def test_batch_is_written_in_one_call():
    class Stream(io.BytesIO):
        calls = 0

        def write(self, data):
            self.calls += 1
            return super().write(data)

    stream = Stream()
    AccessLog(stream, LogFormat.JSON).write(RecordLines.of([RECORD] * 5))
    assert stream.calls == 1


def test_log_that_is_off_writes_nothing():
    assert written(LogFormat.OFF, RECORD) == b""


def test_disk_that_is_full_is_reported():
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        AccessLog(Full(), LogFormat.JSON).write(RecordLines.of([RECORD]))
