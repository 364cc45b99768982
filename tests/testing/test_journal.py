"""The journal: waiting, and what it keeps."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import pytest

from weighbridge.testing import Journal, ReceivedRequest, SentReply
from weighbridge.testing.journal import REPLY_BODY_KEPT

REQUEST = ReceivedRequest(1, 1, b"GET", b"/a?x=1&x=", b"1.1", ((b"X-One", b"1"), (b"x-one", b"2")), b"body", "none", 0)


def test_a_request_reads_its_parts():
    assert (REQUEST.path, REQUEST.query, REQUEST.header("x-ONE")) == ("/a", [("x", "1"), ("x", "")], "1")
    assert REQUEST.sha256 == hashlib.sha256(b"body").hexdigest()


async def test_waiting_ends_when_another_thread_notes_something():
    journal = Journal()
    thread = threading.Timer(0.01, journal.open, (REQUEST, SentReply()))
    thread.start()
    await journal.until(lambda journal: len(journal) == 1)
    thread.join()


async def test_waiting_in_vain_times_out():
    with pytest.raises(TimeoutError):
        await Journal().until(lambda journal: len(journal) == 1, timeout_s=0.01)
    with pytest.raises(TimeoutError):
        await asyncio.to_thread(Journal().wait_until, lambda journal: len(journal) == 1, timeout_s=0.01)


def test_of_a_giant_reply_only_size_and_hash_are_kept():
    reply, piece, expected = SentReply(), b"x" * (REPLY_BODY_KEPT // 4), hashlib.sha256()
    for _ in range(5):
        reply.add_body(piece)
        expected.update(piece)
    assert (reply.body_bytes, reply.sha256) == (5 * len(piece), expected.hexdigest())
    with pytest.raises(ValueError, match="only its sha256"):
        _ = reply.body
