from __future__ import annotations

import pytest

from weighbridge.config.aws_fields import S3Bucket
from weighbridge.config.buckets import compile_bucket


def bucket(**facts):
    return compile_bucket(S3Bucket.model_validate({"bucket": "logs", **facts}))


@pytest.mark.parametrize(
    ("facts", "url"),
    [
        ({}, "https://logs.s3.us-east-1.amazonaws.com"),
        ({"region": "eu-west-1"}, "https://logs.s3.eu-west-1.amazonaws.com"),
        ({"bucket": "a.b-logs"}, "https://s3.us-east-1.amazonaws.com/a.b-logs"),
        ({"path_style": True}, "https://s3.us-east-1.amazonaws.com/logs"),
        ({"endpoint": "http://minio:9000"}, "http://minio:9000/logs"),
        ({"endpoint": "https://x.r2.cloudflarestorage.com", "path_style": False}, "https://logs.x.r2.cloudflarestorage.com"),
    ],
)
def test_a_bucket_has_its_address(facts, url):
    assert bucket(**facts).url == url


def test_its_account_signs_for_its_region_and_its_prefix_is_a_folder():
    made = bucket(region="auto", prefix="a/b", aws={"access_key_id": "AK", "secret_access_key": "s"})
    assert (made.account.region, made.account.service, made.account.access_key_id.reveal()) == ("auto", "s3", "AK")
    assert (made.prefix, bucket(prefix="a/").prefix, bucket().prefix) == ("a/b/", "a/", "")
