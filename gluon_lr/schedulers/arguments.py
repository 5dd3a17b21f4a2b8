"""What the arguments of a schedule have to be."""

from __future__ import annotations

from ..errors import UsageError


def require(condition: bool, message: str) -> None:
    """Raise :class:`UsageError` unless ``condition`` holds."""
    if not condition:
        raise UsageError(message)
