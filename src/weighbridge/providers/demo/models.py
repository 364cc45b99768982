"""The demo's models and their pace."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

import msgspec

from weighbridge.core.clock import NS_PER_MS
from weighbridge.core.ports import Headers
from weighbridge.providers.demo.exchange import DemoChunk, DemoError, StreamEvent

PACE_HEADER: Final = b"x-demo-pace-ms"
PACE_METADATA: Final = "pace_ms"
MAX_PACE_MS: Final = 60_000
"""A pause beyond a minute shows nothing that a minute does not."""
MAX_WHOLE_DELAY_NS: Final = 600_000 * NS_PER_MS
"""Ten minutes: the official SDKs give up then."""
MAX_INPUT_TOKENS: Final = 1_000_000
MAX_OUTPUT_TOKENS: Final = 8_192
"""A reply is made whole before it is played, about 300 bytes a token, so this bounds a choice at 2.5 MB."""
MAX_CHOICES: Final = 8
"""Of one request; the vendors allow more, but each is a copy of the first."""
CREATED_S: Final = 1_767_225_600
"""2026-01-01: a model list has to name some date."""


class Kind(Enum):
    """What a model does."""

    ECHO = "echo"
    LOREM = "lorem"
    TOOLS = "tools"
    THINK = "think"
    SLOW = "slow"
    ERROR = "error"
    EMBED = "embed"


class Pace(msgspec.Struct, frozen=True):
    """How long a reply waits before its first byte, and then before each token. Nanoseconds."""

    first_ns: int
    each_ns: int

    def whole_ns(self, tokens: int) -> int:
        """The delay of a whole reply: as long as its stream would take."""
        return min(self.first_ns + self.each_ns * tokens, MAX_WHOLE_DELAY_NS)

    def play(self, events: list[StreamEvent]) -> list[DemoChunk]:
        """The events of a stream with their delays. Framing follows its token at once; an empty event is a pause only."""
        chunks: list[DemoChunk] = []
        waited_ns = self.first_ns
        for event in events:
            waited_ns += self.each_ns * event.tokens
            if event.data:
                chunks.append(DemoChunk(waited_ns, event.data))
                waited_ns = 0
        return chunks


_DEFAULT: Final = Pace(20 * NS_PER_MS, 20 * NS_PER_MS)
_FAST: Final = Pace(0, 0)
_SLOW: Final = Pace(2_000 * NS_PER_MS, 500 * NS_PER_MS)


class Model(msgspec.Struct, frozen=True):
    """One entry of the model list."""

    name: str
    kind: Kind
    pace: Pace
    description: str

    @property
    def label(self) -> str:
        """The name that people read."""
        return f"Demo {self.name}"


MODELS: Final[Mapping[str, Model]] = {
    model.name: model
    for model in (
        Model("echo", Kind.ECHO, _DEFAULT, "Repeats the last user text."),
        Model("echo-fast", Kind.ECHO, _FAST, "Repeats the last user text without pauses."),
        Model("lorem", Kind.LOREM, _DEFAULT, "Writes as many words of filler as the user text says, else 100."),
        Model("lorem-fast", Kind.LOREM, _FAST, "Writes filler without pauses."),
        Model("tools", Kind.TOOLS, _DEFAULT, "Calls every offered tool, then quotes the results."),
        Model("tools-fast", Kind.TOOLS, _FAST, "Calls every offered tool without pauses."),
        Model("think", Kind.THINK, _DEFAULT, "Thinks, then repeats the last user text."),
        Model("think-fast", Kind.THINK, _FAST, "Thinks, then repeats, without pauses."),
        Model("slow", Kind.SLOW, _SLOW, "Repeats the last user text with long pauses."),
        Model("error", Kind.ERROR, _FAST, "Fails with the HTTP status that the user text names, else 500."),
        Model("embed", Kind.EMBED, _FAST, "Embeds text as deterministic unit vectors."),
    )
}


def pace_of(model: Model, headers: Headers, metadata: Mapping[str, object] | None = None) -> Pace:
    """The pace of a reply: the request header wins over `metadata.pace_ms`, and both over the model. Raises `DemoError`."""
    for name, value in headers:
        if name.lower() == PACE_HEADER:
            return _pace(value.decode("latin-1"))
    asked = (metadata or {}).get(PACE_METADATA)
    return model.pace if asked is None else _pace(asked)


def _pace(asked: object) -> Pace:
    digits = str(asked)
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 5 and int(digits) <= MAX_PACE_MS):
        raise DemoError(400, f"The pace must be a whole number of milliseconds from 0 to {MAX_PACE_MS}.", param=PACE_METADATA)
    return Pace(int(digits) * NS_PER_MS, int(digits) * NS_PER_MS)
