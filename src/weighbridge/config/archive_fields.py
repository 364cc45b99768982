"""The archive as operators write it: where requests go before they are deleted."""

from __future__ import annotations

from pydantic import model_validator

from weighbridge.config.aws_fields import S3Bucket
from weighbridge.config.fields import AnyPath
from weighbridge.config.section import Section, fault


class Archive(Section):
    """Where requests are written as Parquet, by day, before the gateway deletes what it has of them. Needs the extra `parquet`."""

    directory: AnyPath | None = None
    """A directory. Several gateways on one database need one that they share, or a bucket."""
    s3: S3Bucket | None = None
    """A bucket."""

    @model_validator(mode="after")
    def _is_one(self) -> Archive:
        if (self.directory is None) == (self.s3 is None):
            raise fault("directory", "give one of `directory` and `s3`")
        return self
