"""What Python's and NumPy's values are, as plain data: see :mod:`gluon_lr.identity.walk`."""

from __future__ import annotations

import contextlib
import copyreg
import dataclasses
import enum
import functools
import inspect
import pickle
from pathlib import PurePath
from types import CodeType, FunctionType, GetSetDescriptorType, MappingProxyType, MemberDescriptorType, ModuleType
from typing import Any, Callable, Dict, List, Set, Tuple

import numpy as np

from ..errors import UsageError
from ..files import array_digest, canonical_json, digest
from .packages import imported, installed, is_global
from .source import names_used, plain_code, written

# What Python and dataclass add to a class by themselves.
_ADDED = {"__module__", "__dict__", "__weakref__", "__doc__", "__qualname__", "__annotations__", "_abc_impl"}
_ADDED |= {"__abstractmethods__", "__firstlineno__", "__static_attributes__", "__dataclass_params__", "__match_args__"}
_ADDED |= {"__dataclass_fields__", "__parameters__", "__orig_bases__", "__slotnames__", "__annotate__"}
_OF_DATACLASS = {"__init__", "__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__"}
_OF_DATACLASS |= {"__setattr__", "__delattr__", "__replace__"}


def _function(walk: Any, function: FunctionType, where: str) -> Any:
    module = function.__globals__.get("__name__", "")
    owner = installed(module)
    if owner and is_global(function, module, function.__qualname__):
        return ["function", owner, module, function.__qualname__]
    what = [
        written(function),
        walk.describe([function.__defaults__, function.__kwdefaults__], f"{where}'s defaults"),
        _closure(walk, function, where),
        {} if owner else _variables(walk, function, where),
        walk.named({name: item for name, item in vars(function).items() if name != "__wrapped__"}, where),
    ]
    return ["function", digest(what)]


def _closure(walk: Any, function: FunctionType, where: str) -> Any:
    bound: Dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        with contextlib.suppress(ValueError):  # nothing is bound to it yet
            bound[name] = cell.cell_contents
    return {name: walk.describe(bound[name], f"{where} → {name}") for name in sorted(bound)}


def _variables(walk: Any, function: FunctionType, where: str) -> Any:
    """The global variables that a function uses, and what it takes from modules of the user's own."""
    used, known = names_used(function.__code__), function.__globals__
    values = {name: known[name] for name in used.variables & set(known)}
    values.update({f"import {name}": imported(name, level, known) for name, level in used.imports})
    return {name: _used(walk, values[name], used.attributes, f"{where} → {name}") for name in sorted(values)}


def _used(walk: Any, value: Any, attributes: Set[str], where: str) -> Any:
    if not isinstance(value, ModuleType) or installed(value.__name__):
        return walk.describe(value, where)
    taken = {name: vars(value)[name] for name in attributes if name in vars(value)}
    with walk.inside(value) as new:
        return new and {name: _used(walk, taken[name], attributes, f"{where}.{name}") for name in sorted(taken)}


def _module(walk: Any, module: ModuleType, where: str) -> Any:
    owner = installed(module.__name__)
    if owner:
        return ["module", owner, module.__name__]
    return ["module", walk.named({name: vars(module)[name] for name in vars(module) if name[:2] != "__"}, where)]


def _class(walk: Any, kind: type, where: str) -> Any:
    owner = installed(kind.__module__)
    if owner and is_global(kind, kind.__module__, kind.__qualname__):
        return ["class", owner, kind.__module__, kind.__qualname__]
    members = {name: item for name, item in vars(kind).items() if name not in _ADDED and not _is_added(kind, name)}
    if issubclass(kind, enum.Enum):
        members = {name: item for name, item in members.items() if _is_own_function(item)}
        members["names"] = {name: member.value for name, member in kind.__members__.items()}
    what = [walk.items(kind.__bases__, where), walk.named(members, where), walk.items(_fields(kind), where)]
    return ["class", kind.__name__, digest(what)]


def _is_added(kind: type, name: str) -> bool:
    """Whether Python or ``dataclass`` has put this into the class."""
    item = vars(kind)[name]
    if isinstance(item, FunctionType) and "__dataclass_fields__" in vars(kind) and name in _OF_DATACLASS:
        return item.__code__.co_filename == "<string>" and bool(item.__code__.co_flags & inspect.CO_NESTED)
    return isinstance(item, (MemberDescriptorType, GetSetDescriptorType))


def _is_own_function(item: Any) -> bool:
    function = getattr(item, "__func__", getattr(item, "fget", item))
    return isinstance(function, FunctionType) and not installed(function.__globals__.get("__name__", ""))


def _fields(kind: type) -> List[Any]:
    if not dataclasses.is_dataclass(kind):
        return sorted(vars(kind).get("__annotations__", ()))
    fields = [(field.name, field.default, field.default_factory) for field in dataclasses.fields(kind)]
    return [[item for item in field if item is not dataclasses.MISSING] for field in fields]


def describe_object(walk: Any, value: Any, where: str) -> Any:
    """Constructor, arguments and state, as pickle has them.

    Raises:
        UsageError: it has none.
    """
    reduce = copyreg.dispatch_table.get(type(value))
    try:
        reduced = reduce(value) if reduce else value.__reduce_ex__(4)
    except Exception as error:
        raise _unknown(value, where) from error
    if isinstance(reduced, str):
        return _global(walk, value, reduced, where)
    constructor, arguments, state, items, pairs = [*reduced, None, None, None, None, None][:5]
    what = ["object", walk.describe(constructor, where), walk.items(arguments, where)]
    what.append(walk.named(state, where) if isinstance(state, dict) else walk.describe(state, where))
    if items is not None:
        what.append(walk.items(items, where))
    if pairs is not None:
        what.append(walk.describe([list(pair) for pair in pairs], where))
    return what


def _global(walk: Any, value: Any, name: str, where: str) -> Any:
    """What a module has under a name: a compiled function, a constant."""
    if hasattr(value, "__wrapped__"):  # functools.lru_cache
        return ["wrapped", type(value).__name__, walk.describe(value.__wrapped__, where)]
    for module in (getattr(value, "__module__", None), type(value).__module__, pickle.whichmodule(value, name)):
        if is_global(value, module or "", name):
            return ["global", installed(module) or "", module, name]
    raise _unknown(value, where)


def _unknown(value: Any, where: str) -> UsageError:
    return UsageError(f"{where} is a {type(value).__name__}, which nothing tells from another one")


def _mapping(walk: Any, value: Any, where: str) -> Any:
    pairs = sorted(((walk.apart(key, where), key) for key in value), key=lambda pair: canonical_json(pair[0]))
    return ["dict", [[name, walk.describe(value[key], f"{where}[{key!r}]")] for name, key in pairs]]


def _set(walk: Any, value: Any, where: str) -> Any:
    items = [walk.apart(item, f"an element of {where}") for item in value]
    return [type(value).__name__, sorted(items, key=canonical_json)]


def _sequence(walk: Any, value: Any, where: str) -> Any:
    return [type(value).__name__, *walk.items(value, where)]


def _array(walk: Any, value: np.ndarray, where: str) -> Any:
    if value.dtype.hasobject:
        return ["array", list(value.shape), walk.items(value.ravel().tolist(), where)]
    return ["array", list(value.shape), array_digest(np.asarray(value))]


def _enum(walk: Any, value: enum.Enum, where: str) -> Any:
    return ["enum", walk.describe(type(value), where), value.name]


def _method(walk: Any, value: Any, where: str) -> Any:
    return [type(value).__name__, walk.describe(value.__func__, where)]


Describer = Callable[[Any, Any, str], Any]

EXACTLY: Dict[type, Describer] = {
    dict: _mapping,
    list: _sequence,
    tuple: _sequence,
    np.ndarray: _array,
    np.memmap: _array,
}
BY_TYPE: List[Tuple[Any, Describer]] = [
    (FunctionType, _function),
    (ModuleType, _module),
    (type, _class),
    (CodeType, lambda walk, value, where: ["code", plain_code(value)]),
    (enum.Enum, _enum),
    (PurePath, lambda walk, value, where: ["path", str(value)]),
    (MappingProxyType, _mapping),
    ((set, frozenset), _set),
    ((staticmethod, classmethod), _method),
    (property, lambda walk, value, where: ["property", *walk.items([value.fget, value.fset, value.fdel], where)]),
    (functools.cached_property, lambda walk, value, where: ["property", walk.describe(value.func, where)]),
]
