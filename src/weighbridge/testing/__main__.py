"""Simulated providers for other processes: `python -m weighbridge.testing --openai 9001 --anthropic 9002 --gemini 9003`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from weighbridge.core.codec import encode_json
from weighbridge.testing.anthropic import SimulatedAnthropic
from weighbridge.testing.bedrock import SimulatedBedrock
from weighbridge.testing.cohere import SimulatedCohere
from weighbridge.testing.faults import Fault
from weighbridge.testing.gemini import SimulatedGemini
from weighbridge.testing.ollama import SimulatedOllama
from weighbridge.testing.openai import SimulatedOpenAI
from weighbridge.testing.provider import SimulatedProvider

_KINDS: Final[dict[str, type[SimulatedProvider]]] = {
    "openai": SimulatedOpenAI,
    "anthropic": SimulatedAnthropic,
    "gemini": SimulatedGemini,
    "bedrock": SimulatedBedrock,
    "cohere": SimulatedCohere,
    "ollama": SimulatedOllama,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM. Prints one line of JSON: for each provider its base URL and a key that it takes."""
    parser = argparse.ArgumentParser(prog="python -m weighbridge.testing", description=__doc__)
    for name in _KINDS:
        parser.add_argument(f"--{name}", type=int, metavar="PORT", help=f"simulate {name} on this port (0 takes a free one)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--pace-ms", type=float, default=0.0, help="milliseconds between the chunks of a stream")
    options = parser.parse_args(arguments)
    ports = {name: port for name in _KINDS if (port := getattr(options, name)) is not None}
    if not ports:
        parser.error("name at least one provider, for example --openai 9001")
    asyncio.run(_serve(ports, options.host, options.pace_ms))


async def _serve(ports: dict[str, int], host: str, pace_ms: float) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        described = {}
        for name, port in ports.items():
            provider = await stack.enter_async_context(_KINDS[name](host=host, port=port))
            if pace_ms:
                provider.faults.add(Fault.pace(every_ms=pace_ms))
            described[name] = {"base_url": provider.base_url, "api_key": provider.keys[0]}
        sys.stdout.write(encode_json(described).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    main()
