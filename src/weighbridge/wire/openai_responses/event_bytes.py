"""The frequent events of a stream as templates of bytes, and the order of what goes into them.

Each template takes the number of the event, the item's id as JSON and its `output_index`, and then what is its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weighbridge.wire.events import Event, LogprobsAdded, TextDelta

KEEP_ALIVE: Final = b": keep-alive\n\n"
"""A comment."""

# The frequent events are made by hand: encoding a dict for each would cost twice as much.
_AT: Final = b'"item_id":%b,"output_index":%d'


def _template(name: bytes, fields: bytes) -> bytes:
    head = b"event: " + name + b'\ndata: {"type":"' + name + b'","sequence_number":%d,'
    return head + _AT + b"," + fields + b"}\n\n"


TEXT: Final = _template(b"response.output_text.delta", b'"content_index":%d,"delta":%b,"logprobs":[]')
TEXT_LOGPROBS: Final = _template(b"response.output_text.delta", b'"content_index":%d,"delta":%b,"logprobs":%b')
REFUSAL: Final = _template(b"response.refusal.delta", b'"content_index":%d,"delta":%b')
ARGUMENTS: Final = _template(b"response.function_call_arguments.delta", b'"delta":%b')
INPUT: Final = _template(b"response.custom_tool_call_input.delta", b'"delta":%b')
THINKING: Final = _template(b"response.reasoning_text.delta", b'"content_index":0,"delta":%b')
SUMMARY: Final = _template(b"response.reasoning_summary_text.delta", b'"summary_index":%d,"delta":%b')

STAGES: Final = {
    "web_search_call": ("in_progress", "searching", "completed"),
    "file_search_call": ("in_progress", "searching", "completed"),
    "code_interpreter_call": ("in_progress", "interpreting", "completed"),
    "image_generation_call": ("in_progress", "generating", "completed"),
}
"""Events of the tools that have stages, between the announcement and the end of their item."""


def tokens_first(events: Sequence[Event]) -> list[Event]:
    """Log probabilities before the text that they are of, so that they go out with it."""
    ordered: list[Event] = []
    for event in events:
        if isinstance(event, LogprobsAdded) and ordered and isinstance(ordered[-1], TextDelta):
            ordered.insert(-1, event)
        else:
            ordered.append(event)
    return ordered
