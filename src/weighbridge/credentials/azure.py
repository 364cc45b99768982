"""Azure: Entra ID tokens through azure-identity: of an application, else from the environment, a workload or managed identity."""

from __future__ import annotations

from typing import Any

from weighbridge.core.clock import NS_PER_S
from weighbridge.credentials.extras import load_library
from weighbridge.credentials.renewal import Fresh
from weighbridge.providers.cloud_accounts import EntraAccount


class EntraTokens:
    """Fetches tokens of an account. Blocking: for `Renewal`."""

    def __init__(self, account: EntraAccount) -> None:
        self._account = account
        self._credential: Any = None

    def fetch(self) -> Fresh[bytes]:
        """A header line with a token. Raises `GatewayError`, and whatever azure-identity raises."""
        if self._credential is None:
            self._credential = self._find()
        token = self._credential.get_token(self._account.scope)
        return Fresh(b"authorization: Bearer %b\r\n" % token.token.encode(), int(token.expires_on) * NS_PER_S)

    def _find(self) -> Any:
        account = self._account
        library = load_library("azure.identity", "azure")
        if account.tenant_id is not None and account.client_id is not None and account.client_secret is not None:
            return library.ClientSecretCredential(account.tenant_id, account.client_id, account.client_secret.reveal())
        if account.client_id is not None:
            return library.DefaultAzureCredential(managed_identity_client_id=account.client_id)
        return library.DefaultAzureCredential()
