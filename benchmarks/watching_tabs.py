"""Tabs with the dashboard's overview, live: what each asks of the admin API at each refresh, all of it at once.

`python -m benchmarks.watching_tabs HOST PORT KEY_FILE TABS` prints a line when every tab has been shown once, then goes on until
it is stopped.
"""

from __future__ import annotations

import http.client
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

REFRESH_S: Final = 10.0
"""As the page does (`pages/overview.js`)."""
_DAY: Final = "from=-24h"
_PATHS: Final = (
    "/keys?limit=200",
    f"/usage?{_DAY}",
    "/usage?from=-48h&to=-24h",
    f"/usage?{_DAY}&interval=hour",
    f"/usage?{_DAY}&interval=hour&group_by=model",
    f"/usage?{_DAY}&group_by=model",
    f"/usage?{_DAY}&group_by=error",
    "/budgets",
    "/alerts",
)


def ask(host: str, port: int, key: str, path: str) -> None:
    """One question of the admin API; raises `OSError` where it is not answered by a 200."""
    connection = http.client.HTTPConnection(host, port, timeout=30)
    try:
        connection.request("GET", f"/admin/v1{path}", headers={"Authorization": f"Bearer {key}"})
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        msg = f"{path} was answered with {answer.status}"
        raise OSError(msg)


def watch(host: str, port: int, key: str, n_tabs: int) -> None:
    """Refresh each tab in its turn, so that every one is asked for once in `REFRESH_S`."""
    with ThreadPoolExecutor(len(_PATHS)) as pool:
        refreshed = 0
        due = time.monotonic()
        while True:
            list(pool.map(lambda path: ask(host, port, key, path), _PATHS))
            refreshed += 1
            if refreshed == n_tabs:
                print("all are shown", flush=True)
            due += REFRESH_S / n_tabs
            time.sleep(max(0.0, due - time.monotonic()) if refreshed >= n_tabs else 0.0)


if __name__ == "__main__":
    watch(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).read_text().strip(), int(sys.argv[4]))
