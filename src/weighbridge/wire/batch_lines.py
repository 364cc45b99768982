"""The lines of a file of batch requests, out of the form in which it is uploaded, as it passes.
https://platform.openai.com/docs/api-reference/batch/request-input

Each line is a request: `{"custom_id", "method", "url", "body"}`. Nothing of the form is held but the line that is coming. What
could be read in another way than here is not sound: nobody could say then which requests the provider will find.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.core.errors import GatewayError
from weighbridge.wire.multipart import MAX_PARTS, boundary_of, read_part_head

_MAX_LINE_BYTES: Final = 16 * 1024 * 1024
"""OpenAI takes 200 MB a file, with pictures within the requests."""
_PURPOSE: Final = b"purpose"
_FILE: Final = b"file"
_BATCH: Final = b"batch"


class BatchLines:
    """Feed it a form; `take` gets each line of its file. `is_sound`: all of a file of batch requests was seen, so far."""

    __slots__ = (
        "_coming",
        "_delimiter",
        "_ends_in_crlf",
        "_head",
        "_is_over",
        "_n_coming",
        "_names",
        "_purpose",
        "_take",
        "is_sound",
    )

    def __init__(self, content_type: str, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._coming: list[bytes] = []
        self._n_coming = 0
        self._ends_in_crlf = True
        """Of the line before. Only behind such a one is a delimiter what it seems."""
        self._head: list[bytes] | None = None
        """The header lines of a part, while they come."""
        self._names: list[bytes] = []
        """Of the parts that have come."""
        self._purpose = b""
        self._is_over = False
        self._delimiter = b""
        try:
            self._delimiter = b"--" + boundary_of(content_type)
        except GatewayError:  # no form: the provider will say so
            self.is_sound = False
        else:
            self.is_sound = True

    def feed(self, data: bytes) -> None:
        """The next bytes of the form."""
        first, *others = data.split(b"\n") if self.is_sound else (b"",)
        self._keep(first)
        for piece in others:
            self._end_line()
            self._keep(piece)

    def finish(self) -> None:
        """The form is over."""
        self._end_line()
        self.is_sound = self.is_sound and self._is_over and self._purpose == _BATCH and _FILE in self._names

    def let_go(self) -> None:
        """Nobody is told of another line."""
        self._take = _ignore

    def _keep(self, piece: bytes) -> None:
        self._n_coming += len(piece)
        if self._n_coming > _MAX_LINE_BYTES:
            self._give_up()
        elif self.is_sound:
            self._coming.append(piece)

    def _end_line(self) -> None:
        line = b"".join(self._coming)
        self._coming.clear()
        self._n_coming = 0
        if self.is_sound:
            self._line(line)
            self._ends_in_crlf = line.endswith(b"\r")

    def _line(self, line: bytes) -> None:
        bare = line.removesuffix(b"\r")
        if line.startswith(self._delimiter) or not (self._names or self._head is not None):
            self._delimit(bare)
        elif self._is_over:
            self._require(not bare.strip())
        elif self._head is not None:
            self._require(line.endswith(b"\r"))
            self._read_head(self._head, bare)
        elif self._names[-1] == _PURPOSE:
            self._purpose += bare
        elif self._names[-1] == _FILE and bare.strip():
            # Vendors' SDKs say what a file is for before they send it.
            self._require(self._purpose == _BATCH)
            if self.is_sound:
                self._take(bare)

    def _delimit(self, bare: bytes) -> None:
        is_last = bare == self._delimiter + b"--"
        self._require(self._ends_in_crlf and not self._is_over and self._head is None and (is_last or bare == self._delimiter))
        self._is_over = is_last
        self._head = None if is_last else []

    def _read_head(self, head: list[bytes], bare: bytes) -> None:
        if bare:
            head.append(bare)
            return
        self._head = None
        try:
            name, _, is_encoded = read_part_head(b"\r\n".join(head))
        except GatewayError:
            self._give_up()
            return
        is_repeated = name in self._names and name in (_PURPOSE, _FILE)
        self._require(not is_encoded and not is_repeated and len(self._names) < MAX_PARTS)
        self._names.append(name)

    def _require(self, is_met: bool) -> None:  # noqa: FBT001 - which is all that it is told
        if not is_met:
            self._give_up()

    def _give_up(self) -> None:
        self.is_sound = False
        self._coming.clear()


def _ignore(_line: bytes) -> None:
    """Nothing."""
