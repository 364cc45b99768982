"""How many tokens a text has, for attempts whose usage their provider did not tell: with the tokenizer of `bpe-openai`, which has
OpenAI's vocabularies on board.

Of other vendors' models the count is OpenAI's, times what their recorded answers have more: see `docs/explanation/ledger.md`. Only
the control plane loads the library, when first asked (half a second, 150 MB). It counts in a thread, in pieces so small that
nothing else waits, and drops the text.
"""

from __future__ import annotations

import asyncio
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.util import find_spec
from typing import Final, NamedTuple, Protocol

from weighbridge.core.ports import TextSeen, TokensSeen
from weighbridge.wire.seen_text import AskedText, WrittenText, asked_text, written_text

_LIBRARY: Final = "bpe_openai"
_O200K: Final = "o200k_base"
_CL100K: Final = "cl100k_base"
_PIECE: Final = 8 * 1024
"""Characters that are counted in one go, a fifth of a millisecond: the interpreter is held for as long."""
_A_TURN: Final = 4
"""Tokens around each message of a conversation: https://github.com/openai/openai-cookbook, "How to count tokens with tiktoken"."""


class Family(NamedTuple):
    """Models of one vocabulary. Medians of recorded exchanges: tests/control/test_tokenizer.py compares."""

    globs: tuple[str, ...]
    factor: float = 1.0
    """Tokens of theirs for one of the encoding's."""
    call: int = 8
    """Tokens around each call of a tool."""
    with_tools: int = 0
    """What the vendor writes into the prompt for tools beside their descriptions."""
    always: int = 0
    """What the vendor writes into every prompt."""
    hides_thinking: bool = False
    """Whether it may have thought what nobody saw: then its output is not counted."""
    encoding: str = _O200K


_FAMILIES: Final = (
    Family(("*gpt-3.5*", "*gpt-35*", "*gpt-4", "*gpt-4-*", "*text-embedding-*"), encoding=_CL100K),
    Family(("*gpt-4o*", "*gpt-4.1*", "*gpt-4.5*", "*chatgpt-4o*")),
    Family(("*gpt-oss*",), factor=1.1, call=13, always=65),
    Family(("gpt-*", "*/gpt-*", "*openai.gpt-*", "o1*", "o3*", "o4*", "codex-*"), hides_thinking=True),
    # The vocabulary since Claude 4.7 makes 30% more of the same text: platform.claude.com, Claude Haiku 5.5.
    Family(
        (
            "*claude-*-4-7*",
            "*claude-*-4-8*",
            "*claude-opus-5*",
            "*claude-sonnet-5*",
            "*claude-haiku-5*",
            "*claude-fable*",
            "*claude-mythos*",
        ),
        1.55,
        36,
        400,
        hides_thinking=True,
    ),
    Family(("*claude*",), factor=1.19, call=36, with_tools=400),
    Family(("*gemini-1*", "*gemini-2.0*", "*gemma*"), factor=1.06, call=0),
    Family(("*gemini*",), factor=1.06, call=0, hides_thinking=True),
    Family(("*grok*",), factor=1.06, call=18, with_tools=30, always=190, hides_thinking=True),
    Family(("*magistral*", "*command-a-reasoning*", "*command-a-plus*"), factor=1.1, hides_thinking=True),
    Family(("*mistral*", "*ministral*", "*codestral*", "*devstral*", "*pixtral*", "*mixtral*"), factor=1.07, call=6, with_tools=40),
    Family(("*command*",), factor=1.13, call=33, with_tools=1_000),
    Family(("*llama*",), factor=1.05, call=13, with_tools=220, always=30),
    Family(("*deepseek*",), factor=1.02, call=34, with_tools=250),
    Family(("*qwen*", "*qwq*"), factor=1.08, call=14, with_tools=75),
    Family(("*nova-*",), factor=1.03, call=22, with_tools=300),
    Family(("*",), factor=1.1, call=15, with_tools=50),
)


def family_of(model: str) -> Family:
    """The first that has the name."""
    name = model.lower()
    return next(family for family in _FAMILIES if any(fnmatchcase(name, glob) for glob in family.globs))


class _Encoding(Protocol):
    def encode_ordinary(self, text: str) -> list[int]:
        """The tokens of a text, in which nothing is special."""
        ...


def has_library() -> bool:
    """Whether the extra `tokenizer` is installed."""
    return find_spec(_LIBRARY) is not None


class Tokenizer:
    """One for each control plane. Without the library it can tell nothing."""

    def __init__(self) -> None:
        self._encodings: dict[str, _Encoding] = {}
        self._lock = asyncio.Lock()

    async def count(self, seen: TextSeen) -> TokensSeen | None:
        """How many tokens that is, about. None: nobody can tell."""
        if not has_library():
            return None
        async with self._lock:  # one processor's share, however many ask
            return await asyncio.to_thread(self.counted, seen)

    def counted(self, seen: TextSeen) -> TokensSeen:
        """The same, at once. Slow: not for an event loop."""
        family = family_of(seen.model)
        asked = asked_text(seen.asked) if seen.asked else None
        return TokensSeen(
            None if asked is None else self._input(family, asked),
            None if family.hides_thinking else self._output(family, written_text(seen.written), seen),
        )

    def _input(self, family: Family, asked: AskedText) -> int:
        tokens = self._n_tokens(family, asked.text) + _A_TURN * asked.n_turns
        return round(family.factor * tokens) + family.always + (family.with_tools if asked.has_tools else 0)

    def _output(self, family: Family, written: WrittenText, seen: TextSeen) -> int | None:
        if not written.text or not seen.written:
            return None  # in a coding that is not read here (frames with base64), or nothing but a beginning
        tokens = family.factor * self._n_tokens(family, written.text) + family.call * written.n_calls
        return round(tokens * max(1.0, seen.n_written / len(seen.written)))

    def _n_tokens(self, family: Family, text: str) -> int:
        encoding = self._encoding(family.encoding)
        return sum(len(encoding.encode_ordinary(text[at : at + _PIECE])) for at in range(0, len(text), _PIECE))

    def _encoding(self, name: str) -> _Encoding:
        found = self._encodings.get(name)
        if found is None:
            encoding: _Encoding = import_module(_LIBRARY).get_encoding(name)
            found = self._encodings[name] = encoding
        return found
