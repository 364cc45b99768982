"""How Bedrock knows a caller: by a signature (AWS Signature Version 4), checked to the last bit, or an API key as bearer token.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from weighbridge.testing.journal import ReceivedRequest
from weighbridge.testing.reply import RefusalError

_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<key>[^/, ]+)/"
    r"(?P<scope>(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)/aws4_request)"
    r", *SignedHeaders=(?P<headers>[a-z0-9;-]+), *Signature=(?P<signature>[0-9a-f]{64})"
)
_MISMATCH: Final = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)


def check(request: ReceivedRequest, api_keys: tuple[str, ...], secrets: Mapping[str, str]) -> None:
    """Raises `RefusalError` 403 unless the request has one of the API keys, or a signature with one of the secrets."""
    header = request.header("authorization")
    if not header:
        raise RefusalError(403, "Missing Authentication Token", kind="MissingAuthenticationTokenException")
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer":
        if token not in api_keys:
            raise RefusalError(403, "Authentication failed: Please make sure your API Key is valid.", kind="AccessDeniedException")
        return
    found = _AUTHORIZATION.fullmatch(header)
    if found is None:
        text = "Authorization header requires 'Credential' parameter, 'Signature' parameter and 'SignedHeaders' parameter."
        raise RefusalError(403, text, kind="IncompleteSignatureException")
    if found["service"] != "bedrock":
        text = f"Credential should be scoped to correct service: 'bedrock', not '{found['service']}'."
        raise RefusalError(403, text, kind="InvalidSignatureException")
    if found["key"] not in secrets:
        text = "The security token included in the request is invalid."
        raise RefusalError(403, text, kind="UnrecognizedClientException")
    if not hmac.compare_digest(signature(request, found, secrets[found["key"]]), found["signature"]):
        raise RefusalError(403, _MISMATCH, kind="InvalidSignatureException")


def signature(request: ReceivedRequest, found: re.Match[str], secret: str) -> str:
    """What the signature of a request has to be."""
    moment = request.header("x-amz-date") or ""
    names = found["headers"].split(";")
    if "host" not in names or not moment.startswith(found["day"]):
        raise RefusalError(
            403, "'Host' must be a 'SignedHeader', and the date that of the scope.", kind="InvalidSignatureException"
        )
    payload = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join(
        [
            request.method.decode("latin-1"),
            quote(request.path, safe="/~"),  # the path is encoded once more than it is sent, everywhere but at S3
            "&".join(sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in request.query)),
            *(f"{name}:{' '.join((request.header(name) or '').split())}" for name in names),
            "",
            found["headers"],
            payload,
        ]
    )
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, found["scope"], digest])
    key = f"AWS4{secret}".encode()
    for part in (found["day"], found["region"], found["service"], "aws4_request", to_sign):
        key = hmac.digest(key, part.encode(), "sha256")
    return key.hex()
