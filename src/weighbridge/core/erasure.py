"""Somebody who has asked to be forgotten, without his name: what is left of an erasure, to know what of his comes late."""

from __future__ import annotations

from enum import StrEnum
from hashlib import blake2b
from typing import Final

import msgspec

from weighbridge.core.terms import Record

_DIGEST_SIZE: Final = 32


class SubjectKind(StrEnum):
    """Whose name it is: an application's end user, or a user of the gateway."""

    __hash__ = str.__hash__

    END_USER = "end_user"
    USER = "user"


class Erasure(msgspec.Struct, frozen=True):
    """Whoever matches `digest` was erased at `at_wall_ns`. The salt is each erasure's own, so that names cannot be looked up."""

    id: str
    at_wall_ns: int
    kind: SubjectKind
    salt: bytes
    digest: bytes

    def is_of(self, end_user: str, user: str) -> bool:
        """Whether something that names these two is the erased one's."""
        name = end_user if self.kind is SubjectKind.END_USER else user
        return name != "" and digest_of_name(name, self.salt) == self.digest

    def concerns(self, record: Record) -> bool:
        """Whether a Record is to be forgotten: the erased one's, of a request from before."""
        return record.start_wall_ns < self.at_wall_ns and self.is_of(record.end_user, record.user)


def digest_of_name(name: str, salt: bytes) -> bytes:
    """What is kept of a name."""
    return blake2b(name.encode(), key=salt, digest_size=_DIGEST_SIZE).digest()


def without_names(record: Record) -> Record:
    """What the books need of a Record, and nothing that it says of whom it was for."""
    return msgspec.structs.replace(record, end_user="", session="", detail="", trace="")
