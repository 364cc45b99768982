"""What is promised of changes: that they hold everywhere within a second."""

from __future__ import annotations

import time
from collections.abc import Callable

PROMISE_S = 1.0
IN_A_ROW = 20


def holds_within_a_second(found: Callable[[], object], wanted: object) -> None:
    """Every request that begins a second from now or later has this outcome. Looked at until twenty in a row have, each on a
    connection of its own and so spread over all workers. A request that began before may be answered as late as it likes."""
    deadline, in_a_row = time.monotonic() + PROMISE_S, 0
    while in_a_row < IN_A_ROW:
        begun = time.monotonic()
        told = found()
        in_a_row = in_a_row + 1 if told == wanted else 0
        assert in_a_row or begun < deadline, told
