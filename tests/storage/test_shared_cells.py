"""Real processes on real shared memory, and real deaths."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from weighbridge.core.allowances import MAX_PER_NS
from weighbridge.core.clock import SystemClock
from weighbridge.limits.table import Draw, Hold, Slot
from weighbridge.storage.shared_cells import MAX_BYTES, SharedTable

PREAMBLE = """
import os, signal, sys
from pathlib import Path
from weighbridge.core.clock import SystemClock
from weighbridge.limits.table import Draw, Hold, Slot
from weighbridge.storage.shared_cells import SharedTable

path, lane = Path(sys.argv[1]), int(sys.argv[2])
table = SharedTable(path, lane)
now_ns = SystemClock.now_ns


def say(word):
    print(word, flush=True)


say("ready")
sys.stdin.readline()
"""


class Worker:
    """A process that has opened the table and waits for `go`."""

    def __init__(self, path: Path, lane: int, script: str, *arguments: object) -> None:
        command = [sys.executable, "-c", PREAMBLE + script, str(path), str(lane), *map(str, arguments)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def hears(self, word: str) -> None:
        assert self.process.stdout.readline() == word + "\n"

    def go(self) -> None:
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answer(self) -> list[int]:
        said, _ = self.process.communicate()
        assert self.process.returncode == 0
        return [int(word) for word in said.split()]

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start():
    workers = []

    def started(*arguments):
        workers.append(Worker(*arguments))
        return workers[-1]

    yield started
    for worker in workers:
        worker.end()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cells"


@pytest.fixture
def control(path):
    with closing(SharedTable.create(path, 9)) as table:
        yield table


def together(workers):
    for worker in workers:
        worker.hears("ready")
    for worker in workers:
        worker.go()
    return [worker.answer() for worker in workers]


UNTIL_REFUSED = """
admitted = paid = 0
while table.draw([Draw(Slot("limit"), 10000, 10000, int(sys.argv[3]), 1)], now_ns()) is None:
    admitted += 1
while table.reserve(held := [Hold(Slot("budget"), 7 * 3000 + 6, 7)]) is None:
    table.post(held, [7])
    paid += 1
say(admitted)
say(paid)
"""


@pytest.mark.slow
def test_eight_processes_share_one_limit_and_one_budget_exactly(control, path, start):
    answers = together([start(path, lane, UNTIL_REFUSED, MAX_PER_NS) for lane in range(1, 9)])
    assert sum(admitted for admitted, _ in answers) == 10_000
    assert sum(paid for _, paid in answers) == 3_000
    assert control.level("budget") == (21_000, 0)


FOR_A_WHILE = """
admitted, end = 0, now_ns() + 500_000_000
while (now := now_ns()) < end:
    admitted += table.draw([Draw(Slot("limit"), 2500, 500, 1_000_000_000, 1)], now) is None
say(admitted)
"""


@pytest.mark.slow
def test_eight_processes_get_exactly_what_comes_back_in_time(control, path, start):
    workers = [start(path, lane, FOR_A_WHILE) for lane in range(1, 9)]
    for worker in workers:
        worker.hears("ready")
    begin = SystemClock.now_ns()
    # So many that the burst is not full again before the workers, however late they are scheduled: above it nothing comes back.
    assert control.draw([Draw(Slot("limit"), 2500, 500, 1_000_000_000, 2_000)], begin) is None
    for worker in workers:
        worker.go()
    admitted = 2_000 + sum(worker.answer()[0] for worker in workers)
    end = SystemClock.now_ns()
    while control.draw([Draw(Slot("limit"), 2500, 500, 1_000_000_000, 1)], end) is None:
        admitted += 1
    assert admitted == 2_500 + (end - begin) * 500 // 1_000_000_000


WITH_THE_LOCK = """
table._acquire()
say("has it")
sys.stdin.readline()
"""


def test_a_process_that_is_killed_with_the_lock_blocks_nobody(control, path, start):
    worker = start(path, 1, WITH_THE_LOCK)
    worker.hears("ready")
    worker.go()
    worker.hears("has it")
    worker.process.send_signal(signal.SIGKILL)
    assert control.level("a") == (0, 0)
    assert worker.process.wait() == -signal.SIGKILL


DIE_AT_A_WRITE = """
class Fatal:
    def __init__(self, cells):
        self.cells, self.n_left = cells, -1
    def __getitem__(self, place):
        return self.cells[place]
    def __setitem__(self, place, amount):
        if self.n_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self.n_left -= 1
        self.cells[place] = amount

held = [Hold(Slot("a"), 100, 30), Hold(Slot("b"), 100, 30)]
if sys.argv[3] == "post":
    table.reserve(held)
table._cells = Fatal(table._cells)
table._cells.n_left = int(sys.argv[4])
if sys.argv[3] == "post":
    table.post(held, [10, 10])
else:
    table.reserve(held)
say("survived")
"""


@pytest.mark.slow
@pytest.mark.parametrize("n_writes", range(4))
@pytest.mark.parametrize("doing", ["reserve", "post"])
def test_after_a_process_is_killed_between_two_writes_nothing_is_held(control, path, start, doing, n_writes):
    control.set_base({"a": 5, "b": 0})
    worker = start(path, 1, DIE_AT_A_WRITE, doing, n_writes)
    worker.hears("ready")
    worker.go()
    assert worker.process.wait() == -signal.SIGKILL
    charges = {"a": 30, "b": 30} if doing == "post" else {}
    control.retire(1, charges)
    for name, base in (("a", 5), ("b", 0)):
        assert control.level(name) == (base + charges.get(name, 0), 0)
        assert control.left(Slot(name), 100) == 100 - base - charges.get(name, 0)


HOLD_AND_POST = """
while True:
    held = [Hold(Slot("a"), 1000, 3), Hold(Slot("b"), 1000, 5)]
    if table.reserve(held) is None:
        table.post(held, [0, 0])
"""


@pytest.mark.slow
def test_workers_killed_anywhere_leave_nothing_behind(control, path, start):
    for _ in range(3):
        workers = [start(path, lane, HOLD_AND_POST) for lane in (1, 2, 3)]
        for worker in workers:
            worker.hears("ready")
            worker.go()
        for lane, worker in enumerate(workers, start=1):
            while not control.level("b")[1]:
                pass
            worker.process.send_signal(signal.SIGKILL)
            worker.process.wait()
            control.retire(lane, {})
        for name in ("a", "b"):
            assert control.level(name) == (0, 0)
            assert control.left(Slot(name), 1000) == 1000


def test_threads_that_share_a_table_are_let_in_one_at_a_time(control):
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def spend():
        for _ in range(2_000):
            held = Hold(Slot("a"), 10**6, 2)
            control.reserve([held])
            control.post([held], [1])

    threads = [threading.Thread(target=spend) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.setswitchinterval(before)
    assert control.level("a") == (6_000, 0)
    assert control.left(Slot("a"), 6_000) == 0


def test_tables_of_one_process_see_each_other(control, path):
    with closing(SharedTable(path, 1)) as one, closing(SharedTable(path, 2)) as other:
        one.reserve([Hold(Slot("a"), 10, 8)])
        late = Hold(Slot("a"), 10, 3)
        assert other.reserve([late]) is late
        assert control.level("a") == (0, 8)


def test_the_file_is_private_and_all_its_room_is_taken(control, path):
    state = path.stat()
    assert state.st_mode & 0o777 == 0o600
    assert state.st_blocks * 512 >= state.st_size
    assert state.st_size < MAX_BYTES
    assert list(path.parent.iterdir()) == [path]


def test_a_new_table_takes_the_place_of_one_that_others_still_use(control, path):
    control.set_base({"a": 5})
    with closing(SharedTable.create(path, 3)) as anew:
        assert (anew.level("a"), control.level("a")) == ((0, 0), (5, 0))


def test_many_lanes_make_fewer_slots_and_no_larger_file(path):
    with closing(SharedTable.create(path, 200)) as table:
        assert path.stat().st_size <= MAX_BYTES + 64
        assert table.reserve([Hold(Slot("a"), 10, 8)]) is None


def descriptors():
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - Path.iterdir would hold one of its own


@pytest.mark.parametrize("content", [b"", b"\0" * 4096, b"x" * 80])
def test_what_is_no_table_is_refused(path, content):
    path.write_bytes(content)
    before = descriptors()
    with pytest.raises(ValueError):
        SharedTable(path, 0)
    assert descriptors() == before


def test_a_lane_that_the_table_has_not_is_refused(control, path):
    before = descriptors()
    with pytest.raises(ValueError, match="lane 9"):
        SharedTable(path, 9)
    assert descriptors() == before


def test_a_table_that_is_not_there_is_an_os_error(path):
    with pytest.raises(FileNotFoundError):
        SharedTable(path, 0)


NO_ROOM = """
import errno, resource
resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
other = path.with_name("other")
try:
    SharedTable.create(other, 9)
except OSError as error:
    say(int(error.errno == errno.EFBIG and not list(path.parent.glob("other*"))))
"""


def test_a_disk_without_room_is_told_at_the_start_and_not_by_a_signal_later(control, path, start):
    assert together([start(path, 1, NO_ROOM)]) == [[1]]


def test_a_closed_table_keeps_nothing_open(path):
    before = descriptors()
    table = SharedTable.create(path, 2)
    table.reserve([Hold(Slot("a"), 10, 8)])
    table.close()
    assert descriptors() == before
