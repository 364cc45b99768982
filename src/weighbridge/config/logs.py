"""Where a configuration has rows of settled exchanges sent."""

from __future__ import annotations

from weighbridge.config import schema
from weighbridge.config.buckets import compile_bucket
from weighbridge.config.log_fields import LogSink
from weighbridge.core.secret import Secret
from weighbridge.telemetry.log_rows import Redaction, SinkTarget


def compile_logs(config: schema.Config) -> list[SinkTarget]:
    """Every sink."""
    return list(map(_target, config.logs))


def _target(written: LogSink) -> SinkTarget:
    url = written.webhook or written.clickhouse or Secret("")
    headers = tuple(written.headers.items())
    if written.user:
        # https://clickhouse.com/docs/interfaces/http
        password = written.password or Secret("")
        headers = (("x-clickhouse-user", Secret(written.user)), ("x-clickhouse-key", password), *headers)
    salt = written.salt.reveal() if written.salt is not None else ""
    target = SinkTarget(
        name=written.name,
        url=url,
        table=written.table if written.clickhouse is not None else "",
        secret=written.secret,
        headers=headers,
        redaction=Redaction(frozenset(written.omit), frozenset(written.hash), salt),
        only_errors=written.only_errors,
        batch_lines=written.batch,
        spool_bytes=written.spool,
    )
    if written.s3 is None:
        return target
    bucket = compile_bucket(written.s3)
    return target._replace(bucket=bucket, object_bytes=written.s3.object_size, every_ns=written.s3.every)
