"""Real files; the disk is let go on by hand: `os.fsync` waits for the test, and may fail as disks do."""

from __future__ import annotations

import asyncio
import errno
import os
import threading

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.tasks import Signal
from weighbridge.storage import ledger_group_commit
from weighbridge.storage.ledger_group_commit import GroupCommit, refusal


class Disk:
    """What was told to be kept, in order; each `fsync` waits until the test lets it."""

    def __init__(self):
        self.asked = asyncio.Queue()
        self.told = []
        self.loop = asyncio.get_running_loop()
        self.gate = threading.Semaphore(0)
        self.error = None

    def fsync(self, descriptor):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))  # noqa: PTH115, PTH119
        self.told.append(name)
        self.loop.call_soon_threadsafe(self.asked.put_nowait, name)
        assert self.gate.acquire(timeout=30)
        if self.error is not None:
            raise self.error

    def let(self, times=1):
        self.gate.release(times)


@pytest.fixture
async def disk(monkeypatch):
    slow = Disk()
    monkeypatch.setattr(ledger_group_commit.os, "fsync", slow.fsync)
    return slow


@pytest.fixture
def directory(tmp_path):
    place = tmp_path / "journals"
    place.mkdir()
    return place


@pytest.fixture
def segment(directory):
    def made(name):
        return os.open(directory / name, os.O_WRONLY | os.O_CREAT)

    return made


@pytest.fixture
async def commit(directory, disk, problems):
    made = GroupCommit(directory, asyncio.get_running_loop(), problems.append)
    yield made
    disk.let(1_000)
    made.close(-1)


@pytest.fixture
def problems():
    return []


def is_open(descriptor):
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


async def test_a_signal_is_set_only_when_all_of_it_is_on_the_disk(commit, disk, segment):
    signal = Signal()
    commit.now(segment("0"), [signal])
    assert await disk.asked.get() == "0"
    assert not signal.is_set
    disk.let()
    assert await disk.asked.get() == "journals"  # in which the segment has its name
    assert not signal.is_set
    disk.let()
    await signal


async def test_all_who_wait_share_one_fsync(commit, disk, segment):
    descriptor = segment("0")
    first, others = Signal(), [Signal() for _ in range(100)]
    commit.now(descriptor, [first])
    for signal in others:
        commit.now(descriptor, [signal])
    disk.let(2)
    await first
    assert not any(signal.is_set for signal in others)  # they came after it had begun
    disk.let()
    for signal in others:
        await signal
    assert disk.told == ["0", "journals", "0"]


async def test_who_is_let_go_and_writes_again_waits_for_the_next(commit, disk, segment):
    descriptor = segment("0")
    again = Signal()

    async def twice():
        signal = Signal()
        commit.now(descriptor, [signal])
        await signal
        commit.now(descriptor, [again])

    writers = asyncio.gather(*(twice() for _ in range(3)))
    await asyncio.sleep(0)
    disk.let(4)
    await writers
    disk.let()
    await again
    assert len(disk.told) <= 5


async def test_within_an_interval_everything_is_on_the_disk(commit, disk, segment, monkeypatch):
    monkeypatch.setattr(ledger_group_commit, "INTERVAL_S", 0.01)
    descriptor = segment("0")
    for _ in range(5):
        commit.soon(descriptor)
    disk.let(2)
    assert [await disk.asked.get(), await disk.asked.get()] == ["0", "journals"]
    commit.soon(descriptor)
    assert await disk.asked.get() == "0"
    disk.let()


async def test_what_is_written_while_the_disk_is_slow_is_not_forgotten(commit, disk, segment, monkeypatch):
    monkeypatch.setattr(ledger_group_commit, "INTERVAL_S", 0.01)
    descriptor = segment("0")
    commit.soon(descriptor)
    await disk.asked.get()
    commit.soon(descriptor)
    while commit._timer is not None:  # its time comes while the disk is still busy
        await asyncio.sleep(0)
    disk.let(2)
    assert [await disk.asked.get(), await disk.asked.get()] == ["journals", "0"]
    disk.let()


async def test_a_segment_that_is_full_is_closed_when_it_is_on_the_disk(commit, disk, segment):
    old, new = segment("0"), segment("1")
    first, second = Signal(), Signal()
    commit.now(old, [first])
    await disk.asked.get()
    commit.retire(old)
    commit.now(new, [second])
    assert is_open(old)
    disk.let(2)
    await first
    disk.let(3)
    await second
    assert not is_open(old)
    assert is_open(new)
    assert disk.told == ["0", "journals", "0", "1", "journals"]


async def test_a_segment_without_a_successor_is_not_touched_once_it_is_closed(commit, disk, segment, monkeypatch, problems):
    """The next one could not be begun, since the disk was full; the descriptor may be another file's by now."""
    monkeypatch.setattr(ledger_group_commit, "INTERVAL_S", 0.01)
    old = segment("0")
    commit.soon(old)
    commit.retire(old)
    disk.let(2)
    await disk.asked.get()
    await disk.asked.get()
    signal = Signal()
    commit.now(-1, [signal])
    await signal
    commit.soon(-1)
    while commit._timer is not None or commit._job is not None:
        await asyncio.sleep(0)
    assert disk.told == ["0", "journals"]
    assert (commit.is_broken, problems) == (False, [])


async def test_a_disk_that_fails_once_is_never_trusted_again(commit, disk, segment, problems):
    descriptor = segment("0")
    first, during = Signal(), Signal()
    commit.now(descriptor, [first])
    await disk.asked.get()
    commit.now(descriptor, [during])
    disk.error = OSError(errno.EIO, "Input/output error")
    disk.let()
    for signal in (first, during):
        with pytest.raises(GatewayError) as caught:
            await signal
        assert caught.value.kind is ErrorKind.GATEWAY_OVERLOADED
    disk.error = None
    afterwards = Signal()
    commit.now(descriptor, [afterwards])
    with pytest.raises(GatewayError):
        await afterwards
    assert commit.is_broken
    assert disk.told == ["0"]
    assert len(problems) == 1
    assert "Input/output error" in problems[0]


async def test_segments_are_closed_even_if_the_disk_fails(commit, disk, segment):
    several = [segment(name) for name in ("0", "1", "2")]
    for descriptor in several:
        commit.retire(descriptor)
    disk.error = OSError(errno.EIO, "Input/output error")
    signal = Signal()
    commit.now(-1, [signal])
    disk.let()
    with pytest.raises(GatewayError):
        await signal
    assert not any(map(is_open, several))


async def test_closing_has_everything_on_the_disk_and_releases_everybody(directory, disk, segment, problems):
    commit = GroupCommit(directory, asyncio.get_running_loop(), problems.append)
    descriptor = segment("0")
    running, waiting = Signal(), Signal()
    commit.soon(descriptor)
    commit.now(descriptor, [running])
    await disk.asked.get()
    commit.now(descriptor, [waiting])
    disk.let(10)
    commit.close(descriptor)
    assert running.is_set
    assert waiting.is_set
    assert not is_open(descriptor)
    assert disk.told == ["0", "journals", "0", "journals"]
    await asyncio.sleep(0)  # the last job's report comes after all that, and begins nothing
    assert disk.told == ["0", "journals", "0", "journals"]
    assert commit._timer is None or commit._timer.cancelled()


async def test_closing_on_a_disk_that_fails_says_so(directory, disk, segment, problems):
    commit = GroupCommit(directory, asyncio.get_running_loop(), problems.append)
    signal = Signal()
    commit.now(segment("0"), [signal])
    disk.error = OSError(errno.EIO, "Input/output error")
    disk.let(10)
    commit.close(-1)
    with pytest.raises(GatewayError):
        await signal
    assert len(problems) == 1


async def test_who_is_refused_is_told_to_come_again_and_not_why():
    error = refusal("fsync: Input/output error")
    assert "fsync" not in error.public
    assert "fsync" in error.detail


async def test_nothing_is_left_of_a_closed_commit(directory, segment, problems):
    before = threading.active_count(), len(os.listdir("/dev/fd"))  # noqa: PTH208
    commit = GroupCommit(directory, asyncio.get_running_loop(), problems.append)
    descriptor = segment("0")
    signal = Signal()
    commit.now(descriptor, [signal])
    await signal
    commit.close(descriptor)
    assert (threading.active_count(), len(os.listdir("/dev/fd"))) == before  # noqa: PTH208
