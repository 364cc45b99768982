"""The scripts in a real Valkey, by a clock that tests set, beside models that are too simple to be wrong."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction

import pytest
import valkey
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.limits.exact_level import exact_level

from weighbridge.storage.valkey_scripts import CORRECT, DRAW, LIVE

MINUTE = 60_000_000
LASTS = 10_000_000
START = 1_800_000_000_000_000
LIVES, CLOCK = "{scripts}lives", "{scripts}clock"


class Server:
    """Limits in a Valkey whose time is a key. Its keys do not go with the machine's time, unless they are to."""

    def __init__(self, client, *, forgets=False):
        self.client = client
        self.now = START
        client.flushdb()
        source, lasts = "redis.call('TIME')", ", 'PX', lasts"
        self._scripts = {}
        for script in (DRAW, CORRECT, LIVE):
            text = script.source.decode()
            assert text.count(source) == 1
            assert text.count(lasts) == (script is not LIVE)
            text = text.replace(source, f"redis.call('LRANGE', '{CLOCK}', 0, 1)")
            self._scripts[script] = client.register_script(text if forgets else text.replace(lasts, ""))

    def run(self, script, keys, *arguments):
        with self.client.pipeline(transaction=False) as pipe:
            pipe.delete(CLOCK)
            pipe.rpush(CLOCK, self.now // 1_000_000, self.now % 1_000_000)
            pipe.execute()
        return self._scripts[script](keys=keys, args=arguments)

    def draw(self, *limits, me="a/1"):
        """`limits`: (key, amount, burst, rate, per)."""
        return self.run(DRAW, [LIVES, *(each[0] for each in limits)], me, LASTS, *(n for each in limits for n in each[1:]))

    def correct(self, *corrections, me="a/1"):
        """`corrections`: (key, more, rate, per, amount, number)."""
        return self.run(CORRECT, [each[0] for each in corrections], me, *(n for each in corrections for n in each[1:]))

    def live(self, me, *held, begins=True, before=""):
        return self.run(LIVE, [LIVES, *(key for key, _ in held)], me, LASTS, int(begins), before, *(n for _, n in held))


@pytest.fixture(scope="module")
def client(valkey_server):
    # A database of its own, since it is emptied.
    with closing(valkey.Valkey(unix_socket_path=valkey_server.path, db=7)) as connected:
        yield connected


@pytest.fixture
def server(client):
    return Server(client)


# --- rates ------------------------------------------------------------------------------------------------------


def test_a_limit_gives_its_burst_and_then_what_comes_back(server):
    a_minute = ("{scripts}r", 1, 3, 3, MINUTE)
    assert [server.draw(a_minute)[1] for _ in range(3)] == [2, 1, 0]
    assert server.draw(a_minute) == [1, -1, 20_000_000, 0]
    server.now += 19_999_999
    assert server.draw(a_minute)[0] == 1
    server.now += 1
    assert server.draw(a_minute) == [0, 0, 60_000_000, START + 20_000_000]  # numbered by the time


def test_all_limits_give_or_none_does(server):
    server.draw(("{scripts}narrow", 1, 1, 1, MINUTE))
    assert server.draw(("{scripts}wide", 1, 5, 5, MINUTE), ("{scripts}narrow", 1, 1, 1, MINUTE))[0] == 2
    assert server.draw(("{scripts}wide", 5, 5, 5, MINUTE))[0] == 0


def test_a_limit_that_has_come_back_leaves_nothing_behind(client):
    server = Server(client, forgets=True)
    server.draw(("{scripts}r", 500, 1_000, 1_000, MINUTE))
    assert server.client.ttl("{scripts}r") in (29, 30)
    server.draw(("{scripts}day", 1_000, 1_000, 1_000, 24 * 60 * MINUTE))
    assert server.client.ttl("{scripts}day") in (86_399, 86_400)


def test_a_clock_that_is_set_back_gives_nothing_twice(server):
    a_minute = ("{scripts}r", 1, 2, 2, MINUTE)
    server.draw(a_minute)
    server.draw(a_minute)
    server.now -= 3_600_000_000
    assert server.draw(a_minute)[0] == 1
    server.now += 30_000_000
    assert server.draw(a_minute)[0] == 0
    assert server.draw(a_minute)[0] == 1


def test_what_has_come_back_of_a_draw_meanwhile_is_not_taken_from_one_that_was_made_later(server):
    """When the third draw is made nothing is used, for what the first gave back is away and the second has come back in time."""
    four = ("{scripts}r", 4, 10, 10, MINUTE)
    given_back, come_back = server.draw(four)[3], server.draw(four)[3]
    server.correct(("{scripts}r", -4, 10, MINUTE, 4, given_back))
    server.now += 24_000_000
    assert server.draw(four)[1] == 6
    server.correct(("{scripts}r", -4, 10, MINUTE, 4, come_back))
    assert server.draw(("{scripts}r", 7, 10, 10, MINUTE))[0] == 1
    assert server.draw(("{scripts}r", 6, 10, 10, MINUTE))[0] == 0


def test_a_limit_of_which_nothing_is_kept_takes_nothing_from_who_has_it_now(server):
    ten = ("{scripts}r", 10, 10, 10, MINUTE)
    early = server.draw(ten)[3]
    server.client.delete("{scripts}r")
    server.now += MINUTE
    server.draw(ten)
    server.correct(("{scripts}r", -10, 10, MINUTE, 10, early))
    assert server.draw(("{scripts}r", 1, 10, 10, MINUTE))[0] == 1


@pytest.mark.slow
@settings(max_examples=150)
@given(
    burst=st.integers(1, 200) | st.integers(1, 10**12),
    rate=st.integers(1, 200) | st.integers(1, 10**12),
    per=st.sampled_from([1_000, 1_000_000, MINUTE, 7 * MINUTE, 24 * 60 * MINUTE]),
    steps=st.lists(
        st.tuples(
            st.integers(0, 3 * MINUTE) | st.integers(0, 50), st.floats(0, 1.2), st.floats(0, 1), st.integers(0, 12), st.booleans()
        ),
        max_size=25,
    ),
)
def test_a_level_is_never_below_what_it_were_if_each_had_drawn_what_it_used(client, burst, rate, per, steps):
    server, pace = Server(client), Fraction(rate, per)
    key, drawn, under_way, n_done = "{scripts}r", [], [], 1
    for passed, share, used_share, which, is_settled in steps:
        server.now += passed
        n_done += 1
        # What rounding may keep back, each time: a unit, and what comes back in a microsecond.
        slack = n_done * (1 + pace)
        if is_settled and under_way:
            place, number = under_way.pop(which % len(under_way))
            when, amount = drawn[place]
            used = int(amount * used_share) if amount > 1 else 1
            server.correct((key, used - amount, rate, per, amount, number))
            drawn[place] = (when, used)
        else:
            amount = max(1, int(burst * share))
            exact = exact_level(drawn, server.now, pace)
            refused, left, wait, number = server.draw((key, amount, burst, rate, per))
            if refused:
                assert exact + amount > burst - slack
                assert wait >= 1
            else:
                assert exact + amount <= burst - left < exact + amount + slack
                drawn.append((server.now, amount))
                under_way.append((len(drawn) - 1, number))


def test_many_that_begin_together_give_back_all_that_they_did_not_use(server):
    held = ("{scripts}r", 260, 10**6, 1, 24 * 60 * MINUTE)
    numbers = [server.draw(held)[3] for _ in range(200)]
    for number in numbers[::2] + numbers[1::2]:
        server.correct(("{scripts}r", -140, 1, 24 * 60 * MINUTE, 260, number))
    assert server.draw(("{scripts}r", 0, 10**6, 1, 24 * 60 * MINUTE))[1] == 10**6 - 200 * 120


def test_a_request_that_is_given_back_counts_once_another_has_been_drawn(server):
    """Nobody tells the Valkey of those that were used, so that it does not know what may still be given back."""
    one = ("{scripts}r", 1, 10, 10, MINUTE)
    first, second = server.draw(one)[3], server.draw(one)[3]
    server.correct(("{scripts}r", -1, 10, MINUTE, 1, second))
    assert server.draw(one)[1] == 8
    server.correct(("{scripts}r", -1, 10, MINUTE, 1, first))
    assert server.draw(one)[1] == 7


def test_more_than_was_drawn_is_waited_for(server):
    five = ("{scripts}r", 5, 10, 10, MINUTE)
    early, over = server.draw(five)[3], server.draw(("{scripts}r", 2, 10, 10, MINUTE))[3]
    server.now += 24_000_000
    server.correct(("{scripts}r", 20, 10, MINUTE, 2, over))
    assert server.draw(five)[:3] == [1, -18, 108_000_000]
    server.correct(("{scripts}r", -5, 10, MINUTE, 5, early))  # of which 3 are still used
    assert server.draw(five)[:3] == [1, -15, 90_000_000]


@given(amount=st.integers(1, 2**53), rate=st.integers(1, 2**53), passed=st.integers(0, 86_400_000_000))
def test_beyond_what_lua_counts_exactly_rounding_is_to_the_limits_side(client, amount, rate, passed):
    server, key = Server(client), "{scripts}r"
    burst = 2**53
    assert server.draw((key, amount, burst, rate, MINUTE))[0] == 0
    server.now += passed
    _, left, _, _ = server.draw((key, 0, burst, rate, MINUTE))
    exact = max(Fraction(0), amount - Fraction(rate * passed, MINUTE))
    assert burst - left >= exact


# --- requests at a time -----------------------------------------------------------------------------------------


def test_who_does_not_say_that_it_is_there_gets_no_place(server):
    assert server.draw(("{scripts}c", 1, 5, 0, 0)) == [-1]
    server.live("a/1")
    assert server.draw(("{scripts}c", 1, 5, 0, 0)) == [0, 4, 0, 0]
    server.now += LASTS + 1
    assert server.draw(("{scripts}c", 1, 5, 0, 0)) == [-1]
    assert server.live("a/1", begins=False) == -1


def test_what_the_dead_had_is_free_when_their_time_is_over(server):
    server.live("a/1")
    server.live("b/1")
    for _ in range(2):
        server.draw(("{scripts}c", 1, 2, 0, 0))
    server.now += LASTS
    assert server.live("b/1", begins=False) == 2
    assert server.draw(("{scripts}c", 1, 2, 0, 0), me="b/1")[0] == 1
    server.now += 1
    assert server.live("b/1", begins=False) == 1
    assert server.draw(("{scripts}c", 1, 2, 0, 0), me="b/1") == [0, 1, 0, 0]
    assert server.client.hgetall("{scripts}c") == {b"b/1": b"1"}


def test_another_life_takes_over_what_the_one_before_had(server):
    server.live("a/1.1")
    for _ in range(3):
        server.draw(("{scripts}c", 1, 5, 0, 0), me="a/1.1")
    assert server.live("a/1.2", ("{scripts}c", 2), before="a/1.1") == 1
    assert server.draw(("{scripts}c", 1, 5, 0, 0), me="a/1.2")[1] == 2
    assert server.client.hgetall(LIVES).keys() == {b"a/1.2"}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["draw", "end", "beat", "die", "begin"]),
            st.sampled_from(["a/1", "a/2", "b/1"]),
            st.integers(0, 6_000_000),
        ),
        max_size=40,
    )
)
def test_requests_at_a_time_are_those_of_the_living(client, steps):
    server, held, heard = Server(client), {}, {}
    for do, me, passed in steps:
        server.now += passed
        living = {each for each in heard if server.now - heard[each] <= LASTS}
        if do == "begin":
            # Whoever begins tells what it has, and is believed.
            server.live(me, ("{scripts}c", held.get(me, 0)))
            heard[me] = server.now
        elif do == "beat":
            known = server.live(me, begins=False) > 0
            assert known == (me in living)
            if known:
                heard[me] = server.now
            else:
                held.pop(me, None)
        elif do == "draw":
            (place, *_) = server.draw(("{scripts}c", 1, 3, 0, 0), me=me)
            total = sum(held.get(each, 0) for each in living)
            assert place == (-1 if me not in living else 0 if total < 3 else 1)
            if place == 0:
                held[me] = held.get(me, 0) + 1
        elif do == "end" and held.get(me):
            server.correct(("{scripts}c", -1, 0, 0, 0, 0), me=me)
            held[me] -= 1
        elif do == "die":
            held.pop(me, None)
            heard.pop(me, None)
            client.hdel(LIVES, me)
