"""AWS: keys from the configuration, or from botocore's chain (environment, profile, SSO, web identity, role, container, IMDS)."""

from __future__ import annotations

from typing import Any, Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.ports import Clock
from weighbridge.credentials.extras import load_library
from weighbridge.credentials.renewal import Fresh
from weighbridge.credentials.s3_signer import S3Signer
from weighbridge.credentials.sigv4 import Signer
from weighbridge.providers.cloud_accounts import S3, AwsAccount

_VOUCHED_NS: Final = 300 * NS_PER_S
"""For how long botocore vouches for temporary keys that it hands out: it replaces them ten minutes before their end, or raises."""
_SESSION_NAME: Final = "weighbridge"
"""How our sessions are called in CloudTrail."""


def fixed_signer(account: AwsAccount) -> Signer | None:
    """The signer of an account whose keys stand in the configuration, or None: those need neither a library nor a renewal."""
    if account.access_key_id is None or account.secret_access_key is None or account.role_arn is not None:
        return None
    return _signer(
        account,
        account.access_key_id.reveal(),
        account.secret_access_key.reveal(),
        account.session_token.reveal() if account.session_token is not None else None,
    )


class AwsKeys:
    """Fetches keys of an account through botocore. Blocking: for `Renewal`."""

    def __init__(self, account: AwsAccount, clock: Clock) -> None:
        self._account = account
        self._clock = clock
        self._held: Any = None
        """botocore's credentials, where it keeps them fresh itself."""

    def fetch(self) -> Fresh[Signer]:
        """A signer with the keys of this moment. Raises `GatewayError`, and whatever botocore raises."""
        credentials = self._held or self._find()
        is_temporary = hasattr(credentials, "refresh_needed")
        self._held = credentials if is_temporary else None  # a file that was read once may have been rotated
        frozen = credentials.get_frozen_credentials()
        signer = _signer(self._account, frozen.access_key, frozen.secret_key, frozen.token)
        return Fresh(signer, self._clock.wall_ns() + _VOUCHED_NS if is_temporary else None)

    def _find(self) -> Any:
        account = self._account
        session = load_library("botocore.session", "aws").Session(profile=account.profile)
        if account.access_key_id is not None and account.secret_access_key is not None:
            token = account.session_token.reveal() if account.session_token is not None else None
            session.set_credentials(account.access_key_id.reveal(), account.secret_access_key.reveal(), token)
        credentials = session.get_credentials()
        if credentials is None:
            raise GatewayError(
                ErrorKind.PROVIDER_AUTHENTICATION,
                "The gateway has no AWS credentials.",
                detail="botocore found none: set access keys, a profile or a role, or give the machine one",
                status=502,
            )
        return credentials if account.role_arn is None else self._assumed(session, credentials)

    def _assumed(self, session: Any, credentials: Any) -> Any:
        """Credentials of the role, which botocore renews by assuming it again."""
        library = load_library("botocore.credentials", "aws")
        extra = {"RoleSessionName": _SESSION_NAME}
        if self._account.external_id is not None:
            extra["ExternalId"] = self._account.external_id
        session.set_config_variable("region", self._account.region)  # STS of the same region: a partition has no other
        fetcher = library.AssumeRoleCredentialFetcher(session.create_client, credentials, self._account.role_arn, extra_args=extra)
        return library.DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")


def _signer(account: AwsAccount, access_key_id: str, secret: str, token: str | None) -> Signer:
    make = S3Signer if account.service == S3 else Signer
    return make(access_key_id, secret, token, region=account.region, service=account.service)
