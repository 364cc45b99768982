"""Whose account at a cloud a provider is called with: what the operator wrote about it, as data that travels to the workers.

How a proof of identity comes out of it is told in `weighbridge.credentials`. Where a field is empty the cloud's own library looks
where its users expect: environment variables, profiles, the metadata server of the machine.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from weighbridge.core.secret import Secret

S3: Final = "s3"
"""The service of an `AwsAccount` whose requests are signed as S3 wants it."""


class AwsAccount(msgspec.Struct, frozen=True, tag="aws"):
    """AWS: requests are signed (SigV4), unless there is an `api_key` (Bedrock's, a plain bearer token).

    `access_key_id` and `secret_access_key` are fixed keys, with `session_token` for temporary ones; `profile` is a section of the
    shared configuration. `role_arn` is assumed with whatever was found before (`external_id` where its owner asks for one).
    """

    region: str
    service: str = "bedrock"
    api_key: Secret | None = None
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None


class Bucket(msgspec.Struct, frozen=True):
    """A place in an S3-compatible storage, and whose account it is opened with.

    `url` is the address of the bucket itself: `https://logs.s3.eu-west-1.amazonaws.com`, or `https://minio:9000/logs`. `prefix` is
    what names of objects in it begin with; empty, or with a `/` at its end.
    """

    url: str
    prefix: str
    account: AwsAccount


class GoogleAccount(msgspec.Struct, frozen=True, tag="google"):
    """Google Cloud: an OAuth token from a credentials file or its content (a service account, an external or a user's account),
    else from Application Default Credentials. `quota_project` is the project that pays, where it is not the account's own."""

    credentials_file: str | None = None
    credentials_json: Secret | None = None
    quota_project: str | None = None
    scopes: tuple[str, ...] = ("https://www.googleapis.com/auth/cloud-platform",)


class EntraAccount(msgspec.Struct, frozen=True, tag="entra"):
    """Microsoft Entra ID (Azure): a token for `scope`.

    With all of `tenant_id`, `client_id` and `client_secret` it is an application's; `client_id` alone names a managed identity. AI
    Foundry's own endpoint wants the scope `https://ai.azure.com/.default`.
    """

    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: Secret | None = None
    scope: str = "https://cognitiveservices.azure.com/.default"


CloudAccount: TypeAlias = AwsAccount | GoogleAccount | EntraAccount
