"""Every failure of the gateway: what it is, whose fault it is, whether trying again helps, and what the caller may read.

`ErrorKind` is closed: a new failure takes a row in `_FACTS`, and with it a status in every dialect. `public` goes to the
caller; `detail` goes to Records and logs only, since it may name hosts and files.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple, Self


class Source(Enum):
    """Where the fault lies."""

    DOWNSTREAM = "downstream"
    """Our client: its request was wrong or more than it may have, or it went away."""
    UPSTREAM = "upstream"
    """A provider, or the way to it."""
    GATEWAY = "gateway"
    """Ourselves: a limit, a policy or a bug."""


class Retry(Enum):
    """What the next attempt may be, from the gateway's point of view."""

    NEVER = "never"
    """The same request fails everywhere."""
    SAME = "same"
    """It passes: the same target may be asked again after the provider's hint or a backoff, and another one at once."""
    NEXT = "next"
    """This target will not answer it (or may have billed it already): only another one makes sense."""


class ErrorKind(Enum):
    """The closed set of failures; the values are the vocabulary of OpenRouter's typed errors where it has a word."""

    INVALID_REQUEST = "invalid_request"
    AUTHENTICATION = "authentication"
    PERMISSION_DENIED = "permission_denied"
    NOT_FOUND = "not_found"
    MODEL_NOT_FOUND = "model_not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    LENGTH_REQUIRED = "length_required"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    URI_TOO_LONG = "uri_too_long"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    EXPECTATION_FAILED = "expectation_failed"
    HEADERS_TOO_LARGE = "headers_too_large"
    CLIENT_CLOSED = "client_closed"
    NOT_IMPLEMENTED = "not_implemented"
    UNSUPPORTED_HTTP_VERSION = "unsupported_http_version"
    GATEWAY_OVERLOADED = "gateway_overloaded"
    DRAINING = "draining"
    INTERNAL = "internal"
    LIMIT_EXCEEDED = "limit_exceeded"
    BUDGET_EXCEEDED = "budget_exceeded"
    PRICE_UNKNOWN = "price_unknown"
    PROVIDER_UNREACHABLE = "provider_unreachable"
    PROVIDER_BROKE_OFF = "provider_broke_off"
    PROVIDER_MALFORMED = "provider_malformed"
    PROVIDER_TIMEOUT = "provider_timeout"
    PROVIDER_EMPTY = "provider_empty"
    # What providers say themselves: `wire/provider_errors.py` finds the kind.
    CONTEXT_LENGTH_EXCEEDED = "context_length_exceeded"
    CONTENT_POLICY_VIOLATION = "content_policy_violation"
    RATE_LIMIT_EXCEEDED = "rate_limit_exceeded"
    INSUFFICIENT_QUOTA = "insufficient_quota"
    PROVIDER_OVERLOADED = "provider_overloaded"
    PROVIDER_AUTHENTICATION = "provider_authentication"
    PROVIDER_PERMISSION = "provider_permission"
    PROVIDER_MODEL_NOT_FOUND = "provider_model_not_found"
    PROVIDER_NOT_FOUND = "provider_not_found"
    PROVIDER_CONFLICT = "provider_conflict"
    PROVIDER_INVALID_REQUEST = "provider_invalid_request"
    UNPROCESSABLE = "unprocessable"
    PROVIDER_INTERNAL = "provider_internal"


class _Facts(NamedTuple):
    status: int
    source: Source
    retry: Retry
    client_may_retry: bool


_D, _U, _G = Source.DOWNSTREAM, Source.UPSTREAM, Source.GATEWAY
_FACTS: Final[dict[ErrorKind, _Facts]] = {
    ErrorKind.INVALID_REQUEST: _Facts(400, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.AUTHENTICATION: _Facts(401, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.PERMISSION_DENIED: _Facts(403, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.NOT_FOUND: _Facts(404, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.MODEL_NOT_FOUND: _Facts(404, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.METHOD_NOT_ALLOWED: _Facts(405, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.REQUEST_TIMEOUT: _Facts(408, _D, Retry.NEVER, client_may_retry=True),
    ErrorKind.LENGTH_REQUIRED: _Facts(411, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.PAYLOAD_TOO_LARGE: _Facts(413, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.URI_TOO_LONG: _Facts(414, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.UNSUPPORTED_MEDIA_TYPE: _Facts(415, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.EXPECTATION_FAILED: _Facts(417, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.HEADERS_TOO_LARGE: _Facts(431, _D, Retry.NEVER, client_may_retry=False),
    # 499 is nginx's number for "client closed request"; nobody reads it but Records.
    ErrorKind.CLIENT_CLOSED: _Facts(499, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.NOT_IMPLEMENTED: _Facts(501, _G, Retry.NEVER, client_may_retry=False),
    ErrorKind.UNSUPPORTED_HTTP_VERSION: _Facts(505, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.GATEWAY_OVERLOADED: _Facts(503, _G, Retry.NEVER, client_may_retry=True),
    ErrorKind.DRAINING: _Facts(503, _G, Retry.NEVER, client_may_retry=True),
    ErrorKind.INTERNAL: _Facts(500, _G, Retry.NEVER, client_may_retry=True),
    # Limits and budgets of the gateway's own. Of a model or a provider they leave another target to be asked.
    ErrorKind.LIMIT_EXCEEDED: _Facts(429, _D, Retry.NEXT, client_may_retry=True),
    ErrorKind.BUDGET_EXCEEDED: _Facts(429, _D, Retry.NEXT, client_may_retry=False),
    ErrorKind.PRICE_UNKNOWN: _Facts(403, _D, Retry.NEXT, client_may_retry=False),
    ErrorKind.PROVIDER_UNREACHABLE: _Facts(502, _U, Retry.SAME, client_may_retry=True),
    ErrorKind.PROVIDER_BROKE_OFF: _Facts(502, _U, Retry.NEXT, client_may_retry=True),
    ErrorKind.PROVIDER_MALFORMED: _Facts(502, _U, Retry.NEXT, client_may_retry=True),
    ErrorKind.PROVIDER_TIMEOUT: _Facts(504, _U, Retry.NEXT, client_may_retry=True),
    # A 200 that says nothing: mostly a provider's hiccup, so the same one may answer the next time.
    ErrorKind.PROVIDER_EMPTY: _Facts(502, _U, Retry.SAME, client_may_retry=True),
    # The caller's doing, yet another target may answer: one with a larger context, or with another policy.
    ErrorKind.CONTEXT_LENGTH_EXCEEDED: _Facts(400, _D, Retry.NEXT, client_may_retry=False),
    ErrorKind.CONTENT_POLICY_VIOLATION: _Facts(400, _D, Retry.NEXT, client_may_retry=False),
    ErrorKind.RATE_LIMIT_EXCEEDED: _Facts(429, _U, Retry.SAME, client_may_retry=True),
    # No rate limit: waiting does not help, paying does.
    ErrorKind.INSUFFICIENT_QUOTA: _Facts(429, _U, Retry.NEXT, client_may_retry=False),
    ErrorKind.PROVIDER_OVERLOADED: _Facts(503, _U, Retry.SAME, client_may_retry=True),
    # The provider refused our key, not the caller's. 401 nevertheless: it is what the vendor's own SDK would have raised.
    ErrorKind.PROVIDER_AUTHENTICATION: _Facts(401, _U, Retry.NEXT, client_may_retry=False),
    ErrorKind.PROVIDER_PERMISSION: _Facts(403, _U, Retry.NEXT, client_may_retry=False),
    ErrorKind.PROVIDER_MODEL_NOT_FOUND: _Facts(404, _U, Retry.NEXT, client_may_retry=False),
    ErrorKind.PROVIDER_NOT_FOUND: _Facts(404, _U, Retry.NEXT, client_may_retry=False),
    ErrorKind.PROVIDER_CONFLICT: _Facts(409, _U, Retry.SAME, client_may_retry=True),
    ErrorKind.PROVIDER_INVALID_REQUEST: _Facts(400, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.UNPROCESSABLE: _Facts(422, _D, Retry.NEVER, client_may_retry=False),
    ErrorKind.PROVIDER_INTERNAL: _Facts(502, _U, Retry.SAME, client_may_retry=True),
}


class GatewayError(Exception):
    """A failure with a public face.

    `public`: a sentence for the caller that says what to do; never a key, a host or a path.
    `detail`: for Records and logs. `param`: the request field at fault, if one is. `code`: a finer machine-readable code
    than the kind (`model_ambiguous`), else the kind's value. `retry_after_ns`: when trying again makes sense.

    Of an error that a provider sent: `provider_code` and `provider_type` are its own words (empty where it has none), `status`
    its own number where that says more than the kind's (a 422, a 529).
    """

    __slots__ = ("_code", "_status", "detail", "kind", "param", "provider_code", "provider_type", "public", "retry_after_ns")

    def __init__(
        self,
        kind: ErrorKind,
        public: str,
        *,
        detail: str = "",
        param: str | None = None,
        code: str | None = None,
        retry_after_ns: int | None = None,
        status: int | None = None,
        provider_code: str = "",
        provider_type: str = "",
    ) -> None:
        super().__init__(public)
        self.kind = kind
        self.public = public
        self.detail = detail
        self.param = param
        self._code = code
        self.retry_after_ns = retry_after_ns
        self._status = status
        self.provider_code = provider_code
        self.provider_type = provider_type

    def bare(self) -> Self:
        """The same without the frames that it came through: for whoever keeps it. Those hold all that the frames held, the error
        itself among it, and what is in a cycle stays in memory until a garbage collection."""
        self.__traceback__ = self.__context__ = self.__cause__ = None
        return self

    @property
    def code(self) -> str:
        """The machine-readable code that the caller's dialect carries."""
        return self._code or self.kind.value

    @property
    def status(self) -> int:
        """The HTTP status. Some dialects have another number for it: `wire.error_bodies.error_status`."""
        return self._status or _FACTS[self.kind].status

    @property
    def source(self) -> Source:
        """Whose fault it is."""
        return _FACTS[self.kind].source

    @property
    def retry(self) -> Retry:
        """What the gateway may try next."""
        return _FACTS[self.kind].retry

    @property
    def client_may_retry(self) -> bool:
        """What `x-should-retry` tells the vendors' SDKs, which otherwise repeat 408, 409, 429 and every 5xx twice."""
        return _FACTS[self.kind].client_may_retry
