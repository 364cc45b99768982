"""What the gateway must reach, each with its reason."""

from __future__ import annotations

from benchmarks.messages import LARGE, MEDIUM, SMALL, STREAM_PACED, STREAM_TOGETHER

# A tenth of the cheapest provider's fastest reply would be a thousand times this; it is set by what a core must carry.
SMALL_CPU_US = 40.0
# Judged where the connections keep the server busy: with one connection, each request also pays for waking from idle.
SMALL_CPU_CONNECTIONS = 64

# CPU as a multiple of nginx's as a bare proxy, which is the floor a user-space HTTP proxy can hope for.
NGINX_RATIO = {
    SMALL.name: 3.0,
    MEDIUM.name: 3.0,
    LARGE.name: 3.0,
    STREAM_PACED.name: 1.5,  # the kernel's reads and writes dominate, and both pay them
    STREAM_TOGETHER.name: 4.0,  # nothing but parsing and metering is left
}

# All that the gateway does for a 0.6 kB chat that is asked in one dialect and answered in another.
TRANSLATED_CPU_US = 120.0

FIRST_CHUNK_US = 1000.0
IDLE_CONNECTION_BYTES = 10_000
# p99 differs by some per cent between identical runs; a server that slowloris reaches slows by factors.
SLOWLORIS_P99_RATIO = 1.25
# Whoever looks at the dashboard must not be felt by callers.
DASHBOARDS_P99_RATIO = 1.05
# Bounded buffers cost kilobytes; holding even 1 % of the gigabyte would show.
SLOW_READER_GROWTH_MB = 8.0
WORKER_RSS_MB = 100.0
# From the first tenth of a soak to its end: allocator noise, not a leak of a few bytes for each of a million requests.
SOAK_GROWTH_MB = 5.0
START_S = 2.0
