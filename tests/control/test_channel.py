"""The socket pair between supervisor and workers: whole messages, whatever the pieces; secrets survive it."""

from __future__ import annotations

import asyncio
import socket

from hypothesis import given
from hypothesis import strategies as st
from tests.control.conftest import record

from weighbridge.auth.virtual_keys import KeysDelta, digest_of
from weighbridge.control.channel import (
    Applied,
    Bug,
    Channel,
    ClaimResponse,
    Drain,
    FindKey,
    FindResponse,
    ForgetResponse,
    FoundKey,
    FoundResponse,
    FromWorker,
    KeepResponse,
    LedgerPlace,
    Pulse,
    Ready,
    Records,
    SetKeys,
    SetPlan,
    Start,
    Taken,
    ToWorker,
)
from weighbridge.core.codec import encode_private
from weighbridge.core.secret import Secret
from weighbridge.core.terms import VirtualKey
from weighbridge.pipeline.plan import Plan
from weighbridge.providers.base import Credential, Provider
from weighbridge.telemetry.record_lines import RecordLines

KEY = VirtualKey("key_1", "a key", digest_of(b"wb-key"))
PLAN = Plan(3, (Provider("p", {}, credentials=(Credential("p#1", Secret("sk-of-p")),)),), keys=(KEY,))
TO_WORKER = [
    Start(PLAN, "control.sock", LedgerPlace("counters", 1, "journal", "j_1", "always"), "cert.pem", "key.pem"),
    SetPlan(PLAN),
    SetKeys(KeysDelta(7, (KEY,), (b"gone",))),
    FoundKey(5, None),
    FoundResponse(6, b"kept"),
    Taken(12),
    Drain(1.5),
]
FROM_WORKER = [
    Ready(1),
    Applied(2),
    FindKey(5, KEY.digest),
    FindResponse(6, "key_1", "resp_1"),
    ClaimResponse(7, "pending"),
    KeepResponse("key_1", "resp_1", b"kept"),
    ForgetResponse("key_1", "resp_1"),
    Records(RecordLines.of((record("req_1"),))),
    Pulse(1, 2, 3),
    Bug("Traceback"),
]


def framed(message) -> bytes:
    data = encode_private(message)
    return len(data).to_bytes(4, "big") + data


def listening(kind) -> tuple[Channel, list]:
    heard: list = []
    return Channel(kind, heard.append, lambda: heard.append("closed")), heard


@given(st.lists(st.integers(1, 200), max_size=30))
def test_messages_come_whole_however_they_are_split(sizes: list[int]) -> None:
    for kind, messages in ((ToWorker, TO_WORKER), (FromWorker, FROM_WORKER)):
        channel, heard = listening(kind)
        wire = b"".join(framed(message) for message in messages)
        for size in sizes:
            channel.data_received(wire[:size])
            wire = wire[size:]
        channel.data_received(wire)
        assert heard == messages


def test_provider_keys_reach_the_worker() -> None:
    channel, heard = listening(ToWorker)
    channel.data_received(framed(SetPlan(PLAN)))
    assert heard[0].plan.providers[0].credentials[0].secret.reveal() == "sk-of-p"


async def test_two_ends_talk_and_learn_of_the_end() -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    supervisor, from_worker = listening(FromWorker)
    worker, to_worker = listening(ToWorker)
    over = asyncio.Event()
    worker._on_closed = over.set
    await loop.create_connection(lambda: supervisor, sock=ours)
    await loop.create_connection(lambda: worker, sock=theirs)
    for message in TO_WORKER:
        supervisor.send(message)
    supervisor.close()
    await over.wait()
    assert to_worker == TO_WORKER
    assert from_worker == ["closed"]


def test_what_is_said_after_the_end_is_dropped() -> None:
    channel, heard = listening(ToWorker)
    channel.connection_lost(None)
    channel.send(Taken(1))
    channel.close()
    assert heard == ["closed"]


async def test_a_broken_frame_closes_the_channel() -> None:
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    over = asyncio.Event()
    channel: Channel = Channel(ToWorker, lambda message: None, over.set)
    await loop.create_connection(lambda: channel, sock=ours)
    theirs.sendall(b"\xff\xff\xff\xff")
    await over.wait()
    assert theirs.recv(1) == b""
    theirs.close()
