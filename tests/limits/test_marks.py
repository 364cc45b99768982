from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.limits.fragile import DiedError, FragileCells

from weighbridge.limits.marks import MOST, N_CELLS, give_back, put_mark

ALL = 10**9
PLACE = 3

lows = st.lists(st.integers(0, 50), max_size=40)


def fresh_cells():
    return memoryview(bytearray(8 * (PLACE + N_CELLS))).cast("q")


def marked(found):
    """Marks of draws 1, 2, … that found these levels."""
    cells = fresh_cells()
    for number, low in enumerate(found, 1):
        put_mark(cells, PLACE, low, number)
    return cells


def could_give_back(cells, n_draws):
    """How much each draw could give back, if it were the next that does."""
    return [give_back(memoryview(bytearray(cells)).cast("q"), PLACE, number, ALL) for number in range(n_draws + 1)]


def lowest_after(found):
    return [min(found[number:], default=ALL) for number in range(len(found) + 1)]


@given(lows.filter(lambda found: len(found) <= MOST))
def test_a_draw_gives_back_no_more_than_the_least_that_a_later_one_found(found):
    assert could_give_back(marked(found), len(found)) == lowest_after(found)


@given(lows)
def test_where_there_is_no_room_for_all_less_is_given_back_and_by_the_smallest_difference(found):
    told, exact = could_give_back(marked(found), len(found)), lowest_after(found)
    assert all(each <= most for each, most in zip(told, exact, strict=True))
    assert marked(range(MOST + 3))[PLACE] == MOST
    spread = [0, 99, *range(200, 100 * MOST + 100, 100)]
    assert sum(lowest_after(spread)) - sum(could_give_back(marked(spread), len(spread))) == 99


@given(st.data())
def test_what_one_gives_back_later_draws_have_not_found(data):
    """Beside all marks that there ever were."""
    found, cells = [], fresh_cells()
    for _ in range(data.draw(st.integers(0, 40))):
        if found and data.draw(st.booleans()):
            number = data.draw(st.integers(1, len(found)))
            amount = data.draw(st.integers(0, 50))
            given_back = give_back(cells, PLACE, number, amount)
            assert given_back <= min(found[number:], default=ALL)
            found[number:] = [low - given_back for low in found[number:]]
        else:
            found.append(data.draw(st.integers(0, 50)))
            put_mark(cells, PLACE, found[-1], len(found))
        exact = lowest_after(found)
        assert all(each <= most for each, most in zip(could_give_back(cells, len(found)), exact, strict=True))


@pytest.mark.parametrize("n_writes", range(2 * MOST + 4))
@given(found=lows, low=st.integers(0, 50), number=st.integers(1, 40), gives_back=st.booleans())
@settings(max_examples=60)
def test_who_dies_between_two_writes_lets_no_draw_give_back_more(n_writes, found, low, number, gives_back):
    cells = marked(found)
    before = could_give_back(cells, len(found))
    try:
        if gives_back:
            give_back(FragileCells(cells, n_writes), PLACE, number, low)
        else:
            put_mark(FragileCells(cells, n_writes), PLACE, low, len(found) + 1)
    except DiedError:
        pass
    after = could_give_back(cells, len(found))
    assert all(each <= most for each, most in zip(after, before, strict=True))
