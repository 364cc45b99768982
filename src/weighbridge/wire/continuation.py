"""A request that asks another model to go on where an answer broke off."""

from __future__ import annotations

from typing import Final

import msgspec

from weighbridge.wire.conversation import Conversation, FormatKind, Role, Text, Turn

_GO_ON: Final = (
    "Your answer above was cut off by a technical failure. Go on exactly where it stopped, in the middle of the word if need be. "
    "Repeat nothing, do not begin anew, and do not mention the interruption."
)
"""Said to the model as the user: all vendors take this, while few finish an unfinished turn of the assistant's (OpenAI never did,
Anthropic refuses it for its newer models)."""

_CHARACTERS_A_TOKEN: Final = 4
"""Of English prose (https://platform.openai.com/tokenizer); where that is wrong the answer gets a little longer than its bound."""


def can_be_continued(conversation: Conversation) -> bool:
    """Whether an answer to it could be one that somebody else goes on with: plain text, one choice."""
    wanted = conversation.answer_format
    return (
        (wanted is None or wanted.kind is FormatKind.TEXT)
        and (conversation.n is None or conversation.n == 1)
        and not conversation.logprobs
        and conversation.audio is None
        and "image" not in conversation.modalities
    )


def going_on(conversation: Conversation, said: str) -> Conversation:
    """The same conversation with what was said, and the request to go on.

    The bound on the output is lowered by what has been said, never below one.
    """
    if not said:
        return conversation
    turns = (*conversation.turns, Turn(Role.ASSISTANT, (Text(said),)), Turn(Role.USER, (Text(_GO_ON),)))
    bound = conversation.max_output_tokens
    left = None if bound is None else max(1, bound - len(said) // _CHARACTERS_A_TOKEN)
    return msgspec.structs.replace(conversation, turns=turns, max_output_tokens=left, previous_response_id=None)
