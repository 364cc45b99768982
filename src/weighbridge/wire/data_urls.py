"""`data:` URLs (RFC 2397), in which OpenAI's dialect carries files, and their pieces, in which all others do."""

from __future__ import annotations

from typing import Final

from weighbridge.wire.conversation import MediaBytes

_MARK: Final = ";base64,"
_DEFAULT_TYPE: Final = "text/plain"


def parse_data_url(url: str) -> MediaBytes | None:
    """The bytes that a URL carries; None if it is not a base64 `data:` URL. The base64 text is not looked at."""
    if url[:5].lower() != "data:":
        return None
    head, mark, text = url[5:].partition(_MARK)
    return MediaBytes(text, head or _DEFAULT_TYPE) if mark else None


def data_url(media: MediaBytes) -> str:
    """The reverse."""
    return f"data:{media.media_type}{_MARK}{media.base64}"
