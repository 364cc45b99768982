"""How the C library gives memory back, set for a worker: it asks for the same large buffers again with each large request.

glibc hands a freed buffer to the kernel as soon as it lies at the top of the heap, and the next one comes page by page, each
with a page fault: of a 500 kB request that was 450 of 700 µs. So freed memory is kept while there is work, and given back when
there is none.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of glibc's mallopt(3)."""

_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Of freed memory at the top of the heap: the buffers of some ten requests of 500 kB."""

_MAPPED_BYTES: Final = 4 * 1024 * 1024
"""A buffer from here on is a mapping of its own, which goes back to the kernel at once."""


class Allocator:
    """The C library's settings. Where it has none (musl, macOS), nothing is changed."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self._mallopt = getattr(library, "mallopt", None)
        self._malloc_trim = getattr(library, "malloc_trim", None)

    def keep(self) -> bool:
        """Keep freed memory from now on. False where that cannot be set."""
        if self._mallopt is None or self._malloc_trim is None:
            return False
        return bool(self._mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES)) and bool(self._mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))

    def give_back(self) -> None:
        """Give the kernel what is free now, from between what is used as well. With nothing to give it takes a few µs."""
        if self._malloc_trim is not None:
            self._malloc_trim(0)
