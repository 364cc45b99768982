from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.limits.fragile import DiedError, FragileCells

from weighbridge.limits.marks import MOST, N_CELLS, begin, end

ALL = 10**9
"""More than any draw of these tests finds."""
PLACE = 3

levels = st.lists(st.integers(1, 50), max_size=80)


def fresh_cells():
    return memoryview(bytearray(8 * (PLACE + N_CELLS))).cast("q")


def begun(found, amount=ALL):
    """What is kept of draws 1, 2, … that found these levels, and of one before them."""
    cells = fresh_cells()
    for number, level in enumerate([0, *found]):
        begin(cells, PLACE, level, number, amount)
    return cells


def could_give_back(cells, n_draws, amount=ALL):
    """How much each draw could give back, if it were the next that does."""
    return [end(memoryview(bytearray(cells)).cast("q"), PLACE, number, amount, amount) for number in range(n_draws + 1)]


def lowest_after(found):
    return [min(found[number:], default=ALL) for number in range(len(found) + 1)]


@given(levels.filter(lambda found: len(found) <= MOST))
def test_a_draw_gives_back_no_more_than_the_least_that_a_later_one_found(found):
    assert could_give_back(begun(found), len(found)) == lowest_after(found)


@given(st.lists(st.integers(0, 50), max_size=MOST))
def test_a_draw_before_the_level_was_empty_gives_back_nothing(found):
    assert could_give_back(begun(found), len(found)) == lowest_after(found)


@given(levels)
def test_where_there_is_no_room_for_all_less_is_given_back(found):
    told, exact = could_give_back(begun(found), len(found)), lowest_after(found)
    assert all(each <= most for each, most in zip(told, exact, strict=True))


def test_many_that_begin_together_can_each_give_back_all_that_they_drew():
    found = range(260, 260 * 500, 260)
    assert could_give_back(begun(found, 260), len(found), 260) == [260] * 500


@pytest.mark.parametrize("n_under_way", [1, 20])
def test_nothing_is_kept_of_a_level_of_which_little_can_be_given_back(n_under_way):
    cells = begun([])
    end(cells, PLACE, 0, ALL, 0)
    for number in range(1, 1_000):
        begin(cells, PLACE, 10 * number, number, 10)
        end(cells, PLACE, number - n_under_way, 10, 0)
    assert cells[PLACE] <= 1


@given(st.data())
def test_what_one_gives_back_later_draws_have_not_found(data):
    """Beside all that was ever found."""
    found, amounts, cells = [0], {0: 60}, fresh_cells()
    begin(cells, PLACE, 0, 0, 60)
    for _ in range(data.draw(st.integers(0, 90))):
        if amounts and data.draw(st.booleans()):
            number = data.draw(st.sampled_from(sorted(amounts)))
            amount = amounts.pop(number)
            unused = data.draw(st.integers(0, amount))
            given_back = end(cells, PLACE, number, amount, unused)
            least = min(found[number + 1 :], default=ALL)
            assert given_back <= min(least, unused)
            if len(found) <= MOST:
                assert given_back == min(least, unused)
            found[number + 1 :] = [low - given_back for low in found[number + 1 :]]
        else:
            # No more than there can be: what is not given back yet is part of the level.
            found.append(data.draw(st.integers(0, 60)))
            amounts[len(found) - 1] = amount = data.draw(st.integers(0, 60))
            begin(cells, PLACE, found[-1], len(found) - 1, amount)


@pytest.mark.parametrize("n_writes", range(8))
@given(found=levels, low=st.integers(0, 50), number=st.integers(1, 60), ends=st.booleans())
@settings(max_examples=60)
def test_who_dies_between_two_writes_lets_no_draw_give_back_more(n_writes, found, low, number, ends):
    """Than the level that it has found, in any case."""
    cells = begun(found)
    before = could_give_back(cells, len(found))
    try:
        if ends:
            end(FragileCells(cells, n_writes), PLACE, number, ALL, low)
        else:
            begin(FragileCells(cells, n_writes), PLACE, low, len(found) + 1, ALL)
    except DiedError:
        pass
    after = could_give_back(cells, len(found))
    level = ALL if ends else low
    assert all(min(each, level) <= most for each, most in zip(after, before, strict=True))


def test_joining_makes_room_and_keeps_the_order():
    cells = begun([])
    for number in range(1, 1_000):
        begin(cells, PLACE, 10 * number, number, ALL)
        numbers = cells[PLACE + N_CELLS - MOST : PLACE + N_CELLS - MOST + cells[PLACE]].tolist()
        assert len(numbers) <= MOST
        assert numbers == sorted(numbers)
        assert numbers[-1] == number
