from __future__ import annotations

import pytest
from joserfc.jwk import ECKey, KeySet, RSAKey
from tests.control.oidc.openid_provider import CLIENT, OpenIdProvider, first_key, new_key

from weighbridge.auth.identities import NotAdmittedError, Refusal
from weighbridge.control.oidc.id_token import LEEWAY_S, Expected, UnknownKeyError, checked_claims, key_set
from weighbridge.core.secret import Secret

NOW_S = 1_800_000_000


@pytest.fixture
def provider():
    made = OpenIdProvider(1)
    made.now_s = lambda: NOW_S
    return made


@pytest.fixture
def checked(provider):
    """The claims of a token, checked; `access_token` came beside it."""

    def check(token=None, access_token=None):
        keys = key_set(KeySet(provider.shown).as_dict(private=False))
        expected = Expected(provider.issuer, CLIENT, "n-1", NOW_S, access_token)
        return checked_claims(Secret(provider.signed(provider.claims("n-1")) if token is None else token), keys, expected)

    return check


def refused(checked, token=None, access_token=None):
    with pytest.raises(NotAdmittedError) as raised:
        checked(token, access_token)
    assert raised.value.refusal is Refusal.NOT_TRUSTED
    assert "eyJ" not in raised.value.detail
    return raised.value.detail


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"nonce": ["n-1"]},
        {"aud": "another"},
        {"aud": None},
        {"aud": []},
        {"aud": [CLIENT, "another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"azp": "another"},
        {"iss": "https://evil.test"},
        {"iss": "http://localhost:1/"},
        {"iss": None},
        {"exp": NOW_S - LEEWAY_S},
        {"exp": None},
        {"exp": "never"},
        {"exp": True},
        {"iat": NOW_S + LEEWAY_S + 1},
        {"iat": None},
        {"nbf": NOW_S + LEEWAY_S + 1},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
        {"sub": "a\nb"},
    ],
    ids=str,
)
def test_a_token_for_somebody_or_something_else_does_not_hold(provider, checked, claims):
    assert checked()["sub"] == "ann-1"
    provider.alter = claims
    refused(checked)


def test_one_for_several_holds_if_it_was_issued_to_us(provider, checked):
    provider.alter = {"aud": ["another", CLIENT], "azp": CLIENT}
    assert checked()["sub"] == "ann-1"


def test_clocks_may_differ_a_little(provider, checked):
    provider.alter = {"exp": NOW_S - LEEWAY_S + 1, "iat": NOW_S + LEEWAY_S}
    assert checked()["sub"] == "ann-1"


def test_an_access_token_that_was_put_beside_it_is_noticed(provider, checked):
    provider.alter = {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}
    assert "at_hash" in refused(checked, access_token=Secret("at-1"))


def test_nobody_has_signed_an_unsigned_token(provider, checked):
    assert "none" in refused(checked, provider.unsigned(provider.claims("n-1")))


def test_the_public_key_is_nobodys_secret(provider, checked):
    assert "HS256" in refused(checked, provider.signed_with_the_public_key(provider.claims("n-1")))


@pytest.mark.parametrize("spoil", ["{}x", "x{}", "at-1", "", "..", "ü.ü.ü", "{}.{}"])
def test_a_torn_token_is_none(provider, checked, spoil):
    refused(checked, spoil.format(*[provider.signed(provider.claims("n-1"))] * 2))


def test_another_key_of_the_same_name_is_another_key(provider, checked):
    refused(checked, provider.signed(provider.claims("n-1"), key=new_key("k1")))


def test_a_key_that_is_not_shown_may_be_new(provider, checked):
    provider.signing = new_key("k2")
    with pytest.raises(UnknownKeyError):
        checked()


@pytest.mark.parametrize("kid", ["e1", None])
def test_elliptic_curves_will_do_and_a_single_key_needs_no_name(provider, checked, kid):
    provider.signing = ECKey.generate_key("P-256", {"kid": "e1"})
    provider.shown = [provider.signing]
    assert checked(provider.signed(provider.claims("n-1"), "ES256", kid=kid))["sub"] == "ann-1"


def test_a_key_is_used_with_its_own_algorithm_alone(provider, checked):
    free = RSAKey.import_key({name: value for name, value in first_key().as_dict(private=True).items() if name != "alg"})
    assert checked(provider.signed(provider.claims("n-1"), "RS256", free))["sub"] == "ann-1"
    with pytest.raises(UnknownKeyError):  # k1 says that it is for RS256
        checked(provider.signed(provider.claims("n-1"), "PS256", free))


def test_keys_for_other_ends_are_left_out():
    public = first_key().as_dict(private=False)
    strange = {"kty": "AKP", "kid": "pq", "alg": "ML-DSA-44"}
    for_encryption = {"kty": "RSA", "use": "enc", "kid": "e", "n": "?", "e": "?"}
    assert [key.kid for key in key_set({"keys": [strange, for_encryption, public]})] == ["k1"]


@pytest.mark.parametrize("content", [{}, {"keys": {}}, {"keys": []}, {"keys": ["x"]}, {"keys": [{"kty": "RSA", "n": 1, "e": 1}]}])
def test_what_are_no_keys_is_told(content):
    with pytest.raises(NotAdmittedError) as raised:
        key_set(content)
    assert raised.value.refusal is Refusal.UNAVAILABLE
