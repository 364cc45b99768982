from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule
from tests.limits.fragile import DiedError, FragileCells

from weighbridge.core.allowances import MAX_PER_NS, UNLIMITED
from weighbridge.limits.table import (
    HEADER_CELLS,
    Draw,
    Hold,
    Slot,
    Table,
    TableFullError,
    Unlocked,
    clamped,
    format_cells,
    n_cells,
    stride_of,
)

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DAY = MAX_PER_NS


def fresh_cells(n_slots, n_lanes):
    cells = memoryview(bytearray(8 * n_cells(n_slots, n_lanes))).cast("q")
    format_cells(cells, n_slots, n_lanes)
    return cells


def totals(table, cells, name):
    """A slot's total, and the sum that it is to be."""
    offset = table._find(Slot(name))
    if not offset:
        return 0, 0
    base_and_lanes = cells[offset + 2] + sum(cells[offset + 4 : offset + table._stride])
    return cells[offset + 1], base_and_lanes


# --- budgets ----------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c")
N_LANES = 4
LIMIT = 100
amounts = st.integers(0, 60)
some_amounts = st.lists(st.tuples(st.sampled_from(NAMES), amounts), min_size=1, max_size=4)


class Attempt:
    """What a worker's journal knows of an attempt, and what is held for it."""

    def __init__(self, lane, life, parts):
        self.lane = lane
        self.life = life
        self.parts = parts
        self.holds = [Hold(Slot(name), LIMIT, amount) for name, amount in parts]


class Budgets(RuleBasedStateMachine):
    """Any order of what workers and the control plane do, and of deaths at any single write, beside plain sums."""

    attempts = Bundle("attempts")

    @initialize()
    def start(self):
        self.cells = fresh_cells(8, N_LANES)
        self.fragile = [FragileCells(self.cells) for _ in range(N_LANES)]
        self.control = Table(self.cells, Unlocked(), 0)
        self.tables = [Table(cells, Unlocked(), lane) for lane, cells in enumerate(self.fragile)]
        self.dead = set()
        self.lives = [0] * N_LANES
        self.open = []
        self.released = [dict.fromkeys(NAMES, 0) for _ in range(N_LANES)]
        self.unmoved = [dict.fromkeys(NAMES, 0) for _ in range(N_LANES)]
        self.stored = dict.fromkeys(NAMES, 0)
        self.excess = dict.fromkeys(NAMES, 0)

    def spent(self, name):
        return self.stored[name] + sum(lane[name] for lane in self.unmoved)

    def held(self, name):
        return sum(amount for attempt in self.open for part, amount in attempt.parts if part == name)

    @rule(target=attempts, lane=st.integers(1, N_LANES - 1), parts=some_amounts)
    def reserve(self, lane, parts):
        attempt = Attempt(lane, self.lives[lane], parts)
        if lane in self.dead:
            return attempt
        wanted = {name: sum(amount for part, amount in parts if part == name) for name, _ in parts}
        fits = all(not each or self.spent(name) + self.held(name) + each <= LIMIT for name, each in wanted.items())
        short = self.tables[lane].reserve(attempt.holds)
        if short is None:
            assert fits or any(any(lane.values()) for lane in self.released)
            self.open.append(attempt)
        else:
            assert short in attempt.holds
            assert not fits or self.dead  # what a dead worker may have held is held until it is retired
        return attempt

    @rule(attempt=consumes(attempts), share=st.integers(0, 100), over=st.sampled_from([0, 0, 0, 50]))
    def post(self, attempt, share, over):
        if attempt not in self.open or attempt.lane in self.dead:
            return
        spent = [amount * share // 100 + over for _, amount in attempt.parts]
        self.tables[attempt.lane].post(attempt.holds, spent)
        self.journal(attempt, spent)

    def journal(self, attempt, spent):
        self.open.remove(attempt)
        for (name, amount), each in zip(attempt.parts, spent, strict=True):
            self.unmoved[attempt.lane][name] += each
            self.excess[name] += max(0, each - amount)

    @rule(lane=st.integers(1, N_LANES - 1), parts=some_amounts, n_writes=st.integers(0, 8))
    def die_while_reserving(self, lane, parts, n_writes):
        self.die(lane, n_writes, lambda table: table.reserve([Hold(Slot(name), LIMIT, amount) for name, amount in parts]))

    @rule(attempt=attempts, n_writes=st.integers(0, 11), share=st.integers(0, 100))
    def die_while_posting(self, attempt, n_writes, share):
        """After the journal has it: the mover may have been there before the post."""
        if attempt in self.open and attempt.lane not in self.dead:
            spent = [amount * share // 100 for _, amount in attempt.parts]
            self.journal(attempt, spent)
            self.die(attempt.lane, n_writes, lambda table: table.post(attempt.holds, spent))

    @rule(attempt=attempts, n_writes=st.integers(0, 11), share=st.integers(0, 100))
    def die_while_posting_what_no_journal_has(self, attempt, n_writes, share):
        """Its bound will be charged, of which a part may be held by others already."""
        if attempt in self.open and attempt.lane not in self.dead:
            spent = [amount * share // 100 for _, amount in attempt.parts]
            for name, amount in attempt.parts:
                self.released[attempt.lane][name] += amount
                self.excess[name] += amount
            self.die(attempt.lane, n_writes, lambda table: table.post(attempt.holds, spent))

    def die(self, lane, n_writes, what):
        if lane in self.dead:
            return
        self.fragile[lane].n_left = n_writes
        with suppress(DiedError):
            what(self.tables[lane])
        self.fragile[lane].n_left = None
        self.dead.add(lane)

    @rule(lane=st.integers(1, N_LANES - 1), names=st.sets(st.sampled_from(NAMES)))
    def move(self, lane, names):
        moved = {name: self.unmoved[lane][name] for name in names}
        self.control.moved(lane, moved)
        for name, amount in moved.items():
            self.unmoved[lane][name] = 0
            self.stored[name] += amount

    @precondition(lambda self: self.dead)
    @rule()
    def retire(self):
        lane = min(self.dead)
        self.move(lane, set(NAMES))
        unsettled = dict.fromkeys(NAMES, 0)
        for attempt in [attempt for attempt in self.open if attempt.lane == lane]:
            self.open.remove(attempt)
            for name, amount in attempt.parts:
                unsettled[name] += amount
        self.control.retire(lane, unsettled)
        for name, amount in unsettled.items():
            self.stored[name] += amount
        self.released[lane] = dict.fromkeys(NAMES, 0)
        self.dead.remove(lane)
        self.lives[lane] += 1

    @rule(name=st.sampled_from(NAMES), by=st.integers(-20, 20))
    def adjust(self, name, by):
        """An adjustment in the store, as far as it leaves something."""
        amount = max(0, self.stored[name] + by)
        self.excess[name] += max(0, amount - self.stored[name])
        self.control.set_base({name: amount})
        self.stored[name] = amount

    @rule()
    def sweep(self):
        self.control.sweep(10 * DAY, frozenset(Slot(name).hash for name in NAMES))

    @invariant()
    def nothing_is_overspent(self):
        for name in NAMES:
            assert self.spent(name) + self.held(name) <= LIMIT + self.excess[name]

    @invariant()
    def the_total_is_never_too_low(self):
        for name in NAMES:
            total, sum_of_parts = totals(self.control, self.cells, name)
            assert total >= self.spent(name) + self.held(name) - sum(lane[name] for lane in self.released)
            if not self.dead:
                assert total == sum_of_parts
                assert self.control.level(name) == (self.spent(name), self.held(name))
                assert self.control.left(Slot(name), LIMIT) == LIMIT - total


Budgets.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestBudgets = pytest.mark.slow(Budgets.TestCase)


def hold(name, limit, amount):
    return Hold(Slot(name), limit, amount)


def draw(amount=1, name="a", burst=10, rate=10, per_ns=MINUTE):
    return Draw(Slot(name), burst, rate, per_ns, amount)


def test_what_does_not_fit_everywhere_is_held_nowhere(tables):
    _, table, _ = tables()
    wide, narrow = hold("wide", 100, 60), hold("narrow", 50, 60)
    assert table.reserve([wide, narrow]) is narrow
    assert (table.level("wide"), table.level("narrow")) == ((0, 0), (0, 0))


def test_what_one_worker_holds_no_other_can(tables):
    _, one, other = tables()
    assert one.reserve([hold("a", 100, 100)]) is None
    late = hold("a", 100, 1)
    assert other.reserve([late]) is late


def test_one_counter_twice_in_a_reservation_counts_twice(tables):
    _, table, _ = tables()
    first, second = hold("a", 100, 60), hold("a", 100, 60)
    assert table.reserve([first, second]) is second
    assert table.level("a") == (0, 0)


def test_a_budget_that_only_watches_refuses_nothing_and_never_overflows(tables):
    control, table, _ = tables()
    for _ in range(5):
        watched = hold("a", UNLIMITED, clamped(UNLIMITED))
        assert table.reserve([watched]) is None
        table.post([watched], [UNLIMITED])
    control.moved(1, {"a": UNLIMITED})
    control.moved(1, {"a": UNLIMITED})
    control.retire(1, {"a": UNLIMITED})
    last = hold("a", 100, 1)
    assert table.reserve([last]) is last


def test_a_provider_that_breaks_its_word_overdraws_visibly(tables):
    _, table, _ = tables()
    held = hold("a", 100, 10)
    table.reserve([held])
    table.post([held], [150])
    assert table.level("a") == (150, 0)
    assert table.left(Slot("a"), 100) == -50


@pytest.mark.parametrize("n_writes", [1, 2, 3])
def test_who_dies_while_posting_more_than_was_held_leaves_it_in_the_total(n_writes):
    cells = fresh_cells(8, 2)
    fragile = FragileCells(cells)
    control, table = Table(cells, Unlocked(), 0), Table(fragile, Unlocked(), 1)
    held = hold("a", 100, 10)
    table.reserve([held])
    fragile.n_left = n_writes
    with suppress(DiedError):
        table.post([held], [60])
    assert control.left(held.slot, 100) == 40


def test_a_charge_may_reach_the_store_before_it_is_posted(tables):
    control, table, _ = tables()
    held = hold("a", 100, 30)
    table.reserve([held])
    control.moved(1, {"a": 20})
    assert table.left(Slot("a"), 100) == 70
    table.post([held], [20])
    assert table.level("a") == (20, 0)
    assert table.left(Slot("a"), 100) == 80


def test_asking_what_is_left_makes_no_slot(tables):
    _, table, _ = tables()
    assert table.left(Slot("a"), 100) == 100
    assert table.level("a") == (0, 0)
    assert table.share_used == 0


def test_the_base_may_be_told_again_and_be_lowered(tables):
    control, table, _ = tables()
    table.reserve([hold("a", 100, 10)])
    for base in (70, 70, 0):
        control.set_base({"a": base})
        assert table.left(Slot("a"), 100) == 90 - base


# --- what a host has on lease -----------------------------------------------------------------------------------


def test_nothing_may_be_used_that_was_not_lent(tables):
    control, table, _ = tables()
    first = hold("a", 0, 1)
    assert table.reserve([first]) is first
    control.lend("a", 100)
    assert table.left(Slot("a"), 0) == 100
    assert table.reserve([hold("a", 0, 60), hold("a", 0, 40)]) is None
    late = hold("a", 0, 1)
    assert table.reserve([late]) is late
    assert table.level("a") == (0, 100)


def test_only_what_is_unused_can_be_taken_back(tables):
    control, table, _ = tables()
    control.lend("a", 100)
    spent, held = hold("a", 0, 30), hold("a", 0, 20)
    table.reserve([spent, held])
    table.post([spent], [10])
    assert control.take_back("a") == 70
    assert control.take_back("a") == 0
    assert table.left(Slot("a"), 0) == 0
    table.post([held], [0])
    assert control.take_back("a") == 20
    assert control.take_back("never lent") == 0


def test_what_is_moved_into_the_store_leaves_the_lease_as_it_is(tables):
    control, table, _ = tables()
    control.lend("a", 100)
    held = hold("a", 0, 30)
    table.reserve([held])
    table.post([held], [30])
    control.moved(1, {"a": 30})
    assert (table.left(Slot("a"), 0), table.level("a")) == (70, (30, 0))
    table.reserve([hold("a", 0, 50)])
    control.retire(1, {"a": 50})
    assert (table.left(Slot("a"), 0), table.level("a")) == (20, (80, 0))


def test_a_provider_that_breaks_its_word_overdraws_a_lease_and_not_more_than_once(tables):
    control, table, _ = tables()
    control.lend("a", 100)
    held = hold("a", 0, 100)
    table.reserve([held])
    table.post([held], [150])
    assert table.left(Slot("a"), 0) == -50
    assert control.take_back("a") == 0
    control.lend("a", 60)
    assert table.left(Slot("a"), 0) == 10


def test_a_lease_is_not_swept_and_its_slot_is_once_it_is_over(tables):
    control, table, _ = tables()
    control.lend("a", 100)
    held = hold("a", 0, 40)
    table.reserve([held])
    table.post([held], [40])
    control.moved(1, {"a": 40})
    assert control.sweep(5, frozenset()) == 0
    assert control.take_back("a") == 60
    assert control.sweep(5, frozenset()) == 1
    late = hold("a", 0, 1)
    assert table.reserve([late]) is late  # a slot that is made anew lends nothing


# --- slots ------------------------------------------------------------------------------------------------------


def test_a_full_table_is_an_error_that_changes_nothing(tables):
    _, table, _ = tables(n_slots=10)
    for number in range(8):
        table.reserve([hold(f"n{number}", 100, 1)])
    with pytest.raises(TableFullError):
        table.reserve([hold("n0", 100, 5), hold("last", 100, 5), hold("one too many", 100, 5)])
    with pytest.raises(TableFullError):
        table.draw([draw(5, "last"), draw(1, "one too many")], 5)
    assert [table.level(name) for name in ("n0", "last", "one too many")] == [(0, 1), (0, 0), (0, 0)]
    assert table.reserve([hold(f"n{number}", 100, 1) for number in range(8)]) is None
    assert table.draw([draw(10, "last")], 5) is None


def test_who_has_a_slot_is_counted_in_a_full_table(tables):
    control, table, _ = tables(n_slots=10)
    held = hold("n0", 100, 5)
    table.reserve([held])
    for number in range(1, 9):
        table.reserve([hold(f"n{number}", 100, 1)])
    table.post([held, hold("of a period that is over", 100, 0)], [4, 3])
    table.correct([draw(5, "of a limit that was swept")], [3])
    control.retire(1, {"n1": 1})
    assert [table.level(name) for name in ("n0", "n1")] == [(0, 0), (1, 0)]


def test_slots_that_nobody_needs_are_freed_and_used_again(tables):
    control, table, _ = tables(n_slots=10)
    kept = frozenset({Slot("goes on").hash})
    control.set_base({"goes on": 7})
    for start in range(200):
        over, held = hold(f"over {start}", 100, 5), hold("held", 100, 5)
        table.reserve([over, held])
        table.post([over], [3])
        assert control.sweep(5, kept) == 0  # not in the store yet
        control.moved(1, {f"over {start}": 3})
        table.draw([draw(3, f"limit {start}"), draw(1, f"at a time {start}", per_ns=0)], 5 + start * DAY)
        assert control.sweep(4 + (start + 1) * DAY, kept) == 1
        table.correct([draw(1, f"at a time {start}", per_ns=0)], [0])
        assert control.sweep(5 + (start + 1) * DAY, kept) == 2
        assert table.level("goes on") == (7, 0)
        assert table.level("held") == (0, 5)
        table.post([held], [0])
    assert control.sweep(5 + 201 * DAY, frozenset()) == 2
    assert control.share_used == 0


def test_a_slot_that_moved_is_found_again(tables):
    control, table, _ = tables(n_slots=10)
    mine = hold("mine", 100, 5)
    table.reserve([mine])
    table.post([mine], [0])
    control.sweep(5, frozenset())
    for number in range(8):
        table.reserve([hold(f"n{number}", 100, 1)])
    table.reserve([mine])
    assert table.level("mine") == (0, 5)
    assert sum(table.level(f"n{number}")[1] for number in range(8)) == 8


@given(st.lists(st.tuples(st.integers(0, 25), st.booleans()), max_size=80))
def test_names_never_share_or_lose_a_slot(steps):
    """Of few slots, so that names are in each other's way."""
    cells = fresh_cells(20, 2)
    control, table = (Table(cells, Unlocked(), lane) for lane in (0, 1))
    held = {}
    for number, is_given_up in steps:
        name = f"n{number}"
        if is_given_up and name in held:
            table.post([hold(name, UNLIMITED, held.pop(name))], [0])
            control.sweep(5, frozenset())
        elif not is_given_up:
            try:
                table.reserve([hold(name, UNLIMITED, number + 1)])
            except TableFullError:
                assert len(held) == 18
                continue
            held[name] = held.get(name, 0) + number + 1
    for number in range(26):
        assert table.level(f"n{number}") == (0, held.get(f"n{number}", 0))
    used = [cells[offset] for offset in range(HEADER_CELLS, len(cells), stride_of(2)) if cells[offset] > 1]
    assert sorted(used) == sorted(Slot(name).hash for name in held)
    assert table.share_used == len(held) / 20


def test_a_sweep_lets_others_in_between(tables):
    """The control plane never has the lock for as long as a whole table takes."""
    control, _, _ = tables(n_slots=2_048)
    for number in range(1_000):
        control.set_base({f"n{number}": 0})
    n_taken = 0

    def counting():
        nonlocal n_taken
        n_taken += 1

    control._acquire = counting
    assert control.sweep(5, frozenset()) == 1_000
    control.retire(1, {})
    assert n_taken >= 8


def test_cells_of_another_layout_are_refused():
    cells = fresh_cells(8, 2)
    for wrong in (memoryview(bytearray(8)).cast("q"), memoryview(bytearray(8 * 99)).cast("q"), cells[:-1]):
        with pytest.raises(ValueError, match="layout"):
            Table(wrong, Unlocked(), 0)


@pytest.mark.parametrize("lane", [-1, 2])
def test_a_lane_that_the_table_has_not_is_refused(lane):
    with pytest.raises(ValueError, match="lane"):
        Table(fresh_cells(8, 2), Unlocked(), lane)


def test_amounts_are_held_as_far_as_a_cell_goes():
    assert [clamped(amount) for amount in (-5, 0, 7, 2**80)] == [0, 0, 7, 2**53]
