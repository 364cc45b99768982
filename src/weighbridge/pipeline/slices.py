"""What a realtime session holds of hard budgets: what it has used, and a slice for each response that is or may come under way.

A slice is the most that one response may cost: a context as large as the model's window, read at its dearest rate, and the longest
answer. A session has no end of its own, so nothing else of it can be bounded; but it spends by responses, and each says at its end
what it took. So it holds one slice to begin with, another before each response that is begun, and what they did not use goes back.

Which responses there are is told by three events, of which none names another: the client asks (or the provider answers speech by
itself), a response begins, a response is done. A fourth, an error, may say that what was asked for will not come, or mean something
else that the client has said. It is taken for the former only once the provider has answered whatever else was under way: till then
a slice too many is held rather than one too few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from weighbridge.core.terms import Usage
from weighbridge.ledger.pricing import Extent


class Slice(NamedTuple):
    """The most that one response may use and cost."""

    extent: Extent
    nanousd: int


class Slices:
    """One session's. `cost_of` says what a usage costs, `hold` makes so many nano-dollars and tokens be held in every budget, and
    says whether that was possible."""

    __slots__ = ("_cost_of", "_hold", "_n_asked", "_n_begun", "_n_doubtful", "_n_untold", "each")

    def __init__(self, each: Slice, cost_of: Callable[[Usage], int], hold: Callable[[int, Extent], bool]) -> None:
        self.each = each
        self._cost_of = cost_of
        self._hold = hold
        self._n_asked = 0
        """Responses that were asked for and have not begun."""
        self._n_doubtful = 0
        """Of these, those that an error may have been about."""
        self._n_begun = 0
        self._n_untold = 0
        """Responses that are done and have not said what they took."""

    # --- which responses there are ------------------------------------------------------------------------------

    @property
    def n_open(self) -> int:
        """Responses that have begun, or were asked for, and have not said what they took."""
        return self._n_asked + self._n_begun + self._n_untold

    @property
    def is_under_way(self) -> bool:
        """Whether a response will come to its end, and may leave something of its slice."""
        return self._n_begun + self._n_asked > self._n_doubtful

    def asked(self, n_responses: int) -> None:
        """The client asks for responses."""
        self._n_asked += n_responses

    def began(self) -> None:
        """A response began: one of those that were asked for or, where there are none, one of the provider's own."""
        self._n_begun += 1
        if self._n_asked:
            self._n_asked -= 1
            self._n_doubtful = min(self._n_doubtful, self._n_asked)

    def ended(self, *, is_told: bool) -> None:
        """A response is done. Where it has not said what it took, it counts for its slice."""
        self._n_untold += not is_told
        if self._n_begun:
            self._n_begun -= 1
        elif self._n_asked:
            self._n_asked -= 1
        if not self._n_begun:
            self._n_asked -= min(self._n_doubtful, self._n_asked)
            self._n_doubtful = 0

    def erred(self) -> None:
        """The provider did not take something that the client has said."""
        self._n_doubtful = min(self._n_doubtful + 1, self._n_asked)

    # --- what is held for them ----------------------------------------------------------------------------------

    def cover(self, n_responses: int, usage: Usage) -> bool:
        """Hold what was used and so many responses more. False: a budget has not enough, and holds what it held."""
        return self._hold(*self.bound(n_responses, usage))

    def bound(self, n_responses: int, usage: Usage) -> tuple[int, Extent]:
        """What was used and so many responses: nano-dollars, and tokens."""
        (into, out, *_pieces), nanousd = self.each
        tokens = Extent(usage.total_input + n_responses * into, usage.total_output + n_responses * out)
        return self._cost_of(usage) + n_responses * nanousd, tokens
