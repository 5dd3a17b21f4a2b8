"""Find what belongs to a net's state: every block and parameter that can be reached from the given objects."""

from __future__ import annotations

import contextlib
import functools
import types
from collections import deque
from typing import Any, Callable, Dict, Iterator, List, Sequence, Tuple

from .private import children_of, own_attributes, structural_parameters, trainer_parameters
from .values import is_plain_object, is_schedule


def parameters_of(net: Any, trainer: Any = None, also: Sequence[Any] = ()) -> Dict[str, Any]:
    """Name → parameter, each once, of everything that is trained together.

    Those of the net come first, by their structural names, which unlike a parameter's own do not depend on what was
    built before; then those of the other objects, by their path (``also[0].weight``); then whatever else the
    trainer moves.

    Args:
        net: a Gluon block.
        trainer: its trainer; default none.
        also: other objects with blocks or parameters, such as a loss; default none.
    """
    found: Dict[int, Tuple[str, Any]] = {}
    for root, path in _roots(net, also):
        for name, reached in _reached(root, path).items():
            named = [(name, reached)]
            if _is_block(reached):
                named = [
                    (_joined(name, inner), parameter) for inner, parameter in structural_parameters(reached).items()
                ]
                named += reached.collect_params().items()
            for full_name, parameter in named:
                found.setdefault(id(parameter), (full_name, parameter))
    taken = {name for name, _ in found.values()}
    for i, parameter in enumerate(() if trainer is None else trainer_parameters(trainer)):
        if id(parameter) not in found:
            name = f"trainer[{i}].{parameter.name}" if parameter.name in taken else parameter.name
            found[id(parameter)] = (name, parameter)
            taken.add(name)
    return dict(found.values())


def blocks_of(net: Any, also: Sequence[Any] = ()) -> Dict[str, Any]:
    """Path → each block of the net and of the other objects, which are themselves included.

    Example:
        >>> from mxnet import gluon
        >>> net, loss = gluon.nn.HybridSequential(), gluon.loss.L2Loss()
        >>> net.add(gluon.nn.Dense(2), gluon.nn.BatchNorm())
        >>> list(blocks_of(net, also=(loss,)))
        ['', '0', '1', 'also[0]']
    """
    found: Dict[int, Tuple[str, Any]] = {}
    for root, path in _roots(net, also):
        if is_plain_object(root):
            found.setdefault(id(root), (path, root))
        for name, reached in _reached(root, path).items():
            if _is_block(reached):
                found.setdefault(id(reached), (name, reached))
    return dict(found.values())


def blocks_within(value: Any) -> List[Any]:
    """Every block that can be reached from ``value``, for example from a learner of a user's own.

    Example:
        >>> from mxnet import gluon
        >>> class Own:
        ...     def __init__(self):
        ...         self.net = gluon.nn.Dense(1)
        ...         self.losses = [gluon.loss.L2Loss()]
        >>> [type(block).__name__ for block in blocks_within(Own())]
        ['Dense', 'L2Loss']
    """
    return [reached for reached in _reached(value, "").values() if _is_block(reached)]


def _roots(net: Any, also: Sequence[Any]) -> List[Tuple[Any, str]]:
    return [(net, ""), *((other, f"also[{i}]") for i, other in enumerate(also))]


def schedules_of(also: Sequence[Any]) -> Dict[str, Any]:
    """Path → each schedule that changes and that is one of these objects or in one."""
    found: Dict[int, Tuple[str, Any]] = {}
    for i, other in enumerate(also):
        for name, schedule in _reached(other, f"also[{i}]", is_schedule).items():
            found.setdefault(id(schedule), (name, schedule))
    return dict(found.values())


def _is_block_or_parameter(value: Any) -> bool:
    from mxnet import gluon

    return isinstance(value, (gluon.Block, gluon.Parameter))


def _reached(root: Any, path: str, wanted: Callable[[Any], bool] = _is_block_or_parameter) -> Dict[str, Any]:
    """Path → each block and parameter, or whatever is ``wanted``, that is ``root`` or in it, breadth first.

    Gluon registers only attributes of a block. But a block in a list, in an object that is not a block, or in a
    function's closure is trained too.
    """
    found, seen, waiting = {}, {}, deque([(path, root)])
    while waiting:
        path, value = waiting.popleft()
        if id(value) in seen:
            continue
        seen[id(value)] = value  # held, so that no other object gets its id
        if wanted(value):
            found[path] = value
        waiting.extend(_members(path, value))
    return found


def _members(path: str, value: Any) -> Iterator[Tuple[str, Any]]:
    if _is_block(value):
        for name, child in children_of(value).items():
            yield _joined(path, name), child
        for name, attribute in own_attributes(value).items():
            yield _joined(path, name), attribute
    elif isinstance(value, dict):
        for key, member in value.items():
            yield f"{path}[{key}]", member
    elif isinstance(value, (list, tuple)):
        for i, member in enumerate(value):
            yield f"{path}[{i}]", member
    elif isinstance(value, functools.partial):
        yield from _members(path, [value.func, *value.args, *value.keywords.values()])
    elif isinstance(value, types.MethodType):
        yield f"{path}.__self__", value.__self__
    elif isinstance(value, types.FunctionType):
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
            with contextlib.suppress(ValueError):  # not assigned yet, as in learner = Learner(net, loss=… learner …)
                yield f"{path}.{name}", cell.cell_contents
        for name in value.__code__.co_names:
            member = value.__globals__.get(name)
            if _is_block(member):
                yield f"{path}.{name}", member
        yield from _members(path, value.__defaults__ or ())
    elif is_plain_object(value):
        for name, member in vars(value).items():
            yield _joined(path, name), member


def _is_block(value: Any) -> bool:
    from mxnet import gluon

    return isinstance(value, gluon.Block)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
