"""Why a candidate ended, in Google's word or number for it. The words that all know stand in `wire/finish_reasons.py`."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.events import FinishReason
from weighbridge.wire.finish_reasons import READ_GEMINI
from weighbridge.wire.loose_json import as_object

# google.cloud.aiplatform.v1.Candidate.FinishReason: only Vertex is asked for numbers (`alt=json;enum-encoding=int`).
_REASONS: Final = {
    1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION", 5: "OTHER", 6: "BLOCKLIST", 7: "PROHIBITED_CONTENT", 8: "SPII",
    9: "MALFORMED_FUNCTION_CALL", 10: "MODEL_ARMOR", 11: "IMAGE_SAFETY", 12: "IMAGE_PROHIBITED_CONTENT", 13: "IMAGE_RECITATION",
    14: "IMAGE_OTHER", 15: "UNEXPECTED_TOOL_CALL", 16: "NO_IMAGE",
}  # fmt: skip
_UNSAID: Final = frozenset((None, 0, "", "FINISH_REASON_UNSPECIFIED"))
_UNLISTED: Final = {"MODEL_ARMOR": FinishReason.CONTENT_FILTER, "MALFORMED_RESPONSE": FinishReason.ERROR}
_UNBLOCKED: Final = frozenset((0, "", "BLOCKED_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"))


def finish_word(reason: str | int | None) -> str | None:
    """The word; None where the candidate goes on (some servers say so in every response)."""
    if reason in _UNSAID:
        return None
    return _REASONS.get(reason, str(reason)) if isinstance(reason, int) else reason


def block_word(feedback: object) -> str | None:
    """Why a prompt was refused (`promptFeedback`), so that there is no candidate; None where it was not."""
    reason = as_object(feedback).get("blockReason")
    return str(reason) if isinstance(reason, (str, int)) and reason not in _UNBLOCKED else None


def read_finish(word: str, *, has_calls: bool) -> FinishReason:
    """The meaning of a word. Google says STOP for calls as well."""
    reason = READ_GEMINI.get(word) or _UNLISTED.get(word, FinishReason.OTHER)
    return FinishReason.TOOL_CALLS if reason is FinishReason.STOP and has_calls else reason
