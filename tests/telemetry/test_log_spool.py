from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.telemetry.log_spool import Spool

LINES = [b"one", b"two", b"three"]


def test_what_is_kept_comes_back_in_its_order_and_is_gone_when_it_is_done(tmp_path):
    spool = Spool(tmp_path / "s", 1_000)
    spool.append(LINES, 2)
    batch = spool.take(9, 999)
    assert (batch.body, batch.n_lines) == (b"one\ntwo\nthree\n", 3)
    assert spool.take(9, 999) == batch  # it stays, under the same name, until it is done
    spool.done(batch)
    assert (spool.take(9, 999), spool.n_bytes) == (None, 0)


def test_it_survives_its_process_and_goes_on_counting(tmp_path):
    Spool(tmp_path / "s", 1_000).append(LINES, 1)
    (tmp_path / "s" / "000000000009-1.part").write_bytes(b"cut")
    spool = Spool(tmp_path / "s", 1_000)
    assert spool.n_bytes == sum(len(line) + 1 for line in LINES)
    spool.append([b"four"], 1)
    assert spool.take(9, 999).body == b"one\ntwo\nthree\nfour\n"


def test_a_batch_is_no_larger_than_it_may_be_and_never_empty(tmp_path):
    spool = Spool(tmp_path / "s", 1_000)
    spool.append(LINES, 1)
    assert spool.take(2, 999).n_lines == 2
    assert Spool(tmp_path / "s", 1_000).take(9, 1).n_lines == 2  # as it was taken before
    spool.done(spool.take(9, 999))
    assert spool.take(9, 1).n_lines == 1  # else it would wait for ever


def test_where_there_is_no_room_the_oldest_give_way_and_are_counted(tmp_path):
    spool = Spool(tmp_path / "s", 10)
    spool.append([b"aaaa", b"bbbb"], 1)
    taken = spool.take(1, 99)
    spool.append([b"cccc", b"dddd"], 2)
    assert (spool.n_dropped, spool.n_bytes) == (2, 10)
    spool.done(taken)  # which is gone already
    assert spool.take(9, 99).body == b"cccc\ndddd\n"


def test_a_batch_is_the_same_after_a_new_start_whatever_has_come_since(tmp_path):
    spool = Spool(tmp_path / "s", 1_000)
    spool.append(LINES, 1)
    taken = spool.take(2, 999)
    again = Spool(tmp_path / "s", 1_000)
    again.append([b"four"], 1)
    assert again.take(9, 999) == taken
    again.done(taken)
    assert again.take(9, 999).body == b"three\nfour\n"


def test_a_process_that_ends_while_a_batch_goes_leaves_nothing_of_it(tmp_path, monkeypatch):
    spool = Spool(tmp_path / "s", 1_000)
    spool.append(LINES, 1)
    taken = spool.take(2, 999)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_a, **_k: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            spool.done(taken)
    assert Spool(tmp_path / "s", 1_000).take(9, 999).body == b"three\n"


def test_no_two_batches_have_one_name_over_starts(tmp_path):
    names = set()
    for start in (1_000, 2_000):
        spool = Spool(tmp_path / "s", 1_000, start)
        spool.append([b"one"], 1)
        batch = spool.take(9, 999)
        names.add(batch.name)
        spool.done(batch)
    assert len(names) == 2


def test_a_batch_that_has_to_give_way_goes_as_a_whole(tmp_path):
    spool = Spool(tmp_path / "s", 10)
    spool.append([b"aaaa", b"bbbb"], 1)
    spool.take(9, 99)
    spool.append([b"cccc"], 1)
    assert (spool.n_dropped, Spool(tmp_path / "s", 10).take(9, 99).body) == (2, b"cccc\n")


def test_nobody_else_may_read_it(tmp_path):
    Spool(tmp_path / "s", 1_000).append(LINES, 9)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "s").iterdir()}
    assert (modes, stat.S_IMODE((tmp_path / "s").stat().st_mode)) == ({0o600}, 0o700)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(1, 6), st.just("take")), max_size=30), st.integers(20, 120))
def test_every_line_is_sent_once_or_counted_and_the_bound_holds(tmp_path_factory, steps, bound):
    spool = Spool(tmp_path_factory.mktemp("spool"), bound)
    n_kept = n_sent = 0
    for step in steps:
        if step == "take":
            if (batch := spool.take(4, 60)) is not None:
                n_sent += batch.body.count(b"\n")
                spool.done(batch)
        else:
            spool.append([b"x" * 7] * step, 3)
            n_kept += step
        assert spool.n_bytes <= max(bound, 3 * 8)
    while (batch := spool.take(4, 60)) is not None:
        n_sent += batch.n_lines
        spool.done(batch)
    assert n_sent + spool.n_dropped == n_kept


def test_lines_that_are_taken_out_are_in_no_file_and_the_others_keep_their_order(tmp_path):
    spool = Spool(tmp_path / "s", 1_000)
    spool.append([b"a1", b"b1", b"a2", b"b2", b"a3", b"b3"], 2)
    spool.append([b"a4"], 2)
    assert spool.keep_only(lambda line: not line.startswith(b"a")) == 4
    assert all(b"a" not in path.read_bytes() for path in (tmp_path / "s").iterdir())
    spool.append([b"b5"], 2)
    for each in (spool, Spool(tmp_path / "s", 1_000)):
        assert (each.take(9, 99).body, each.n_bytes) == (b"b1\nb2\nb3\nb5\n", 12)
    assert spool.keep_only(lambda _line: True) == 0
