from __future__ import annotations

import asyncio
import threading

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.credentials.renewal import Fresh, Renewal

S = 10**9


class Source:
    """Hands out `v1`, `v2`, … or raises what it is told to."""

    def __init__(self, clock, lasts_s: float | None = 3600) -> None:
        self.clock = clock
        self.lasts_s = lasts_s
        self.n = 0
        self.error: BaseException | None = None
        self.gate: threading.Event | None = None

    def fetch(self) -> Fresh[str]:
        self.n += 1
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return Fresh(f"v{self.n}", None if self.lasts_s is None else self.clock.wall_ns() + int(self.lasts_s * S))


def renewal_of(source: Source, **more) -> Renewal[str]:
    return Renewal(source.fetch, clock=source.clock, what="AWS", **more)


async def test_the_first_use_fetches_and_later_ones_do_not(clock) -> None:
    source = Source(clock)
    renewal = renewal_of(source)
    assert (renewal.ready(), renewal.current, renewal.is_due()) == (False, None, True)
    assert await renewal.renew() == "v1"
    assert await renewal.renew() == "v1"
    assert (renewal.ready(), renewal.current, renewal.is_due(), source.n) == (True, "v1", False, 1)


async def test_many_who_wait_share_one_fetch(clock) -> None:
    source = Source(clock)
    source.gate = threading.Event()
    renewal = renewal_of(source)
    waiting = [asyncio.ensure_future(renewal.renew()) for _ in range(5)]
    await asyncio.sleep(0)
    source.gate.set()
    assert set(await asyncio.gather(*waiting)) == {"v1"}
    assert source.n == 1


async def test_it_is_due_before_its_end_and_usable_meanwhile(clock) -> None:
    source = Source(clock)
    renewal = renewal_of(source)
    await renewal.renew()
    clock.pass_s(3600 - 301)
    assert not renewal.is_due()
    clock.pass_s(2)
    assert renewal.is_due()
    assert renewal.ready()
    await renewal.start()
    assert (renewal.current, renewal.is_due()) == ("v2", False)


async def test_what_is_about_to_expire_is_not_used(clock) -> None:
    renewal = renewal_of(Source(clock))
    await renewal.renew()
    clock.pass_s(3600 - 16)
    assert renewal.ready()
    clock.pass_s(2)
    assert (renewal.ready(), renewal.current) == (False, None)
    assert await renewal.renew() == "v2"


async def test_a_short_life_is_renewed_in_its_last_fifth(clock) -> None:
    renewal = renewal_of(Source(clock, lasts_s=300))
    await renewal.renew()
    clock.pass_s(239)
    assert not renewal.is_due()
    clock.pass_s(2)
    assert renewal.is_due()


async def test_a_source_that_repeats_itself_is_not_asked_all_the_time(clock) -> None:
    renewal = renewal_of(Source(clock, lasts_s=20))
    await renewal.renew()
    clock.pass_s(29)
    assert not renewal.is_due()
    clock.pass_s(2)
    assert renewal.is_due()


async def test_what_does_not_expire_is_never_due(clock) -> None:
    renewal = renewal_of(Source(clock, lasts_s=None))
    await renewal.renew()
    clock.pass_s(10**6)
    assert renewal.ready()
    assert not renewal.is_due()


async def test_a_failure_says_why_and_nothing_secret(clock) -> None:
    source = Source(clock)
    source.error = ValueError("secret: hush-hush-hush and AKIAIOSFODNN7EXAMPLE")
    renewal = renewal_of(source)
    with pytest.raises(GatewayError) as caught:
        await renewal.renew()
    error = caught.value
    assert (error.kind, error.status) == (ErrorKind.PROVIDER_AUTHENTICATION, 502)
    assert error.detail == renewal.problem == "AWS credentials: ValueError: secret: *** and ***"
    assert "ValueError" not in error.public


async def test_a_broken_source_is_not_asked_by_every_request(clock) -> None:
    source = Source(clock)
    source.error = OSError("down")
    renewal = renewal_of(source)
    for _ in range(3):
        with pytest.raises(GatewayError):
            await renewal.renew()
    assert source.n == 1
    clock.pass_s(2)
    source.error = None
    assert await renewal.renew() == "v2"
    assert renewal.problem == ""


async def test_waits_between_failures_grow_to_a_minute(clock) -> None:
    source = Source(clock)
    source.error = OSError("down")
    renewal = renewal_of(source)
    waits = []
    for _ in range(8):
        await renewal.start()
        begun = clock.ns
        while not renewal.is_due():
            clock.pass_s(1)
        waits.append((clock.ns - begun) // S)
    assert waits == [2, 4, 8, 16, 32, 60, 60, 60]


async def test_a_failed_renewal_leaves_what_is_still_good(clock) -> None:
    source = Source(clock)
    renewal = renewal_of(source)
    await renewal.renew()
    clock.pass_s(3400)
    source.error = OSError("down")
    await renewal.start()
    assert renewal.current == "v1"
    assert await renewal.renew() == "v1"


async def test_the_first_use_waits_within_a_bound(clock) -> None:
    source = Source(clock)
    source.gate = threading.Event()
    renewal = renewal_of(source, wait_s=0.01)
    with pytest.raises(GatewayError) as caught:
        await renewal.renew()
    assert caught.value.kind is ErrorKind.PROVIDER_TIMEOUT
    running = renewal.start()
    source.gate.set()
    await running
    assert (renewal.current, source.n) == ("v1", 1)


async def test_a_fetch_that_hangs_is_given_up_and_what_it_brings_late_is_dropped(clock) -> None:
    source = Source(clock)
    first_gate = source.gate = threading.Event()
    renewal = renewal_of(source)
    hanging = renewal.start()
    clock.pass_s(121)
    while source.n == 0:
        await asyncio.sleep(0)
    source.gate = None
    await renewal.start()
    assert renewal.current == "v2"
    first_gate.set()
    await hanging
    assert renewal.current == "v2"


async def test_a_refused_value_is_fetched_anew_but_not_at_once_again(clock) -> None:
    source = Source(clock, lasts_s=None)
    renewal = renewal_of(source)
    await renewal.renew()
    renewal.invalidate()
    assert renewal.ready()
    clock.pass_s(31)
    renewal.invalidate()
    assert (renewal.ready(), renewal.is_due()) == (False, True)
    assert await renewal.renew() == "v2"
    renewal.invalidate()
    assert renewal.ready()


async def test_one_who_stops_waiting_does_not_stop_the_others(clock) -> None:
    source = Source(clock)
    source.gate = threading.Event()
    renewal = renewal_of(source)
    impatient, patient = asyncio.ensure_future(renewal.renew()), asyncio.ensure_future(renewal.renew())
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    source.gate.set()
    assert await patient == "v1"
    assert impatient.cancelled()
