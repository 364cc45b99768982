"""A log sink's side of an S3-compatible storage: each batch becomes an object of Parquet for each hour that it has rows of.

Names come from the batch, and a batch that is tried again has the same name and the same rows. So what comes twice is written over
itself, and readers find every row once.
"""

from __future__ import annotations

import asyncio

from weighbridge.config.proxies import ProxyRules
from weighbridge.control.object_store import ObjectStore, ObjectStoreError
from weighbridge.core.ports import Clock, Upstream
from weighbridge.providers.cloud_accounts import Bucket
from weighbridge.telemetry.log_parquet import hour_files
from weighbridge.telemetry.parquet import MEDIA_TYPE, require_parquet


class LogObjects:
    """One sink's. Raises `GatewayError` NOT_IMPLEMENTED where the extra `parquet` is not installed."""

    def __init__(self, bucket: Bucket, upstream: Upstream, rules: ProxyRules, clock: Clock) -> None:
        require_parquet()
        self._store = ObjectStore(bucket, upstream, rules, clock)
        self.n_unreadable = 0
        """Lines of the last batch that were no rows, and are in no object."""

    async def put(self, name: str, lines: bytes) -> tuple[int, str]:
        """Write a batch. The status of the last answer (0: there is none), and what is wrong."""
        files, self.n_unreadable = await asyncio.to_thread(hour_files, lines)
        for each in files:
            try:
                await self._store.put(f"{each.folder}/{name}.parquet", each.content, MEDIA_TYPE)
            except ObjectStoreError as error:
                return error.status, str(error)
        return 200, ""
