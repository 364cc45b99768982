"""A provider that answers with markers, and fails in every way that a seed asks for."""

from __future__ import annotations

import asyncio
from random import Random

from tests.simulation.dialogue import Asked, Served, answer

FAULTS = [
    "refuse", "hang", "reset_before", "close_before", "cut", "cut_reset", "stall", "garbage", "early", "interim", "until_close",
    "close_after",
]  # fmt: skip

MOST_PAUSES = 200
"""While one body is read: an upload in a thousand small chunks would go on when everybody else is long gone."""


class SimulatedProvider:
    """Serves one host. `faults` are weights by name; `storms` are spans of virtual seconds in which all is refused."""

    def __init__(self, world, name: str, rng: Random) -> None:
        self.world = world
        self.name = name
        self.served: dict[str, Served] = {}
        self.complaints: list[str] = []
        chosen = [fault for fault in FAULTS if rng.random() < 0.4]
        self.faults = {"none": rng.choice([1, 5, 20]), **dict.fromkeys(chosen, 1)}
        self.storms = [(start, start + rng.uniform(1, 20)) for start in (rng.uniform(0, 300) for _ in range(rng.randint(0, 3)))]
        self.pause_s = rng.choice([0, 0.001, 0.2, 2.0])
        self.read_pause_s = rng.choice([0, 0, 0.01, 0.3])
        self.idle_s = rng.choice([1.0, 30.0, 500.0])
        self._seed = rng.random()
        self._n_connections = 0
        self._n_pauses = 0

    def calm_down(self) -> None:
        """From now on answer everything, and soon; to close after a reply, when it is announced, is no fault."""
        self.faults, self.storms = {"none": 3, "until_close": 1}, []
        self.pause_s, self.read_pause_s, self.idle_s = min(self.pause_s, 0.2), 0, 500.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._n_connections += 1
        self.world.watch_task()
        try:
            while await self._serve_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        async with asyncio.timeout(self.idle_s):
            head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines[1:] if line)
        asked = self.world.asked[fields["x-marker"]]
        if asked.provider != self.name or asked.key in head.decode() or "sk-of-" + self.name not in head.decode():
            self.complaints.append(f"{asked.marker}: wrong head {head!r}")
        served = self.served.setdefault(asked.marker, Served())
        served.n_seen += 1
        rng = Random(f"{self._seed}/{asked.marker}")
        fault = rng.choices([*self.faults], [*self.faults.values()])[0]
        self.world.note(asked.marker, f"provider {fault}")
        if any(start <= self.world.loop.time() <= end for start, end in self.storms):
            fault = "refuse"
        if fault != "early":
            body = await self._read_body(reader, fields)
            if not asked.is_expected_at_provider(body):
                self.complaints.append(f"{asked.marker}: wrong body {body[:200]!r}")
        await asyncio.sleep(rng.uniform(0, self.pause_s))
        return await self._reply(writer, rng, asked, served, fault)

    async def _read_body(self, reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
        self._n_pauses = MOST_PAUSES
        if "content-length" in fields:
            return await self._read_slowly(reader, int(fields["content-length"]))
        body = b""
        while size := int((await reader.readuntil(b"\r\n")), 16):
            body += await self._read_slowly(reader, size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return body

    async def _read_slowly(self, reader: asyncio.StreamReader, size: int) -> bytes:
        pieces = []
        while size:
            piece = await reader.read(min(size, 65536))
            if not piece:
                raise asyncio.IncompleteReadError(b"", size)
            pieces.append(piece)
            size -= len(piece)
            if self._n_pauses:
                self._n_pauses -= 1
                await asyncio.sleep(self.read_pause_s)
        return b"".join(pieces)

    async def _reply(self, writer: asyncio.StreamWriter, rng: Random, asked: Asked, served: Served, fault: str) -> bool:
        if fault == "hang":
            await asyncio.sleep(rng.uniform(1, 100))
            return False
        if fault == "reset_before":
            writer.transport.reset()
        if fault in ("reset_before", "close_before"):
            return False
        if fault == "garbage":
            writer.write(rng.choice([b"\x16\x03\x01", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 5x\r\n\r\n"]))
            await asyncio.sleep(0.1)
            return False
        if fault == "interim":
            writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        status, kind, pieces = await self._choose(rng, asked, served, fault)
        served.body = b"".join(pieces)
        is_chunked = fault != "until_close" and rng.random() < (0.9 if asked.is_stream else 0.3)
        framing = b"transfer-encoding: chunked\r\n" if is_chunked else b"content-length: %d\r\n" % len(served.body)
        if fault == "until_close":
            framing = b"connection: close\r\n"
        elif fault in ("early", "close_after") and rng.random() < 0.5:
            framing += b"connection: close\r\n"
        served.status = status
        writer.write(
            b"HTTP/1.1 %d X\r\ncontent-type: %b\r\nx-marker: %b\r\n%b\r\n" % (status, kind, asked.marker.encode(), framing)
        )
        return await self._send(writer, rng, served, fault, self._split(rng, pieces), is_chunked=is_chunked)

    async def _choose(self, rng: Random, asked: Asked, served: Served, fault: str) -> tuple[int, bytes, list[bytes]]:
        if fault == "refuse":
            body = b'{"error":{"message":"%b","type":"x"}}' % asked.marker.encode()
            return rng.choice([400, 429, 500, 503, 529]), b"application/json", [body]
        kind, withheld, pieces = answer(rng, asked)
        served.withheld = withheld
        return 200, kind, pieces

    def _split(self, rng: Random, pieces: list[bytes]) -> list[bytes]:
        """The same bytes in writes that respect no frame, half of the time."""
        whole = b"".join(pieces)
        if rng.random() < 0.5 or len(whole) > 20_000:
            return pieces
        cuts = sorted(rng.sample(range(len(whole)), min(len(whole) - 1, rng.randint(0, 12))))
        parts = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
        return [part for part in parts if part]

    async def _send(
        self, writer: asyncio.StreamWriter, rng: Random, served: Served, fault: str, pieces: list[bytes], *, is_chunked: bool
    ) -> bool:
        stop_at = rng.randrange(len(pieces)) if fault in ("cut", "cut_reset", "stall") else len(pieces)
        for number, whole in enumerate(pieces):
            piece = whole[: rng.randrange(len(whole))] if number == stop_at else whole
            if piece:
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
                await writer.drain()
            if number == stop_at:
                return await self._break_off(writer, rng, fault)
            if self.pause_s:
                await asyncio.sleep(rng.uniform(0, self.pause_s) / (10 if len(pieces) < 50 else 1000))
        served.is_finished = True
        if is_chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        if fault == "close_after":
            await asyncio.sleep(rng.choice([0, 0.0005, 0.01, 1]))
        return fault not in ("until_close", "close_after", "early")

    async def _break_off(self, writer: asyncio.StreamWriter, rng: Random, fault: str) -> bool:
        if fault == "stall":
            await asyncio.sleep(rng.uniform(1, 100))
        elif fault == "cut_reset":
            writer.transport.reset()
        return False
