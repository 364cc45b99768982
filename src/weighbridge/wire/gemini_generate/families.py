"""What a model of Google's can do that decides how a request for it is written, by its name.

Thinking: https://ai.google.dev/gemini-api/docs/thinking and
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/thinking. Signatures:
https://ai.google.dev/gemini-api/docs/thought-signatures. Results with pictures, and Google's own tools or a schema beside
functions, came with Gemini 3: https://ai.google.dev/gemini-api/docs/function-calling.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final, Literal

import msgspec


class Family(msgspec.Struct, frozen=True):
    """One kind of models. The defaults are those of Gemini 3 and of whatever comes after it."""

    thinking: Literal["levels", "budget", "none"] = "levels"
    levels: tuple[str, ...] = ("low", "medium", "high")
    """Efforts that `thinkingLevel` takes, weakest first."""
    min_budget: int = 0
    max_budget: int = 0
    can_be_off: bool = False
    """Whether `thinkingBudget: 0` is taken."""
    validates_signatures: bool = True
    """A call of a function without `thoughtSignature` is refused with a 400."""
    is_versatile: bool = True
    """Functions go together with Google's own tools and with a schema of the answer, and their results may hold pictures."""
    has_system: bool = True
    """Whether `systemInstruction` is taken."""


_ALL_LEVELS: Final = ("minimal", "low", "medium", "high")
_GEMINI_3: Final = Family()
_GEMINI_3_PRO: Final = Family(levels=("low", "high"))
_GEMINI_3_FLASH: Final = Family(levels=_ALL_LEVELS)
_IMAGES: Final = Family(thinking="none", validates_signatures=False)
_WITHOUT_THINKING: Final = Family(thinking="none", validates_signatures=False, is_versatile=False)
_PRO_25: Final = Family("budget", (), 128, 32_768, validates_signatures=False, is_versatile=False)
_FLASH_25: Final = Family("budget", (), 1, 24_576, can_be_off=True, validates_signatures=False, is_versatile=False)
_LITE_25: Final = Family("budget", (), 512, 24_576, can_be_off=True, validates_signatures=False, is_versatile=False)
_GEMMA_3: Final = Family(thinking="none", validates_signatures=False, is_versatile=False, has_system=False)

_FAMILIES: Final[tuple[tuple[str, Family], ...]] = (
    ("gemini-2.5-*image*", _WITHOUT_THINKING),
    ("gemini-2.5-*tts*", _WITHOUT_THINKING),
    ("gemini-2.5-flash-lite*", _LITE_25),
    ("gemini-2.5-flash*", _FLASH_25),
    ("gemini-2.5-*", _PRO_25),
    ("gemini-robotics-er-1.5*", _FLASH_25),
    ("gemini-1.*", _WITHOUT_THINKING),
    ("gemini-2.0-*", _WITHOUT_THINKING),
    ("gemini-3*-image*", _IMAGES),
    ("gemini-3-pro*", _GEMINI_3_PRO),
    ("gemini-3*-flash*", _GEMINI_3_FLASH),
    ("gemini-flash-*", _GEMINI_3_FLASH),
    ("gemma-3*", _GEMMA_3),
    ("gemma*", _WITHOUT_THINKING),
    ("learnlm*", _WITHOUT_THINKING),
)


def family_of(model: str) -> Family:
    """The family of a model, with or without what stands before its name (`models/…`, `publishers/google/models/…`)."""
    name = model.rpartition("/")[2].lower()
    return next((family for glob, family in _FAMILIES if fnmatchcase(name, glob)), _GEMINI_3)
