"""Options of a vendor's own tools, for a target that has the same tool of another vendor's."""

from __future__ import annotations

from collections.abc import Collection

from weighbridge.wire.conversation import ServerToolUse
from weighbridge.wire.json_value import JsonObject
from weighbridge.wire.receipt import Receipt

_SHARED = ("allowed_domains", "blocked_domains", "max_uses", "user_location", "context_size")


def own_options(raw: JsonObject, shared: Collection[str]) -> tuple[str, ...]:
    """The names of what a definition asks for besides what vendors have in common, as it writes them (`shared`)."""
    return tuple(name for name, value in raw.items() if name not in shared and value not in (None, {}, []))


def drop_options(tool: ServerToolUse, path: str, receipt: Receipt, note: str, *, kept: Collection[str] = ()) -> None:
    """Note the options that the target's tool has no place for: all but the `kept` ones, by the names of `ServerToolUse`."""
    for name in _SHARED:
        if name not in kept and getattr(tool, name):
            receipt.dropped(f"{path}.{name}", note)
    for name in tool.own_options:
        receipt.dropped(f"{path}.{name}", f"only {tool.origin} knows it")
