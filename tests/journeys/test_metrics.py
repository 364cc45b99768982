"""What Prometheus scrapes of a gateway of four workers, one of which is killed: neither less nor more than is in the ledger."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

from prometheus_client.parser import text_string_to_metric_families

DEMO = {"providers": {"demo": {}}, "prices": [{"match": "demo/*", "input": 1, "output": 2}]}
PATIENCE_S = 10


def scraped(gateway):
    key = (gateway.data_dir / "admin.key").read_text().strip()
    text = gateway.request("GET", "/metrics", key=key).body.decode()
    sums = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            sums[sample.name] = sums.get(sample.name, 0) + sample.value
    return sums


def whole(gateway, key):
    try:
        return gateway.chat(key=key).status == 200
    except OSError:
        return False  # its worker was killed


def test_sums_are_those_of_the_ledger_whoever_is_killed(start_gateway):
    gateway = start_gateway(DEMO, "--workers", "4")
    victim = gateway.workers()[0]["pid"]
    key = (gateway.data_dir / "first.key").read_text().strip()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(whole, gateway, key) for _ in range(400)]
        os.kill(victim, signal.SIGKILL)
        n_whole = sum(each.result() for each in asked)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        sums = scraped(gateway)
        # What the killed worker had begun is booked once its journal is closed, which may be between the two.
        [booked] = gateway.admin("/usage?from=-1h")["data"]
        if sums["weighbridge_requests_total"] == booked["requests"] >= n_whole and not sums["weighbridge_ledger_lag_bytes"]:
            break
        assert time.monotonic() < deadline, (sums, booked)
    assert sums["weighbridge_request_duration_seconds_count"] == booked["requests"]
    assert round(sums["weighbridge_cost_usd_total"] * 10**9) == booked["cost_nanousd"]
    assert sums["weighbridge_worker_restarts_total"] == 1
