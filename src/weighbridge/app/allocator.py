"""How the C library gives memory back, set for a worker: it asks for the same large buffers again with each large request.

glibc hands a freed buffer to the kernel as soon as it lies at the top of the heap, and the next one comes page by page, each
with a page fault: of a 500 kB request that was 450 of 700 µs. So a bounded amount is kept.
"""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of glibc's mallopt(3)."""

KEPT_BYTES: Final = 16 * 1024 * 1024
"""Of freed memory at the top of the heap: the buffers of some ten requests of 500 kB."""

MAPPED_BYTES: Final = 4 * 1024 * 1024
"""A buffer from here on is a mapping of its own, which goes back to the kernel at once."""


def keep_freed_memory() -> bool:
    """Keep `KEPT_BYTES` for the next request. False where the C library has no such setting (musl, macOS)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
