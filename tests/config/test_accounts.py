from __future__ import annotations

import pytest

from weighbridge.config import schema
from weighbridge.config.accounts import account_of
from weighbridge.core.secret import Secret
from weighbridge.providers.catalog import load_catalog
from weighbridge.providers.cloud_accounts import AwsAccount, EntraAccount, GoogleAccount

CATALOG = load_catalog()


def entry(**settings: object) -> schema.Provider:
    return schema.Provider.model_validate(settings)


@pytest.mark.parametrize(
    ("row", "account"),
    [
        ("bedrock", AwsAccount("eu-west-1", "bedrock")),
        ("bedrock-mantle", AwsAccount("eu-west-1", "bedrock-mantle")),
        ("vertex", GoogleAccount()),
        ("azure", EntraAccount(scope="https://cognitiveservices.azure.com/.default")),
        ("azure-ai-foundry", EntraAccount(scope="https://ai.azure.com/.default")),
        ("openai", None),
    ],
)
def test_a_cloud_that_nothing_was_said_of_is_asked_by_whom_its_library_finds(row: str, account: object) -> None:
    assert account_of(entry(), CATALOG[row], {"region": "eu-west-1"}) == account


def test_what_was_said_reaches_the_account() -> None:
    aws = {
        "access_key_id": "AKIA",
        "secret_access_key": "s",
        "session_token": "t",
        "profile": "p",
        "role_arn": "r",
        "external_id": "e",
    }
    assert account_of(entry(aws=aws), CATALOG["bedrock"], {"region": "r1"}) == AwsAccount(
        "r1", "bedrock", None, Secret("AKIA"), Secret("s"), Secret("t"), "p", "r", "e"
    )
    entra = {"tenant_id": "t", "client_id": "c", "client_secret": "s", "scope": "https://x/.default"}
    assert account_of(entry(entra=entra), CATALOG["azure"], {}) == EntraAccount("t", "c", Secret("s"), "https://x/.default")
    assert account_of(entry(google={"quota_project": "q"}), CATALOG["vertex"], {}) == GoogleAccount(quota_project="q")
