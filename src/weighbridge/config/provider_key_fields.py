"""How customers' own provider keys are sealed, as operators write it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from weighbridge.config.fields import SecretText, read_path
from weighbridge.config.section import Section, fault
from weighbridge.core.secret import Secret

MIN_MASTER_KEY_CHARACTERS: Final = 32
"""128 bits as hexadecimal digits, 192 as base64: it is derived from, not stretched, so it has to be beyond guessing."""
_MAX_FILE_BYTES: Final = 8_192
"""A key has a line; what is much longer is another file."""


def _secret_of_file(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    path = read_path(value, info)
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        raise ValueError(f"names a file that cannot be read ({error.strerror})") from None
    text = content.strip()
    if not text.isascii() or len(text.split()) != 1:
        raise ValueError("names a file that is not one line of printable ASCII without blanks")
    return Secret(text.decode("ascii"))


SecretOfFile = Annotated[
    Secret, BeforeValidator(_secret_of_file), WithJsonSchema({"title": "file that can be read", "type": "string"})
]


class MasterKey(Section):
    """One key under which secrets are sealed at rest, at least 32 characters long: `openssl rand -base64 32` makes a good one."""

    key: SecretText | None = None
    """The key itself, from the environment (`${NAME}`)."""
    file: SecretOfFile | None = None
    """A file that holds nothing but the key, instead."""

    @model_validator(mode="after")
    def _is_one_and_long(self) -> MasterKey:
        if (self.key is None) == (self.file is None):
            raise fault("key", "give either `key` or `file`")
        if len(self.secret.reveal()) < MIN_MASTER_KEY_CHARACTERS:
            field = "key" if self.key is not None else "file"
            raise fault(field, f"must have at least {MIN_MASTER_KEY_CHARACTERS} characters, made by chance")
        return self

    @property
    def secret(self) -> Secret:
        """Whichever was given."""
        secret = self.key if self.key is not None else self.file
        assert secret is not None  # the validator lets no other through
        return secret


class ProviderKeys(Section):
    """Customers' own keys at providers, which are kept sealed (AES-256-GCM). None can be handed in without a master key."""

    master_keys: list[MasterKey] = Field([])
    """The first seals, all open: put a new one in front, run `weighbridge provider-keys reseal`, then take the old one out."""

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The keys, in their order."""
        return tuple(each.secret for each in self.master_keys)

    @model_validator(mode="after")
    def _are_different(self) -> ProviderKeys:
        if len(set(self.secrets)) < len(self.secrets):
            raise fault("master_keys", "has one key twice")
        return self
