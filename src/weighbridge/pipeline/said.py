"""What the caller of a stream has been told so far, so that another provider can go on with it where one breaks off.

Kept only on routes with `midstream`. Of a forwarded stream whole events are passed on alone, since half an event cannot be taken
back; they are read along, and an event writer of the caller's format writes them to nowhere, so that it can go on in the midst.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from weighbridge.core.errors import ErrorKind, GatewayError, Source
from weighbridge.wire.codecs import EventReader, EventWriter
from weighbridge.wire.events import (
    Event,
    Failed,
    Finished,
    KeepAlive,
    PartEnded,
    PartKind,
    PartStarted,
    Started,
    TextDelta,
)
from weighbridge.wire.seam import Seam
from weighbridge.wire.sse import EventSplitter


class Said:
    """The answer so far. `writer` is in the state in which the caller's stream is."""

    def __init__(self, writer: EventWriter, reader: EventReader | None = None) -> None:
        """`reader` reads a forwarded stream; without one the events are given to `take`, by who writes them."""
        self.writer = writer
        self._reader = reader
        self._splitter = EventSplitter()
        self._texts: list[str] = []
        self._kinds: dict[int, PartKind] = {}
        self._open: set[int] = set()
        self._is_plain = True
        """Nothing but text and thinking that is over."""
        self._is_finished = False

    # --- what is said ---------------------------------------------------------------------------------------------

    def take_bytes(self, data: bytes) -> bytes:
        """Bytes of a forwarded stream: those of its whole events, to be passed on."""
        frames = b"".join(self._splitter.feed(data))
        if frames and self._reader is not None:
            events = self._reader.feed(frames)
            self.writer.write(events)
            self.take(events)
        return frames

    def rest(self) -> bytes:
        """What came behind the last whole event of a stream that has ended well."""
        return b"".join(self._splitter.finish()) + self._splitter.pending

    def take(self, events: Sequence[Event]) -> None:
        """Events that the caller has been sent."""
        for event in events:
            if isinstance(event, TextDelta):
                self._texts.append(event.text)
                self._is_plain = self._is_plain and event.choice == 0
            elif isinstance(event, PartStarted):
                self._kinds[event.part] = event.kind
                self._open.add(event.part)
                if event.kind not in (PartKind.TEXT, PartKind.REASONING) or event.choice:
                    self._is_plain = False
            elif isinstance(event, PartEnded):
                self._open.discard(event.part)
            elif isinstance(event, (Finished, Failed)):
                self._is_finished = True

    # --- how to go on ---------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    @property
    def can_go_on(self) -> bool:
        """Whether somebody else may go on here: in plain text, not within a tool call or a thought, and not after the end."""
        return self._is_plain and not self._is_finished and all(self._kinds[part] is PartKind.TEXT for part in self._open)

    @property
    def open_part(self) -> int | None:
        """The text that was broken off, if one was."""
        return min(self._open, default=None)

    @property
    def next_part(self) -> int:
        """The number of the next part."""
        return max(self._kinds, default=-1) + 1


class Graft:
    """Events of a second answer as the rest of the first."""

    def __init__(self, said: Said) -> None:
        self._said = said
        self._open_part = said.open_part
        self._next_part = said.next_part
        self._seam = Seam(said.text)
        self._places: dict[int, int] = {}
        """The second answer's parts -> the caller's. Thoughts have none: the caller has had its thoughts."""
        self._joined: int | None = None
        """The second answer's text that goes on with the first's."""

    def take(self, events: Sequence[Event]) -> list[Event]:
        """What the caller's writer is to be given. Raises `GatewayError` PROVIDER_BROKE_OFF for an answer that does not go on with
        the first."""
        grafted: list[Event] = []
        for event in events:
            self._take(event, grafted)
        return grafted

    def _take(self, event: Event, grafted: list[Event]) -> None:
        if isinstance(event, (Started, KeepAlive)):
            return
        if isinstance(event, PartStarted):
            self._start(event, grafted)
        elif isinstance(event, TextDelta) and event.part == self._joined:
            self._go_on(self._seam.feed(event.text), grafted)
        elif isinstance(event, PartEnded) and event.part == self._joined:
            self._end_joined(grafted)
        elif isinstance(event, Finished):
            self._end_joined(grafted)
            grafted.append(event)
        elif (part := getattr(event, "part", None)) is None:
            grafted.append(event)
        elif part in self._places:
            grafted.append(_moved(event, self._places[part]))

    def _start(self, event: PartStarted, grafted: list[Event]) -> None:
        if event.kind is PartKind.REASONING:
            return
        if event.kind is PartKind.TEXT and self._joined is None:
            self._joined = event.part
            if self._open_part is None:
                self._open_part = self._next_part
                self._next_part += 1
                grafted.append(_moved(event, self._open_part))
            return
        self._end_joined(grafted)
        self._places[event.part] = self._next_part
        grafted.append(_moved(event, self._next_part))
        self._next_part += 1

    def _go_on(self, text: str, grafted: list[Event]) -> None:
        if self._seam.began_anew:
            raise GatewayError(ErrorKind.PROVIDER_BROKE_OFF, "The provider broke off its answer, and another one began anew.")
        if text and self._open_part is not None:
            grafted.append(TextDelta(0, self._open_part, text))

    def _end_joined(self, grafted: list[Event]) -> None:
        if self._open_part is None:
            return
        self._go_on(self._seam.finish(), grafted)
        grafted.append(PartEnded(0, self._open_part))
        self._open_part = None


def _moved(event: Event, part: int) -> Event:
    """An event of a part under the caller's number for it."""
    return msgspec.structs.replace(event, part=part)


def may_be_followed(error: GatewayError) -> bool:
    """Whether a stream that broke off for this reason is one that another provider could go on with."""
    return error.source is Source.UPSTREAM
