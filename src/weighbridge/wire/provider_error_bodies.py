"""Reads the body of a provider's error reply, whatever its shape: never raises, and never passes on what looks like a key.

Shapes that occur: OpenAI `{"error": {"message", "type", "param", "code"}}`, also with `details`, `innererror` (Azure) or `metadata`
(OpenRouter); Anthropic `{"type": "error", "error": {…}}`; Google the same in an array of one; xAI `{"code", "error": "…"}`; Ollama
`{"error": "…"}`; Bedrock and Cohere `{"message"}`; Mistral `{"object": "error", …}`; FastAPI `{"detail": "…" | [{"loc", "msg"}]}`;
plain text; HTML of a proxy.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from weighbridge.core.codec import JsonError, decode_json
from weighbridge.wire.retry_hints import duration_ns

MAX_MESSAGE_CHARS: Final = 2000
"""Some servers put the whole refused request into their error."""
_MAX_TEXT_CHARS: Final = 300
"""Of a reply that is no JSON: enough to see who answered."""
_MAX_BODY_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 3
"""How often an error may be wrapped in another one."""


class ReportedError(msgspec.Struct, frozen=True):
    """What a provider says. Empty where it says nothing; `status` is the number within the body (0: none).

    `words` are all its codes, types, statuses and reasons, the finest first. `message` is scrubbed of keys.
    """

    message: str = ""
    code: str = ""
    type: str = ""
    param: str | None = None
    status: int = 0
    words: tuple[str, ...] = ()
    retry_after_ns: int | None = None


_NOTHING: Final = ReportedError()


def read_error_body(body: bytes) -> ReportedError:
    """What the body of an error reply says."""
    text = body[:_MAX_BODY_BYTES].strip()
    if not text:
        return _NOTHING
    try:
        value = decode_json(text)
    except (JsonError, UnicodeDecodeError, RecursionError):
        return ReportedError(message=_from_text(text.decode("utf-8", "replace")))
    return _read(value, 0)


def _read(value: Any, depth: int) -> ReportedError:
    if isinstance(value, list):
        return _read(value[0], depth) if value and not isinstance(value[0], list) else _NOTHING
    if isinstance(value, str):
        return _read_nested_text(value, depth)
    if not isinstance(value, dict):
        return _NOTHING
    inner = value.get("error", value.get("errors"))
    if isinstance(inner, (dict, list)) and inner and depth < _MAX_DEPTH:
        return _with_outer(_read(inner, depth + 1), value)
    return _read_fields(value, depth)


def _read_nested_text(text: str, depth: int) -> ReportedError:
    """A sentence, or another error as JSON (gateways pass on what they got so)."""
    if text.lstrip()[:1] in ("{", "[") and depth < _MAX_DEPTH:
        try:
            nested = _read(decode_json(text), depth + 1)
        except (JsonError, RecursionError):
            nested = _NOTHING
        if nested.message:
            return nested
    return ReportedError(message=scrubbed(text))


def _with_outer(found: ReportedError, outer: dict[str, Any]) -> ReportedError:
    """What stands beside `error` counts where that says nothing of its own."""
    if found.message and found.words:
        return found
    beside = _read_fields({key: value for key, value in outer.items() if key not in ("error", "errors")}, _MAX_DEPTH)
    return msgspec.structs.replace(
        found,
        message=found.message or beside.message,
        words=found.words + tuple(word for word in beside.words if word != "error"),
        status=found.status or beside.status,
    )


def _read_fields(fields: dict[str, Any], depth: int) -> ReportedError:
    found, param = _sentence(fields, depth)
    code, number = _word_and_number(fields.get("code"))
    kind, _ = _word_and_number(fields.get("type") or fields.get("__type"))
    status_word, status = _word_and_number(fields.get("status"))
    _, other_status = _word_and_number(fields.get("status_code"))
    reason, delay = _google_details(fields.get("details"))
    words = (_inner_code(fields), reason, code, kind, status_word, *_more_words(fields.get("metadata")), *found.words)
    own_param = fields.get("param")
    return ReportedError(
        message=found.message,
        code=code or found.code,
        type=kind or status_word or found.type,
        param=own_param if isinstance(own_param, str) and own_param else param or found.param,
        status=number or status or other_status or found.status,
        words=tuple(word for word in words if word),
        retry_after_ns=delay if delay is not None else found.retry_after_ns,
    )


def _sentence(fields: dict[str, Any], depth: int) -> tuple[ReportedError, str | None]:
    """The sentence for people, with all that an error within it says; and the field at fault that FastAPI names."""
    raw = fields["metadata"].get("raw") if isinstance(fields.get("metadata"), dict) else None
    for name in ("message", "Message", "error", "detail", "error_description", "error_msg", "err_msg", "msg", "title"):
        value = fields.get(name)
        if isinstance(value, str) and value.strip():
            found = _read_nested_text(value, depth)
            if isinstance(raw, str) and raw.strip():
                # OpenRouter: the sentence is "Provider returned error", and what the provider returned stands beside.
                nested = _read_nested_text(raw, depth)
                found = msgspec.structs.replace(nested, message=f"{found.message}: {nested.message}"[:MAX_MESSAGE_CHARS])
            return found, None
        if isinstance(value, list) and value:
            return _validation(value)
        if isinstance(value, dict) and value and depth < _MAX_DEPTH:
            return _read(value, depth + 1), None
    return _NOTHING, None


def _validation(items: list[Any]) -> tuple[ReportedError, str | None]:
    """FastAPI's list of what is wrong: https://fastapi.tiangolo.com/tutorial/handling-errors/."""
    sentences: list[str] = []
    param: str | None = None
    for item in items[:5]:
        if isinstance(item, str):
            sentences.append(item)
        elif isinstance(item, dict) and isinstance(item.get("msg") or item.get("message"), str):
            place = item.get("loc")
            path = ".".join(str(step) for step in place if step != "body") if isinstance(place, list) else ""
            param = param or path or None
            sentence = item.get("msg") or item["message"]
            sentences.append(f"{path}: {sentence}" if path else sentence)
    return ReportedError(message=scrubbed("; ".join(sentences))), param


def _word_and_number(value: Any) -> tuple[str, int]:
    """A code: a word, or an HTTP status (as a number or as digits)."""
    if isinstance(value, bool):
        return "", 0
    text = str(int(value)) if isinstance(value, (int, float)) and abs(value) < 1e9 else value
    if not isinstance(text, str):
        return "", 0
    if text.isdigit() and len(text) == 3 and 400 <= int(text) < 600:
        return "", int(text)
    return text[:200], 0


def _inner_code(fields: dict[str, Any]) -> str:
    """Azure's finer code, `ResponsibleAIPolicyViolation`: innererror.code."""
    inner = fields.get("innererror") or fields.get("inner_error")
    code = inner.get("code") if isinstance(inner, dict) else None
    return code if isinstance(code, str) else ""


def _more_words(metadata: Any) -> tuple[str, ...]:
    """OpenRouter's typed error: metadata.error_type."""
    word = metadata.get("error_type") if isinstance(metadata, dict) else None
    return (word,) if isinstance(word, str) else ()


def _google_details(details: Any) -> tuple[str, int | None]:
    """`reason` of ErrorInfo and the delay of RetryInfo: google/rpc/error_details.proto."""
    reason = ""
    delay: int | None = None
    for item in details if isinstance(details, list) else ():
        if not isinstance(item, dict):
            continue
        if isinstance(word := item.get("reason"), str) and not reason:
            reason = word
        if isinstance(text := item.get("retryDelay"), str):
            delay = duration_ns(text)
    return reason, delay


# --- texts ------------------------------------------------------------------------------------------------------------

_TITLE: Final = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_BLANKS: Final = re.compile(r"\s+")


def _from_text(text: str) -> str:
    """One short line of a reply that is no JSON. Of a page its title only: the rest is markup, and names hosts."""
    if text.lstrip()[:1] == "<":
        found = _TITLE.search(text)
        text = found[1] if found else ""
    line = _BLANKS.sub(" ", text).strip()
    return scrubbed(line if len(line) <= _MAX_TEXT_CHARS else line[:_MAX_TEXT_CHARS] + "…")


_SECRETS: Final[tuple[tuple[re.Pattern[str], str], ...]] = (
    # Named: "Incorrect API key provided: …", "x-amz-security-token:…" (AWS shows the canonical request when a signature is wrong)
    (
        re.compile(
            r"(?i)((?:api[ _-]?key|(?:access|auth|bearer|id|security|session)[ _-]token|secret|password)"
            r"(?: provided| is)?\s*[:=]\s*[\"'`]?)"
            r"[^\s\"'`,;&]*[^\s\"'`,;&.]"
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"), r"\1 ***"),
    # By the vendors' own marks: OpenAI, Anthropic, Groq, xAI, Perplexity, Hugging Face, Replicate, Google, AWS, ours; and JWTs
    (re.compile(r"\b(?:sk|pk|rk|gsk|xai|pplx|hf|r8|nvapi|fw|tgp|csk|wb|ABSK|bedrock-api-key)[-_][A-Za-z0-9_*.-]{6,}"), "***"),
    (re.compile(r"\b(?:AIza[A-Za-z0-9_-]{10,}|(?:AKIA|ASIA)[A-Z0-9]{8,}|ABSK[A-Za-z0-9+/=]{16,}|ya29\.[A-Za-z0-9._-]+)"), "***"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9._-]+"), "***"),
    # Masked by the vendor: what is left of it is still a part of a key.
    (re.compile(r"[^\s\"'`:,;]{0,80}\*{3,}[^\s\"'`:,;.]*"), "***"),
    # Random letters and digits without a break, unless they are the vendor's id of something (`resp_…`) or a UUID.
    (re.compile(r"(?<![A-Za-z0-9_-])(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{32,}={0,2}(?![A-Za-z0-9_-])"), "***"),
    # Whose account it is: arn:aws:iam::123456789012:user/name
    (re.compile(r"\b(arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:)\d{12}\b"), r"\1***"),
)


def scrubbed(text: str) -> str:
    """A provider's sentence without anything that looks like a key or a part of one, and not longer than `MAX_MESSAGE_CHARS`."""
    text = text.strip()
    if len(text) > MAX_MESSAGE_CHARS:
        # First, since searching is what takes time. Half a key is still found by its beginning.
        text = text[:MAX_MESSAGE_CHARS] + "…"
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
