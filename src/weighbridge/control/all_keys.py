"""Every live virtual key: those of the configuration file before those of the store."""

from __future__ import annotations

from collections.abc import Sequence

from weighbridge.auth.virtual_keys import KeysDelta
from weighbridge.control.key_registry import KeyRegistry
from weighbridge.core.terms import VirtualKey


class AllKeys:
    """`core.ports.KeySource` over both. Keys of the file change with the configuration, the others with the store."""

    def __init__(self, registry: KeyRegistry) -> None:
        self._registry = registry
        self._of_file: dict[bytes, VirtualKey] = {}

    def set_file_keys(self, keys: Sequence[VirtualKey]) -> None:
        """The keys of a newly loaded file."""
        self._of_file = {key.digest: key for key in keys}

    async def find(self, digest: bytes) -> VirtualKey | None:
        """The key with this SHA-256. Raises `StorageError`."""
        return self._of_file.get(digest) or await self._registry.find(digest)

    @property
    def stored(self) -> tuple[VirtualKey, ...]:
        """The store's keys as of the last look."""
        return self._registry.keys

    def names(self) -> dict[str, str]:
        """What live keys are called, by their ids."""
        return {key.id: key.name for key in (*self._registry.keys, *self._of_file.values())}

    async def poll(self) -> KeysDelta | None:
        """What changed in the store, but for keys that the file also declares. Raises `StorageError`."""
        delta = await self._registry.poll()
        if delta is None:
            return None
        return KeysDelta(
            delta.revision,
            tuple(key for key in delta.upserted if key.digest not in self._of_file),
            tuple(digest for digest in delta.removed if digest not in self._of_file),
        )
