"""A provider that goes on beyond the bound that it was told: what its stream has surely come to is counted, so that budgets hold.

Each event that carries a piece of an answer is a token at least: no vendor cuts tokens in pieces. So an honest stream has no more
of them than its bound, but for a few that begin and end it. Gemini sends many tokens in an event, and compressed streams hide
theirs: those are noticed late or not at all, and are charged as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weighbridge.core.terms import WireFormat

_MARKERS: Final = {
    WireFormat.OPENAI_CHAT: b'"delta"',
    WireFormat.OPENAI_COMPLETIONS: b'"text"',
    WireFormat.OPENAI_RESPONSES: b'.delta"',
    WireFormat.ANTHROPIC_MESSAGES: b'"content_block_delta"',
    WireFormat.GEMINI_GENERATE: b'"text"',
    WireFormat.BEDROCK_CONVERSE: b"contentBlockDelta",
    WireFormat.COHERE_CHAT: b'-delta"',
    WireFormat.OLLAMA_CHAT: b'"done":false',
}
"""What stands once in each such event. In an answer's own text the quotes are escaped, so nobody can write it there (but for
Bedrock's, whose events have it in a header)."""
_SLACK: Final = 8
"""An eighth more than the bound is let pass: vendors count a little differently from how they stream."""
_AROUND: Final = 32
"""Events around an answer: its role, its end, pieces without text."""


def marker_of(wire_format: WireFormat | None) -> bytes:
    """What tells a piece of an answer in a stream of this format; empty where nothing does."""
    return _MARKERS.get(wire_format, b"") if wire_format is not None else b""


class OutputWatch:
    """Counts one stream. `extend` gets more room for it: how many tokens, 0 where there is none."""

    __slots__ = ("_extend", "_marker", "_most", "n_seen")

    def __init__(self, marker: bytes, bound: int, extend: Callable[[], int]) -> None:
        """`bound` is how many tokens the provider may write, all answers of the request together."""
        self._marker = marker
        self._extend = extend
        self._most = _let_pass(bound)
        self.n_seen = 0
        """Tokens that were surely written."""

    def is_over(self, data: bytes) -> bool:
        """Whether, with these bytes, the stream has come to more than there is room for."""
        self.n_seen += data.count(self._marker)
        while self.n_seen > self._most:
            more = self._extend()
            if more <= 0:
                return True
            self._most += more
        return False


def _let_pass(bound: int) -> int:
    return bound + bound // _SLACK + _AROUND
