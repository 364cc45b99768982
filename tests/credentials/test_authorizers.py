from __future__ import annotations

import pytest

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Authorizer
from weighbridge.core.secret import Secret
from weighbridge.credentials.authorizers import FixedLines, FixedSignature, Signature, Token, authorizer_for
from weighbridge.credentials.renewal import Fresh, Renewal
from weighbridge.credentials.sigv4 import Signer
from weighbridge.providers.cloud_accounts import AwsAccount, EntraAccount, GoogleAccount

KEYS = {"access_key_id": Secret("AKID1"), "secret_access_key": Secret("s")}
REQUEST = (b"POST", b"h", b"/p", [b"{}"])


@pytest.mark.parametrize(
    ("account", "kind"),
    [
        (AwsAccount("eu-west-1", api_key=Secret("k")), FixedLines),
        (AwsAccount("eu-west-1", **KEYS), FixedSignature),
        (AwsAccount("eu-west-1", **KEYS, role_arn="r"), Signature),
        (AwsAccount("eu-west-1", profile="p"), Signature),
        (AwsAccount("eu-west-1"), Signature),
        (GoogleAccount(), Token),
        (EntraAccount(), Token),
    ],
)
async def test_each_account_has_its_authorizer(account, kind, clock) -> None:
    authorizer: Authorizer = authorizer_for(account, clock)
    assert isinstance(authorizer, kind)
    assert authorizer.ready() == (kind in (FixedLines, FixedSignature))


async def test_a_bedrock_key_is_a_bearer_token(clock) -> None:
    authorizer = authorizer_for(AwsAccount("eu-west-1", api_key=Secret("k")), clock)
    await authorizer.refresh()
    authorizer.invalidate()
    assert authorizer.header_lines(*REQUEST) == b"authorization: Bearer k\r\n"


async def test_fixed_keys_sign_with_the_time_of_the_clock(clock) -> None:
    authorizer = authorizer_for(AwsAccount("eu-west-1", **KEYS), clock)
    await authorizer.refresh()
    authorizer.invalidate()
    first = authorizer.header_lines(*REQUEST)
    assert first.startswith(
        b"x-amz-date: 20270115T080000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=AKID1/20270115/eu-west-1/bedrock/"
    )
    clock.pass_s(1)
    assert authorizer.header_lines(*REQUEST) != first


async def test_a_token_is_fetched_once_and_then_at_hand(clock) -> None:
    token = Token(Renewal(lambda: Fresh(b"authorization: Bearer t\r\n", None), clock=clock, what="Google"))
    with pytest.raises(GatewayError) as caught:
        token.header_lines(*REQUEST)
    assert caught.value.kind is ErrorKind.PROVIDER_AUTHENTICATION
    await token.refresh()
    assert token.ready()
    assert token.header_lines(*REQUEST) == b"authorization: Bearer t\r\n"
    clock.pass_s(60)
    token.invalidate()
    assert not token.ready()


async def test_keys_that_are_renewed_sign(clock) -> None:
    signer = Signer("ASID", "s", "tok", region="eu-west-1", service="bedrock")
    signature = Signature(Renewal(lambda: Fresh(signer, None), clock=clock, what="AWS"), clock)
    with pytest.raises(GatewayError):
        signature.header_lines(*REQUEST)
    await signature.refresh()
    assert b"x-amz-security-token: tok\r\n" in signature.header_lines(*REQUEST)
