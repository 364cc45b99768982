"""The clouds' libraries: optional, heavy (130 to 170 ms, 20 to 35 MB each), and so loaded by name when one is needed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.providers.cloud_accounts import AwsAccount, CloudAccount, EntraAccount, GoogleAccount

_NEEDED: Final[dict[type, tuple[str, tuple[str, ...]]]] = {
    AwsAccount: ("aws", ("botocore",)),
    GoogleAccount: ("gcp", ("google.auth", "requests")),
    EntraAccount: ("azure", ("azure.identity",)),
}


def missing_extra(account: CloudAccount) -> str | None:
    """What to install for this account (`pip install 'weighbridge[aws]'`), or None. For checks of a configuration."""
    if isinstance(account, AwsAccount) and _is_self_sufficient(account):
        return None
    extra, modules = _NEEDED[type(account)]
    return None if all(_exists(module) for module in modules) else _advice(extra)


def load_library(module: str, extra: str) -> Any:
    """A module of a cloud's library. Raises `GatewayError` PROVIDER_AUTHENTICATION that says what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise GatewayError(
            ErrorKind.PROVIDER_AUTHENTICATION,
            "The gateway lacks the library that signs in at this provider.",
            detail=f"{_advice(extra)} ({error})",
            status=502,
        ) from error


def _is_self_sufficient(account: AwsAccount) -> bool:
    """Fixed keys need no library: the signature is ours."""
    has_keys = account.access_key_id is not None and account.secret_access_key is not None
    return account.role_arn is None and (account.api_key is not None or has_keys)


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even its parent package
        return False


def _advice(extra: str) -> str:
    return f"pip install 'weighbridge[{extra}]'"
