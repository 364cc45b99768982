"""On real files, with a real limit on their size in place of a full disk, and with real deaths."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from weighbridge.core.clock import SystemClock
from weighbridge.core.errors import GatewayError
from weighbridge.core.terms import NO_USAGE, Dialect, Operation, Record
from weighbridge.ledger.journal import HEADER_BYTES, decode_header, read_frames
from weighbridge.ledger.terms import Charge, Settled, Started
from weighbridge.storage import ledger_journal
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile, segment_name

FACTS = ("key_1", Dialect.OPENAI, Operation.CHAT, "POST", "/v1/chat/completions", "m", "p0", "m", 200, None)
OUTCOME = (False, "stop", NO_USAGE, (), 1, 2, (), 5, 2, 1, 1)


def begun(number):
    return Started(f"req_{number}", 0, 1, "key_1", "p0", "m", 5, (Charge("b", 5),))


def ended(number, detail=""):
    record = Record(f"req_{number}", 1, *FACTS, detail, *OUTCOME)
    return Settled(record, (Charge("b", 3),))


def segments(directory):
    return sorted(directory.glob("*.wbj"))


def read(directory):
    """Every item of the only journal there, in order; that nothing is torn is asserted."""
    items = []
    for number, path in enumerate(segments(directory)):
        content = path.read_bytes()
        header = decode_header(content)
        assert (path.name, header.sequence) == (segment_name(header.journal_id, number), number)
        frames = read_frames(content[HEADER_BYTES:], 10**9)
        assert (frames.is_torn, frames.n_bytes) == (False, len(content) - HEADER_BYTES)
        items += frames.items
    return items


@contextmanager
def files_end_at(n_bytes):
    """As on a disk that fills up, a write is cut short at first, and then refused."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def wait(each):
    await each


async def tried_again(opened):
    timer = opened._timer
    while opened._timer is timer:
        await asyncio.sleep(0)


def timers():
    return [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]


@pytest.fixture
def problems():
    return []


@pytest.fixture
async def journal(tmp_path, problems, monkeypatch):
    """Makes journals, and closes them in the end."""
    monkeypatch.setattr(ledger_journal, "RETRY_S", 0.01)
    made = []

    def make(policy=FsyncPolicy.NEVER, segment_bytes=1_000_000):
        clock, loop = SystemClock(), asyncio.get_running_loop()
        made.append(JournalFile(tmp_path, clock, loop, policy, problems.append, segment_bytes=segment_bytes))
        return made[-1]

    yield make
    for each in made:
        each.close()


# --- what is written


@pytest.mark.parametrize("policy", FsyncPolicy)
async def test_what_was_appended_is_in_the_file_at_once(journal, tmp_path, policy):
    opened = journal(policy)
    opened.append_started(begun(1))
    opened.append_settled(ended(1))
    assert read(tmp_path) == [begun(1), ended(1)]
    assert not opened.is_full


async def test_only_who_needs_the_disk_waits_for_it(journal):
    assert journal(FsyncPolicy.NEVER).append_started(begun(1)) is None
    assert journal(FsyncPolicy.INTERVAL).append_started(begun(1)) is None
    waiting = journal(FsyncPolicy.ALWAYS).append_started(begun(1))
    assert not waiting.is_set
    await waiting


async def test_segments_follow_one_another(journal, tmp_path):
    opened = journal(segment_bytes=1_000)
    items = [begun(number) for number in range(100)]
    for item in items:
        opened.append_started(item)
    assert read(tmp_path) == items
    assert len(segments(tmp_path)) > 3
    assert all(path.stat().st_size <= 1_000 for path in segments(tmp_path))


async def test_a_page_is_turned_only_where_something_is_on_it(journal, tmp_path):
    opened = journal()
    opened.turn_page()
    opened.append_started(begun(1))
    opened.turn_page()
    opened.turn_page()
    assert len(segments(tmp_path)) == 2
    opened.append_settled(ended(1))
    assert read(tmp_path) == [begun(1), ended(1)]


async def test_where_there_is_no_room_for_another_page_the_present_one_goes_on(journal, tmp_path, problems):
    opened = journal()
    opened.append_started(begun(1))
    with files_end_at(0):
        opened.turn_page()
    opened.append_settled(ended(1))
    assert read(tmp_path) == [begun(1), ended(1)]
    assert len(problems) == 1
    assert not opened.is_full


async def test_an_item_that_is_longer_than_a_segment_has_one_of_its_own(journal, tmp_path):
    opened = journal(segment_bytes=1_000)
    items = [ended(0), ended(1, "x" * 5_000), ended(2, "x" * 5_000), ended(3)]
    for item in items:
        opened.append_settled(item)
    assert read(tmp_path) == items


async def test_every_life_has_a_journal_of_its_own(journal, tmp_path):
    one, other = journal(), journal()
    assert one.journal_id != other.journal_id
    assert {path.name for path in segments(tmp_path)} == {segment_name(each.journal_id, 0) for each in (one, other)}


async def test_files_are_private(journal, tmp_path):
    journal()
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


@pytest.mark.parametrize("policy", FsyncPolicy)
async def test_a_closed_journal_leaves_nothing_open(journal, tmp_path, policy):
    before = len(os.listdir("/dev/fd"))  # noqa: PTH208
    opened = journal(policy, segment_bytes=500)
    waiting = [opened.append_started(begun(number)) for number in range(20)]
    opened.close()
    opened.close()
    assert len(os.listdir("/dev/fd")) == before  # noqa: PTH208
    assert all(each is None or each.is_set for each in waiting)
    assert len(read(tmp_path)) == 20


async def test_after_its_end_a_journal_takes_nothing_and_says_so(journal, tmp_path):
    opened = journal(segment_bytes=200)
    opened.close()
    for number in range(3):
        with pytest.raises(GatewayError):
            await opened.append_started(begun(number))
    assert opened.is_full
    assert read(tmp_path) == []


# --- a full disk


@pytest.mark.parametrize("policy", FsyncPolicy)
@pytest.mark.parametrize("n_bytes", [400, 437, 475])
async def test_a_full_disk_stops_everything_and_tears_nothing(journal, tmp_path, problems, policy, n_bytes):
    opened = journal(policy)
    with files_end_at(n_bytes):
        written = 0
        while not opened.is_full:
            waiting = opened.append_started(begun(written))
            written += 1
        late = [opened.append_settled(ended(number)) for number in range(3)]
        for _ in range(5):
            await tried_again(opened)
        assert opened.is_full
        assert not any(each.is_set for each in (waiting, *late))
    await asyncio.gather(*(wait(each) for each in (waiting, *late)))
    assert not opened.is_full
    assert read(tmp_path) == [begun(number) for number in range(written)] + [ended(number) for number in range(3)]
    assert [problem.split(" (")[0].split(" can")[0] for problem in problems] == ["The ledger's journal"] * 2
    opened.append_started(begun(99))
    assert read(tmp_path)[-1] == begun(99)


async def test_a_disk_without_room_for_the_first_segment_is_waited_for(journal, tmp_path):
    with files_end_at(10):
        opened = journal()
        assert opened.is_full
        waiting = opened.append_started(begun(1))
        assert list(tmp_path.iterdir()) == []
    await waiting
    assert read(tmp_path) == [begun(1)]


async def test_a_disk_without_room_for_the_next_segment_leaves_the_last_as_it_is(journal, tmp_path):
    opened = journal(segment_bytes=500)
    written = 0
    while len(segments(tmp_path)) < 2:
        opened.append_started(begun(written))
        written += 1
    room = 500 - segments(tmp_path)[-1].stat().st_size
    while room > 75:
        opened.append_started(begun(written))
        written += 1
        room = 500 - segments(tmp_path)[-1].stat().st_size
    with files_end_at(30):
        waiting = opened.append_settled(ended(1, "x" * 200))
        assert opened.is_full
        assert len(segments(tmp_path)) == 2
        assert len(list(tmp_path.iterdir())) == 2
    await waiting
    assert read(tmp_path) == [begun(number) for number in range(written)] + [ended(1, "x" * 200)]


async def test_a_directory_that_is_not_there_is_waited_for(tmp_path, problems, monkeypatch):
    monkeypatch.setattr(ledger_journal, "RETRY_S", 0.01)
    place = tmp_path / "later"
    opened = JournalFile(place, SystemClock(), asyncio.get_running_loop(), FsyncPolicy.NEVER, problems.append)
    waiting = opened.append_started(begun(1))
    place.mkdir()
    await waiting
    opened.close()
    assert read(place) == [begun(1)]


async def test_what_waits_is_written_at_the_end_if_there_is_room_by_then(journal, tmp_path):
    opened = journal(FsyncPolicy.ALWAYS)
    with files_end_at(HEADER_BYTES + 10):
        waiting = opened.append_started(begun(1))
    opened.close()
    await waiting
    assert read(tmp_path) == [begun(1)]
    assert not timers()  # one that is left would begin another segment


async def test_who_waits_when_it_ends_on_a_full_disk_gets_an_error(journal, tmp_path, problems):
    opened = journal()
    with files_end_at(HEADER_BYTES + 10):
        waiting = [opened.append_started(begun(number)) for number in range(3)]
        opened.close()
    for each in waiting:
        with pytest.raises(GatewayError):
            await each
    assert "without 3 items" in problems[-1]
    assert read_frames(segments(tmp_path)[0].read_bytes()[HEADER_BYTES:], 10).items == []
    assert not timers()


async def test_who_goes_on_in_the_midst_of_recovery_is_written_behind_all_that_waited(journal, tmp_path):
    opened = journal()
    with files_end_at(HEADER_BYTES + 10):
        first, second = (opened.append_started(begun(number)) for number in range(2))
    first.on_set = lambda: opened.append_started(begun(2))
    await second
    assert read(tmp_path) == [begun(0), begun(1), begun(2)]


# --- the disk


async def test_a_disk_that_fails_to_keep_it_stops_admission(journal, problems, monkeypatch):
    def fail(descriptor):
        raise OSError(5, "Input/output error")

    opened = journal(FsyncPolicy.ALWAYS)
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(GatewayError):
        await opened.append_started(begun(1))
    assert opened.is_full
    assert len(problems) == 1


async def test_a_crowd_that_waits_for_the_disk_shares_it(journal, monkeypatch):
    n_asked = 0
    real = os.fsync

    def count(descriptor):
        nonlocal n_asked
        n_asked += 1
        real(descriptor)

    opened = journal(FsyncPolicy.ALWAYS)
    monkeypatch.setattr(os, "fsync", count)
    waiting = [opened.append_started(begun(number)) for number in range(500)]
    for each in waiting:
        await each
    assert n_asked == 3  # the first of them with the directory, and all others together


# --- deaths

WRITER = """
import asyncio, os, sys
from pathlib import Path
from weighbridge.core.clock import SystemClock
from weighbridge.ledger.terms import Charge, Started
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile

async def main():
    directory, policy = Path(sys.argv[1]), FsyncPolicy(sys.argv[2])
    journal = JournalFile(directory, SystemClock(), asyncio.get_running_loop(), policy, print, segment_bytes=4096)
    number = 0
    while True:
        signal = journal.append_started(Started(f"req_{number}", 0, 1, "key_1", "p0", "m", 5, (Charge("b", 5),)))
        if signal is not None:
            await signal
        number += 1
        os.write(1, b"%d\\n" % number)
        if not number % 100:
            await asyncio.sleep(0)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("policy", FsyncPolicy)
@pytest.mark.parametrize("n_before", [1, 50, 777])
def test_whatever_was_appended_outlives_a_kill(tmp_path, policy, n_before):
    command = [sys.executable, "-c", WRITER, str(tmp_path), policy.value]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        for _ in range(n_before):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().splitlines()
    n_told = int(rest[-1]) if rest else n_before
    items = []
    for path in segments(tmp_path):
        items += read_frames(path.read_bytes()[HEADER_BYTES:], 10**9).items
    assert items == [begun(number) for number in range(len(items))]
    assert n_told <= len(items) <= n_told + 1
