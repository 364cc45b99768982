"""A client that asks with markers, reads with a parser of its own, and behaves as badly as a seed asks for."""

from __future__ import annotations

import asyncio
from random import Random

import h11
from tests.simulation.dialogue import Asked, Seen, ask

HABITS = ["slow_upload", "slow_reader", "leave", "reset", "half_request", "pipeline", "old_http"]


class SimulatedClient:
    """Opens connections one after another and asks some times on each."""

    def __init__(self, world, number: int, rng: Random) -> None:
        self.world = world
        self.rng = rng
        self.number = number
        self.habits = {"none": rng.choice([1, 5, 20]), **{habit: 1 for habit in HABITS if rng.random() < 0.4}}
        self.think_s = rng.choice([0.01, 1.0, 20.0])
        self._n_asked = 0
        self._buffer = b""

    def calm_down(self) -> None:
        """From now on do nothing odd."""
        self.habits = {"none": 1}

    async def run(self, n_requests: int) -> None:
        while self._n_asked < n_requests:
            await asyncio.sleep(self.rng.uniform(0, self.think_s))
            reader, writer = await asyncio.open_connection("gateway", 80)
            self._buffer = b""
            try:
                for _ in range(self.rng.randint(1, 8)):
                    if not await self._talk(reader, writer) or self._n_asked >= n_requests:
                        break
                    await asyncio.sleep(self.rng.uniform(0, self.think_s))
            except ConnectionError:
                pass
            finally:
                writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request (or some, pipelined) on an open connection; whether it can carry another."""
        habit = self.rng.choices([*self.habits], [*self.habits.values()])[0]
        if habit == "half_request":
            wire = self._wire(self._next(), 1)
            writer.write(wire[: self.rng.randrange(len(wire))])
            await asyncio.sleep(self.rng.choice([0, 1, 60]))
            return False
        asked = [self._next() for _ in range(self.rng.randint(2, 4) if habit == "pipeline" else 1)]
        wire = b"".join(self._wire(each, 0 if habit == "old_http" else 1) for each in asked)
        await self._send(writer, wire, is_slow=habit == "slow_upload")
        if habit in ("leave", "reset"):
            await asyncio.sleep(self.rng.choice([0, 0.001, 0.1, 3]) * self.rng.random())
        for each in asked:
            seen = self.world.seen[each.marker] = Seen()
            limit = self.rng.randrange(2000) if habit in ("leave", "reset") else -1
            can_go_on = await self._read(reader, seen, limit, is_slow=habit == "slow_reader")
            self.world.note(each.marker, f"saw {seen.status} {len(seen.body)} {seen.is_whole}")
            if habit == "reset":
                writer.transport.reset()
            if not can_go_on or habit == "leave":
                return False
        return True

    def _next(self) -> Asked:
        marker = f"m{self.number:03d}{self._n_asked:03d}z"
        self._n_asked += 1
        asked = ask(self.rng, marker, self.rng.choice([*self.world.providers]), self.rng.choice(self.world.secrets))
        self.world.asked[marker] = asked
        return asked

    def _wire(self, asked: Asked, minor: int) -> bytes:
        if not minor:
            return asked.head(0).replace(b"transfer-encoding: chunked", b"content-length: %d" % len(asked.body)) + asked.body
        if not asked.is_chunked:
            return asked.head(1) + asked.body
        cut = self.rng.randrange(len(asked.body))
        pieces = [piece for piece in (asked.body[:cut], asked.body[cut:]) if piece]
        return asked.head(1) + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    async def _send(self, writer: asyncio.StreamWriter, wire: bytes, *, is_slow: bool) -> None:
        if not is_slow:
            writer.write(wire)
            return
        step = max(1, len(wire) // self.rng.randint(2, 30))
        for start in range(0, len(wire), step):
            writer.write(wire[start : start + step])
            await asyncio.sleep(self.rng.choice([0.001, 0.05, 0.5]) if self.rng.random() < 0.99 else 40)

    async def _read(self, reader: asyncio.StreamReader, seen: Seen, limit: int, *, is_slow: bool) -> bool:
        """Read one reply, or `limit` bytes of it."""
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method="POST", target="/", headers=[("host", "x"), ("content-length", "0")]))
        parser.send(h11.EndOfMessage())
        if self._buffer:
            parser.receive_data(self._buffer)
            self._buffer = b""
        n_read = 0
        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError:
                return False
            if event is h11.NEED_DATA:
                if 0 <= limit <= n_read:
                    return False
                data = await self._receive(reader, seen, is_slow=is_slow)
                n_read += len(data)
                try:
                    parser.receive_data(data)
                    if not data and parser.their_state is h11.SEND_RESPONSE:
                        return False
                except h11.RemoteProtocolError:
                    return False
            elif isinstance(event, h11.Response):
                seen.status = event.status_code
                seen.headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                seen.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                seen.is_whole = True
                self._buffer = bytes(parser.trailing_data[0])
                return parser.their_state is not h11.MUST_CLOSE
            elif isinstance(event, h11.ConnectionClosed):
                return False

    async def _receive(self, reader: asyncio.StreamReader, seen: Seen, *, is_slow: bool) -> bytes:
        if is_slow and seen.status:
            await asyncio.sleep(self.rng.choice([0.001, 0.05, 1]) if self.rng.random() < 0.99 else 50)
            return await reader.read(self.rng.choice([100, 5000]))
        return await reader.read(65536)
