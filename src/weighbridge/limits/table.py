"""The counters of a host: cells of 64 bits that every worker reads and writes, one at a time.

The cells lie in memory that the workers share (`storage/shared_cells.py`), so that what one of them admits all others see at once;
no server and no message is between them. Each slot counts for one name:

    hash | total | base | at | marks | (spent, held) of each lane

A *lane* is one life of one worker. Only its worker writes it, and `total` is `base` and all lanes together. If a worker dies
between two of its writes, its journal says what it had spent: `retire` brings its lane to nothing and `total` to what it must
be. All writes are in an order that leaves `total` too high rather than too low until then.

For a rate limit `total` is what has been used and not come back yet, its *level*, and `at` the monotonic time up to which that was
reckoned; of its past it keeps what tells how much a draw can still give back (`marks.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Final, Protocol, TypeVar

from weighbridge.core.allowances import MAX_PER_NS, UNLIMITED
from weighbridge.limits import marks

T = TypeVar("T")

MAGIC: Final = 0x57425402
"""`WBT`, and the layout's version."""
HEADER_CELLS: Final = 8
_N_SLOTS, _N_LANES, _N_USED, _N_DRAWN = 1, 2, 3, 4
_TOTAL: Final = 1
_BASE: Final = 2
_AT: Final = 3
_MARKS: Final = 4
_LANES: Final = _MARKS + marks.N_CELLS
_MOST_USED: Final = 0.9
"""Of the slots: a search among more becomes long."""
_PIECE: Final = 64
"""Slots that the control plane changes while it has the lock: 0.1 to 0.3 ms, for which requests may have to wait."""


class TableFullError(Exception):
    """No slot is left for another name."""


class Lock(Protocol):
    """Held by one process at a time; let go of by the kernel when its holder dies."""

    # No context manager: entering and leaving one that is written in Python takes as long as the lock itself.
    def acquire(self) -> object:
        """Wait for it."""
        ...

    def release(self) -> object:
        """Let the next one in."""
        ...


class Unlocked:
    """For cells that nobody else writes."""

    def acquire(self) -> None:
        """Nothing to wait for."""

    def release(self) -> None:
        """Nothing to let go of."""


class Slot:
    """Where a name is counted. The offset is what was true when it was last looked for."""

    __slots__ = ("hash", "name", "offset")

    def __init__(self, name: str) -> None:
        self.name = name
        # Two of a million names share 62 bits with a chance of 1 in 10 million.
        self.hash = (int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big") >> 2) + 1
        self.offset = 0


class Hold:
    """A part of a budget that an attempt may use. `limit` is the budget's amount, or `UNLIMITED` for one that only watches."""

    __slots__ = ("amount", "limit", "slot")

    def __init__(self, slot: Slot, limit: int, amount: int) -> None:
        self.slot = slot
        self.limit = limit
        self.amount = amount


class Draw:
    """An amount that a rate limit is asked for; `per_ns` 0 for requests at a time, which are given back by hand.

    What came of it: `left` of the burst, and `full_ns` until all of it is there again (or, refused, until it would have fitted).
    """

    __slots__ = ("amount", "burst", "full_ns", "left", "number", "per_ns", "rate", "slot")

    def __init__(self, slot: Slot, burst: int, rate: int, per_ns: int, amount: int) -> None:
        self.slot = slot
        self.burst = burst
        self.rate = rate
        self.per_ns = per_ns
        self.amount = amount
        self.left = 0
        self.full_ns = 0
        self.number = 0
        """Its place among all draws, by whoever keeps the limit."""


class Table:
    """One worker's hands on the cells. `lane` is its own; the control plane has lane 0, in which nothing is ever held (what it
    lends is there, below zero).

    Raises `ValueError` for cells that are no table, or a lane that it has not.
    """

    __slots__ = ("_acquire", "_cells", "_lane", "_n_slots", "_release", "_spent", "_stride")

    def __init__(self, cells: memoryview, lock: Lock, lane: int) -> None:
        if len(cells) < HEADER_CELLS or cells[0] != MAGIC or len(cells) != n_cells(cells[_N_SLOTS], cells[_N_LANES]):
            raise ValueError("the cells have another layout")
        if not 0 <= lane < cells[_N_LANES]:
            raise ValueError(f"the table has no lane {lane}")
        self._cells = cells
        self._acquire = lock.acquire
        self._release = lock.release
        self._lane = lane
        self._n_slots = cells[_N_SLOTS]
        self._stride = stride_of(cells[_N_LANES])
        self._spent = _LANES + 2 * lane
        """Where this lane's `spent` is in a slot; `held` is behind it."""

    # --- budgets ------------------------------------------------------------------------------------------------

    def reserve(self, holds: Sequence[Hold]) -> Hold | None:
        """Hold all of these amounts or, if one does not fit, none: that one is returned. An amount of 0 always fits.

        Raises `TableFullError`.
        """
        cells, held = self._cells, self._spent + 1
        n_taken = 0
        self._acquire()
        try:
            try:
                for hold in holds:
                    offset = self._offset(hold.slot)
                    total = cells[offset + _TOTAL] + hold.amount
                    if total > hold.limit and hold.amount:
                        if hold.limit < UNLIMITED:
                            self._let_go(holds[:n_taken])
                            return hold
                        total = UNLIMITED
                    cells[offset + _TOTAL] = total
                    cells[offset + held] += hold.amount
                    n_taken += 1
            except TableFullError:
                self._let_go(holds[:n_taken])
                raise
        finally:
            self._release()
        return None

    def post(self, holds: Sequence[Hold], spent: Sequence[int]) -> None:
        """What was held is over, and this much of each was spent: less, or where a provider broke its word, more."""
        self.settle(holds, spent, (), ())

    def settle(self, holds: Sequence[Hold], spent: Sequence[int], draws: Sequence[Draw], used: Sequence[int]) -> None:
        """`post` and `correct` at once: the lock is taken once for both."""
        cells, own = self._cells, self._spent
        self._acquire()
        try:
            for hold, amount in zip(holds, spent, strict=True):
                slot = hold.slot
                offset = slot.offset
                if not offset or cells[offset] != slot.hash:
                    try:
                        offset = self._offset(slot)
                    except TableFullError:
                        continue  # it was swept, so nothing was held, and its period is over
                total, mine = offset + _TOTAL, offset + own
                more = amount - hold.amount
                if more > 0:
                    cells[total] = min(cells[total] + more, UNLIMITED)
                charged = cells[mine] + amount
                cells[mine] = min(UNLIMITED, charged)
                cells[mine + 1] -= hold.amount
                if more < 0:
                    cells[total] += more
            for draw, amount in zip(draws, used, strict=True):
                if amount != draw.amount or draw.per_ns:
                    self._correct(draw, amount)
        finally:
            self._release()

    def left(self, slot: Slot, limit: int) -> int:
        """What of a limit is neither spent nor held; negative where it is overdrawn."""
        self._acquire()
        try:
            offset = self._known(slot)
            return limit - int(self._cells[offset + _TOTAL]) if offset else limit
        finally:
            self._release()

    def _let_go(self, holds: Sequence[Hold]) -> None:
        """Undo the first part of a reservation whose next part does not fit."""
        cells, held = self._cells, self._spent + 1
        for hold in holds:
            offset = hold.slot.offset
            cells[offset + held] -= hold.amount
            cells[offset + _TOTAL] -= hold.amount

    # --- rate limits --------------------------------------------------------------------------------------------

    def draw(self, draws: Sequence[Draw], now_ns: int) -> Draw | None:
        """Take from all of these limits or, where one has not enough, from none: that one is returned. An amount of 0 always
        gets in.

        Raises `TableFullError`.
        """
        cells, held = self._cells, self._spent + 1
        n_taken = 0
        self._acquire()
        try:
            try:
                for draw in draws:
                    offset = self._offset(draw.slot)
                    level = self._level(offset, draw, now_ns)
                    used = level + draw.amount
                    draw.left = draw.burst - used
                    if draw.left < 0 and draw.amount:
                        draw.full_ns = self._wait_ns(offset, draw, now_ns)
                        self._put_back(draws[:n_taken])
                        return draw
                    if draw.per_ns:
                        passed_ns = max(0, now_ns - cells[offset + _AT])
                        # A part of the next unit may have come back already.
                        low = level - 1 if passed_ns and draw.rate and level else level
                        draw.number = self._begin(offset, low, draw.amount)
                        draw.full_ns = -(-used * draw.per_ns // draw.rate) - passed_ns if draw.rate else MAX_PER_NS
                    cells[offset + _TOTAL] = used
                    if not draw.per_ns:
                        cells[offset + held] += draw.amount
                    n_taken += 1
            except TableFullError:
                self._put_back(draws[:n_taken])
                raise
        finally:
            self._release()
        return None

    def correct(self, draws: Sequence[Draw], used: Sequence[int]) -> None:
        """It was more, or less, that was used than was drawn; of requests at a time nothing is used any more.

        What was not used is given back only as far as it has not come back by itself: otherwise a burst could follow that is larger
        than the limit's.
        """
        self.settle((), (), draws, used)

    def _correct(self, draw: Draw, amount: int) -> None:
        cells = self._cells
        try:
            offset = self._offset(draw.slot)
        except TableFullError:
            return  # it was swept: all of it came back long ago
        more = amount - draw.amount
        level = int(cells[offset + _TOTAL])
        if not draw.per_ns:
            cells[offset + self._spent + 1] += more
        else:
            unused = marks.end(cells, offset + _MARKS, draw.number, draw.amount, max(0, min(-more, level)))
            if more > 0:
                self._begin(offset, level, 0)  # as if it were drawn only now
            else:
                more = -unused
        if more:
            cells[offset + _TOTAL] = min(max(0, level + more), UNLIMITED)

    def _begin(self, offset: int, low: int, amount: int) -> int:
        """The number of a draw that finds the level so low."""
        cells = self._cells
        cells[_N_DRAWN] = number = cells[_N_DRAWN] + 1
        marks.begin(cells, offset + _MARKS, low, number, amount)
        return int(number)

    def _level(self, offset: int, draw: Draw, now_ns: int) -> int:
        """What is still used of a limit; what has come back by now is written off."""
        cells = self._cells
        used = int(cells[offset + _TOTAL])
        if not draw.per_ns:
            return used
        passed_ns = now_ns - cells[offset + _AT]
        # Another worker may have read the clock later and got the lock sooner: then nothing has come back since.
        back = draw.rate * passed_ns // draw.per_ns if passed_ns > 0 else 0
        if back >= used:
            # A time of 0 is that of what is no rate limit.
            cells[offset + _AT] = max(1, now_ns, cells[offset + _AT])
            cells[offset + _TOTAL] = 0
            return 0
        if back > 0:
            # The time first: whoever dies between the two lets less come back, not more. Rounded up, for the same reason.
            cells[offset + _AT] += -(-back * draw.per_ns // draw.rate)
            cells[offset + _TOTAL] = used - back
        return used - back

    def _wait_ns(self, offset: int, draw: Draw, now_ns: int) -> int:
        """How long until an amount fits that was refused."""
        if not draw.per_ns:
            return 1
        if not draw.rate or draw.amount > draw.burst:
            return MAX_PER_NS
        return max(1, -(draw.left * draw.per_ns // draw.rate) - max(0, now_ns - self._cells[offset + _AT]))

    def _put_back(self, draws: Sequence[Draw]) -> None:
        """Undo the first part of a draw whose next part does not fit."""
        cells, held = self._cells, self._spent + 1
        for draw in draws:
            offset = draw.slot.offset
            if draw.per_ns:
                marks.end(cells, offset + _MARKS, draw.number, draw.amount, 0)
            else:
                cells[offset + held] -= draw.amount
            cells[offset + _TOTAL] -= draw.amount

    # --- the control plane's ------------------------------------------------------------------------------------

    def set_base(self, amounts: Mapping[str, int]) -> None:
        """What was spent before this table was made. Raises `TableFullError`."""
        cells = self._cells
        for slots in _in_pieces(_slots(amounts)):
            self._acquire()
            try:
                for slot, amount in slots:
                    offset = self._offset(slot)
                    cells[offset + _TOTAL] += amount - cells[offset + _BASE]
                    cells[offset + _BASE] = amount
            finally:
                self._release()

    def lend(self, name: str, amount: int) -> None:
        """The host may use so much more under a name whose holds have a limit of 0: the total sinks below it.

        Raises `TableFullError`.
        """
        cells, own = self._cells, self._spent + 1
        self._acquire()
        try:
            offset = self._offset(Slot(name))
            cells[offset + own] -= amount
            cells[offset + _TOTAL] -= amount
        finally:
            self._release()

    def take(self, name: str, limit: int, amount: int, kept: int) -> int:
        """Spend up to an amount of what is free under a name, but leave `kept` of it free. How much that came to: it is not in the
        store yet.

        Raises `TableFullError`.
        """
        cells = self._cells
        self._acquire()
        try:
            offset = self._offset(Slot(name))
            taken = max(0, min(amount, limit - int(cells[offset + _TOTAL]) - kept))
            cells[offset + _TOTAL] += taken
            cells[offset + _BASE] += taken
            return taken
        finally:
            self._release()

    def take_back(self, name: str) -> int:
        """What was lent under a name and is neither spent nor held: from now on it may not be used."""
        cells, own = self._cells, self._spent + 1
        self._acquire()
        try:
            offset = self._find(Slot(name))
            unused = max(0, -int(cells[offset + _TOTAL])) if offset else 0
            if unused:
                # The total first: whoever dies between the two leaves too much used rather than too little.
                cells[offset + _TOTAL] += unused
                cells[offset + own] += unused
            return unused
        finally:
            self._release()

    def moved(self, lane: int, charges: Mapping[str, int]) -> None:
        """What a lane has spent lies in the store now: it counts as spent before, whatever becomes of the lane.

        Raises `TableFullError`.
        """
        cells, spent = self._cells, _LANES + 2 * lane
        for slots in _in_pieces(_slots(charges)):
            self._acquire()
            try:
                for slot, amount in slots:
                    offset = self._offset(slot)
                    cells[offset + _BASE] = min(cells[offset + _BASE] + amount, UNLIMITED)
                    cells[offset + spent] -= amount
            finally:
                self._release()

    def retire(self, lane: int, charges: Mapping[str, int]) -> None:
        """A worker is gone, and all its journal said is in the store; `charges` are of what it had begun and nobody settled.

        The lane may then be another worker's. Raises `TableFullError`.
        """
        cells, stride = self._cells, self._stride
        spent = _LANES + 2 * lane
        for slots in _in_pieces(_slots(charges)):
            self._acquire()
            try:
                for slot, amount in slots:
                    offset = self._offset(slot)
                    # In the total too, in which it is twice until the slot's turn comes: others reserve meanwhile.
                    cells[offset + _TOTAL] = min(cells[offset + _TOTAL] + amount, UNLIMITED)
                    cells[offset + _BASE] = min(cells[offset + _BASE] + amount, UNLIMITED)
            finally:
                self._release()
        for piece in _in_pieces(self._in_use()):
            self._acquire()
            try:
                for offset in self._still_there(piece):
                    if not cells[offset + _AT]:
                        cells[offset + spent] = cells[offset + spent + 1] = 0
                        total = cells[offset + _BASE] + sum(cells[offset + _LANES : offset + stride])
                        cells[offset + _TOTAL] = min(total, UNLIMITED)
            finally:
                self._release()

    def level(self, name: str) -> tuple[int, int]:
        """What was spent and what is held under a name; nothing of either where nobody has counted yet."""
        cells, stride = self._cells, self._stride
        slot = Slot(name)
        self._acquire()
        try:
            offset = self._find(slot)
            if not offset:
                return 0, 0
            lanes = cells[offset + _LANES : offset + stride].tolist()
            # Without lane 0, whose `held` is what was lent, below zero.
            return int(cells[offset + _BASE]) + sum(lanes[::2]), sum(lanes[3::2])
        finally:
            self._release()

    def sweep(self, now_ns: int, keep: frozenset[int]) -> int:
        """Free the slots of rate limits that are unused by now, and of budgets that hold nothing, have nothing that is not in the
        store yet or that is lent, and whose hashes are not to be kept (`Slot.hash` of periods that go on). How many.

        Nothing may be `moved` between making `keep` and this.
        """
        cells, stride = self._cells, self._stride
        n_freed = 0
        for piece in _in_pieces(self._in_use()):
            self._acquire()
            try:
                for offset in self._still_there(piece):
                    own, lent, *others = cells[offset + _LANES : offset + stride].tolist()
                    if cells[offset] in keep or own or any(others) or (lent and cells[offset + _TOTAL] < 0):
                        continue
                    if cells[offset + _AT] and now_ns - cells[offset + _AT] < _IDLE_NS:
                        continue
                    self._free(offset)
                    n_freed += 1
            finally:
                self._release()
        return n_freed

    @property
    def share_used(self) -> float:
        """How full the table is, between 0 and 1."""
        return float(self._cells[_N_USED]) / self._n_slots

    # --- slots --------------------------------------------------------------------------------------------------

    def _offset(self, slot: Slot) -> int:
        """Where a slot's cells begin, made if they are not there. The lock is held. Raises `TableFullError`."""
        offset = slot.offset
        if offset and self._cells[offset] == slot.hash:
            return offset
        return self._find(slot) or self._make(slot)

    def _known(self, slot: Slot) -> int:
        """The same; 0 if they are not there."""
        offset = slot.offset
        return offset if offset and self._cells[offset] == slot.hash else self._find(slot)

    def _find(self, slot: Slot) -> int:
        offset = self._search(slot.hash)
        if self._cells[offset] != slot.hash:
            return 0
        slot.offset = offset
        return offset

    def _make(self, slot: Slot) -> int:
        cells = self._cells
        if cells[_N_USED] >= self._n_slots * _MOST_USED:
            raise TableFullError
        slot.offset = self._search(slot.hash)
        cells[slot.offset] = slot.hash
        cells[_N_USED] += 1
        return slot.offset

    def _search(self, hash_: int) -> int:
        """The offset at which this hash is or, if it is nowhere, would be. One place is always empty."""
        cells, stride, n_slots = self._cells, self._stride, self._n_slots
        place = hash_ % n_slots
        while True:
            offset = HEADER_CELLS + place * stride
            if cells[offset] in (hash_, 0):
                return offset
            place = (place + 1) % n_slots

    def _free(self, offset: int) -> None:
        """Empty a slot, and move up what lies behind it because it had been taken, so that searches find it."""
        cells, stride, n_slots = self._cells, self._stride, self._n_slots
        gap = place = (offset - HEADER_CELLS) // stride
        while True:
            place = (place + 1) % n_slots
            here = HEADER_CELLS + place * stride
            if not cells[here]:
                break
            if (place - cells[here]) % n_slots >= (place - gap) % n_slots:  # its own place is not behind the gap
                there = HEADER_CELLS + gap * stride
                cells[there + 1 : there + stride] = cells[here + 1 : here + stride]
                cells[there] = cells[here]
                gap = place
        for cell in range(HEADER_CELLS + gap * stride, HEADER_CELLS + (gap + 1) * stride):
            cells[cell] = 0
        cells[_N_USED] -= 1

    def _in_use(self) -> list[tuple[int, int]]:
        """The offsets and hashes of slots in use."""
        stride = self._stride
        hashes = self._cells[HEADER_CELLS : HEADER_CELLS + self._n_slots * stride : stride].tolist()
        return [(HEADER_CELLS + place * stride, found) for place, found in enumerate(hashes) if found]

    def _still_there(self, piece: list[tuple[int, int]]) -> Iterator[int]:
        """Their offsets now: others may have been freed since, and these have moved up."""
        cells = self._cells
        for offset, hash_ in piece:
            now = offset if cells[offset] == hash_ else self._search(hash_)
            if cells[now]:
                yield now


_IDLE_NS: Final = MAX_PER_NS
"""A rate limit that nobody asked for so long has come back whole."""


def stride_of(n_lanes: int) -> int:
    """Cells of a slot."""
    return _LANES + 2 * n_lanes


def n_cells(n_slots: int, n_lanes: int) -> int:
    """Cells of a whole table."""
    return HEADER_CELLS + n_slots * stride_of(n_lanes)


def format_cells(cells: memoryview, n_slots: int, n_lanes: int) -> None:
    """Make a new table of cells that are all 0."""
    cells[_N_SLOTS] = n_slots
    cells[_N_LANES] = n_lanes
    cells[0] = MAGIC


def clamped(amount: int) -> int:
    """An amount as a table can hold it."""
    return max(0, min(amount, _MOST_AT_ONCE))


_MOST_AT_ONCE: Final = 2**53
"""Nine million dollars, for one attempt. A cell can hold those of a thousand attempts."""


def _in_pieces(whole: list[T]) -> Iterator[list[T]]:
    """So that nobody waits for the lock until all have had their turn."""
    for start in range(0, len(whole), _PIECE):
        yield whole[start : start + _PIECE]


def _slots(amounts: Mapping[str, int]) -> list[tuple[Slot, int]]:
    return [(Slot(name), amount) for name, amount in amounts.items()]
