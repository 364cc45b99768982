from __future__ import annotations

import pytest

from weighbridge.core.codec import encode_private, private_decoder
from weighbridge.core.secret import Secret
from weighbridge.providers.cloud_accounts import AwsAccount, CloudAccount, EntraAccount, GoogleAccount

ACCOUNTS = [
    AwsAccount("eu-west-1", access_key_id=Secret("AKIA1"), secret_access_key=Secret("hush")),
    GoogleAccount(credentials_json=Secret('{"private_key": "hush"}')),
    EntraAccount(tenant_id="t", client_id="c", client_secret=Secret("hush")),
]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_travels_to_the_workers_as_it_is(account) -> None:
    assert private_decoder(CloudAccount)(encode_private(account)) == account


@pytest.mark.parametrize("account", ACCOUNTS)
def test_an_account_shows_no_secret(account) -> None:
    assert "hush" not in repr(account)
