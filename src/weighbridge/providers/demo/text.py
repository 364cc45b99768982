"""The demo's token rule and its texts.

A token is four characters (Unicode code points), the rule of thumb that the vendors give for English. It costs nothing to
count, and a stream that sends a token per chunk has exactly as many chunks as its usage says.
"""

from __future__ import annotations

import re
from typing import Final

CHARACTERS_PER_TOKEN: Final = 4
LOREM_DEFAULT_WORDS: Final = 100
LOREM_MAX_WORDS: Final = 20_000
"""More words than the longest reply has tokens."""
_PASSAGE: Final = (
    "lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore magna "
    "aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat duis aute "
    "irure in reprehenderit voluptate velit esse cillum eu fugiat nulla pariatur excepteur sint occaecat cupidatat non "
    "proident sunt culpa qui officia deserunt mollit anim id est laborum"
)
_WORDS: Final = _PASSAGE.split()
_WORDS_PER_SENTENCE: Final = 12
_NUMBER: Final = re.compile(r"(?<![0-9])[0-9]{1,5}(?![0-9])", re.ASCII)
_STATUS: Final = re.compile(r"(?<![0-9])[45][0-9]{2}(?![0-9])", re.ASCII)


def count_tokens(text: str) -> int:
    """Tokens of a text, an unfinished last one included."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def split_tokens(text: str, *, limit: int) -> tuple[str, ...]:
    """The first `limit` tokens of a text; joined they give it back."""
    end = min(len(text), limit * CHARACTERS_PER_TOKEN)
    return tuple(text[at : min(at + CHARACTERS_PER_TOKEN, end)] for at in range(0, end, CHARACTERS_PER_TOKEN))


def cut_at_stop(text: str, stops: tuple[str, ...]) -> tuple[str, str | None]:
    """The text before the earliest stop sequence, and that sequence; the whole text and None where there is none."""
    found = [(at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def lorem(prompt: str) -> str:
    """Filler of as many words as the first number in the prompt says."""
    number = _NUMBER.search(prompt)
    total = min(int(number[0]), LOREM_MAX_WORDS) if number else LOREM_DEFAULT_WORDS
    sentences = []
    for start in range(0, total, _WORDS_PER_SENTENCE):
        words = [_WORDS[at % len(_WORDS)] for at in range(start, min(start + _WORDS_PER_SENTENCE, total))]
        sentences.append(" ".join(words).capitalize() + ".")
    return " ".join(sentences)


def wanted_status(prompt: str) -> int:
    """The HTTP status that a prompt for the `error` model names: its first number from 400 to 599, else 500."""
    status = _STATUS.search(prompt)
    return int(status[0]) if status else 500
