"""A batch counts as taken only when it is written."""

from __future__ import annotations

import errno
import io

from msgspec.structs import replace
from tests.control.conftest import record

from weighbridge.control.record_keeper import MAX_RECENT, RecordKeeper
from weighbridge.core.erasure import Erasure, SubjectKind, digest_of_name
from weighbridge.telemetry.access_log import AccessLog, LogFormat
from weighbridge.telemetry.record_lines import RecordLines


class Disk(io.BytesIO):
    """A file whose disk can be full."""

    is_full = False

    def write(self, data) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data)


def keeper_on(disk: Disk) -> RecordKeeper:
    return RecordKeeper(AccessLog(disk, LogFormat.JSON))


def test_a_batch_is_written_acknowledged_and_shown_newest_first() -> None:
    disk, taken = Disk(), []
    keeper = keeper_on(disk)
    keeper.take(RecordLines.of([record("req_1"), record("req_2")]), taken.append)
    assert taken == [2]
    assert disk.getvalue().count(b"\n") == 2
    assert [each.request_id for each in keeper.recent(10)] == ["req_2", "req_1"]


def test_while_the_disk_is_full_nothing_is_acknowledged_and_nothing_is_lost(capsys) -> None:
    disk, taken = Disk(), []
    keeper = keeper_on(disk)
    disk.is_full = True
    keeper.take(RecordLines.of([record("req_1")]), taken.append)
    keeper.take(RecordLines.of([record("req_2"), record("req_3")]), taken.append)
    keeper.write_waiting()
    assert taken == []
    assert keeper.recent(10) == []
    disk.is_full = False
    keeper.write_waiting()
    assert taken == [1, 2]
    assert [disk.getvalue().find(b"req_%d" % n) for n in (1, 2, 3)] == sorted(
        disk.getvalue().find(b"req_%d" % n) for n in (1, 2, 3)
    )
    assert disk.getvalue().count(b"\n") == 3
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_the_operator_is_told_again_when_the_disk_fails_again(capsys) -> None:
    disk = Disk()
    keeper = keeper_on(disk)
    for _ in range(2):
        disk.is_full = True
        keeper.take(RecordLines.of([record("req_1")]), lambda n: None)
        disk.is_full = False
        keeper.write_waiting()
    assert capsys.readouterr().err.count("requests wait") == 2


def test_only_the_last_records_are_kept_to_look_at() -> None:
    keeper = keeper_on(Disk())
    keeper.take(RecordLines.of([record(f"req_{n}") for n in range(MAX_RECENT + 5)]), lambda n: None)
    assert len(keeper.recent(MAX_RECENT + 5)) == MAX_RECENT
    assert keeper.recent(1)[0].request_id == f"req_{MAX_RECENT + 4}"


def test_whoever_is_erased_is_in_no_record_that_is_shown() -> None:
    keeper = keeper_on(Disk())
    keeper.take(RecordLines.of([replace(record("req_1"), end_user="ann"), record("req_2")]), lambda _n: None)
    keeper.take(RecordLines.of([replace(record("req_3"), end_user="bob")]), lambda _n: None)
    at = record("req_1").start_wall_ns + 1
    keeper.forget([Erasure("era_1", at, SubjectKind.END_USER, b"s", digest_of_name("ann", b"s"))])
    assert [each.request_id for each in keeper.recent(10)] == ["req_3"]
