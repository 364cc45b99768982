"""Whom a cloud sees: a provider's entry and its row as a `CloudAccount`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from weighbridge.config import schema
from weighbridge.providers.base import AuthStyle
from weighbridge.providers.catalog import CatalogRow
from weighbridge.providers.cloud_accounts import AwsAccount, CloudAccount, EntraAccount, GoogleAccount


def account_of(entry: schema.Provider, row: CatalogRow, values: Mapping[str, str]) -> CloudAccount | None:
    """The account of a provider that is asked without a key; None where the row knows none. `values` has the region."""
    make = None if row.identity is None else _MAKERS.get(row.identity)
    return None if make is None else make(entry, row, values)


def _aws(entry: schema.Provider, row: CatalogRow, values: Mapping[str, str]) -> CloudAccount:
    identity = entry.aws
    return AwsAccount(
        region=values.get("region", ""),
        service=row.identity_for,
        access_key_id=identity.access_key_id,
        secret_access_key=identity.secret_access_key,
        session_token=identity.session_token,
        profile=identity.profile,
        role_arn=identity.role_arn,
        external_id=identity.external_id,
    )


def _google(entry: schema.Provider, row: CatalogRow, values: Mapping[str, str]) -> CloudAccount:  # noqa: ARG001 - as the others
    file = entry.google.credentials_file
    return GoogleAccount(credentials_file=None if file is None else str(file), quota_project=entry.google.quota_project)


def _entra(entry: schema.Provider, row: CatalogRow, values: Mapping[str, str]) -> CloudAccount:  # noqa: ARG001 - as the others
    identity = entry.entra
    return EntraAccount(
        tenant_id=identity.tenant_id,
        client_id=identity.client_id,
        client_secret=identity.client_secret,
        scope=identity.scope or row.identity_for,
    )


_MAKERS: Final[Mapping[AuthStyle, Callable[[schema.Provider, CatalogRow, Mapping[str, str]], CloudAccount]]] = {
    AuthStyle.AWS: _aws,
    AuthStyle.GOOGLE: _google,
    AuthStyle.ENTRA: _entra,
}
