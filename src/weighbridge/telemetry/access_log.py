"""The access log: one line for each settled exchange, as JSON for machines or in columns for people.

Keys, queries, headers and payloads are never in it: a `Record` does not hold them.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import BinaryIO

from weighbridge.core.clock import NS_PER_MS, utc_from_ns
from weighbridge.core.money import Nanousd, format_usd
from weighbridge.core.terms import Provenance, Record
from weighbridge.telemetry.record_lines import RecordLines


class LogFormat(Enum):
    """How a line looks."""

    JSON = "json"
    CONSOLE = "console"
    OFF = "off"


class AccessLog:
    """Writes batches of Records to a binary stream, each batch in one call."""

    def __init__(self, stream: BinaryIO, log_format: LogFormat) -> None:
        self._stream = stream
        self._format = log_format

    def close(self) -> None:
        """Close the stream, unless it is the process's own."""
        if self._stream is not sys.stdout.buffer:
            self._stream.close()

    def write(self, batch: RecordLines) -> None:
        """Write a line for each Record. Raises `OSError` when the disk is full or the pipe is gone."""
        if self._format is LogFormat.OFF:
            return
        if self._format is LogFormat.JSON:
            self._stream.write(batch.lines)
        else:
            self._stream.write(b"".join([_console_line(record) for record in batch.records()]))
        self._stream.flush()


def _console_line(record: Record) -> bytes:
    time = utc_from_ns(record.start_wall_ns).strftime("%H:%M:%S")
    model = f"{record.provider}/{record.model}" if record.model else record.provider or "-"
    usage = record.usage
    tokens = "-" if usage.provenance is Provenance.UNKNOWN else f"{usage.total_input}+{usage.total_output}"
    cost = "" if record.cost_nanousd is None or not record.attempts else f"{format_usd(Nanousd(record.cost_nanousd))} "
    line = (
        f"{time} {record.status} {record.method} {record.path} {model} {tokens} tokens {cost}"
        f"{record.duration_ns / NS_PER_MS:.1f} ms (ours {record.overhead_ns / NS_PER_MS:.2f}) {record.error or ''}"
    )
    line = line.rstrip()
    # Callers choose the model's name: no line break or terminal command of theirs may reach the log.
    return (line.encode() if line.isprintable() else line.encode("unicode_escape")) + b"\n"
