"""What blocks hold beside parameters, and schedules beside the trainer's: copied, and put back in place."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np

from ..errors import RecordError
from .private import is_initialized, own_attributes
from .reach import blocks_of, schedules_of
from .trainer import check_same_object
from .values import Copy, arrays_within, copied, detached, is_array, is_plain_object, is_schedule, put_back, put_into


def capture_schedules(also: Sequence[Any]) -> Dict[str, Any]:
    """Copies of the schedules among other objects, such as a ``ReduceOnPlateau`` that the trainer does not have."""
    return {name: copied(schedule, is_plain_object) for name, schedule in schedules_of(also).items()}


def check_schedules(saved: Dict[str, Any], also: Sequence[Any]) -> None:
    """Refuse to restore schedules into others.

    Raises:
        RecordError: one is of another kind, has other settings, or is not there.
    """
    own = schedules_of(also)
    apart = sorted(set(saved) ^ set(own))
    if apart:
        raise RecordError(
            f"{apart[0]} is a schedule that changes in one of the snapshot and the given objects only: restore it with "
            "the same other objects, in the same order (also=)"
        )
    for name, schedule in own.items():
        if not _is_copy_of(saved[name], schedule):
            check_same_object(detached(saved[name]), schedule, name)


def restore_schedules(saved: Dict[str, Any], also: Sequence[Any]) -> None:
    """Put copies back into the schedules that they were taken of, or write them into similar ones."""
    for name, schedule in schedules_of(also).items():
        if _is_copy_of(saved[name], schedule):
            put_back(saved[name])
        else:
            put_into(detached(saved[name]), schedule)


def _is_copy_of(saved: Any, schedule: Any) -> bool:
    return isinstance(saved, Copy) and saved.of is schedule


def capture_attributes(net: Any, also: Sequence[Any] = ()) -> Dict[str, Any]:
    """A copy of the Python attributes of every block, parameters and blocks aside; name → :class:`Copy`.

    A net may keep hidden states, counters or rates there. An object that is neither array, number, text nor a
    collection of these is kept as it is: the attribute is made to hold it again.
    """
    return {
        name: Copy(block, {key: copied(value) for key, value in _plain_attributes(block).items()})
        for name, block in blocks_of(net, also).items()
        if not is_schedule(block)
    }


def restore_attributes(saved: Dict[str, Any], net: Any, also: Sequence[Any] = ()) -> None:
    """Put the copies back into the blocks that they were taken of; into others, only arrays that training leaves there.

    A number in another block may be a setting of that block, such as a dropout rate, which must not change.
    """
    for name, block in blocks_of(net, also).items():
        copy = saved.get(name)
        if copy is None:
            continue
        if copy.of is block:
            for key in _plain_attributes(block):
                if key not in copy.content:
                    del vars(block)[key]
            vars(block).update({key: put_back(part) for key, part in copy.content.items()})
            continue
        for key, value in stored_attributes(copy).items():
            current = vars(block).get(key)
            if value is not None or arrays_within(current):
                vars(block)[key] = put_into(_placed(value, current, block), current)


def stored_attributes(copy: Any) -> Dict[str, Any]:
    """The attributes of a block that a file or another block receives: those with arrays, those that are an array of
    NumPy's numbers, and those that are None."""
    found = {key: detached(part) for key, part in copy.content.items()}
    return {key: value for key, value in found.items() if value is None or arrays_within(value) or _is_numbers(value)}


def _is_numbers(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind in "biufc"


def _plain_attributes(block: Any) -> Dict[str, Any]:
    from mxnet import gluon

    attributes = own_attributes(block) if isinstance(block, gluon.Block) else vars(block)
    structure = (gluon.Block, gluon.Parameter, gluon.ParameterDict)
    return {key: value for key, value in attributes.items() if not isinstance(value, structure)}


def _placed(value: Any, current: Any, block: Any) -> Any:
    """Arrays that have no counterpart yet, on the block's context."""
    contexts = _contexts_of(block)
    if not is_array(value) or is_array(current) or not contexts:
        return value
    return value.as_in_context(contexts[0])


def _contexts_of(block: Any) -> List[Any]:
    parameters = block.collect_params().values() if hasattr(block, "collect_params") else ()
    return next((list(parameter.list_ctx()) for parameter in parameters if is_initialized(parameter)), [])


def check_attributes(saved: Dict[str, Any], net: Any, also: Sequence[Any]) -> None:
    """Refuse to restore arrays into blocks that are not there.

    Raises:
        RecordError: one is missing.
    """
    blocks = blocks_of(net, also)
    for name, copy in saved.items():
        arrays = {key for key, value in stored_attributes(copy).items() if value is not None}
        if arrays and name not in blocks:
            raise RecordError(
                f"the snapshot is of another net: it has the array {name}.{sorted(arrays)[0]}, and this one has no "
                f"{name}. Restore it into the net it was taken of"
            )
