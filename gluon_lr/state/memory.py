"""Exact capture and restore of a net and its trainer, in memory.

What is captured: every parameter on every context (BatchNorm's running statistics are parameters too), gradients that
are still to be used, every updater's optimizer state, the optimizer's own counters and numbers (update counts, rate,
``rescale_grad``, weight decay, Nadam's momentum schedule …), the attached scheduler and its state, and AMP's loss
scaler. What cannot be captured is MXNet's random state: it can only be seeded
(see :func:`~gluon_lr.snapshot.preserved`).
"""

from __future__ import annotations

import contextlib
import signal
import threading
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..errors import RecordError, UsageError
from .trainer import capture_trainer, is_array, match_kvstore, restore_trainer


@dataclass(frozen=True)
class Snapshot:
    """A net's and its trainer's whole state at one moment; :func:`restore` puts it back.

    Attributes:
        parameters: structural name → its arrays, one a context.
        gradients: structural name → its gradient arrays, where they are still to be used.
        fresh: structural name → whether each context's gradient waits for a step.
        trainer: optimizer, updaters, scheduler and scaler; None for a snapshot of the net alone.
    """

    parameters: Dict[str, List[Any]]
    gradients: Dict[str, List[Any]]
    fresh: Dict[str, List[bool]]
    trainer: Optional[Dict[str, Any]]

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays of this snapshot."""
        return sum(array.size * _itemsize(array) for array in _arrays([self.parameters, self.gradients, self.trainer]))


def capture(net: Any, trainer: Any = None) -> Snapshot:
    """Copy the whole state of ``net`` and, where given, ``trainer``.

    Args:
        net: a Gluon block whose parameters are all initialized.
        trainer: the ``gluon.Trainer`` that updates it.

    Raises:
        UsageError: a parameter is not initialized, or the trainer updates on parameter servers, whose state cannot be
            read.
    """
    parameters, gradients, fresh = {}, {}, {}
    for name, parameter in parameters_of(net, trainer).items():
        if parameter._data is None:
            raise UsageError(
                f"parameter {name} is not initialized: call net.initialize() and run one batch through the net first"
            )
        parameters[name] = [array.copy() for array in parameter.list_data()]
        if parameter.grad_req == "null":
            continue
        fresh[name] = [bool(array._fresh_grad) for array in parameter.list_data()]
        if parameter.grad_req == "add" or any(fresh[name]):
            gradients[name] = [array.copy() for array in parameter.list_grad()]
    return Snapshot(
        parameters, gradients, fresh, None if trainer is None else capture_trainer(trainer, _moved_by(trainer, net))
    )


def restore(snapshot: Snapshot, net: Any, trainer: Any = None) -> None:
    """Put a snapshot back in place, bit for bit: every array and object that the caller holds stays valid.

    Args:
        snapshot: from :func:`capture` or from a file.
        net: the net it was taken of, or another of the same architecture.
        trainer: likewise; None leaves it alone.

    Raises:
        RecordError: the net's parameters have other names, shapes or contexts than the snapshot's, or the trainer has
            another optimizer or moves other parameters. Nothing is changed.
    """
    own = parameters_of(net, None if snapshot.trainer is None else trainer)
    with uninterrupted():
        _check_same_architecture(snapshot, own)
        if trainer is not None and snapshot.trainer is not None:
            _check_same_optimizer(snapshot.trainer, trainer, net)
            match_kvstore(snapshot.trainer["kvstore"], trainer)
        for name, parameter in own.items():
            for saved, array in zip(snapshot.parameters[name], parameter.list_data()):
                saved.copyto(array)
            for saved, array in zip(snapshot.gradients.get(name, ()), _gradients(parameter)):
                saved.copyto(array)
            for saved, array in zip(snapshot.fresh.get(name, ()), parameter.list_data()):
                array._fresh_grad = saved
        if trainer is not None and snapshot.trainer is not None:
            restore_trainer(snapshot.trainer, trainer, _moved_by(trainer, net))


def parameters_of(net: Any, trainer: Any = None) -> Dict[str, Any]:
    """Name → parameter, each once: those of the net by their structural names, which unlike a parameter's own do not
    depend on what was built before; then what else the net holds or the trainer moves, such as a loss's."""
    named = list(net._collect_params_with_prefix().items())
    named += net.collect_params().items()
    named += [(parameter.name, parameter) for parameter in (trainer._params if trainer is not None else ())]
    found: Dict[int, Tuple[str, Any]] = {}
    for name, parameter in named:
        found.setdefault(id(parameter), (name, parameter))
    return dict(found.values())


def _moved_by(trainer: Any, net: Any) -> List[str]:
    """The structural names of the trainer's parameters in its own order, by which it numbers states and counts. That
    order is the one of the parameters' own names, so another net of the same architecture may have another."""
    names = {id(parameter): name for name, parameter in parameters_of(net, trainer).items()}
    return [names[id(parameter)] for parameter in trainer._params]


def _gradients(parameter: Any) -> List[Any]:
    return parameter.list_grad() if parameter.grad_req != "null" else []


def _check_same_architecture(snapshot: Snapshot, own: Dict[str, Any]) -> None:
    for missing in (set(own) - set(snapshot.parameters), set(snapshot.parameters) - set(own)):
        if missing:
            raise RecordError(
                f"the snapshot is of another net: parameter {sorted(missing)[0]} is in one of the two only. "
                "Restore it into the net it was taken of"
            )
    for name, parameter in own.items():
        if parameter._data is None:
            raise RecordError(f"parameter {name} is not initialized: initialize the net before restoring into it")
        saved, arrays = snapshot.parameters[name], parameter.list_data()
        if len(saved) != len(arrays):
            raise RecordError(f"the snapshot has {name} on {len(saved)} contexts, the net has it on {len(arrays)}")
        for there, here in zip(saved, arrays):
            if there.shape != here.shape or there.dtype != here.dtype:
                raise RecordError(
                    f"the snapshot is of another net: {name} is {there.dtype}{tuple(there.shape)} there and "
                    f"{here.dtype}{tuple(here.shape)} here"
                )


def _check_same_optimizer(saved: Dict[str, Any], trainer: Any, net: Any) -> None:
    kind = type(trainer._optimizer).__name__
    if saved["optimizer_kind"] != kind:
        raise RecordError(
            f"the snapshot is of a trainer with the optimizer {saved['optimizer_kind']}, this one has {kind}: their "
            "states differ. Restore it into a trainer with the same optimizer, or the net alone"
        )
    apart = set(saved["moves"]) ^ set(_moved_by(trainer, net))
    if apart:
        raise RecordError(
            f"the snapshot is of a trainer that moves other parameters: {sorted(apart)[0]} is moved by one of the two "
            "only. Restore it into a trainer of the same parameters, or the net alone"
        )


def _itemsize(array: Any) -> int:
    import numpy as np

    return np.dtype(array.dtype).itemsize


def _arrays(value: Any) -> Iterator[Any]:
    if is_array(value):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _arrays(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _arrays(part)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back until the block is done: half a restore would be worse than none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: List[Tuple[Any, ...]] = []
    previous = signal.signal(signal.SIGINT, lambda *received: pending.append(received))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
    if pending and callable(previous):
        previous(*pending[-1])
