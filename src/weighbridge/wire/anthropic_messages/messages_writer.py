"""Turns -> `system` and `messages`, in the order that the API insists on.

Instructions have a place of their own before everything; roles alternate; results of tools stand first in the message behind the
calls; the first message is the user's (https://docs.anthropic.com/en/api/messages#body-messages).
"""

from __future__ import annotations

from typing import Final

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.anthropic_messages.content_writer import Block, ContentWriter
from weighbridge.wire.conversation import Reasoning, Role, Text, Turn
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt

Message = dict[str, object]

_INSTRUCTIONS: Final = frozenset((Role.SYSTEM, Role.DEVELOPER))
_THINKING: Final = frozenset(("thinking", "redacted_thinking"))
_OPENING: Final = "(The assistant opens the conversation.)"
"""`messages: first message must use the "user" role`."""


def write_messages(
    turns: tuple[Turn, ...],
    quirks: Quirks,
    receipt: Receipt,
    instruction: str | None,
    *,
    is_thinking: bool,
) -> tuple[str | list[Block], list[Message]]:
    """`system` (empty: none) and `messages`. `instruction` is added to the former.

    Raises `GatewayError` INVALID_REQUEST where a turn of the user's holds nothing that can be sent.
    """
    content = ContentWriter(quirks, receipt)
    system: list[Block] = []
    messages: list[tuple[str, list[Block]]] = []
    for i, turn in enumerate(turns):
        if turn.name is not None:
            receipt.dropped(f"turns[{i}].name", "participants have no names")
        if turn.role in _INSTRUCTIONS:
            system += _instructions(turn, i, content, receipt)
            if messages:
                receipt.mapped(f"turns[{i}].role", "instructions go before all messages")
            continue
        blocks = _blocks(turn, i, content)
        if not blocks:
            _check_left_out(turn, i)
        elif messages and messages[-1][0] == turn.role:
            messages[-1][1].extend(blocks)
        else:
            messages.append((turn.role.value, blocks))
    if instruction is not None:
        system.append({"type": "text", "text": instruction})
    if system and not messages:  # a request of instructions alone: to OpenAI a proper question
        receipt.mapped("turns", "instructions alone are sent as the user's message")
        messages, system = [("user", system)], []
    _settle(messages, receipt, is_thinking=is_thinking)
    return _shortened(system), [{"role": role, "content": _shortened(_results_first(blocks))} for role, blocks in messages]


def _instructions(turn: Turn, i: int, content: ContentWriter, receipt: Receipt) -> list[Block]:
    written: list[Block] = []
    for j, part in enumerate(turn.parts):
        if not isinstance(part, Text):
            receipt.dropped(f"turns[{i}].parts[{j}]", "instructions are text")
        elif (block := content.write(part, (i, j))) is not None:
            written.append(block)
    return written


def _blocks(turn: Turn, i: int, content: ContentWriter) -> list[Block]:
    parts = turn.parts
    if len(parts) == 1:
        block = content.write(parts[0], (i, 0))
        return [] if block is None else [block]
    return [block for j, part in enumerate(parts) if (block := content.write(part, (i, j))) is not None]


def _check_left_out(turn: Turn, i: int) -> None:
    """An empty turn says nothing and an assistant's thoughts may go, but what a user said cannot vanish."""
    if turn.role is Role.USER and any(not isinstance(part, (Text, Reasoning)) for part in turn.parts):
        raise GatewayError(
            ErrorKind.INVALID_REQUEST,
            f"Nothing in the message 'turns[{i}]' can be sent to this provider: it takes no content of this kind.",
            param=f"turns[{i}]",
        )


def _results_first(blocks: list[Block]) -> list[Block]:
    """ "tool_result blocks must come first in the content array"; the order among themselves stays."""
    seen_other = False
    for block in blocks:
        if block["type"] != "tool_result":
            seen_other = True
        elif seen_other:
            return sorted(blocks, key=lambda block: block["type"] != "tool_result")
    return blocks


def _settle(messages: list[tuple[str, list[Block]]], receipt: Receipt, *, is_thinking: bool) -> None:
    """The ends of the conversation."""
    if not messages:
        return
    role, last = messages[-1]
    if role == "assistant":
        _settle_prefill(messages, last, receipt, is_thinking=is_thinking)
    if messages and messages[0][0] == "assistant":
        receipt.mapped("turns[0]", "a message of the user's is put before it")
        messages.insert(0, ("user", [{"type": "text", "text": _OPENING}]))


def _settle_prefill(
    messages: list[tuple[str, list[Block]]],
    last: list[Block],
    receipt: Receipt,
    *,
    is_thinking: bool,
) -> None:
    """The beginning of the answer, which the model shall continue."""
    if not is_thinking:
        # "When thinking is disabled, an `assistant` message in the final position cannot contain `thinking`."
        kept = [block for block in last if block["type"] not in _THINKING]
        if len(kept) < len(last):
            receipt.dropped("turns[-1].parts", "thinking in an answer to be continued without thinking")
            last[:] = kept
            if not kept:
                messages.pop()
                return
    text = last[-1].get("text")
    if isinstance(text, str) and text[-1:].isspace():
        # "final assistant content cannot end with trailing whitespace"
        receipt.mapped("turns[-1].parts[-1]", "blanks at the end are left out")
        last[-1] = {**last[-1], "text": text.rstrip()}


def _shortened(blocks: list[Block]) -> str | list[Block]:
    """One plain text needs no block."""
    if len(blocks) == 1 and len(only := blocks[0]) == 2 and isinstance(text := only.get("text"), str):
        return text
    return blocks or ""
