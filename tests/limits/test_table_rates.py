"""What a table makes of rate limits, and of requests at a time."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule
from tests.limits.exact_level import exact_level
from tests.limits.fragile import DiedError, FragileCells
from tests.limits.test_table import DAY, MINUTE, N_LANES, SECOND, draw, fresh_cells, totals

from weighbridge.core.allowances import MAX_PER_NS
from weighbridge.limits.marks import MOST
from weighbridge.limits.table import Slot, Table, Unlocked


def test_a_burst_comes_back_one_by_one_to_the_nanosecond(tables):
    _, table, _ = tables()
    now = 1_000
    assert [table.draw([draw()], now) is None for _ in range(11)] == [True] * 10 + [False]
    for number in range(1, 30):
        due = now + number * MINUTE // 10
        assert table.draw([draw()], due - 1) is not None
        assert table.draw([draw()], due) is None
        assert table.draw([draw()], due) is not None


def test_each_window_of_its_time_gets_the_amount_and_no_more(tables):
    _, table, _ = tables()
    seconds = [second for second in range(600) for _ in range(3) if table.draw([draw(burst=1)], 1 + second * SECOND) is None]
    assert len(seconds) == 100
    for start in range(540):
        assert sum(start <= second < start + 60 for second in seconds) == 10


def test_who_is_refused_learns_when_it_would_have_fitted(tables):
    _, table, _ = tables()
    table.draw([draw(10)], 1_000)
    refused = draw(3)
    assert table.draw([refused], 1_000 + 5 * SECOND) is refused
    assert refused.full_ns == 13 * SECOND
    assert table.draw([draw(3)], 1_000 + 18 * SECOND - 1) is not None
    assert table.draw([draw(3)], 1_000 + 18 * SECOND) is None


def test_who_is_let_in_learns_what_is_left_and_when_all_is_there_again(tables):
    _, table, _ = tables()
    first, second = draw(4), draw(1)
    table.draw([first], 1_000)
    table.draw([second], 1_000 + 7 * SECOND)
    assert (first.left, first.full_ns) == (6, 24 * SECOND)
    assert (second.left, second.full_ns) == (6, 23 * SECOND)


def test_what_could_never_fit_waits_for_longest(tables):
    _, table, _ = tables()
    for hopeless in (draw(11), draw(rate=0, burst=0), draw(burst=0)):
        assert table.draw([hopeless], 5) is hopeless
        assert hopeless.full_ns == MAX_PER_NS


def test_a_limit_that_never_comes_back_is_drawn_once(tables):
    _, table, _ = tables()
    assert table.draw([draw(rate=0, burst=1)], 5) is None
    assert table.draw([draw(rate=0, burst=1)], DAY) is not None


def test_a_clock_that_was_read_before_another_workers_takes_nothing(tables):
    _, one, other = tables()
    late, early = 2 * MINUTE, 2 * MINUTE - 1
    assert [(one if n % 2 else other).draw([draw()], early if n % 2 else late) for n in range(10)] == [None] * 10
    assert one.draw([draw()], early) is not None
    assert other.draw([draw()], late + 6 * SECOND) is None  # the earlier reading moved nothing back


def test_a_clock_at_zero_begins_a_limit_too(tables):
    control, table, _ = tables()
    assert table.draw([draw(10)], 0) is None
    control.retire(1, {})
    assert table.draw([draw()], 0) is not None


def test_what_does_not_fit_everywhere_is_drawn_nowhere(tables):
    _, table, _ = tables()
    several = [draw(2, "a"), draw(1, "b", per_ns=0), draw(11, "c")]
    assert table.draw(several, 5) is several[2]
    assert table.draw([draw(10, "a"), draw(10, "b", per_ns=0)], 5) is None


def test_one_limit_twice_in_a_draw_counts_twice(tables):
    _, table, _ = tables()
    twice = [draw(6), draw(6)]
    assert table.draw(twice, 5) is twice[1]
    assert table.draw([draw(10)], 5) is None


def test_tokens_that_were_not_used_come_back_at_once(tables):
    _, table, _ = tables()
    drawn = draw(10)
    table.draw([drawn], 5)
    table.correct([drawn], [3])
    assert table.draw([draw(7)], 5) is None
    assert table.draw([draw(1)], 5) is not None


def test_tokens_that_were_used_beyond_the_draw_are_waited_for(tables):
    _, table, _ = tables()
    drawn = draw(5)
    table.draw([drawn], 5)
    table.correct([drawn], [25])
    refused = draw(1)
    assert table.draw([refused], 5) is refused
    assert (refused.left, refused.full_ns) == (-16, 96 * SECOND)
    table.correct([drawn], [2**63])  # what a provider says has no bound
    assert table.draw([draw(1)], 5 + DAY) is not None


def test_what_came_back_by_itself_is_not_given_back_again(tables):
    _, table, _ = tables()
    early = draw(10)
    table.draw([early], 5)
    assert table.draw([draw(10)], 5 + MINUTE) is None
    table.correct([early], [1])
    assert table.draw([draw(1)], 5 + MINUTE) is not None


def test_what_has_come_back_of_a_draw_meanwhile_is_not_taken_from_one_that_was_made_later(tables):
    """When the third draw is made nothing is used, for what the first gave back is away and the second has come back in time."""
    _, table, _ = tables()
    given_back, come_back, late = draw(4), draw(4), draw(4)
    assert table.draw([given_back], 5) is None
    assert table.draw([come_back], 5) is None
    table.correct([given_back], [0])
    assert table.draw([late], 5 + 24 * SECOND) is None
    table.correct([come_back], [0])
    assert table.draw([draw(7)], 5 + 24 * SECOND) is not None
    assert table.draw([draw(6)], 5 + 24 * SECOND) is None


def test_a_long_answer_gives_back_all_that_it_did_not_use_whoever_came_and_went_meanwhile(tables):
    _, table, _ = tables()
    long = draw(5, per_ns=DAY)
    table.draw([draw(2, per_ns=DAY)], 5)
    table.draw([long], 5)
    for _ in range(100):
        short = draw(3, per_ns=DAY)
        assert table.draw([short], 5) is None
        table.correct([short], [0])
    table.correct([long], [0])
    assert table.draw([draw(8, per_ns=DAY)], 5) is None
    assert table.draw([draw(1, per_ns=DAY)], 5) is not None


def test_more_than_was_drawn_counts_from_when_it_is_known(tables):
    _, table, _ = tables()
    early, over = draw(4), draw(2)
    table.draw([early], 5)
    table.draw([over], 5)
    assert table.draw([draw(9)], 5 + 24 * SECOND) is not None  # what has come back by now is written off
    table.correct([over], [5])
    table.correct([early], [0])  # of which 2 are still used
    assert table.draw([draw(8)], 5 + 24 * SECOND) is not None
    assert table.draw([draw(7)], 5 + 24 * SECOND) is None


def test_a_correction_of_a_limit_that_was_swept_is_harmless(tables):
    control, table, _ = tables()
    drawn = draw(5)
    table.draw([drawn], 5)
    assert control.sweep(5 + DAY, frozenset()) == 1
    table.correct([drawn], [1])
    assert table.draw([draw(10)], 6 + DAY) is None


def test_a_correction_of_a_limit_that_was_swept_takes_nothing_from_who_has_it_now(tables):
    control, table, _ = tables()
    swept = draw(5)
    table.draw([swept], 5)
    control.sweep(5 + DAY, frozenset())
    table.draw([draw(10)], 5 + DAY)
    table.correct([swept], [1])
    assert table.draw([draw(1)], 5 + DAY) is not None


moments = st.tuples(st.integers(0, 4), st.integers(0, 40), st.integers(1, 40), st.integers(0, 100), st.integers(0, 6))


@example([(0, 0, 1, 0, 0), (0, 0, 1, 0, 0), (0, 0, 1, 0, 0), (0, 24, 3, 34, 0), (4, 1, 6, 100, 0)], 6, 4, 1_000)
@given(st.lists(moments, max_size=30), st.integers(1, 40), st.integers(1, 30), st.sampled_from([7, 10, 1_000, 333_333]))
@settings(max_examples=200, deadline=None)
def test_no_window_sees_more_than_the_burst_and_what_came_back_in_it(steps, burst, rate, per_ns):
    """Whatever is drawn, from clocks that are a little apart, and however much of it is given back, however much later."""
    cells = fresh_cells(8, 3)
    workers = [Table(cells, Unlocked(), lane) for lane in (1, 2)]
    now = 1_000
    admitted, under_way = [], []
    for n_due, pause, amount, used, skew in steps:
        for _ in range(min(n_due, len(under_way))):
            drawn, spent = under_way.pop(0)
            workers[0].correct([drawn], [spent])
        now += pause * per_ns // 100
        drawn = draw(min(amount, burst), burst=burst, rate=rate, per_ns=per_ns)
        if workers[skew % 2].draw([drawn], now - skew) is None:
            spent = drawn.amount * used // 100
            under_way.append((drawn, spent))
            admitted.append((now, spent))
    for place, (start, _) in enumerate(admitted):
        total = 0
        for end, spent in admitted[place:]:
            total += spent
            assert total <= burst + Fraction(rate * (end - start + 6), per_ns)


@pytest.mark.parametrize("most", [MOST, 90])
@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_level_is_what_it_were_if_each_had_drawn_what_it_used(most, data):
    """In whatever order they give back. Where more are under way than are told apart, it is no lower."""
    steps = data.draw(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9), st.integers(0, 9)), max_size=most))
    [table] = [Table(fresh_cells(8, 2), Unlocked(), 1)]
    now, drawn, under_way = 1_000, [], []
    for pause, amount, use in steps:
        now += pause
        asked = draw(amount, burst=1_000_000, rate=1, per_ns=1)
        assert table.draw([asked], now) is None
        under_way.append((asked, len(drawn), min(use, amount)))
        drawn.append((now, amount))
        for _ in range(data.draw(st.integers(0, len(under_way)))):
            asked, place, used = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
            table.correct([asked], [used])
            drawn[place] = (drawn[place][0], used)
        look = draw(0, burst=1_000_000, rate=1, per_ns=1)
        table.draw([look], now)
        level, exact = 1_000_000 - look.left, exact_level(drawn, now, Fraction(1))
        assert level == exact if most <= MOST else level >= exact


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(1, 5)), max_size=60), st.integers(5, 9), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_nobody_is_refused_who_would_fit(steps, burst, rate):
    """Beside a bucket of exact fractions: at most a nanosecond's worth of each draw comes back late."""
    per_ns = 10_007
    [table] = [Table(fresh_cells(8, 2), Unlocked(), 1)]
    now, level, late = 1_000, Fraction(0), Fraction(0)
    for pause, amount in steps:
        now += pause
        level = max(Fraction(0), level - Fraction(rate * pause, per_ns))
        drawn = draw(amount, burst=burst, rate=rate, per_ns=per_ns)
        if table.draw([drawn], now) is None:
            assert level + amount <= burst
            level += amount
            late += Fraction(rate, per_ns)
        else:
            assert level + amount + late > burst


class Concurrency(RuleBasedStateMachine):
    """Requests at a time, on workers that die anywhere: what is used is what is under way."""

    drawn = Bundle("drawn")

    @initialize()
    def start(self):
        self.cells = fresh_cells(8, N_LANES)
        self.fragile = [FragileCells(self.cells) for _ in range(N_LANES)]
        self.control = Table(self.cells, Unlocked(), 0)
        self.tables = [Table(cells, Unlocked(), lane) for lane, cells in enumerate(self.fragile)]
        self.under_way = {}

    def ask(self):
        return [draw(1, "a", burst=5, per_ns=0), draw(1, "b", burst=3, per_ns=0)]

    @rule(target=drawn, lane=st.integers(1, N_LANES - 1))
    def begin(self, lane):
        draws = self.ask()
        refused = self.tables[lane].draw(draws, 5)
        assert (refused is None) == (len(self.under_way) < 3)
        if refused is None:
            self.under_way[id(draws)] = lane, draws
        return draws

    @rule(draws=consumes(drawn))
    def end(self, draws):
        if id(draws) in self.under_way:
            lane, _ = self.under_way.pop(id(draws))
            self.tables[lane].correct(draws, [0, 0])

    @rule(lane=st.integers(1, N_LANES - 1), n_writes=st.integers(0, 4), which=st.integers(0, 5))
    def die(self, lane, n_writes, which):
        own = [draws for at, draws in self.under_way.values() if at == lane]
        self.fragile[lane].n_left = n_writes
        try:
            if which < len(own):
                self.tables[lane].correct(own[which], [0, 0])
            else:
                self.tables[lane].draw(self.ask(), 5)
        except DiedError:
            pass
        self.fragile[lane].n_left = None
        assert self.control.left(Slot("b"), 3) <= 3 - len(self.under_way) + (which < len(own))
        self.control.retire(lane, {})
        self.under_way = {key: each for key, each in self.under_way.items() if each[0] != lane}

    @invariant()
    def what_is_used_is_under_way(self):
        for name in ("a", "b"):
            assert self.control.level(name) == (0, len(self.under_way))
            assert totals(self.control, self.cells, name)[0] == len(self.under_way)


Concurrency.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestConcurrency = pytest.mark.slow(Concurrency.TestCase)


@given(st.integers(0, 12), st.integers(0, 30))
def test_a_worker_that_dies_while_it_draws_leaves_no_more_than_there_was(n_writes, seconds):
    cells = fresh_cells(8, 3)
    fragile = FragileCells(cells)
    doomed, other = Table(fragile, Unlocked(), 1), Table(cells, Unlocked(), 2)
    other.draw([draw(10)], 1_000)
    now = 1_000 + seconds * SECOND
    fragile.n_left = n_writes
    try:
        while doomed.draw([draw(1)], now) is None:
            pass
    except DiedError:
        pass
    taken = sum(other.draw([draw(1)], now) is None for _ in range(20))
    assert taken <= seconds // 6
    assert sum(other.draw([draw(1)], now + MINUTE) is None for _ in range(20)) == 10
