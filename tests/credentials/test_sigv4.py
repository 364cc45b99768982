from __future__ import annotations

from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.credentials.sigv4 import Signer

WALL_NS = 1_800_000_000 * 10**9
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # the example of AWS's own documentation


def of_botocore(
    method: str, host: str, target: str, body: bytes, wall_ns: int, *, token: str | None, region: str, service: str
) -> dict[str, str]:
    request = AWSRequest(method=method, url=f"https://{host}{target}", data=body, headers={"Host": host})
    with patch("botocore.auth.get_current_datetime", lambda: datetime.fromtimestamp(wall_ns / 1e9, UTC)):
        SigV4Auth(Credentials("AKIDEXAMPLE", SECRET, token), service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items() if name.lower() != "host"}


def ours(
    method: str, host: str, target: str, pieces: list[bytes], wall_ns: int, *, token: str | None, region: str, service: str
) -> dict[str, str]:
    signer = Signer("AKIDEXAMPLE", SECRET, token, region=region, service=service)
    lines = signer.header_lines(method.encode(), host.encode(), target.encode(), list(pieces), wall_ns).decode()
    assert lines.endswith("\r\n")
    return dict(line.split(": ", 1) for line in lines.removesuffix("\r\n").split("\r\n"))


SEGMENT = st.text("abcXYZ019-._~:@!$&'()*+,;=% ", min_size=0, max_size=12).map(
    lambda text: text.replace("%", "%3A").replace(" ", "%20")
)
QUERY = st.lists(st.tuples(st.text("abAB09-_.~", max_size=4), st.text("abAB09-_.~", max_size=4)), max_size=4)


@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    segments=st.lists(SEGMENT, max_size=5),
    slash=st.booleans(),
    query=QUERY,
    pieces=st.lists(st.binary(max_size=40), max_size=4),
    second=st.integers(1_500_000_000, 4_000_000_000),
    token=st.none() | st.text("abcXYZ019+/=", min_size=1, max_size=30),
    region=st.sampled_from(["us-east-1", "eu-central-1"]),
    service=st.sampled_from(["bedrock", "sts"]),
)
def test_signatures_are_botocores(method, segments, slash, query, pieces, second, token, region, service) -> None:
    target = "/" + "/".join(segments) + ("/" if slash else "")
    target += "?" + "&".join(f"{name}={value}" for name, value in query) if query else ""
    host = "bedrock-runtime.us-east-1.amazonaws.com"
    where = {"token": token, "region": region, "service": service}
    # botocore hashes an empty body of a GET as ours does; it has no pieces.
    expected = of_botocore(method, host, target, b"".join(pieces), second * 10**9, **where)
    assert ours(method, host, target, pieces, second * 10**9, **where) == expected


@pytest.mark.parametrize(
    "target",
    [
        "/model/anthropic.claude-3-sonnet%3A0/converse",
        "/model/arn%3Aaws%3Abedrock%3Aeu%3A000000000000%3Ainference-profile%2Fx/converse-stream",
        "/",
        "/a/./b/../c//d/",
        "/..",
        "/x?b=2&a=1&a=0&c",
    ],
)
def test_paths_and_queries_that_need_care(target) -> None:
    where = {"token": None, "region": "eu-west-1", "service": "bedrock"}
    expected = of_botocore("POST", "localhost:8443", target, b"{}", WALL_NS, **where)
    assert ours("POST", "localhost:8443", target, [b"{", b"}"], WALL_NS, **where) == expected


def test_one_signer_signs_across_midnight() -> None:
    signer = Signer("AKIDEXAMPLE", SECRET, None, region="us-east-1", service="bedrock")
    midnight = 1_800_057_600 * 10**9  # 2027-01-16 00:00:00 UTC
    for wall_ns in (midnight - 1, midnight, midnight + 86_400 * 10**9, midnight - 1):
        lines = signer.header_lines(b"POST", b"h", b"/p", [b"x"], wall_ns).decode()
        expected = of_botocore("POST", "h", "/p", b"x", wall_ns // 10**9 * 10**9, token=None, region="us-east-1", service="bedrock")
        assert f"authorization: {expected['authorization']}\r\n" in lines


def test_a_view_of_bytes_is_a_piece_too() -> None:
    signer = Signer("AKIDEXAMPLE", SECRET, None, region="us-east-1", service="bedrock")
    body = b"0123456789"
    pieces = [body[:3], memoryview(body)[3:]]
    assert signer.header_lines(b"POST", b"h", b"/", pieces, WALL_NS) == signer.header_lines(b"POST", b"h", b"/", [body], WALL_NS)


def test_the_memory_of_paths_is_bounded() -> None:
    signer = Signer("AKIDEXAMPLE", SECRET, None, region="us-east-1", service="bedrock")
    for n in range(3000):
        signer.header_lines(b"POST", b"h", b"/model/%d" % n, [], WALL_NS)
    assert len(signer._paths) <= 1024
