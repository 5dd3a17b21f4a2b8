"""Copy nested values, and put the copies back into the same objects or write them into similar ones."""

from __future__ import annotations

import functools
import logging
import types
from collections import deque
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Set

import numpy as np

_CODE = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, functools.partial)


@dataclass
class Copy:
    """A mutable value with the content that it had.

    Attributes:
        of: the value itself, which stays the same object when its content is put back.
        content: an array's copy; a collection's copied members; an object's copied attributes.
    """

    of: Any
    content: Any = None


@dataclass(frozen=True)
class ObjectState:
    """An object's attributes without the object: what a file holds of a schedule.

    Attributes:
        kind: the class's name.
        attributes: name → value.
    """

    kind: str
    attributes: Dict[str, Any]


@dataclass(frozen=True)
class Own:
    """Stands for a value that is not state, such as a function or a pure schedule; restoring leaves the present one.

    Attributes:
        kind: the class's name.
    """

    kind: str


def is_array(value: Any) -> bool:
    """Whether it is an array of MXNet's, of either front end, dense or sparse."""
    import mxnet as mx

    return isinstance(value, mx.nd.NDArray)


def is_pure(value: Any) -> bool:
    """Whether it never changes and is defined by its constructor call: a schedule of this package."""
    from ..schedulers.base import Scheduler

    return isinstance(value, Scheduler)


def is_schedule(value: Any) -> bool:
    """Whether it is a schedule that changes, or holds one as its ``schedule``: all of it is state, its numbers too."""
    from mxnet.lr_scheduler import LRScheduler

    def changes(one: Any) -> bool:
        return (isinstance(one, LRScheduler) and not is_pure(one)) or getattr(type(one), "live", None) is True

    return changes(value) or changes(getattr(value, "schedule", None))


def is_plain_object(value: Any) -> bool:
    """Whether it is an object of somebody's own class, or a scheduler of MXNet's, with attributes to look through."""
    from mxnet import gluon, optimizer
    from mxnet.lr_scheduler import LRScheduler

    if isinstance(value, LRScheduler):
        return not is_pure(value)
    if not hasattr(value, "__dict__") or is_array(value) or isinstance(value, _CODE):
        return False
    if isinstance(value, (gluon.Block, gluon.Parameter, gluon.Trainer, optimizer.Optimizer, logging.Filterer)):
        return False
    return type(value).__module__.split(".")[0] not in ("mxnet", "numpy", "logging", "threading")


def copied(
    value: Any, looks_into: Callable[[Any], bool] = lambda _: False, seen: Optional[Dict[int, Copy]] = None
) -> Any:
    """A copy of arrays and collections at every depth; what cannot change, or is not looked into, stands for itself.

    Args:
        value: anything.
        looks_into: says for which objects to copy the attributes too; default none.
        seen: what was copied already, so that shared values stay shared and cycles end.
    """
    seen = {} if seen is None else seen
    if id(value) in seen:
        return seen[id(value)]
    is_collection = isinstance(value, (dict, list, tuple, set, deque))
    if not (is_collection or is_array(value) or isinstance(value, np.ndarray) or looks_into(value)):
        return value
    copy = seen[id(value)] = Copy(value)

    def inner(part: Any) -> Any:
        return copied(part, looks_into, seen)

    if isinstance(value, dict):
        copy.content = {key: inner(part) for key, part in value.items()}
    elif is_collection:
        copy.content = [inner(part) for part in value]
    elif is_array(value) or isinstance(value, np.ndarray):
        copy.content = value.copy()
    else:
        copy.content = {name: inner(part) for name, part in vars(value).items()}
    return copy


def put_back(copy: Any, done: Optional[Set[int]] = None) -> Any:
    """The value that ``copy`` was taken of, with the content that it had then."""
    if not isinstance(copy, Copy):
        return copy
    done = set() if done is None else done
    value, content = copy.of, copy.content
    if id(copy) in done:
        return value
    done.add(id(copy))
    if is_array(value):
        content.copyto(value)
    elif isinstance(value, np.ndarray):
        if value.flags.writeable:
            value[...] = content
    elif isinstance(content, dict):
        target = value if isinstance(value, dict) else vars(value)
        members = {key: put_back(part, done) for key, part in content.items()}
        target.clear()
        target.update(members)
    else:
        members = [put_back(part, done) for part in content]
        if isinstance(value, list):
            value[:] = members
        elif not isinstance(value, tuple):
            value.clear()
            (value.update if isinstance(value, set) else value.extend)(members)
    return value


def detached(copy: Any, within: tuple = ()) -> Any:
    """The same without the original objects, for a file or for similar objects."""
    if not isinstance(copy, Copy):
        return Own(type(copy).__name__) if isinstance(copy, _CODE) or is_pure(copy) else copy
    if id(copy) in within:  # a cycle: we are already writing this object's attributes
        return Own(type(copy.of).__name__)
    within = (*within, id(copy))
    if isinstance(copy.content, dict):
        members = {key: detached(part, within) for key, part in copy.content.items()}
        return members if isinstance(copy.of, dict) else ObjectState(type(copy.of).__name__, members)
    if isinstance(copy.content, list):
        members = [detached(part, within) for part in copy.content]
        if isinstance(copy.of, tuple):
            return tuple(members)
        return {set: set, deque: deque}.get(type(copy.of), list)(members)
    return copy.content


def put_into(saved: Any, current: Any) -> Any:
    """``saved``, which :func:`detached` made, written into ``current`` where the two are alike; else as a new value."""
    if isinstance(saved, Own):
        return current
    if is_array(saved):
        alike = is_array(current) and (current.shape, current.dtype, current.stype) == (
            saved.shape,
            saved.dtype,
            saved.stype,
        )
        if alike:
            saved.copyto(current)
            return current
        return saved.as_in_context(current.context).copy() if is_array(current) else saved.copy()
    if isinstance(saved, np.ndarray):
        return saved.copy()
    if isinstance(saved, ObjectState):
        _write(saved.attributes, vars(current))
        return current
    if isinstance(saved, dict):
        target = current if isinstance(current, dict) else {}
        _write(saved, target)
        return target
    if isinstance(saved, (list, tuple, deque)):
        others = _aligned(current, len(saved))
        members = [put_into(part, other) for part, other in zip(saved, others)]
        if isinstance(current, (list, deque)) and type(current) is type(saved):
            current.clear()
            current.extend(members)
            return current
        unchanged = isinstance(current, tuple) and all(part is other for part, other in zip(members, others))
        return current if unchanged and len(current) == len(members) else type(saved)(members)
    return saved


def _write(saved: Dict[Any, Any], target: Dict[Any, Any]) -> None:
    members = {key: put_into(part, target.get(key)) for key, part in saved.items()}
    target.clear()
    target.update(members)


def _aligned(current: Any, length: int) -> List[Any]:
    """The members of ``current`` where it is a collection as long as this, else as many times None."""
    if isinstance(current, (list, tuple, deque)) and len(current) == length:
        return list(current)
    return [None] * length


def arrays_within(value: Any) -> List[Any]:
    """MXNet's arrays in a copy or in nested collections, each once."""
    found: Dict[int, Any] = {}
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, Copy):
            if id(part) in seen:
                continue
            seen.add(id(part))
            part = part.content
        if is_array(part):
            found[id(part)] = part
        elif isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, (list, tuple, deque)):
            waiting.extend(part)
    return list(found.values())
