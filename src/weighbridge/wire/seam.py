"""Where one answer broke off and another goes on: what the second says again is left out.

A model that is asked to go on where a text stopped often repeats its last words, and sometimes begins anew. Only what repeats is
held back, and only until that is certain: a text that does not repeat anything passes after its first few characters.
"""

from __future__ import annotations

from typing import Final

MIN_REPEAT: Final = 12
"""Characters that count as a repetition. Fewer may be the text itself: "ha ha" goes on with "ha"."""

_MAX_REPEAT: Final = 400
"""How far back a repetition is sought, but for one that begins at the very beginning."""


class Seam:
    """Takes the text of the second answer piece by piece and gives back what is new in it. `said` is the first answer's text."""

    __slots__ = ("_buffer", "_is_open", "_places", "_said", "began_anew")

    def __init__(self, said: str) -> None:
        self._said = said
        self._buffer = ""
        self._is_open = bool(said)
        self.began_anew = False
        """The second answer began as the first one did and then went another way: it does not go on with it."""
        self._places: list[int] | None = None
        """Where in the first text the second may have begun to repeat; None while too little has come to tell."""

    def feed(self, text: str) -> str:
        """What of the text so far is certainly new and has not been given yet; may be empty."""
        if not self._is_open:
            return text
        self._buffer += text
        if len(self._buffer) < min(MIN_REPEAT, len(self._said)):
            return ""
        if self._places is None:
            self._places = self._possible_places()
        return self._resolve()

    def finish(self) -> str:
        """The text has ended: what was held back and repeats nothing."""
        if not self._is_open:
            return ""
        self._is_open = False
        # Too short to tell, or the beginning of a repetition that never came to where the first text stopped.
        return "" if self._places else self._buffer

    def _possible_places(self) -> list[int]:
        said = self._said
        start = self._buffer[: min(MIN_REPEAT, len(said))]
        places = [0] if said.startswith(start) else []
        at = said.find(start, max(1, len(said) - _MAX_REPEAT))
        while at > 0:
            places.append(at)
            at = said.find(start, at + 1)
        return places

    def _resolve(self) -> str:
        assert self._places is not None
        buffer, said = self._buffer, self._said
        still_possible: list[int] = []
        for place in self._places:
            length = len(said) - place
            if len(buffer) >= length:
                if said.endswith(buffer[:length]):  # the longest comes first
                    return self._close(buffer[length:])
            elif said.startswith(buffer, place):
                still_possible.append(place)
        if still_possible:
            self._places = still_possible
            return ""
        if self._places[:1] == [0]:
            self.began_anew = True
            return self._close("")
        return self._close(buffer)

    def _close(self, rest: str) -> str:
        self._is_open = False
        self._buffer = ""
        return rest
