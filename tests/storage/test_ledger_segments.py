"""What a reader sees of journals that others write, and of what they left."""

from __future__ import annotations

import asyncio
import fcntl
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from weighbridge.core.clock import SystemClock
from weighbridge.ledger.journal import HEADER_BYTES, FrameEncoder, Header, encode_header
from weighbridge.ledger.terms import Charge, Started
from weighbridge.storage import ledger_segments
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile, segment_name
from weighbridge.storage.ledger_segments import (
    Segment,
    is_abandoned,
    keep_damaged,
    length_of,
    list_journals,
    read_segment,
    remove_unfinished,
)


def begun(number, key="key_1"):
    return Started(f"req_{number}", 0, 1, key, "p0", "m", 5, (Charge("b", 5),))


@pytest.fixture
def opened(tmp_path):
    """Makes journals of small segments, and closes them in the end."""
    loop = asyncio.new_event_loop()
    made = []

    def make():
        made.append(JournalFile(tmp_path, SystemClock(), loop, FsyncPolicy.NEVER, print, segment_bytes=300))
        return made[-1]

    yield make
    for journal in made:
        journal.close()
    loop.close()


@pytest.fixture
def segment(tmp_path):
    """A segment with these items and perhaps more behind them."""

    def make(*items, tail=b"", sequence=0):
        encoder = FrameEncoder()
        path = tmp_path / segment_name("j_x", sequence)
        frames = b"".join(bytes(encoder.encode(item)) for item in items)
        path.write_bytes(encode_header(Header("j_x", sequence, 5)) + frames + tail)
        return Segment(path, "j_x", sequence)

    return make


def items_of(segments, max_items=10):
    items = []
    for each in segments:
        offset = HEADER_BYTES
        while (frames := read_segment(each, offset, max_items)).n_bytes:
            items += frames.items
            offset += frames.n_bytes
        assert offset == length_of(each)
    return items


# --- lists


def test_journals_are_listed_with_their_segments_in_order(opened, tmp_path):
    one, other = opened(), opened()
    for number in range(30):
        one.append_started(begun(number))
        other.append_started(begun(-number))
    journals = list_journals(tmp_path)
    assert set(journals) == {one.journal_id, other.journal_id}
    for segments in journals.values():
        assert [each.sequence for each in segments] == list(range(len(segments)))
    assert items_of(journals[one.journal_id]) == [begun(number) for number in range(30)]
    assert items_of(journals[other.journal_id]) == [begun(-number) for number in range(30)]


def test_what_is_no_segment_is_not_listed(tmp_path, segment):
    for name in ("notes.txt", "noname.wbj", "j_x-two.wbj", "-.wbj", "j_x-00000003.new", "j_x-00000004.damaged"):
        (tmp_path / name).write_bytes(b"x")
    kept = segment(begun(1))
    assert list_journals(tmp_path) == {"j_x": [kept]}


def test_a_directory_that_is_not_there_has_no_journals(tmp_path):
    assert list_journals(tmp_path / "nowhere") == {}


# --- writers


def test_a_journal_is_abandoned_when_its_writer_is_gone(opened, tmp_path):
    journal = opened()
    journal.append_started(begun(1))
    [last] = list_journals(tmp_path)[journal.journal_id]
    assert not is_abandoned(last)
    journal.close()
    assert is_abandoned(last)


def test_a_writer_that_went_on_to_the_next_segment_is_not_gone(opened, tmp_path):
    """Its reader has the list of a moment ago."""
    journal = opened()
    [last] = list_journals(tmp_path)[journal.journal_id]
    for number in range(10):
        journal.append_started(begun(number))
    assert not is_abandoned(last)
    journal.close()
    assert not is_abandoned(last)
    assert is_abandoned(list_journals(tmp_path)[journal.journal_id][-1])


def test_looking_takes_nothing_from_the_writer(opened, tmp_path):
    journal = opened()
    for number in range(50):
        assert not is_abandoned(list_journals(tmp_path)[journal.journal_id][-1])
        remove_unfinished(tmp_path)
        assert journal.append_started(begun(number)) is None
    assert not journal.is_full
    assert items_of(list_journals(tmp_path)[journal.journal_id]) == [begun(number) for number in range(50)]


def test_a_segment_that_was_begun_and_never_headed_goes(tmp_path):
    left, locked, begun_just_now = (tmp_path / f"j_x-{number:08}.new" for number in range(3))
    for path in (left, locked):
        path.write_bytes(encode_header(Header("j_x", 0, 5)))
    begun_just_now.write_bytes(b"")
    with locked.open("rb") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        remove_unfinished(tmp_path)
    assert sorted(tmp_path.iterdir()) == [locked, begun_just_now]


def test_a_segment_that_gets_its_name_meanwhile_is_no_error(tmp_path):
    gone = tmp_path / "j_x-00000000.new"
    gone.symlink_to(tmp_path / "j_x-00000000.wbj")  # which is listed and is not there
    remove_unfinished(tmp_path)


# --- reading


def test_reading_goes_on_where_it_ended(segment):
    items = [begun(number) for number in range(25)]
    assert items_of([segment(*items)], max_items=4) == items


def test_an_item_larger_than_a_piece_is_read_whole(segment, monkeypatch):
    monkeypatch.setattr(ledger_segments, "PIECE_BYTES", 100)
    items = [begun(1), begun(2, "k" * 5_000), begun(3), begun(4, "k" * 92)]
    assert items_of([segment(*items)]) == items


def test_the_end_of_a_segment_is_nothing_and_not_torn(segment):
    read = segment(begun(1))
    frames = read_segment(read, length_of(read), 10)
    assert (frames.items, frames.n_bytes, frames.is_torn) == ([], 0, False)


@pytest.mark.parametrize("tail", [b"\0" * 40, b"\x05\0\0\0abcdefghijklm"])
def test_a_torn_tail_costs_nothing_before_it(segment, tail):
    frames = read_segment(segment(begun(1), begun(2), tail=tail), HEADER_BYTES, 10)
    assert (frames.items, frames.is_torn) == ([begun(1), begun(2)], True)


@given(st.integers(1, 6), st.integers(0, 700), st.integers(20, 200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_however_a_file_was_cut_what_is_whole_is_read(segment, n_items, cut, piece_bytes):
    items = [begun(number) for number in range(n_items)]
    read = segment(*items)
    size = length_of(read)
    with read.path.open("r+b") as file:
        file.truncate(max(HEADER_BYTES, size - cut))
    left = max(0, size - HEADER_BYTES - cut) // ((size - HEADER_BYTES) // n_items)
    before, ledger_segments.PIECE_BYTES = ledger_segments.PIECE_BYTES, piece_bytes
    try:
        found, offset = [], HEADER_BYTES
        while (frames := read_segment(read, offset, 2)).n_bytes:
            found += frames.items
            offset += frames.n_bytes
    finally:
        ledger_segments.PIECE_BYTES = before
    assert found == items[:left]
    assert not frames.is_torn


def test_a_damaged_segment_is_kept_where_nobody_reads_it(segment, tmp_path):
    damaged = segment(begun(1), tail=b"\0" * 9)
    kept = keep_damaged(damaged)
    damaged.path.unlink()
    assert kept.read_bytes().endswith(b"\0" * 9)
    assert list_journals(tmp_path) == {}


def test_a_segment_that_is_gone_is_an_os_error(segment):
    gone = segment(begun(1))
    gone.path.unlink()
    for look in (is_abandoned, length_of, lambda each: read_segment(each, HEADER_BYTES, 10)):
        with pytest.raises(FileNotFoundError):
            look(gone)


WRITER = """
import asyncio, sys
from pathlib import Path
from weighbridge.core.clock import SystemClock
from weighbridge.ledger.terms import Charge, Started
from weighbridge.storage.ledger_journal import FsyncPolicy, JournalFile

loop = asyncio.new_event_loop()
journal = JournalFile(Path(sys.argv[1]), SystemClock(), loop, FsyncPolicy.NEVER, print, segment_bytes=2048)
for number in range(20_000):
    journal.append_started(Started(f"req_{number}", 0, 1, "key_1", "p0", "m", 5, (Charge("b", 5),)))
"""


@pytest.mark.slow
def test_who_reads_while_another_process_writes_gets_everything_once_and_in_order(tmp_path):
    items, offsets = [], {}
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) as writer:
        is_over = False
        while not is_over:
            [segments] = list_journals(tmp_path).values() or [[]]
            # Asked before reading: nothing comes after that.
            is_over = bool(segments) and is_abandoned(segments[-1])
            for each in segments:
                while (frames := read_segment(each, offsets.setdefault(each.path, HEADER_BYTES), 100)).n_bytes:
                    items += frames.items
                    offsets[each.path] += frames.n_bytes
                assert not frames.is_torn
            for each in segments[:-1]:
                each.path.unlink()  # as one that has been moved whole
        assert writer.wait() == 0
    assert items == [begun(number) for number in range(20_000)]
