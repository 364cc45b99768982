"""The dashboard's files as they are served: read once, compressed once, each under a strong ETag.

All files are reached below the hash of all of them (`/dashboard/static/3f9a…/app.js`), so that a browser may keep them for ever
and a script never imports a module of another version.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_SMALLEST_TO_COMPRESS: Final = 512
"""Below about this many bytes gzip saves no packet."""
_ETAG_CHARACTERS: Final = 20
"""80 bits of SHA-256: enough that two versions of a file never share one."""


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, and what it is when compressed (None: not worth it). A compressed form has an ETag of its own, as they are
    different bytes (RFC 9110 section 8.8.3)."""

    body: bytes
    media_type: str
    etag: str
    compressed: bytes | None

    @classmethod
    def of(cls, body: bytes, suffix: str) -> Asset:
        """The asset with these bytes; raises KeyError for a suffix that is not served."""
        media_type = _MEDIA_TYPES[suffix]
        compressed = gzip.compress(body, 9, mtime=0) if len(body) >= _SMALLEST_TO_COMPRESS else None
        return cls(body, media_type, hashlib.sha256(body).hexdigest()[:_ETAG_CHARACTERS], compressed)


@dataclass(frozen=True, slots=True)
class Assets:
    """Every file by its path below the version (`charts/lines.js`)."""

    version: str
    by_path: dict[str, Asset]


def load_assets() -> Assets:
    """The files that the package ships."""
    found: dict[str, Asset] = {}
    _gather(files(__package__) / "static", "", found)
    whole = hashlib.sha256()
    for path in sorted(found):
        whole.update(f"{path}={found[path].etag}\n".encode())
    return Assets(whole.hexdigest()[:_ETAG_CHARACTERS], found)


def _gather(folder: Traversable, prefix: str, found: dict[str, Asset]) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            _gather(entry, f"{prefix}{entry.name}/", found)
        else:
            found[prefix + entry.name] = Asset.of(entry.read_bytes(), "." + entry.name.rpartition(".")[2])
