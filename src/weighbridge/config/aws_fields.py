"""AWS accounts and buckets as operators write them."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import Field, model_validator

from weighbridge.config.fields import BaseUrl, Duration, SecretText, Size
from weighbridge.config.section import Section, fault, written

_BUCKET: Final = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_PREFIX: Final = re.compile(r"[A-Za-z0-9!_.*'()=-]+(/[A-Za-z0-9!_.*'()=-]+)*/?")
"""Characters that every storage takes in a name."""
_REGION: Final = r"^[a-z0-9-]{1,40}$"
_LEAST_OBJECT: Final = 100_000
_LONGEST_NS: Final = 3_600 * 10**9


class AwsIdentity(Section):
    """An AWS account. Without any of these: the environment, the shared profile, the role of the machine, as for the AWS CLI."""

    access_key_id: SecretText | None = None
    """A fixed access key."""
    secret_access_key: SecretText | None = None
    """The access key's secret."""
    session_token: SecretText | None = None
    """The token of temporary keys."""
    profile: str | None = None
    """A section of the shared configuration (`~/.aws`)."""
    role_arn: str | None = None
    """A role to assume with what was found."""
    external_id: str | None = None
    """What the role's owner asks for."""


class S3Bucket(Section):
    """A bucket of S3, or of a storage that speaks like it (MinIO, Cloudflare R2, Ceph). Needs the extra `parquet`, and where its
    `aws` has no fixed keys the extra `aws`."""

    bucket: Annotated[str, Field(pattern=_BUCKET)]
    """Its name."""
    prefix: str = ""
    """What names of objects begin with: `weighbridge/requests`."""
    region: Annotated[str, Field(pattern=_REGION)] = "us-east-1"
    """Where it is; Cloudflare R2 wants `auto`."""
    endpoint: BaseUrl | None = None
    """Another storage than AWS: `https://minio.example.org:9000`."""
    path_style: bool | None = None
    """Whether the bucket stands in the path and not in the host's name. If not given: with an `endpoint`."""
    aws: AwsIdentity = Field(default_factory=AwsIdentity)
    """Whose account it is."""

    @model_validator(mode="after")
    def _has_a_prefix_of_names(self) -> S3Bucket:
        if self.prefix and not _PREFIX.fullmatch(self.prefix):
            raise fault("prefix", "has letters, digits, `!_.*'()=-` and single `/` in between")
        return self


class LogBucket(S3Bucket):
    """Where a log sink writes Parquet, in folders by hour: `dt=2026-11-25/hour=13/`."""

    object_size: Size = written("16MB")
    """Rows become an object when they are so much as JSON; Parquet takes a tenth of that."""
    every: Duration = written("5m")
    """Or when they have waited so long, at most `1h`."""

    @model_validator(mode="after")
    def _is_bounded(self) -> LogBucket:
        if self.object_size < _LEAST_OBJECT:
            raise fault("object_size", "must be at least `100kB`")
        if self.every > _LONGEST_NS:
            raise fault("every", "must be at most `1h`")
        return self
