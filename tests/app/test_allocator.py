from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="settings of glibc")

# Buffers like those of one large request after another: what was kept is not faulted in again.
ONE_AFTER_ANOTHER = """
import resource
from weighbridge.app.allocator import Allocator
print(Allocator().keep())
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def request():
    return len(b"".join([bytes(256_000), bytes(244_000)]))
for _ in range(20):
    request()
before = faults()
for _ in range(100):
    request()
print((faults() - before) / 100)
"""

# Every other buffer of many is still used, so that nothing lies at the top of the heap.
MANY_AT_ONCE = """
from weighbridge.app.allocator import Allocator
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096
allocator = Allocator()
print(allocator.keep())
buffers = [bytes([1]) * 500_000 for _ in range(100)]
del buffers[::2]
before = resident()
allocator.give_back()
print(before - resident())
"""


def run(program: str) -> list[str]:
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    if said[0] == "False":
        pytest.skip("another C library")
    return said


def test_buffers_of_one_large_request_serve_the_next():
    assert float(run(ONE_AFTER_ANOTHER)[1]) < 10


def test_what_is_kept_is_given_back_on_demand():
    assert int(run(MANY_AT_ONCE)[1]) > 20_000_000
