from __future__ import annotations

import subprocess
import sys

import pytest

from weighbridge.app.allocator import KEPT_BYTES

# Buffers like those of one large request after another; what was kept is not faulted in again.
PROGRAM = """
import resource
from weighbridge.app.allocator import keep_freed_memory
if {is_kept}:
    print(keep_freed_memory())
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def request():
    parts = [bytes(256_000), bytes(244_000)]
    whole = b"".join(parts)
    return len(whole)
for _ in range(20):
    request()
before = faults()
for _ in range(100):
    request()
print((faults() - before) / 100)
"""


def run(*, is_kept: bool) -> list[str]:
    program = PROGRAM.format(is_kept=is_kept)
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_buffers_of_one_large_request_serve_the_next():
    worked, faults = run(is_kept=True)
    if worked == "False":
        pytest.skip("another C library")
    assert float(faults) < 10
    assert KEPT_BYTES < 100_000_000
