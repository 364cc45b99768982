"""Records as JSON lines: encoded once, in the worker; then carried, written and kept as they are, and read back only to be shown.

Decoding and encoding them again in the control plane took 8 µs a request of the processor that both share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from weighbridge.core.codec import encode_json_lines, lines_decoder
from weighbridge.core.terms import Record

_decode: Final = lines_decoder(Record)


class RecordLines(msgspec.Struct, frozen=True, gc=False):
    """A batch of Records, one JSON object on each line."""

    n_records: int
    lines: bytes

    @classmethod
    def of(cls, records: Sequence[Record]) -> RecordLines:
        """Encode a batch."""
        return cls(len(records), encode_json_lines(records))

    def records(self) -> list[Record]:
        """The batch, oldest first."""
        return _decode(self.lines)
