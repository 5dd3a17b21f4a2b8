"""What a value is, as plain data: the same in every process, and other data where anything about the value differs.

A function is its code with the values that it is bound to: defaults, closures, and the global variables that it uses.
An object is its class and state, an array its content, a Gluon block its class, attributes, parameters and children.
Whatever was installed is known by its name and version. Nothing depends on memory addresses, on the order of sets, or
on counters such as those in the names of Gluon's blocks.
"""

from __future__ import annotations

import contextlib
import copyreg
import dataclasses
import enum
import functools
import sys
from pathlib import PurePath
from types import CodeType, FunctionType, GetSetDescriptorType, MappingProxyType, MemberDescriptorType, ModuleType
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

import numpy as np

from ..errors import UsageError
from ..files import array_digest, canonical_json, digest
from .packages import imported, installed, is_global
from .source import names_used, plain_code, written

_ATOMS = (type(None), bool, int, str, bytes, complex, type(Ellipsis), type(NotImplemented))
# What Python and dataclasses add to a class by themselves.
_ADDED = {"__module__", "__dict__", "__weakref__", "__doc__", "__qualname__", "__annotations__", "_abc_impl"}
_ADDED |= {"__abstractmethods__", "__firstlineno__", "__static_attributes__", "__dataclass_params__", "__match_args__"}
_ADDED |= {"__dataclass_fields__", "__parameters__", "__orig_bases__", "__slotnames__", "__annotate__"}


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
    return _Walk().describe(value, where)


class _Walk:
    """One description: what is being described and what has been, so that cycles end and nothing is done twice."""

    def __init__(self) -> None:
        self._open: Dict[int, int] = {}  # id → depth
        self._done: Dict[int, Any] = {}
        self._kept: List[Any] = []  # an id is one only as long as its object lives
        self._lowest = sys.maxsize  # the least depth that what was described last refers back to
        self._hidden: Set[str] = set()

    def describe(self, value: Any, where: str) -> Any:
        if isinstance(value, str) and value in self._hidden:
            return ["hidden"]
        if type(value) in _ATOMS:
            return [type(value).__name__, repr(value)]
        if type(value) is float:
            return ["float", value.hex()]
        if isinstance(value, np.generic) and not isinstance(value, (np.void, np.longdouble, np.clongdouble)):
            return self.describe(value.item(), where)
        if id(value) in self._done:
            return self._done[id(value)]
        depth = len(self._open)
        if id(value) in self._open:
            self._lowest = min(self._lowest, self._open[id(value)])
            return ["again", depth - self._open[id(value)]]
        self._open[id(value)], before, self._lowest = depth, self._lowest, sys.maxsize
        self._kept.append(value)
        try:
            found = _describer(value)(self, value, where)
        finally:
            del self._open[id(value)]
        # What refers to something further up is described by its place among those that do.
        self._done[id(value)] = found if self._lowest >= depth else ["again", "number", len(self._done)]
        self._lowest = min(before, self._lowest) if self._lowest < depth else before
        return found

    @contextlib.contextmanager
    def without(self, text: str) -> Iterator[None]:
        """Leave a text out in the block, one that holds a counter."""
        before, self._hidden = self._hidden, self._hidden | ({text} if text else set())
        try:
            yield
        finally:
            self._hidden = before

    def items(self, values: Any, where: str) -> List[Any]:
        return [self.describe(value, f"{where}[{place}]") for place, value in enumerate(values)]

    def named(self, values: Any, where: str) -> Dict[str, Any]:
        return {str(name): self.describe(values[name], f"{where}.{name}") for name in sorted(values, key=str)}

    def function(self, function: FunctionType, where: str) -> Any:
        module = function.__globals__.get("__name__", "")
        owner = installed(module)
        if owner and is_global(function, module, function.__qualname__):
            return ["function", owner, module, function.__qualname__]
        what = [
            written(function),
            self.describe([function.__defaults__, function.__kwdefaults__], f"{where}'s defaults"),
            self._closure(function, where),
            {} if owner else self._variables(function, where),
            self.named({name: item for name, item in vars(function).items() if name != "__wrapped__"}, where),
        ]
        return ["function", digest(what)]

    def _closure(self, function: FunctionType, where: str) -> Any:
        bound: Dict[str, Any] = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            with contextlib.suppress(ValueError):  # nothing is bound to it yet
                bound[name] = cell.cell_contents
        return self.named(bound, where)

    def _variables(self, function: FunctionType, where: str) -> Any:
        """The global variables that a function uses, and what it takes from modules of the user's own."""
        used, known = names_used(function.__code__), function.__globals__
        values = {name: known[name] for name in used.variables & set(known)}
        values.update({f"import {name}": imported(name, level, known) for name, level in used.imports})
        return {name: self._used(values[name], used.attributes, f"{where} → {name}") for name in sorted(values)}

    def _used(self, value: Any, attributes: Set[str], where: str) -> Any:
        if not isinstance(value, ModuleType) or installed(value.__name__) or id(value) in self._open:
            return self.describe(value, where)
        taken = {name: vars(value)[name] for name in attributes if name in vars(value)}
        self._open[id(value)] = len(self._open)
        try:
            return {name: self._used(taken[name], attributes, f"{where}.{name}") for name in sorted(taken)}
        finally:
            del self._open[id(value)]

    def module(self, module: ModuleType, where: str) -> Any:
        owner = installed(module.__name__)
        if owner:
            return ["module", owner, module.__name__]
        return ["module", self.named({name: vars(module)[name] for name in vars(module) if name[:2] != "__"}, where)]

    def type(self, kind: type, where: str) -> Any:
        owner = installed(kind.__module__)
        if owner and is_global(kind, kind.__module__, kind.__qualname__):
            return ["class", owner, kind.__module__, kind.__qualname__]
        if issubclass(kind, enum.Enum):
            members = {name: member.value for name, member in kind.__members__.items()}
            return ["enum", kind.__name__, self.describe(members, where)]
        members = {name: item for name, item in vars(kind).items() if name not in _ADDED and not _added(name, item)}
        what = [self.items(kind.__bases__, where), self.named(members, where), self.items(_fields(kind), where)]
        return ["class", kind.__name__, digest(what)]

    def object(self, value: Any, where: str) -> Any:
        """Constructor, arguments and state, as pickle has them."""
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            parts = reduce(value) if reduce else value.__reduce_ex__(4)
        except Exception as error:
            raise UsageError(f"{where} is a {type(value).__name__}, which nothing tells from another one") from error
        if isinstance(parts, str):
            if hasattr(value, "__wrapped__"):
                return ["wrapped", type(value).__name__, self.describe(value.__wrapped__, where)]
            return ["global", type(value).__module__, getattr(value, "__module__", None) or "", parts]
        constructor, arguments, state, items, pairs = [*parts, None, None, None, None, None][:5]
        what = ["object", self.describe(constructor, where), self.items(arguments, where)]
        if isinstance(state, dict):
            what.append(self.named(state, where))
        elif state is not None:
            what.append(self.describe(state, where))
        if items is not None:
            what.append(self.items(items, where))
        if pairs is not None:
            what.append(self.describe([list(pair) for pair in pairs], where))
        return what

    def mapping(self, value: Any, where: str) -> Any:
        pairs = [(_Walk().describe(key, where), key) for key in value]
        pairs.sort(key=lambda pair: canonical_json(pair[0]))
        return ["dict", [[name, self.describe(value[key], f"{where}[{key!r}]")] for name, key in pairs]]

    def set(self, value: Any, where: str) -> Any:
        items = [_Walk().describe(item, f"{where}'s element") for item in value]
        return [type(value).__name__, sorted(items, key=canonical_json)]

    def array(self, value: np.ndarray, where: str) -> Any:
        if value.dtype.hasobject:
            return ["array", list(value.shape), self.items(value.ravel().tolist(), where)]
        return ["array", str(value.dtype), list(value.shape), array_digest(value)]


def _added(name: str, item: Any) -> bool:
    """Whether Python or ``dataclass`` has put this into a class."""
    if isinstance(item, FunctionType):
        return item.__code__.co_filename == "<string>" and name[:2] == "__" and "__create_fn__" in item.__qualname__
    return isinstance(item, (MemberDescriptorType, GetSetDescriptorType))


def _fields(kind: type) -> List[Any]:
    if not dataclasses.is_dataclass(kind):
        return sorted(vars(kind).get("__annotations__", ()))
    fields = [(field.name, field.default, field.default_factory) for field in dataclasses.fields(kind)]
    return [[item for item in field if item is not dataclasses.MISSING] for field in fields]


_Describer = Callable[[_Walk, Any, str], Any]


_BY_TYPE: List[Tuple[Any, _Describer]] = [
    (FunctionType, _Walk.function),
    (ModuleType, _Walk.module),
    (type, _Walk.type),
    (CodeType, lambda walk, value, where: ["code", plain_code(value)]),
    (
        enum.Enum,
        lambda walk, value, where: ["enum", type(value).__name__, value.name, walk.describe(value.value, where)],
    ),
    (PurePath, lambda walk, value, where: ["path", str(value)]),
    (MappingProxyType, _Walk.mapping),
    ((set, frozenset), _Walk.set),
    (
        (staticmethod, classmethod),
        lambda walk, value, where: [type(value).__name__, walk.describe(value.__func__, where)],
    ),
    (property, lambda walk, value, where: ["property", *walk.items([value.fget, value.fset, value.fdel], where)]),
    (functools.cached_property, lambda walk, value, where: ["property", walk.describe(value.func, where)]),
]
_EXACTLY: Dict[type, _Describer] = {
    dict: _Walk.mapping,
    list: lambda walk, value, where: ["list", *walk.items(value, where)],
    tuple: lambda walk, value, where: ["tuple", *walk.items(value, where)],
    np.ndarray: _Walk.array,
    np.memmap: _Walk.array,
}


def _describer(value: Any) -> _Describer:
    if type(value) in _EXACTLY:
        return _EXACTLY[type(value)]
    known = list(_BY_TYPE)
    if "mxnet" in sys.modules:
        from .identity_gluon import BY_TYPE

        known += BY_TYPE
    return next((describer for kind, describer in known if isinstance(value, kind)), _Walk.object)
