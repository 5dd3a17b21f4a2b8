"""Find out what a foreign schedule holds, whether calling it changes it, and whether it watches the training."""

from __future__ import annotations

import dis
import enum
import functools
import logging
import numbers
import re
import types
from typing import Any, Dict, Iterator, List, Optional, Set

import numpy as np
from mxnet import gluon
from mxnet import metric as mx_metric
from mxnet import optimizer as mx_optimizer
from mxnet.lr_scheduler import LRScheduler
from mxnet.ndarray import NDArray

from ..errors import UsageError
from .base import Scheduler
from .mxnets import InAnyOrder, Memory

# Methods and functions that change what they are given.
_CHANGING = {
    *("append", "appendleft", "extend", "extendleft", "insert", "add", "update", "pop", "popleft", "popitem", "clear"),
    *("remove", "discard", "setdefault", "sort", "reverse", "rotate", "fill", "put", "itemset", "setattr", "delattr"),
    *("__setattr__", "__dict__", "vars", "next", "send", "shuffle", "insort", "insort_left", "insort_right"),
    *("heappush", "heappop", "heapify", "heapreplace", "heappushpop"),
}
_LOADING = {"LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_SUPER_ATTR"}
_NOT_WATCHING = {"reset", "load_state_dict", "set_state"}  # a user puts the state back; no training does
_TRAINING = (gluon.Block, gluon.Trainer, gluon.Parameter, mx_optimizer.Optimizer, mx_metric.EvalMetric)
FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, np.ufunc)
_LEAVES = (
    *(numbers.Number, str, bytes, type(None), type(...), enum.Enum, range, slice, re.Pattern, np.generic),
    *(type, types.ModuleType, logging.Logger),
)
ARRAYS = (np.ndarray, NDArray)  # they change only by an assignment that shows in the code


class Plain:
    """An object whose whole state is its ``__dict__``; objects with more state have another size."""


def is_leaf(value: Any) -> bool:
    """Whether nothing in it can change: numbers, text, classes, and schedules that are pure."""
    return isinstance(value, (*_LEAVES, Scheduler, Memory)) or (isinstance(value, InAnyOrder) and value.unchanging)


def is_plain(value: Any) -> bool:
    """Whether it is an object whose whole state is its ``__dict__``."""
    return type(value).__basicsize__ == Plain.__basicsize__ and hasattr(value, "__dict__")


def slots_of(value: Any) -> List[str]:
    """The names of its filled ``__slots__``."""
    names: List[str] = []
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    return [name for name in names if name not in ("__dict__", "__weakref__") and hasattr(value, name)]


def held_directly(value: Any) -> Iterator[Any]:
    """What ``value`` holds directly."""
    if is_leaf(value) or isinstance(value, (*_TRAINING, *ARRAYS)):
        return
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from value
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, types.MethodType):
        yield value.__self__
    elif isinstance(value, types.FunctionType):
        yield from _held_by_function(value)
        return
    yield from getattr(value, "__dict__", {}).values()
    yield from (getattr(value, name) for name in slots_of(value))


def _held_by_function(function: types.FunctionType) -> Iterator[Any]:
    """Its closure and defaults, and the callable objects among the globals that it loads."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not yet filled
            continue
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()
    for instruction in _instructions(function.__code__):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            found = function.__globals__.get(instruction.argval)
            if callable(found) and not isinstance(found, (type, *FUNCTIONS)):
                yield found


def reachable(value: Any, within_functions: bool = True) -> Iterator[Any]:
    """``value`` and all that it holds, at every depth, each once; ``within_functions`` looks into functions too."""
    seen: Dict[int, Any] = {}
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen[id(one)] = one  # kept, so that no id is used twice
        yield one
        if within_functions or not isinstance(one, types.FunctionType):
            waiting.extend(held_directly(one))


# What changes an object or a global; from Python 3.12 on, a slice is stored by an instruction of its own.
_CHANGES = ("STORE_ATTR", "DELETE_ATTR", "STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE", "STORE_GLOBAL")


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    """The instructions of ``code`` and of the functions defined within it."""
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)


@functools.lru_cache(maxsize=1000)
def _changes(code: types.CodeType) -> bool:
    """Whether code assigns to an attribute, an item, or a variable outside it, or calls what is known to change."""
    return any(
        instruction.opname in _CHANGES
        or (instruction.opname == "STORE_DEREF" and instruction.argval in code.co_freevars)
        or (instruction.opname in _LOADING and instruction.argval in _CHANGING)
        for instruction in _instructions(code)
    )


def _methods(kind: type) -> Dict[str, List[types.FunctionType]]:
    """Every Python function of a class and its bases, by name; a property counts with its getter."""
    found: Dict[str, List[types.FunctionType]] = {}
    for base in kind.__mro__:
        for name, attribute in vars(base).items():
            attribute = attribute.fget if isinstance(attribute, property) else getattr(attribute, "__func__", attribute)
            if isinstance(attribute, types.FunctionType):
                found.setdefault(name, []).append(attribute)
    return found


def _used_by(kind: type, names: Any) -> Dict[str, List[types.FunctionType]]:
    """The methods ``names`` of a class, with all methods and functions that they call in turn."""
    methods, used, waiting = _methods(kind), {}, list(names)
    while waiting:
        name = waiting.pop()
        if name in used or name not in methods:
            continue
        used[name] = list(methods[name])
        for function in methods[name]:
            for instruction in _instructions(function.__code__):
                if isinstance(instruction.argval, str):
                    waiting.append(instruction.argval)
                    helper = function.__globals__.get(instruction.argval)
                    if isinstance(helper, types.FunctionType) and instruction.opname == "LOAD_GLOBAL":
                        used[name].append(helper)
    return used


@functools.lru_cache(maxsize=1000)
def changes_when_called(kind: type) -> bool:
    """Whether the code behind a class's ``__call__`` may change the object."""
    return any(_changes(f.__code__) for functions in _used_by(kind, ["__call__"]).values() for f in functions)


# Their classes do not watch a training by a method of their own; a NumPy polynomial's integ() gives a new one.
_KNOWN_LIBRARIES = ("mxnet", "gluoncv", "gluon_lr", "builtins", "numpy", "scipy")


@functools.lru_cache(maxsize=1000)
def watching_method(kind: type) -> Optional[str]:
    """The public method by which somebody other than its caller changes an object of a class, such as ``observe``."""
    used = _used_by(kind, ["__call__", "__init__", "__post_init__"])
    for base in kind.__mro__[:-1]:
        if base.__module__.split(".")[0] in _KNOWN_LIBRARIES:
            continue
        for name, function in vars(base).items():
            if not isinstance(function, types.FunctionType) or name.startswith("_") or name in _NOT_WATCHING:
                continue
            own = {helper: functions for helper, functions in _used_by(kind, [name]).items() if helper not in used}
            if any(_changes(f.__code__) for functions in own.values() for f in functions):
                return name
    return None


def watches(schedule: Any) -> Optional[str]:
    """Why ``schedule`` changes during a training, in words; None if nothing shows that it does.

    It does where its class or that of anything it holds says ``live = True``, as
    :class:`~gluon_lr.hyper.ReduceOnPlateau` does; where it holds a net, a trainer or a metric; or where a class has a
    public method, such as ``observe`` or ``step``, that changes the object and is no part of a call. A class that says
    ``live = False`` is believed.
    """
    if getattr(type(schedule), "live", None) is False:
        return None
    own: Set[str] = {type(schedule).__module__}
    for one in reachable(schedule):
        kind, where = type(one), "" if one is schedule else f" in its {type(one).__name__}"
        if isinstance(one, _TRAINING):
            return f"it holds a {kind.__name__}"
        if getattr(kind, "live", None) is True:
            return "it is live" if one is schedule else f"it holds a {kind.__name__}"
        if is_leaf(one) or getattr(kind, "live", None) is False or isinstance(one, FUNCTIONS):
            continue
        if callable(one) or kind.__module__ in own:
            method = watching_method(kind)
            if method is not None:
                return f"{method}() changes it{where}"
    return None


def refuse_watching(schedule: Any) -> None:
    """Refuse a schedule that watches the training where a pure one is expected.

    Raises:
        UsageError: with the reason, and what to do instead.
    """
    reason = watches(schedule)
    if reason is not None:
        kind = type(schedule).__name__
        own = "" if reason == "it is live" else f"; if its rate follows from t alone, say live = False in class {kind}"
        raise UsageError(
            f"{kind} watches the training ({reason}), and a copy inside another schedule would not: put it outermost, "
            f"as in ReduceOnPlateau(ScaleScheduler(...)), or give it to the trainer itself{own}"
        )


def refuse_unsteady(function: Any) -> None:
    """Refuse a function that is, or uses, a scheduler that changes when it is called or watches the training.

    Raises:
        UsageError: naming it.
    """
    for one in reachable(function):
        kind = type(one).__name__
        if getattr(type(one), "live", None) is True:
            raise UsageError(
                f"the function uses a {kind}, which watches the training: put it outermost, as in "
                f"{kind}(FunctionScheduler(...))"
            )
        if isinstance(one, LRScheduler) and not is_leaf(one):
            raise UsageError(
                f"the function uses MXNet's {kind}, which changes when it is called: make it pure first, with "
                f"gluon_lr.schedulers.pure(scheduler)"
            )
    if isinstance(function, types.FunctionType) and any(
        instruction.opname == "STORE_GLOBAL"
        or (instruction.opname == "STORE_DEREF" and instruction.argval in function.__code__.co_freevars)
        for instruction in dis.get_instructions(function.__code__)
    ):
        raise UsageError(
            f"{function.__qualname__} changes a variable outside it when it is called: expected a function of t alone"
        )


def described(value: Any, within: tuple = ()) -> str:
    """``value`` in words that are the same for equal values, at every depth: no address of an object of plain classes.

    Example:
        >>> class Triangle:
        ...     def __init__(self, top):
        ...         self.top = top
        >>> described([Triangle(1), "x"])
        "[Triangle(top=1), 'x']"
    """
    if any(value is outer for outer in within):
        return "..."
    inner = (*within, value)
    if isinstance(value, np.ndarray):
        return f"array({value.tolist()!r}, {value.dtype})"
    if hasattr(value, "asnumpy"):
        return described(value.asnumpy())
    if type(value) in (list, tuple):
        items = ", ".join(described(one, inner) for one in value)
        return f"[{items}]" if type(value) is list else f"({items})"
    if type(value) is dict:
        return "{" + ", ".join(f"{key!r}: {described(one, inner)}" for key, one in value.items()) + "}"
    if isinstance(value, functools.partial):
        return f"partial({described((value.func, value.args, value.keywords), inner)})"
    if isinstance(value, types.MethodType):
        return f"{described(value.__self__, inner)}.{value.__name__}"
    # A repr of the user's own may leave something out, or hold an address: so describe such objects by what they hold.
    if isinstance(value, InAnyOrder) or (not is_leaf(value) and (is_plain(value) or slots_of(value))):
        state = value.state() if isinstance(value, InAnyOrder) else dict(getattr(value, "__dict__", {}))
        state.update({name: getattr(value, name) for name in slots_of(value)})
        items = ", ".join(f"{key}={described(one, inner)}" for key, one in sorted(state.items()))
        return f"{type(value).__name__}({items})"
    return repr(value)
