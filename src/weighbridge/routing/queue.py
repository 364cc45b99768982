"""Who goes next where requests have to wait: the highest priority first, and within it everybody in turn.

In turn by virtual key and not by arrival: a key that sends a thousand requests at once waits for itself, and one that sends a
single request does not wait behind them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """A bounded queue of whoever waits. `len` is how many."""

    def __init__(self) -> None:
        self._classes: dict[int, OrderedDict[str, deque[T]]] = {}
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def offer(self, priority: int, key: str, waiter: T) -> None:
        """Wait at the end of this key's line."""
        lines = self._classes.setdefault(priority, OrderedDict())
        lines.setdefault(key, deque()).append(waiter)
        self._size += 1

    def take(self) -> T | None:
        """Whose turn it is; None: nobody waits."""
        if not self._classes:
            return None
        priority = max(self._classes)
        lines = self._classes[priority]
        key, line = next(iter(lines.items()))
        waiter = line.popleft()
        self._size -= 1
        del lines[key]
        if line:
            lines[key] = line  # behind all other keys
        elif not lines:
            del self._classes[priority]
        return waiter

    def remove(self, priority: int, key: str, waiter: T) -> bool:
        """Stop waiting. False: it was taken before."""
        lines = self._classes.get(priority)
        line = lines.get(key) if lines is not None else None
        if lines is None or line is None or waiter not in line:
            return False
        line.remove(waiter)
        self._size -= 1
        if not line:
            del lines[key]
            if not lines:
                del self._classes[priority]
        return True
