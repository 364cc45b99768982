from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.clock import NS_PER_S, SystemRng
from weighbridge.core.errors import ErrorKind
from weighbridge.core.secret import Secret
from weighbridge.providers.base import Credential
from weighbridge.routing.key_pool import KeyPools
from weighbridge.routing.live import NEVER_NS
from weighbridge.routing.provider_key import WHOLE_KEY, Block, KeyState

NOW = 1000 * NS_PER_S
LIMITED, REFUSED, MONEY = ErrorKind.RATE_LIMIT_EXCEEDED, ErrorKind.PROVIDER_AUTHENTICATION, ErrorKind.INSUFFICIENT_QUOTA


def credentials(n, secret="sk"):
    return tuple(Credential(f"openai#{i}", Secret(f"{secret}-{i}")) for i in range(1, n + 1))


@pytest.fixture
def pools():
    return KeyPools(SystemRng(1))


def use(pool, now_ns=NOW, kind=None, hint=None, model="m"):
    index = pool.take(model, now_ns)
    if index is None:
        return None
    if kind is None:
        pool.succeeded(index, model, now_ns, now_ns)
    else:
        pool.failed(index, kind, model, now_ns, now_ns, retry_after_ns=hint)
    return index


def test_keys_take_turns(pools):
    pool = pools.pool("openai", credentials(3))
    assert [use(pool) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_a_route_may_use_some_of_them_only(pools):
    pool = pools.pool("openai", credentials(3), allowed=("openai#2", "openai#3"))
    assert {use(pool) for _ in range(10)} == {1, 2}


def test_a_resting_key_is_not_used_and_the_others_share_its_part_evenly(pools):
    pool = pools.pool("openai", credentials(4))
    assert use(pool, kind=LIMITED, hint=10 * NS_PER_S) == 0
    seen = Counter(use(pool, NOW + 1) for _ in range(300))
    assert seen == {1: 100, 2: 100, 3: 100}
    assert use(pool, NOW + 10 * NS_PER_S) in (0, 1, 2, 3)
    assert 0 in {use(pool, NOW + 10 * NS_PER_S) for _ in range(4)}


def test_when_all_rest_there_is_none_and_the_soonest_is_told(pools):
    pool = pools.pool("openai", credentials(2))
    use(pool, kind=LIMITED, hint=9 * NS_PER_S)
    use(pool, kind=LIMITED, hint=4 * NS_PER_S)
    assert use(pool, NOW + 1) is None
    assert pool.soonest_ns("m", NOW + 1) == NOW + 4 * NS_PER_S
    assert use(pool, NOW + 4 * NS_PER_S) == 1


def test_a_limit_of_one_model_leaves_the_key_to_others(pools):
    pool = pools.pool("openai", credentials(1))
    use(pool, kind=LIMITED, hint=NS_PER_S, model="a")
    assert use(pool, model="a") is None
    assert use(pool, model="b") == 0


def test_a_refused_key_is_parked_and_another_does_its_work(pools):
    pool = pools.pool("openai", credentials(2))
    assert use(pool, kind=REFUSED) == 0
    assert {use(pool, NOW + n) for n in range(50)} == {1}


def test_when_every_key_is_parked_the_request_at_hand_is_the_probe(pools):
    pool = pools.pool("openai", credentials(2))
    use(pool, NOW, REFUSED)
    use(pool, NOW + 1, REFUSED)
    assert [use(pool, NOW + n, REFUSED) for n in (2, 3, 4)] == [0, 1, 0]
    assert use(pool, NOW + 5) == 1
    assert {use(pool, NOW + 6) for _ in range(5)} == {1}


def test_an_operator_clears_a_key(pools):
    pool = pools.pool("openai", credentials(2))
    use(pool, kind=MONEY)
    ((provider, key),) = pools.find("openai#1")
    assert pools.clear(provider, key)
    assert not pools.clear(provider, key)
    assert {use(pool) for _ in range(4)} == {0, 1}


def test_a_key_has_a_bound_on_its_requests_at_a_time(pools):
    pool = pools.pool("openai", credentials(2), max_in_flight=2)
    taken = [pool.take("m", NOW) for _ in range(5)]
    assert sorted(index for index in taken if index is not None) == [0, 0, 1, 1]
    assert taken.count(None) == 1
    pool.succeeded(0, "m", NOW, NOW)
    assert pool.take("m", NOW) == 0


def test_state_outlives_a_reload_but_not_another_secret(pools):
    use(pools.pool("openai", credentials(1)), kind=LIMITED, hint=NS_PER_S)
    assert use(pools.pool("openai", credentials(1))) is None
    assert use(pools.pool("openai", credentials(1, "new"))) == 0


def test_what_changes_is_told_once(pools):
    told = []
    pools.on_change = lambda provider, key, scope, block: told.append((provider, key.name, scope, block and block.state.value))
    pool = pools.pool("openai", credentials(1))
    use(pool, kind=LIMITED, hint=NS_PER_S)
    assert use(pool, NOW + NS_PER_S) == 0
    assert told == [("openai", "openai#1", "m", "resting"), ("openai", "openai#1", "m", None)]


def test_a_server_without_keys_has_one_without_a_name(pools):
    pool = pools.pool("local", ())
    assert use(pool, kind=LIMITED, hint=NS_PER_S) == 0
    assert use(pool) is None


def test_who_has_another_key_is_told(pools):
    pool = pools.pool("openai", credentials(2))
    assert pool.has_other(0, "m", NOW)
    use(pool, kind=LIMITED, hint=NS_PER_S)
    assert not pool.has_other(1, "m", NOW)


def test_a_pool_of_nothing_never_has_a_key(pools):
    pool = pools.pool("openai", credentials(1), allowed=("unheard-of",))
    assert use(pool) is None
    assert pool.soonest_ns("m", NOW) == NEVER_NS


ACTIONS = st.lists(
    st.tuples(st.sampled_from(["ok", "limited", "hinted", "refused", "money", "failed"]), st.integers(0, 5)), max_size=80
)
KINDS = {"limited": LIMITED, "hinted": LIMITED, "refused": REFUSED, "money": MONEY, "failed": ErrorKind.PROVIDER_INTERNAL}


@given(ACTIONS, st.integers(1, 5))
def test_no_key_is_ever_used_while_the_provider_has_it_rest(actions, n):
    pools = KeyPools(SystemRng(2))
    pool = pools.pool("openai", credentials(n))
    rests = {}
    now_ns = NOW
    for action, seconds in actions:
        now_ns += seconds * NS_PER_S
        index = pool.take("m", now_ns)
        if index is None:
            assert pool.soonest_ns("m", now_ns) > now_ns
            continue
        assert rests.get(index, 0) <= now_ns
        if action == "ok":
            pool.succeeded(index, "m", now_ns, now_ns)
        else:
            hint = 3 * NS_PER_S if action == "hinted" else None
            pool.failed(index, KINDS[action], "m", now_ns, now_ns, retry_after_ns=hint)
            if action == "hinted":
                rests[index] = now_ns + hint
    assert all(key.in_flight == 0 for key in pools.keys("openai"))


def test_a_probe_that_is_due_does_not_wait_for_the_one_of_a_key_that_was_parked_before(pools):
    pool = pools.pool("openai", credentials(3))
    told = (("1", KeyState.PARKED, NOW, 3600), ("2", KeyState.PARKED, NOW + 1, 10), ("3", KeyState.RESTING, NOW, 3600))
    for name, state, since_ns, for_s in told:
        pools.set_block("openai", f"openai#{name}", WHOLE_KEY, Block(state, since_ns, since_ns + for_s * NS_PER_S, 1, "told"))
    assert pool.take("m", NOW + 9 * NS_PER_S) is None
    assert pool.soonest_ns("m", NOW) == NOW + 1 + 10 * NS_PER_S
    assert pool.take("m", NOW + 11 * NS_PER_S) == 1
