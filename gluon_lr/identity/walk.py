"""What a value is, as plain data: the same in every process, and other data where anything about the value differs.

A function is its code with the values that it is bound to: defaults, closures, and the global variables that it uses.
An object is its class and state, an array its content, a Gluon block its class, attributes, parameters and children.
Whatever was installed is known by its name and version. Nothing depends on memory addresses, on the order of sets, or
on counters such as those in the names of Gluon's blocks.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Callable, Dict, Iterator, List, Set

import numpy as np

from ..errors import UsageError
from ..files import digest

_ATOMS = (type(None), bool, int, str, bytes, complex, type(Ellipsis), type(NotImplemented))


def identify(value: Any, where: str = "the value") -> str:
    """A short digest of :func:`describe`.

    Example:
        >>> def steady(lr):
        ...     return lambda t: lr
        >>> identify(steady(0.5)) == identify(steady(0.5)), identify(steady(0.5)) == identify(steady(0.1))
        (True, False)
    """
    return digest(describe(value, where))[:16]


def describe(value: Any, where: str = "the value") -> Any:
    """What ``value`` is, as plain data for JSON.

    Args:
        value: anything.
        where: what to call it in a refusal.

    Raises:
        UsageError: it, or something that it uses, has nothing that tells it from another: an open file, a generator, a
            handle of a compiled library.

    Example:
        >>> from gluon_lr import CosineScheduler
        >>> describe(CosineScheduler(10, 0.5)) == describe(CosineScheduler(10, 0.5, final_lr=0.0))
        True
    """
    try:
        return Walk().describe(value, where)
    except RecursionError as error:
        raise UsageError(f"{where} is nested too deeply to be told from another") from error


class Walk:
    """One description: what is being described and what has been, so that cycles end and nothing is done twice."""

    def __init__(self) -> None:
        self.open: Dict[int, int] = {}  # id → depth
        self.done: Dict[int, Any] = {}
        self.kept: List[Any] = []  # an id is unique only while its object lives
        self.lowest = sys.maxsize  # the least depth that the last description refers back to
        self.hidden: Set[str] = set()

    def describe(self, value: Any, where: str) -> Any:
        """See :func:`describe`."""
        if isinstance(value, str) and value in self.hidden:
            return ["hidden"]
        if type(value) in _ATOMS:
            return [type(value).__name__, repr(value)]
        if type(value) is float:
            return ["float", value.hex()]
        if isinstance(value, np.generic) and not isinstance(value, (np.void, np.longdouble, np.clongdouble)):
            return self.describe(value.item(), where)
        if id(value) in self.done:
            return self.done[id(value)]
        depth = len(self.open)
        if id(value) in self.open:
            self.lowest = min(self.lowest, self.open[id(value)])
            return ["again", depth - self.open[id(value)]]
        self.open[id(value)], before, self.lowest = depth, self.lowest, sys.maxsize
        self.kept.append(value)
        try:
            found = _describer(value)(self, value, where)
        finally:
            del self.open[id(value)]
        # A value that refers to something further up is described by its place among such values.
        self.done[id(value)] = found if self.lowest >= depth else ["again", "number", len(self.done)]
        self.lowest = min(before, self.lowest) if self.lowest < depth else before
        return found

    @contextlib.contextmanager
    def inside(self, value: Any) -> Iterator[bool]:
        """Mark ``value`` as open during the block; False if it was open already."""
        new = id(value) not in self.open
        if new:
            self.open[id(value)] = len(self.open)
        try:
            yield new
        finally:
            if new:
                del self.open[id(value)]

    @contextlib.contextmanager
    def without(self, text: str) -> Iterator[None]:
        """Leave a text that holds a counter out of descriptions in the block."""
        before, self.hidden = self.hidden, self.hidden | ({text} if text else set())
        try:
            yield
        finally:
            self.hidden = before

    def apart(self, value: Any, where: str) -> Any:
        """As :meth:`describe`, but independent of what was described before: for values without an order."""
        walk = Walk()
        walk.open, walk.hidden = dict(self.open), self.hidden
        found = walk.describe(value, where)
        self.kept.extend(walk.kept)
        self.lowest = min(self.lowest, walk.lowest)
        return found

    def items(self, values: Any, where: str) -> List[Any]:
        """Each of ``values``."""
        return [self.describe(value, f"{where}[{place}]") for place, value in enumerate(values)]

    def named(self, values: Any, where: str) -> Dict[str, Any]:
        """Each of ``values`` by its name."""
        return {str(name): self.describe(values[name], f"{where}.{name}") for name in sorted(values, key=str)}


def _describer(value: Any) -> Callable[[Walk, Any, str], Any]:
    """The function that describes values of this kind; MXNet's are looked for where MXNet is loaded."""
    from . import python

    if type(value) in python.EXACTLY:
        return python.EXACTLY[type(value)]
    known = list(python.BY_TYPE)
    if "mxnet" in sys.modules:
        from . import blocks

        known += blocks.BY_TYPE
    return next((describer for kind, describer in known if isinstance(value, kind)), python.describe_object)
