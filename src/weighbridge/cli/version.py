"""`weighbridge version`."""

from __future__ import annotations

from weighbridge import __version__
from weighbridge.cli.console import say


def version() -> None:
    """Print the version."""
    say(f"weighbridge {__version__}")
