"""The bound on cache marks in one request.

"A maximum of 4 blocks with cache_control may be provided" (https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching);
other vendors that take such marks know no bound, or another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from weighbridge.wire.receipt import Receipt

MAX_CACHE_MARKS: Final = 4
_MARK: Final = "cache_control"


def limit_cache_marks(body: dict[str, object], receipt: Receipt) -> None:
    """Take the earliest marks out of a body that has too many: a later one covers what stands before it."""
    marked = [block for block in _blocks(body) if _MARK in block]
    excess = len(marked) + (_MARK in body) - MAX_CACHE_MARKS
    if excess > 0:
        receipt.dropped("turns.cache", f"at most {MAX_CACHE_MARKS} marks: the last ones stay")
        for block in marked[:excess]:
            del block[_MARK]


def _blocks(body: dict[str, object]) -> Iterator[dict[str, object]]:
    """Every block that may bear a mark, in the order of the prompt."""
    for name in ("tools", "system"):
        yield from _objects(body.get(name))
    for message in _objects(body.get("messages")):
        for block in _objects(message.get("content")):
            if block.get("type") == "tool_result":
                yield from _objects(block.get("content"))
            yield block


def _objects(value: object) -> Iterator[dict[str, object]]:
    if isinstance(value, list):
        for item in value:
            if isinstance(item, dict):
                yield item
