from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.secret import Secret
from weighbridge.credentials.authorizers import authorizer_for
from weighbridge.credentials.s3_signer import S3Signer
from weighbridge.providers.cloud_accounts import AwsAccount

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # the example of AWS's own documentation
HOST = "logs.s3.eu-central-1.amazonaws.com"


def of_botocore(method, target, body, second, token):
    request = AWSRequest(method=method, url=f"http://{HOST}{target}", data=body, headers={"Host": HOST})
    request.context["payload_signing_enabled"] = True
    with patch("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(second, UTC)):
        S3SigV4Auth(Credentials("AKIDEXAMPLE", SECRET, token), "s3", "eu-central-1").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items() if name.lower() != "host"}


@given(
    method=st.sampled_from(["GET", "PUT", "DELETE"]),
    name=st.text("abcXYZ019-._~:@!$&'()*+,;=% /ä", max_size=30),
    query=st.sampled_from(["", "list-type=2&prefix=a%2Fb&encoding-type=url", "continuation-token=%2B%3D"]),
    pieces=st.lists(st.binary(max_size=40), max_size=3),
    second=st.integers(1_500_000_000, 4_000_000_000),
    token=st.none() | st.text("abcXYZ019+/=", min_size=1, max_size=30),
)
def test_signatures_are_botocores(method, name, query, pieces, second, token):
    target = "/" + quote(name, safe="/~") + (f"?{query}" if query else "")
    signer = S3Signer("AKIDEXAMPLE", SECRET, token, region="eu-central-1", service="s3")
    lines = signer.header_lines(method.encode(), HOST.encode(), target.encode(), list(pieces), second * 10**9).decode()
    told = dict(line.split(": ", 1) for line in lines.removesuffix("\r\n").split("\r\n"))
    assert told == of_botocore(method, target, b"".join(pieces), second, token)


@pytest.mark.parametrize(("service", "has_hash"), [("s3", True), ("bedrock", False)])
def test_the_service_decides_how_an_account_signs(service, has_hash):
    class Clock:
        def wall_ns(self):
            return 1_800_000_000 * 10**9

        now_ns = wall_ns

    account = AwsAccount("eu-west-1", service, access_key_id=Secret("AKID1"), secret_access_key=Secret("s"))
    lines = authorizer_for(account, Clock()).header_lines(b"PUT", b"h", b"/a%3Db", [b"x"])
    assert (b"x-amz-content-sha256: " in lines) == has_hash
