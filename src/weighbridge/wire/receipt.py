"""What became of each thing that a caller said, when its request was translated into another dialect."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

from weighbridge.wire.conversation import Conversation


class Fate(StrEnum):
    """What a translation did with a field."""

    KEPT = "kept"
    """The target has the same thing."""
    MAPPED = "mapped"
    """The target says it otherwise, and means the same (a budget of tokens made from an effort)."""
    WIDENED = "widened"
    """The target can only say something weaker, which allows more than was asked for (`strict` left out)."""
    DROPPED = "dropped"
    """The target cannot say it: it is gone."""


LOSSY = frozenset((Fate.WIDENED, Fate.DROPPED))
"""What strict mode refuses."""


class Entry(NamedTuple):
    """One field and what became of it. `field` is named as in `Conversation` (`turns[2].parts[0].cache`), or as the caller wrote it
    where no neutral field exists; `note` says how, in a few words."""

    fate: Fate
    field: str
    note: str = ""


class Receipt:
    """Collects entries while a reader and a writer work. A field that is given and has no entry was kept."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def mapped(self, field: str, note: str = "") -> None:
        """The target says it otherwise."""
        self._note(Entry(Fate.MAPPED, field, note))

    def widened(self, field: str, note: str = "") -> None:
        """The target can only say something weaker."""
        self._note(Entry(Fate.WIDENED, field, note))

    def dropped(self, field: str, note: str = "") -> None:
        """The target cannot say it."""
        self._note(Entry(Fate.DROPPED, field, note))

    def _note(self, entry: Entry) -> None:
        before = self._entries.get(entry.field)
        if before is None or before.fate not in LOSSY:
            self._entries[entry.field] = entry

    @property
    def losses(self) -> list[Entry]:
        """What was dropped or widened."""
        return [entry for entry in self._entries.values() if entry.fate in LOSSY]

    def edits(self) -> list[str]:
        """For the header `x-weighbridge-edits`: the losses, and nothing of what the caller wrote but names of fields."""
        return [f"{entry.fate}:{entry.field}" for entry in self.losses]

    def entries(self, conversation: Conversation) -> list[Entry]:
        """Everything that the caller said, and what became of it."""
        given = (name for name in conversation.__struct_fields__ if getattr(conversation, name) not in _NOTHING)
        kept = [Entry(Fate.KEPT, name) for name in given if name not in self._entries]
        return [*kept, *self._entries.values()]


_NOTHING: Final[tuple[object, ...]] = (None, (), {}, "", False)
