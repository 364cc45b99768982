"""Workers that are killed between two writes."""

from __future__ import annotations


class DiedError(Exception):
    """The worker was killed."""


class FragileCells:
    """Cells whose user dies instead of the write after the next `n_left`; None: it lives on."""

    def __init__(self, cells: memoryview, n_left: int | None = None) -> None:
        self.cells = cells
        self.n_left = n_left

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, place: int) -> int:
        return self.cells[place]

    def __setitem__(self, place: int, amount: int) -> None:
        if self.n_left is not None:
            if not self.n_left:
                raise DiedError
            self.n_left -= 1
        self.cells[place] = amount
