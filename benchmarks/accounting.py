"""What processes cost, by the operating system's accounting: CPU time and resident memory of a whole process tree (Linux)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

_PROC = Path("/proc")
_CPUCLOCK_SCHED = 2  # linux/posix-timers.h: the clock behind utime + stime, in nanoseconds instead of ticks of 10 ms


class ProcessUsage(msgspec.Struct, frozen=True):
    """CPU time used so far and memory resident now, of one process."""

    cpu_ns: int
    rss_bytes: int


TreeUsage = dict[int, ProcessUsage]


def tree_usage(root: int) -> TreeUsage:
    """Usage of `root` and all its descendants, by process id. A process that ends while being read is left out."""
    usage: TreeUsage = {}
    for pid in _tree(root):
        try:
            usage[pid] = ProcessUsage(cpu_ns=_cpu_ns(pid), rss_bytes=_rss_bytes(pid))
        except (OSError, ValueError):
            continue
    return usage


def cpu_ns_between(before: TreeUsage, after: TreeUsage) -> int:
    """CPU time that the processes alive at the end used between two readings."""
    return sum(_used_ns(before, after, pid) for pid in after)


def rss_bytes(usage: TreeUsage) -> int:
    """Resident memory of the whole tree; pages that processes share count once for each."""
    return sum(process.rss_bytes for process in usage.values())


def busiest(before: TreeUsage, after: TreeUsage) -> int:
    """The process that used most CPU between two readings: the worker, where a parent merely watches."""
    return max(after, key=lambda pid: _used_ns(before, after, pid))


def busiest_ns(before: TreeUsage, after: TreeUsage) -> int:
    """The CPU time of that process."""
    return _used_ns(before, after, busiest(before, after))


def _used_ns(before: TreeUsage, after: TreeUsage, pid: int) -> int:
    return after[pid].cpu_ns - (before[pid].cpu_ns if pid in before else 0)


class MachineUsage(msgspec.Struct, frozen=True):
    """CPU seconds since boot: of the whole machine (time stolen by a hypervisor included), and of this process's tree."""

    busy_s: float
    own_s: float


def machine_usage() -> MachineUsage:
    """A reading; children count once they have been waited for."""
    user, nice, system, _, _, irq, softirq, steal = map(int, (_PROC / "stat").read_text().splitlines()[0].split()[1:9])
    busy_s = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    own = os.times()
    return MachineUsage(busy_s, own.user + own.system + own.children_user + own.children_system)


def foreign_cpus(before: MachineUsage, after: MachineUsage, elapsed_s: float) -> float:
    """How many CPUs everything but this process's tree kept busy between two readings, on average."""
    return max(0.0, (after.busy_s - before.busy_s) - (after.own_s - before.own_s)) / elapsed_s


def listening_process(port: int) -> int | None:
    """The root of the process tree that listens on a local TCP port, or None where it cannot be seen."""
    inodes = _listening_inodes(port)
    owners = {pid for pid in _all_pids() if inodes & _socket_inodes(pid)}
    parents = _parents()
    return next((pid for pid in sorted(owners) if parents.get(pid) not in owners), None)


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for pid, parent in _parents().items():
        children.setdefault(parent, []).append(pid)
    found = [root]
    for pid in found:
        found.extend(children.get(pid, ()))
    return found


def _parents() -> dict[int, int]:
    parents: dict[int, int] = {}
    for pid in _all_pids():
        try:
            # The command name is in parentheses and may hold spaces: the fields start after the last parenthesis.
            parents[pid] = int(_stat_fields(pid)[1])
        except OSError:
            continue
    return parents


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _stat_fields(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _cpu_ns(pid: int) -> int:
    try:
        return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        fields = _stat_fields(pid)
        return (int(fields[11]) + int(fields[12])) * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def _rss_bytes(pid: int) -> int:
    for line in (_PROC / str(pid) / "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0  # a process that has ended but has not been waited for


def _listening_inodes(port: int) -> set[str]:
    inodes: set[str] = set()
    for table in ("tcp", "tcp6"):
        path = _PROC / "net" / table
        if not path.exists():
            continue
        for line in path.read_text().splitlines()[1:]:
            fields = line.split()
            listening = fields[3] == "0A"
            if listening and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    return inodes


def _socket_inodes(pid: int) -> set[str]:
    inodes: set[str] = set()
    try:
        for descriptor in (_PROC / str(pid) / "fd").iterdir():
            inodes.add(str(descriptor.readlink()))
    except OSError:
        pass  # ended, or not ours to look into
    return inodes
