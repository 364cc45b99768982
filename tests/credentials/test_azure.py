from __future__ import annotations

from urllib.parse import unquote

import azure.identity
import pytest
from azure.core.credentials import AccessToken
from tests.credentials.token_server import token_server

from weighbridge.core.clock import SystemClock
from weighbridge.core.secret import Secret
from weighbridge.credentials.azure import EntraTokens
from weighbridge.providers.cloud_accounts import EntraAccount


def grant(token: str) -> dict[str, object]:
    return {
        "access_token": token,
        "expires_on": str(SystemClock.wall_ns() // 10**9 + 3600),
        "resource": "r",
        "token_type": "Bearer",
    }


@pytest.mark.parametrize("client_id", [None, "11111111-1111-1111-1111-111111111111"])
def test_a_managed_identity(monkeypatch, client_id) -> None:
    with token_server((200, grant("one"))) as server:
        # An App Service's endpoint, which its library finds by these two.
        monkeypatch.setenv("IDENTITY_ENDPOINT", server.base + "/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "h")
        tokens = EntraTokens(EntraAccount(client_id=client_id))
        fresh = tokens.fetch()
        assert fresh.value == b"authorization: Bearer one\r\n"
        assert fresh.expires_wall_ns is not None
        assert 3500 < (fresh.expires_wall_ns - SystemClock.wall_ns()) / 1e9 < 3700
        _, path, _ = server.asked[-1]
        assert "resource=https://cognitiveservices.azure.com" in unquote(path)
        assert ("client_id=" in path) == (client_id is not None)


def test_an_application_signs_in_with_its_secret(monkeypatch) -> None:
    made = []

    class Credential:
        def __init__(self, *arguments: str) -> None:
            made.append(arguments)

        def get_token(self, scope: str) -> AccessToken:
            made.append(scope)
            return AccessToken("two", 1_900_000_000)

    monkeypatch.setattr(azure.identity, "ClientSecretCredential", Credential)
    account = EntraAccount(tenant_id="t", client_id="c", client_secret=Secret("s"), scope="https://ai.azure.com/.default")
    tokens = EntraTokens(account)
    assert tokens.fetch() == (b"authorization: Bearer two\r\n", 1_900_000_000 * 10**9)
    tokens.fetch()
    assert made == [("t", "c", "s"), "https://ai.azure.com/.default", "https://ai.azure.com/.default"]


def test_nobody_signed_in_is_raised(monkeypatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(Exception, match=r"[Ee]nvironment"):
        EntraTokens(EntraAccount()).fetch()
