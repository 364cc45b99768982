"""The control plane's end of the sinks: every batch of Records goes to the access log, and the last ones are kept to look at."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from weighbridge.core.erasure import Erasure
from weighbridge.core.terms import Record
from weighbridge.telemetry.access_log import AccessLog
from weighbridge.telemetry.record_lines import RecordLines

MAX_RECENT: Final = 1_000
"""Records that `GET /admin/v1/records` can show, some 600 kB."""


class RecordKeeper:
    """Takes batches. A batch counts as taken only when it is written; while the log cannot be written (a full disk), batches
    wait here and the workers, whose Records stay outstanding, admit nothing more once they have reached their bound."""

    def __init__(self, log: AccessLog) -> None:
        self._log = log
        self._recent: deque[RecordLines] = deque()
        self._n_recent = 0
        self._waiting: deque[tuple[RecordLines, Callable[[int], None]]] = deque()
        self._is_broken = False

    def take(self, batch: RecordLines, taken: Callable[[int], None]) -> None:
        """Take a batch; `taken` is called with its size once it is written."""
        self._waiting.append((batch, taken))
        self.write_waiting()

    def write_waiting(self) -> None:
        """Write what waits; called again every second while the log fails."""
        while self._waiting:
            batch, taken = self._waiting[0]
            try:
                self._log.write(batch)
            except OSError as error:
                if not self._is_broken:
                    sys.stderr.write(f"The access log cannot be written ({error.strerror or error}); requests wait for it.\n")
                self._is_broken = True
                return
            self._is_broken = False
            self._waiting.popleft()
            self._keep(batch)
            taken(batch.n_records)

    def _keep(self, batch: RecordLines) -> None:
        recent = self._recent
        recent.append(batch)
        self._n_recent += batch.n_records
        while self._n_recent - recent[0].n_records >= MAX_RECENT:
            self._n_recent -= recent.popleft().n_records

    def forget(self, erasures: Sequence[Erasure]) -> None:
        """Drop every batch that names somebody who has asked to be forgotten: the store has the others' Records too."""
        self._recent = deque(
            batch for batch in self._recent if not any(each.concerns(record) for each in erasures for record in batch.records())
        )
        self._n_recent = sum(batch.n_records for batch in self._recent)

    def close(self) -> None:
        """Close the log; nothing is taken any more."""
        self._log.close()

    def recent(self, limit: int) -> list[Record]:
        """The last Records, newest first."""
        newest_first = (record for batch in reversed(self._recent) for record in reversed(batch.records()))
        return list(islice(newest_first, min(limit, MAX_RECENT)))
