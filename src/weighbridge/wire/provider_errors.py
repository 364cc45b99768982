"""What a provider's error means: from its status, its words and its sentence to one kind of the closed set.

Every vendor says the same dozen things in its own way, and many say them wrongly (a context that is too long with 400, 413, 422
or 500; an unpaid bill as 429). So what is most certain is asked first: sentences about money, then words that leave no doubt,
then what sentences have in common, then the status, then general words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.core.terms import Dialect
from weighbridge.wire.events import Failed
from weighbridge.wire.provider_error_bodies import ReportedError, read_error_body, scrubbed
from weighbridge.wire.provider_error_words import (
    BY_STATUS,
    DECISIVE,
    GENERAL,
    NO_MONEY,
    SENTENCE_STATUSES,
    SENTENCES,
    plain_word,
)
from weighbridge.wire.retry_hints import hint_in_text_ns, retry_after_ns

_K = ErrorKind

_SILENT: Final[dict[ErrorKind, str]] = {
    _K.CONTEXT_LENGTH_EXCEEDED: "The request is longer than the model's context.",
    _K.CONTENT_POLICY_VIOLATION: "The provider's content policy does not allow this request or its answer.",
    _K.RATE_LIMIT_EXCEEDED: "The provider's rate limit is reached.",
    _K.INSUFFICIENT_QUOTA: "The provider's account has no quota left.",
    _K.PROVIDER_OVERLOADED: "The provider is overloaded.",
    _K.PROVIDER_AUTHENTICATION: "The provider did not accept the gateway's credentials.",
    _K.PROVIDER_PERMISSION: "The provider does not allow this to the gateway's account.",
    _K.PROVIDER_MODEL_NOT_FOUND: "The provider does not have this model.",
    _K.PROVIDER_NOT_FOUND: "The provider did not find what was asked for.",
    _K.PROVIDER_CONFLICT: "The provider reports a conflict with another request.",
    _K.PROVIDER_INVALID_REQUEST: "The provider found the request wrong.",
    _K.UNPROCESSABLE: "The provider could not process the request.",
    _K.PAYLOAD_TOO_LARGE: "The request is larger than the provider allows.",
    _K.PROVIDER_TIMEOUT: "The provider took too long.",
    _K.PROVIDER_MALFORMED: "The provider's reply made no sense.",
    _K.PROVIDER_INTERNAL: "The provider failed.",
}
"""What the caller reads where the provider says nothing that can be shown."""

_KEEPS_STATUS: Final = frozenset(
    (
        _K.INSUFFICIENT_QUOTA,
        _K.PROVIDER_OVERLOADED,
        _K.PROVIDER_PERMISSION,
        _K.PROVIDER_MALFORMED,
        _K.PROVIDER_INVALID_REQUEST,
        _K.UNPROCESSABLE,
        _K.PROVIDER_INTERNAL,
    )
)
"""Kinds whose own number is a guess: the provider's is kept. Elsewhere the number is what SDKs know the kind by."""

_WAITING_HELPS: Final = frozenset(
    (_K.RATE_LIMIT_EXCEEDED, _K.PROVIDER_OVERLOADED, _K.PROVIDER_TIMEOUT, _K.PROVIDER_CONFLICT, _K.PROVIDER_INTERNAL)
)
_BEHIND_PERMISSION: Final = frozenset((_K.PROVIDER_AUTHENTICATION, _K.CONTENT_POLICY_VIOLATION))
_MAX_SEARCHED_CHARS: Final = 800
"""What is wrong is said first; what follows is often the request. The sentences are sought in 1 ms at most then."""
_EXCEPTION_HEADER: Final = b"x-amzn-errortype"


def classify(dialect: Dialect, status: int, headers: Mapping[bytes, bytes], body: bytes, *, now_wall_ns: int) -> GatewayError:
    """The meaning of an error reply: any status with an error in the body, a 200 too.

    `headers` have lower-case names; `body` is decoded (no gzip). Never raises: what makes no sense is judged by its status.
    `now_wall_ns` turns the dates of reset headers into waits.
    """
    reported = read_error_body(body)
    exception = _aws_exception(headers)
    words = (exception, *reported.words) if exception else reported.words
    number = status if status >= 400 else reported.status or status
    kind = _kind(number, words, reported.message)
    hint: int | None = None
    if kind in _WAITING_HELPS:
        hint = retry_after_ns(headers, now_wall_ns) if _has_hint(headers) else None
        hint = reported.retry_after_ns if hint is None else hint
        hint = hint_in_text_ns(reported.message) if hint is None else hint
        hint = retry_after_ns(headers, now_wall_ns) if hint is None and kind is _K.RATE_LIMIT_EXCEEDED else hint
    return _error(kind, number, reported, exception or reported.type, dialect, hint)


def classify_failed(failed: Failed, dialect: Dialect) -> GatewayError:
    """The meaning of an error within a reply whose status said 200."""
    nested = (
        read_error_body(failed.message.encode())
        if failed.message.lstrip()[:1] in ("{", "[")
        else ReportedError(message=failed.message)
    )
    own = (failed.code, failed.type)
    status = failed.status or _as_status(failed.code)
    words = tuple(word for word in (*own, *nested.words) if word and not _as_status(word))
    message = scrubbed(nested.message or failed.message)
    kind = _kind(status, words, message)
    hint = nested.retry_after_ns if nested.retry_after_ns is not None else hint_in_text_ns(message)
    reported = ReportedError(message=message, code="" if _as_status(failed.code) else failed.code, param=nested.param)
    return _error(kind, status, reported, failed.type, dialect, hint if kind in _WAITING_HELPS else None)


def _kind(status: int, words: tuple[str, ...], sentence: str) -> ErrorKind:
    message = sentence[:_MAX_SEARCHED_CHARS]
    if NO_MONEY.search(message) and status not in (500, 502, 504):
        return _K.INSUFFICIENT_QUOTA
    plain = [plain_word(word) for word in words]
    for word in plain:
        if (kind := DECISIVE.get(word)) is not None:
            return _doubted(kind, status, message)
    for pattern, kind in SENTENCES:
        if status in SENTENCE_STATUSES[kind] and pattern.search(message):
            return kind
    if (kind := BY_STATUS.get(status)) is not None:
        return kind
    if status >= 400:
        return _K.PROVIDER_INTERNAL if status >= 500 else _K.PROVIDER_INVALID_REQUEST
    return next((GENERAL[word] for word in plain if word in GENERAL), _K.PROVIDER_INTERNAL)


def _doubted(kind: ErrorKind, status: int, message: str) -> ErrorKind:
    """Two words that stand for something else as well, where the sentence or the status is plainer than they are.

    PERMISSION_DENIED also covers keys that are not known (Google) and content that is not wanted (xAI); some proxies say
    `rate_limit_error` with Anthropic's 529.
    """
    if kind is _K.PROVIDER_PERMISSION:
        return next((other for pattern, other in SENTENCES if other in _BEHIND_PERMISSION and pattern.search(message)), kind)
    return _K.PROVIDER_OVERLOADED if kind is _K.RATE_LIMIT_EXCEEDED and status == 529 else kind


def _error(
    kind: ErrorKind, status: int, reported: ReportedError, own_type: str, dialect: Dialect, hint: int | None
) -> GatewayError:
    message = reported.message
    is_kept = kind in _KEEPS_STATUS and 400 <= status < 600
    said = " ".join(word for word in (own_type, reported.code) if word)
    return GatewayError(
        kind,
        message or _SILENT[kind],
        detail=f"{dialect} error, status {status or 'unknown'}{', ' + scrubbed(said) if said else ''}",
        param=reported.param,
        retry_after_ns=hint,
        status=status if is_kept else None,
        provider_code=reported.code,
        provider_type=own_type,
    )


def _aws_exception(headers: Mapping[bytes, bytes]) -> str:
    """`ValidationException` of `ValidationException:http://internal.amazon.com/…`."""
    return headers.get(_EXCEPTION_HEADER, b"").partition(b":")[0].rpartition(b"#")[2].decode("latin-1").strip()


def _has_hint(headers: Mapping[bytes, bytes]) -> bool:
    return b"retry-after" in headers or b"retry-after-ms" in headers or b"x-ms-retry-after-ms" in headers


def _as_status(word: str) -> int:
    return int(word) if len(word) == 3 and word.isdigit() and 400 <= int(word) < 600 else 0
