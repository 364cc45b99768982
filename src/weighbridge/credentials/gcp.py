"""Google Cloud: OAuth tokens through google-auth, from a file, from its content or from Application Default Credentials."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any, Final

from weighbridge.core.clock import NS_PER_S
from weighbridge.core.codec import UNREADABLE, decode_json
from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.credentials.extras import load_library
from weighbridge.credentials.renewal import Fresh
from weighbridge.providers.cloud_accounts import GoogleAccount

_AWS_SUBJECT: Final = "urn:ietf:params:aws:token-type:aws4_request"
# google-auth deprecates its loader of any type: a file from elsewhere could name an executable to run. These types run none.
_LOADERS: Final[dict[str, tuple[str, str]]] = {
    "service_account": ("google.oauth2.service_account", "from_service_account_info"),
    "authorized_user": ("google.oauth2.credentials", "from_authorized_user_info"),
    "external_account": ("google.auth.identity_pool", "from_info"),
    "external_account/aws": ("google.auth.aws", "from_info"),
    "impersonated_service_account": ("google.auth.impersonated_credentials", "from_impersonated_service_account_info"),
}


class GoogleTokens:
    """Fetches tokens of an account. Blocking: for `Renewal`."""

    def __init__(self, account: GoogleAccount) -> None:
        self._account = account
        self._credentials: Any = None
        self._request: Any = None

    def fetch(self) -> Fresh[bytes]:
        """Header lines with a new token. Raises `GatewayError`, and whatever google-auth raises."""
        if self._credentials is None:
            self._request = load_library("google.auth.transport.requests", "gcp").Request()
            self._credentials = self._find()
        credentials = self._credentials
        credentials.refresh(self._request)
        lines = b"authorization: Bearer %b\r\n" % credentials.token.encode()
        if (project := self._account.quota_project or credentials.quota_project_id) is not None:
            # Users' own credentials are of no project, so that Vertex asks who pays.
            lines += b"x-goog-user-project: %b\r\n" % project.encode()
        expiry = credentials.expiry  # naive, and UTC
        if expiry is None:
            return Fresh(lines, None)
        return Fresh(lines, int(expiry.replace(tzinfo=UTC).timestamp()) * NS_PER_S)

    def _find(self) -> Any:
        account = self._account
        if account.credentials_json is not None:
            return _loaded(_content(account.credentials_json.reveal(), "credentials_json"), account.scopes)
        if account.credentials_file is not None:
            text = Path(account.credentials_file).read_text(encoding="utf-8")
            return _loaded(_content(text, account.credentials_file), account.scopes)
        found, _ = load_library("google.auth", "gcp").default(scopes=list(account.scopes))
        return found


def _loaded(info: dict[str, Any], scopes: tuple[str, ...]) -> Any:
    kind = info.get("type")
    if kind == "external_account" and info.get("subject_token_type") == _AWS_SUBJECT:
        kind = "external_account/aws"
    if not isinstance(kind, str) or kind not in _LOADERS:
        raise _unreadable(f"credentials of the type {kind!r} can't be used; these can: {', '.join(sorted(_LOADERS))}")
    module, maker = _LOADERS[kind]
    return getattr(load_library(module, "gcp").Credentials, maker)(info, scopes=list(scopes))


def _content(text: str, origin: str) -> dict[str, Any]:
    try:
        content = decode_json(text.encode())
    except UNREADABLE:
        # Not the decoder's own words: they might quote what is secret.
        raise _unreadable(f"{origin} is not JSON") from None
    if not isinstance(content, dict):
        raise _unreadable(f"{origin} is not a JSON object")
    return content


def _unreadable(detail: str) -> GatewayError:
    public = "The gateway's Google credentials can't be used."
    return GatewayError(ErrorKind.PROVIDER_AUTHENTICATION, public, detail=detail, status=502)
