"""Tables in the memory of one process. What several processes make of one is tested with `storage/shared_cells.py`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weighbridge.limits.table import Table, Unlocked, format_cells, n_cells

Tables = Callable[..., list[Table]]


@pytest.fixture
def tables() -> Tables:
    """Every lane's hands on the same cells: `tables(n_slots=64, n_lanes=3)`."""

    def made(n_slots: int = 64, n_lanes: int = 3) -> list[Table]:
        cells = memoryview(bytearray(8 * n_cells(n_slots, n_lanes))).cast("q")
        format_cells(cells, n_slots, n_lanes)
        return [Table(cells, Unlocked(), lane) for lane in range(n_lanes)]

    return made
