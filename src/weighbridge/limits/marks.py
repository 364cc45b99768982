"""How low the level of a rate limit has been since each draw: as much of that draw can still be given back.

The level is what was drawn less what has come back, and never below nothing (Lindley's queue). Had a draw been smaller from its
beginning, the level would be lower ever since, but only down to nothing: where it had been empty, what came back from then on
would have been lost. So a level may sink by no more than the lowest point at which a later draw found it. What is given back then
counts for those draws as well, which found so much less.

A mark says that just before draw number `number` the level was `low`. One that is not lower than a later one says nothing, and is
not kept: a level that goes up and down leaves few. Where it leaves more than there is room for, the two that differ least become
the lower of them, and less is given back rather than more.
"""

from __future__ import annotations

from typing import Final

MOST: Final = 8
"""Marks of a limit. Requests under load leave two to five."""
N_CELLS: Final = 1 + 2 * MOST
"""How many there are, then `low, number` of each. Who dies between two writes leaves them too low rather than too high."""


def put_mark(cells: memoryview, place: int, low: int, number: int) -> None:
    """A draw finds the level so low. Its number is above all before."""
    n_marks = cells[place]
    while n_marks and cells[place + 2 * n_marks - 1] >= low:
        n_marks -= 1
    if n_marks == MOST:
        _join(cells, place)
        n_marks -= 1
    at = place + 2 * n_marks + 1
    cells[at] = low
    cells[at + 1] = number
    cells[place] = n_marks + 1


def give_back(cells: memoryview, place: int, number: int, amount: int) -> int:
    """How much of an amount a draw may give back; later draws have found so much less from now on."""
    later = [at for at in range(place + 1, place + 2 * cells[place] + 1, 2) if cells[at + 1] > number]
    for at in later:
        amount = min(amount, cells[at])
    for at in later:
        cells[at] -= amount
    return amount


def _join(cells: memoryview, place: int) -> None:
    """Make one of the two neighbours that differ least."""
    first, end = place + 1, place + N_CELLS
    at = min(range(first, end - 2, 2), key=lambda at: cells[at + 2] - cells[at])
    # Each is at its new place before it leaves the old one.
    cells[at] = min(cells[at], cells[at + 2])
    cells[at + 1] = cells[at + 3]
    for each in range(at + 2, end - 2, 2):
        cells[each] = cells[each + 2]
        cells[each + 1] = cells[each + 3]
    cells[place] -= 1
