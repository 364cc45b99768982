"""How low the level of a rate limit has been since each draw: as much of that draw can still be given back.

The level is what was drawn less what has come back, and never below nothing (Lindley's queue). Had a draw been smaller from its
beginning, the level would be lower ever since, but only down to nothing: where it had been empty, what came back from then on
would have been lost. So a level may sink by no more than the lowest point at which a later draw found it. What is given back then
counts for those draws as well, which found so much less.

A mark says that just before draw number `number` the level was `low`. Most are not needed: one that is not lower than a later one
says nothing, nor does one that is no lower than all that draws before it may still give back (`held`). Draws before the one that
found the level empty (`since`) give back nothing.

Where more are needed than there is room for, neighbours become the lower of both, and less is given back rather than more. They are
those that differ least in proportion (a mark that is higher than what is given back withholds nothing) and for the smallest part of
the time since (who drew long ago is hardly under way).
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import Final

from weighbridge.core.allowances import UNLIMITED

MOST: Final = 32
"""Marks of a limit. Simulated, 16 to 400 requests under way at a time that hold two to thirteen times what they use, and a limit
that refuses: 32 withhold up to 0.8% of what it could admit, 16 up to 3%."""
JOINED: Final = 4
"""Pairs that are joined when there is no room, at least: looking for them takes as long as some ten draws."""
_HELD, _SINCE, _LOWS = 1, 2, 3
_NUMBERS: Final = _LOWS + MOST
N_CELLS: Final = _NUMBERS + MOST
"""How many marks there are, `held`, `since`, the `low` of each, and the `number` of each, which rise. Who dies between two writes
leaves less to be given back rather than more."""


def begin(cells: memoryview, place: int, low: int, number: int, amount: int) -> None:
    """A draw finds the level so low. Its number is above all before."""
    n_marks, held = cells[place], cells[place + _HELD]
    if not low:
        cells[place + _SINCE] = number
        n_marks = held = 0
    needed = low < held
    bound = low if needed else held
    while n_marks and cells[place + _LOWS - 1 + n_marks] >= bound:
        n_marks -= 1
    if needed:
        if n_marks == MOST:
            n_marks = _join(cells, place, number)
        cells[place + _LOWS + n_marks] = low
        cells[place + _NUMBERS + n_marks] = number
        n_marks += 1
    cells[place] = n_marks
    cells[place + _HELD] = min(held + amount, UNLIMITED)


def end(cells: memoryview, place: int, number: int, amount: int, unused: int) -> int:
    """How much of what a draw did not use it may give back; later draws have found so much less from now on."""
    if number < cells[place + _SINCE]:
        return 0
    cells[place + _HELD] = max(0, cells[place + _HELD] - amount)
    n_marks = cells[place]
    if unused and n_marks:
        first = bisect_right(cells[place + _NUMBERS : place + _NUMBERS + n_marks].tolist(), number)
        if first < n_marks:
            later = slice(place + _LOWS + first, place + _LOWS + n_marks)
            lows = cells[later].tolist()
            unused = min(unused, *lows)
            cells[later] = array("q", [low - unused for low in lows])
    return unused


def _join(cells: memoryview, place: int, newest: int) -> int:
    """Make room. How many marks there are then."""
    lows = cells[place + _LOWS : place + _NUMBERS].tolist()
    numbers = cells[place + _NUMBERS : place + N_CELLS].tolist()
    differences = [
        (lows[i + 1] - lows[i]) * (numbers[i + 1] - numbers[i]) / ((lows[i] + 1) * (newest - numbers[i])) for i in range(MOST - 1)
    ]
    most = sorted(differences)[JOINED - 1]
    joined: list[tuple[int, int]] = []
    i = 0
    while i < MOST:
        if i + 1 < MOST and differences[i] <= most:
            joined.append((min(lows[i], lows[i + 1]), numbers[i + 1]))
            i += 1
        else:
            joined.append((lows[i], numbers[i]))
        i += 1
    n_marks = len(joined)
    joined += [joined[-1]] * (MOST - n_marks)
    # The numbers first: until the others are there, earlier draws give back less.
    cells[place + _NUMBERS : place + N_CELLS] = array("q", [number for _, number in joined])
    cells[place + _LOWS : place + _NUMBERS] = array("q", [low for low, _ in joined])
    cells[place] = n_marks
    return n_marks
