"""Log sinks as operators write them: where rows of settled exchanges are sent."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from weighbridge.config.aws_fields import LogBucket
from weighbridge.config.fields import HeaderName, HeaderValue, SecretText, Size
from weighbridge.config.section import Section, fault, written

_URL: Final = re.compile(r"https?://[^\s@#]+")
_TABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}(\.[A-Za-z_][A-Za-z0-9_]{0,127})?")
_LEAST_SPOOL: Final = 1_000_000
Personal = Literal["end_user", "user", "session", "key_id", "team", "organisation", "tags"]


class LogSink(Section):
    """Where each settled request is told, as a row of JSON, without prompts or answers."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    """Of your choice: what waits for it lies in a directory of this name, and metrics have it."""
    webhook: SecretText | None = None
    """A URL that gets a POST with a row on each line."""
    clickhouse: SecretText | None = None
    """The address of ClickHouse's HTTP interface: `https://clickhouse:8443`."""
    table: str = "weighbridge_requests"
    """Its table; `database.table` in another database than the user's own."""
    user: str = ""
    """Whom ClickHouse knows."""
    password: SecretText | None = None
    """The user's."""
    s3: LogBucket | None = None
    """A bucket that gets objects of Parquet. Needs the extra `parquet`."""
    secret: SecretText | None = None
    """What a webhook's batches are signed with (`x-weighbridge-signature`)."""
    headers: dict[HeaderName, HeaderValue] = {}
    """Sent along, such as a token."""
    only_errors: bool = False
    """Only requests that failed."""
    omit: list[Personal] = []
    """What is left empty."""
    hash: list[Personal] = []
    """What is told as a hash, by which it can be counted and not read."""
    salt: SecretText | None = None
    """For these hashes; without it whoever knows a name knows its hash."""
    batch: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Rows in one request, at most. Not of `s3`, whose objects have a size."""
    spool: Size = written("100MB")
    """What may wait on disk while the sink is away; then the oldest rows give way, and are counted."""

    @model_validator(mode="after")
    def _is_one(self) -> LogSink:
        if sum(each is not None for each in (self.webhook, self.clickhouse, self.s3)) != 1:
            raise fault("webhook", "give one of `webhook`, `clickhouse` and `s3`")
        for field in ("webhook", "clickhouse"):
            url = getattr(self, field)
            if url is not None and not _URL.fullmatch(url.reveal()):
                raise fault(field, "must be a URL that begins with `https://` or `http://`")
        if self.clickhouse is None and (self.user or self.password is not None):
            raise fault("user", "is only for `clickhouse`")
        if self.secret is not None and self.webhook is None:
            raise fault("secret", "is only for a `webhook`")
        if not _TABLE.fullmatch(self.table):
            raise fault("table", "must be `table` or `database.table`")
        if self.hash and self.salt is None:
            raise fault("salt", "is needed where something is hashed")
        if self.headers and self.s3 is not None:
            raise fault("headers", "is not for `s3`")
        if self.spool < _LEAST_SPOOL:
            raise fault("spool", "must be at least `1MB`")
        if self.s3 is not None and self.spool < 2 * self.s3.object_size:
            raise fault("spool", "must be at least twice the `object_size`")
        return self
