"""One of several processes that ask a Valkey for one limit as fast as they can: `shared_limit_hammer.py SOCKET RATE SECONDS`."""

from __future__ import annotations

import asyncio
import os
import sys

from weighbridge.core.clock import SystemClock
from weighbridge.core.codec import encode_json
from weighbridge.limits.shared import Outcome, SharedDraw, SharedLimitsPlace
from weighbridge.limits.table import Slot
from weighbridge.storage.valkey_limits import ValkeyLimits


async def hammer(path: str, rate: int, seconds: float) -> dict[str, int]:
    place = SharedLimitsPlace("", 0, path, member=f"host_{os.getpid()}", wait_ns=5_000_000_000)
    limits = ValkeyLimits(place, "j_1", None, SystemClock(), sys.stderr.write)
    running = asyncio.ensure_future(limits.run())
    await limits.has_tried.wait()
    told = {Outcome.GIVEN: 0, Outcome.REFUSED: 0, Outcome.UNKNOWN: 0}
    first_us = 0
    until = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < until:
        draws = [SharedDraw(Slot("hammered"), rate, rate, 1_000_000_000, 1) for _ in range(16)]
        for asked in [limits.ask([draw]) for draw in draws]:
            await asked.signal
            told[asked.outcome] += 1
        first_us = first_us or draws[0].number  # draws are numbered by the time
    await limits.stop()
    running.cancel()
    assert not told[Outcome.UNKNOWN]
    return {"given": told[Outcome.GIVEN], "refused": told[Outcome.REFUSED], "first_us": first_us}


if __name__ == "__main__":
    print(encode_json(asyncio.run(hammer(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))).decode())  # noqa: T201
