"""A bucket of the configuration as the data that opens it."""

from __future__ import annotations

from weighbridge.config.aws_fields import S3Bucket
from weighbridge.providers.cloud_accounts import S3, AwsAccount, Bucket


def compile_bucket(written: S3Bucket) -> Bucket:
    """Its address, and whose account it is."""
    identity = written.aws
    account = AwsAccount(
        region=written.region,
        service=S3,
        access_key_id=identity.access_key_id,
        secret_access_key=identity.secret_access_key,
        session_token=identity.session_token,
        profile=identity.profile,
        role_arn=identity.role_arn,
        external_id=identity.external_id,
    )
    prefix = written.prefix.rstrip("/")
    return Bucket(_url_of(written), f"{prefix}/" if prefix else "", account)


def _url_of(written: S3Bucket) -> str:
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
    endpoint = written.endpoint or f"https://s3.{written.region}.amazonaws.com"
    # No certificate is for a bucket's name with a dot below the storage's own.
    is_in_path = written.path_style if written.path_style is not None else written.endpoint is not None or "." in written.bucket
    if is_in_path:
        return f"{endpoint}/{written.bucket}"
    scheme, _, rest = endpoint.partition("://")
    return f"{scheme}://{written.bucket}.{rest}"
