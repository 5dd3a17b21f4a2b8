"""Numbers as arguments: accept Python's, NumPy's and MXNet's alike, and refuse anything else by name."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np

from .errors import UsageError

MOST_SEED = 2**32 - 1  # of NumPy's generator


def whole_number(name: str, value: Any, least: int, most: float = math.inf) -> int:
    """``value`` as an int, be it Python's, NumPy's or an MXNet array of one number.

    Raises:
        UsageError: it is not a whole number, below ``least`` or above ``most``.

    Example:
        >>> whole_number("repeats", np.int64(3), least=1)
        3
    """
    plain = _plain(value)
    if isinstance(plain, float) and plain.is_integer():
        plain = int(plain)  # MXNet's arrays are of floats unless one asks for another type
    if isinstance(plain, bool) or not isinstance(plain, numbers.Integral) or plain < least:
        raise UsageError(f"{name} is {shown(value)}: expected a whole number of at least {least}")
    if plain > most:
        raise UsageError(f"{name} is {shown(value)}: expected at most {most}")
    return int(plain)


def real_number(name: str, value: Any) -> float:
    """``value`` as a float, be it Python's, NumPy's or an MXNet array of one number.

    Raises:
        UsageError: it is not a number.
    """
    plain = _plain(value)
    if isinstance(plain, bool) or not isinstance(plain, numbers.Real):
        raise UsageError(f"{name} is {shown(value)}: expected a number")
    return float(plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "asnumpy"):
        value = value.asnumpy()
    return value.item() if isinstance(value, (np.ndarray, np.generic)) and value.size == 1 else value


def shown(value: Any) -> str:
    """A value as an error names it: on one line, with its type unless that is a plain number's."""
    text = " ".join(repr(value).split())[:120]
    return text if type(value) in (int, float) else f"{text}, a {type(value).__name__}"
