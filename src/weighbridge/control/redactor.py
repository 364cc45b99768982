"""Takes out of texts what nobody is to keep: keys, addresses, numbers of cards and accounts, and whatever an operator describes.

It finds what has a form. Names and stories have none: who must not keep those keeps no payloads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from weighbridge.wire.json_value import Json

_SECRETS: Final = re.compile(
    r"""
    \b(?:sk|rk|pk|wb|gsk|xai|r8|hf)[-_][A-Za-z0-9_-]{16,}        # OpenAI, Anthropic, Stripe, Groq, xAI, Hugging Face, ours
  | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                                  # AWS
  | \bgh[pousr]_[A-Za-z0-9]{30,}\b | \bgithub_pat_[A-Za-z0-9_]{30,}\b
  | \bxox[abeprs]-[A-Za-z0-9-]{10,}                                # Slack
  | \bAIza[0-9A-Za-z_-]{35}                                        # Google
  | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}   # a JSON Web Token
  | -----BEGIN\ [A-Z ]{0,30}PRIVATE\ KEY-----(?:.*?-----END\ [A-Z ]{0,30}PRIVATE\ KEY-----|.*\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_EMAILS: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_CARDS: Final = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])")
_IBANS: Final = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,3})?\b")
_DATA_URL: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w=.+-]+)*;base64,[A-Za-z0-9+/=_-]{64,}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{400,}={0,2}")
"""No word of any language is as long; a hash has 128 digits at most."""
_REDACTED: Final = "[redacted]"


class Redactor:
    """One configuration's. `kinds` are those of `config.payload_fields.Redacted`."""

    def __init__(self, kinds: Sequence[str], patterns: Sequence[str] = ()) -> None:
        self._rules = [_RULES[kind] for kind in _RULES if kind in kinds]
        self._patterns = [re.compile(pattern) for pattern in patterns]

    def text(self, text: str) -> str:
        """A text without what is not to be kept."""
        for rule in self._rules:
            text = rule(text)
        for pattern in self._patterns:
            text = pattern.sub(_REDACTED, text)
        return text

    def json(self, value: Json) -> Json:
        """The same of all strings in a value, names of members among them: escapes hide nothing there."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(each) for each in value]
        if isinstance(value, dict):
            return {self.text(name): self.json(each) for name, each in value.items()}
        return value


def _secrets(text: str) -> str:
    return _SECRETS.sub("[secret]", text)


def _emails(text: str) -> str:
    return _EMAILS.sub("[email]", text)


def _cards(text: str) -> str:
    return _CARDS.sub(lambda found: "[card]" if _has_luhn(found[0]) else found[0], text)


def _ibans(text: str) -> str:
    return _IBANS.sub(lambda found: "[iban]" if _has_mod_97(found[0]) else found[0], text)


def _media(text: str) -> str:
    for pattern in (_DATA_URL, _BASE64):
        text = pattern.sub(lambda found: f"[{len(found[0]):,} characters of base64]", text)
    return text


_RULES: Final[dict[str, Callable[[str], str]]] = {
    "media": _media,  # first: what is in there is nobody's card
    "secrets": _secrets,
    "emails": _emails,
    "cards": _cards,
    "ibans": _ibans,
}


def _has_luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B: other numbers of that length are a tenth as often cards as they look like ones."""
    digits = [int(each) for each in reversed(text) if each.isdigit()]
    return sum(digits[::2] + [sum(divmod(2 * each, 10)) for each in digits[1::2]]) % 10 == 0


def _has_mod_97(text: str) -> bool:
    """ISO 13616-1."""
    plain = text.replace(" ", "")
    return int("".join(str(int(each, 36)) for each in plain[4:] + plain[:4])) % 97 == 1
