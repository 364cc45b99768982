"""Time that jumps: nothing waits, everything keeps its order, and what hangs is told."""

from __future__ import annotations

import asyncio
import time

import pytest

from weighbridge.testing.virtual_time import StalledError, VirtualClock, VirtualTimeLoop, run_virtual

NS_PER_HOUR = 3600 * 10**9


def test_an_hour_of_a_thousand_sleepers_takes_less_than_real_seconds():
    loop = VirtualTimeLoop()
    clock = VirtualClock(loop)
    start_ns = clock.now_ns()

    async def sleeper():
        for _ in range(6):
            await asyncio.sleep(600)

    async def main():
        await asyncio.gather(*(sleeper() for _ in range(1000)))
        return clock.now_ns() - start_ns

    begun = time.perf_counter()
    assert run_virtual(main(), loop) == pytest.approx(NS_PER_HOUR, abs=10)
    assert time.perf_counter() - begun < 30


def test_timers_run_in_the_order_of_their_times():
    seen = []

    async def main():
        loop = asyncio.get_running_loop()
        for delay in (3, 1, 2):
            loop.call_later(delay, seen.append, delay)
        await asyncio.sleep(10)

    run_virtual(main(), VirtualTimeLoop())
    assert seen == [1, 2, 3]


def test_deadlines_pass_in_virtual_time():
    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3600):
                await asyncio.Event().wait()

    run_virtual(main(), VirtualTimeLoop())


def test_both_clocks_start_at_the_same_readings_in_every_run_and_go_together():
    async def readings(clock):
        first = (clock.now_ns(), clock.wall_ns())
        await asyncio.sleep(1.5)
        return first, (clock.now_ns() - first[0], clock.wall_ns() - first[1])

    runs = []
    for _ in range(2):
        loop = VirtualTimeLoop()
        runs.append(run_virtual(readings(VirtualClock(loop)), loop))
    assert runs[0] == runs[1]
    assert runs[0][0][0] > 0
    assert runs[0][1] == (1_500_000_000, 1_500_000_000)


def test_a_program_that_would_hang_for_ever_is_told_so():
    async def main():
        await asyncio.Event().wait()

    loop = VirtualTimeLoop()
    with pytest.raises(StalledError):
        loop.run_until_complete(main())
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(1))
    loop.close()


def test_timers_that_are_set_are_shown_and_cancelled_ones_are_not():
    async def main():
        loop = asyncio.get_running_loop()
        kept, cancelled = loop.call_later(60, int), loop.call_later(70, int)
        cancelled.cancel()
        return loop.timers == [kept]

    assert run_virtual(main(), VirtualTimeLoop())
