"""What a target cannot say at all: fields of a `Conversation` that a request writer leaves out, named in a table of its own."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from weighbridge.core.errors import ErrorKind, GatewayError
from weighbridge.wire.conversation import Conversation
from weighbridge.wire.json_value import Json
from weighbridge.wire.quirks import Quirks
from weighbridge.wire.receipt import Receipt

# What a field may say without asking for anything: nothing is lost when it is left out.
_HARMLESS: Final[dict[str, tuple[object, ...]]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "min_p": (0,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "parallel_tool_calls": (True,),
    "modalities": (("text",),),
    "service_tier": ("auto",),
    "verbosity": ("medium",),
    "background": (False,),
    "truncation": ("disabled",),
    # The writer of the reply keeps any reasoning for the caller, of whatever vendor.
    "include": (("reasoning.encrypted_content",),),
}
_BOUNDS: Final = frozenset(("parallel_tool_calls", "max_tool_calls"))
"""Without them the model may do more than was asked for, but nothing else."""
_KEPT_HERE: Final = "openai-responses"
_DEFAULTS: Final[Conversation] = Conversation("", ())


def drop_unsaid(conversation: Conversation, names: Collection[str], receipt: Receipt, note: str = "") -> None:
    """Note those of the fields as dropped that ask for something, and bounds as widened."""
    for name in names:
        value = getattr(conversation, name)
        if value != getattr(_DEFAULTS, name) and value not in _HARMLESS.get(name, ()):
            (receipt.widened if name in _BOUNDS else receipt.dropped)(name, note)


def drop_store(conversation: Conversation, receipt: Receipt) -> None:
    """Note that the vendor keeps nothing, where that was asked for. What Responses callers look up the gateway keeps itself."""
    if conversation.store and conversation.vendor_origin != _KEPT_HERE:
        receipt.dropped("store", "replies are not stored")


def without_refused(conversation: Conversation, quirks: Quirks, receipt: Receipt) -> Conversation:
    """The same wishes without those that the provider refuses (`Quirks.refuses`), each noted as dropped."""
    if not quirks.refuses:
        return conversation
    names = [name for name in quirks.refuses if name in Conversation.__struct_fields__]
    drop_unsaid(conversation, names, receipt, "the provider refuses it")
    return msgspec.structs.replace(conversation, **{name: getattr(_DEFAULTS, name) for name in names})


def drop_vendor_fields(conversation: Conversation, receipt: Receipt) -> None:
    """Note the fields of another vendor as dropped."""
    for name in conversation.vendor:
        receipt.dropped(name, f"only {conversation.vendor_origin or 'its own dialect'} knows it")


def limited_stops(conversation: Conversation, bound: int, receipt: Receipt) -> list[Json]:
    """The stop sequences, at most `bound` of them (0: any number). Blank ones stop nothing and are refused by most."""
    stops: list[Json] = [stop for stop in conversation.stop if stop]
    if bound and len(stops) > bound:
        receipt.widened("stop", f"the first {bound} only")
        del stops[bound:]
    return stops


def nothing_to_answer() -> GatewayError:
    """The refusal of a request without a message: no provider takes it, and each says so in words of its own."""
    return GatewayError(ErrorKind.INVALID_REQUEST, "The request has no message to answer.", param="turns")
