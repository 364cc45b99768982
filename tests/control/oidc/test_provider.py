from __future__ import annotations

import asyncio
import hashlib
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from tests.control.oidc.openid_provider import CLIENT, encoded, new_key

from weighbridge.auth.identities import NotAdmittedError, Refusal
from weighbridge.control.oidc.provider import KEPT_NS, REST_NS, Provider, Tokens, with_query
from weighbridge.core.secret import Secret

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def asked(rules, oidc_calls, clock) -> Provider:
    """The gateway's side."""
    return Provider(rules, oidc_calls, clock)


async def refusal(waiting):
    with pytest.raises(NotAdmittedError) as raised:
        await waiting
    return raised.value


def tokens(provider) -> Tokens:
    return Tokens(Secret(provider.sign(provider.claims("n-1"))), Secret("at-1"))


async def test_what_it_says_of_itself_is_asked_once_an_hour_however_many_ask(provider, asked, clock):
    await asyncio.gather(*(asked.metadata() for _ in range(10)))
    assert provider.asked == [DISCOVERY]
    clock.wall += KEPT_NS + 1
    await asked.metadata()
    assert provider.asked == [DISCOVERY] * 2


async def test_a_slash_at_the_end_of_the_issuer_is_the_providers_own_business(provider, asked):
    provider.documents = {"issuer": provider.issuer + "/"}
    provider.alter = {"iss": provider.issuer + "/"}
    assert (await asked.claims(tokens(provider), "n-1"))["sub"] == "ann-1"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"issuer": "https://evil.test"}, Refusal.NOT_TRUSTED),
        ({"authorization_endpoint": "javascript:alert(1)"}, Refusal.NOT_TRUSTED),
        ({"token_endpoint": "http://user@evil.test/"}, Refusal.NOT_TRUSTED),
        ({"jwks_uri": "file:///etc/passwd"}, Refusal.NOT_TRUSTED),
        ({"jwks_uri": "https://id.test/a b"}, Refusal.NOT_TRUSTED),
        ({"jwks_uri": "https://id.test:x/"}, Refusal.NOT_TRUSTED),
        ({"end_session_endpoint": "https:///x"}, Refusal.NOT_TRUSTED),
        ({"jwks_uri": None}, Refusal.UNAVAILABLE),
        ({"token_endpoint": 7}, Refusal.UNAVAILABLE),
    ],
)
async def test_a_configuration_that_leads_astray_is_not_followed(provider, asked, document, why):
    provider.documents = document
    assert (await refusal(asked.metadata())).refusal is why
    assert (await refusal(asked.metadata())).detail == ""
    assert provider.asked == [DISCOVERY]


async def test_one_that_does_not_answer_is_let_rest(provider, asked, clock):
    provider.status = {DISCOVERY: 500}
    found = await asyncio.gather(*(refusal(asked.metadata()) for _ in range(10)))
    assert {each.refusal for each in found} == {Refusal.UNAVAILABLE}
    assert [bool(each.detail) for each in found].count(True) == 1  # told once
    assert provider.asked == [DISCOVERY]
    provider.status = {}
    clock.wall += REST_NS
    assert (await asked.metadata()).issuer == provider.issuer


async def test_one_that_is_not_there_is_told(rules, oidc_calls, clock):
    gone = Provider(msgspec.structs.replace(rules, issuer="http://localhost:9"), oidc_calls, clock)
    error = await refusal(gone.metadata())
    assert (error.refusal, "localhost:9" in error.detail) == (Refusal.UNAVAILABLE, True)


async def test_a_new_key_is_looked_up_and_a_hidden_one_not_again_and_again(provider, asked, clock):
    await asked.claims(tokens(provider), "n-1")
    provider.rotate()
    clock.wall += REST_NS + 1
    await asked.claims(tokens(provider), "n-1")
    assert provider.asked.count("/keys") == 2
    provider.signing = new_key("hidden")
    for _ in range(3):
        assert (await refusal(asked.claims(tokens(provider), "n-1"))).refusal is Refusal.NOT_TRUSTED
    assert provider.asked.count("/keys") == 2


@pytest.mark.parametrize("methods", [None, ["client_secret_basic", "client_secret_post"], ["client_secret_post"]])
@pytest.mark.parametrize("secret", ["s3cret:+%", "wrong"])
async def test_a_code_is_redeemed_by_whoever_knows_the_secret(provider, rules, oidc_calls, clock, methods, secret):
    provider.documents = {"token_endpoint_auth_methods_supported": methods}
    ours = Provider(msgspec.structs.replace(rules, client_secret=Secret(secret)), oidc_calls, clock)
    challenge = encoded(hashlib.sha256(b"v").digest())
    provider.codes = {"c": {"nonce": "n-1", "redirect_uri": "back", "code_challenge": challenge}}
    if secret == "wrong":
        error = await refusal(ours.redeem("c", "v", "back"))
        assert (error.refusal, "invalid_client" in error.detail, secret in error.detail) == (Refusal.NOT_TRUSTED, True, False)
    else:
        assert (await ours.redeem("c", "v", "back")).access_token == Secret("at-1")


async def test_a_code_that_is_not_known_is_worth_nothing(provider, asked):
    error = await refusal(asked.redeem("unknown", "v", "back"))
    assert (error.refusal, "invalid_grant" in error.detail, "script" in error.detail) == (Refusal.NOT_TRUSTED, True, False)


async def test_what_it_tells_besides_is_of_the_same_person(provider, asked):
    provider.userinfo = {"sub": "ann-1", "email": "a@b"}
    assert (await asked.userinfo(tokens(provider), "ann-1"))["email"] == "a@b"
    assert (await refusal(asked.userinfo(tokens(provider), "ben-1"))).refusal is Refusal.NOT_TRUSTED
    assert await asked.userinfo(Tokens(Secret("x"), None), "ann-1") == {}


async def test_where_to_sign_out_there(provider, asked, clock):
    url = urlsplit(await asked.end_session_url(Secret("eyJ"), "https://gateway.test/x"))
    assert (url.path, dict(parse_qsl(url.query))) == (
        "/logout",
        {"id_token_hint": "eyJ", "client_id": CLIENT, "post_logout_redirect_uri": "https://gateway.test/x"},
    )
    assert "hint" not in (await asked.end_session_url(None, "x"))
    provider.documents = {"end_session_endpoint": None}
    clock.wall += KEPT_NS + 1
    assert await asked.end_session_url(Secret("eyJ"), "x") is None


def test_parameters_come_after_those_that_an_address_has():
    assert with_query("https://id.test/a", {"b": "c d"}) == "https://id.test/a?b=c+d"
    assert with_query("https://id.test/a?p=q", {"b": "c"}) == "https://id.test/a?p=q&b=c"
