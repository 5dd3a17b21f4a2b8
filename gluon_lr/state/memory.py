"""Exact capture and restore of a net and its trainer, in memory.

What is captured: every parameter on every context (BatchNorm's running statistics are parameters too), gradients that
are still to be used, the attributes of the blocks (hidden states, for example), every updater's optimizer state, the
optimizer's own counters and numbers (update counts, rate, ``rescale_grad``, weight decay, Nadam's momentum schedule …),
the attached scheduler and its state, and AMP's loss scaler. What cannot be captured is MXNet's random state: it can
only be seeded (see :func:`~gluon_lr.snapshot.preserved`).
"""

from __future__ import annotations

import contextlib
import signal
import threading
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from ..errors import RecordError, UsageError
from .attributes import (
    capture_attributes,
    capture_schedules,
    check_attributes,
    check_schedules,
    restore_attributes,
    restore_schedules,
)
from .private import (
    arrays_of,
    gradient_is_fresh,
    initialize_with,
    is_deferred,
    is_initialized,
    mark_gradient,
    trainer_parameters,
    whole_arrays_of,
)
from .reach import parameters_of
from .trainer import capture_trainer, check_trainer, match_trainer, restore_trainer
from .values import arrays_within

_SETTINGS = ("grad_req", "lr_mult", "wd_mult")
Settings = List[Tuple[Any, Dict[str, Any]]]


@dataclass(frozen=True)
class Snapshot:
    """A net's and its trainer's whole state at one moment; :func:`restore` puts it back.

    Attributes:
        parameters: structural name → its arrays, one a context.
        gradients: structural name → its gradient arrays, where they are still to be used.
        fresh: structural name → whether each context's gradient waits for a step.
        attributes: structural name of a block → a copy of its Python attributes.
        schedules: place among the other objects → a copy of a schedule that watches the training.
        settings: each parameter with its ``grad_req``, ``lr_mult`` and ``wd_mult``; none from a file.
        trainer: optimizer, updaters, scheduler and scaler; None for a snapshot of the net alone.
    """

    parameters: Dict[str, List[Any]]
    gradients: Dict[str, List[Any]]
    fresh: Dict[str, List[bool]]
    attributes: Dict[str, Any]
    schedules: Dict[str, Any]
    settings: Settings
    trainer: Optional[Dict[str, Any]]

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays of this snapshot."""
        held = arrays_within([self.parameters, self.gradients, self.attributes, self.schedules, self.trainer])
        return sum(_stored(array).size * _itemsize(array) for array in held)


def capture(net: Any, trainer: Any = None, also: Sequence[Any] = ()) -> Snapshot:
    """Copy the whole state of ``net`` and, where given, ``trainer``.

    Args:
        net: a Gluon block whose parameters are all initialized.
        trainer: the ``gluon.Trainer`` that updates it; default none.
        also: other objects whose blocks and parameters belong to the state, such as a loss; default none.

    Raises:
        UsageError: a parameter is not initialized, or the trainer updates on parameter servers, whose state cannot be
            read.
    """
    parameters, gradients, fresh = {}, {}, {}
    own = parameters_of(net, trainer, also)
    for name, parameter in own.items():
        if not is_initialized(parameter):
            raise UsageError(
                f"parameter {name} is not initialized: call net.initialize() and run one batch through the net first "
                "(and likewise for a loss with parameters)"
            )
        parameters[name] = [array.copy() for array in whole_arrays_of(parameter)]
        if parameter.grad_req == "null":
            continue
        fresh[name] = [gradient_is_fresh(array) for array in arrays_of(parameter)]
        if parameter.grad_req == "add" or any(fresh[name]):
            gradients[name] = [array.copy() for array in parameter.list_grad()]
    return Snapshot(
        parameters,
        gradients,
        fresh,
        capture_attributes(net, also),
        capture_schedules(also),
        settings_of(own),
        None if trainer is None else capture_trainer(trainer, _moved_by(trainer, net, also)),
    )


def restore(snapshot: Snapshot, net: Any, trainer: Any = None, also: Sequence[Any] = (), ctx: Any = None) -> None:
    """Put a snapshot back in place, bit for bit: every array and object that the caller holds stays valid.

    Parameters whose shapes are not known yet get them from the snapshot, without a batch. Other devices are fine
    if there are as many: the update counts move with them. The parameters that it was taken of also get back their
    ``grad_req``, ``lr_mult`` and ``wd_mult``; those of another net, and after a file, keep their own.

    Args:
        snapshot: from :func:`capture` or from a file.
        net: the net it was taken of, or another of the same architecture.
        trainer: likewise; None leaves it alone.
        also: likewise, in the same order.
        ctx: the context, or a list of them, for parameters that were never initialized; default the CPU.

    Raises:
        RecordError: the net's parameters have other names, shapes or numbers of contexts than the snapshot's, or the
            trainer has another optimizer or scheduler, or moves other parameters; or a trainer is given and the
            snapshot has none. Nothing is changed.
    """
    if snapshot.trainer is None and trainer is not None:
        raise RecordError("the snapshot holds a net without its trainer: restore it without one")
    with_trainer = trainer is not None
    own = parameters_of(net, trainer, also)
    with uninterrupted():
        _check_same_architecture(snapshot, own, _listed(ctx))
        check_attributes(snapshot.attributes, net, also)
        check_schedules(snapshot.schedules, also)
        if with_trainer:
            moves = _moved_by(trainer, net, also)
            check_trainer(snapshot.trainer, trainer, moves)
        take_back = [
            initialize_with(parameter, snapshot.parameters[name][0], _listed(ctx))
            for name, parameter in own.items()
            if not is_initialized(parameter)
        ]
        try:
            if with_trainer:
                match_trainer(snapshot.trainer, trainer)
        except RecordError:
            for undo in take_back:
                undo()
            raise
        # Another net keeps its own settings: its backbone may be frozen on purpose.
        mine = {id(parameter) for parameter in own.values()}
        restore_settings([(parameter, settings) for parameter, settings in snapshot.settings if id(parameter) in mine])
        for name, parameter in own.items():
            _restore_parameter(snapshot, name, parameter)
        restore_attributes(snapshot.attributes, net, also)
        restore_schedules(snapshot.schedules, also)
        if with_trainer:
            restore_trainer(snapshot.trainer, trainer, moves)


def settings_of(parameters: Dict[str, Any]) -> Settings:
    """Each parameter with what is set of it, beside its value."""
    return [(parameter, {key: getattr(parameter, key) for key in _SETTINGS}) for parameter in parameters.values()]


def restore_settings(saved: Settings) -> None:
    """Set again what :func:`settings_of` found."""
    for parameter, settings in saved:
        for key, value in settings.items():
            setattr(parameter, key, value)


def _restore_parameter(snapshot: Snapshot, name: str, parameter: Any) -> None:
    for saved, array in zip(snapshot.parameters[name], arrays_of(parameter)):
        saved.copyto(array)
    if parameter.grad_req == "null":
        return
    for saved, array in zip(snapshot.gradients.get(name, ()), parameter.list_grad()):
        saved.copyto(array)
    for saved, array in zip(snapshot.fresh.get(name, ()), arrays_of(parameter)):
        mark_gradient(array, saved)


def _moved_by(trainer: Any, net: Any, also: Sequence[Any]) -> List[str]:
    """The structural names of the trainer's parameters in its own order, by which it numbers states and counts. That
    order is the one of the parameters' own names, so another net of the same architecture may have another."""
    names = {id(parameter): name for name, parameter in parameters_of(net, trainer, also).items()}
    return [names[id(parameter)] for parameter in trainer_parameters(trainer)]


def _listed(ctx: Any) -> List[Any]:
    import mxnet as mx

    return list(ctx) if isinstance(ctx, (list, tuple)) else [mx.cpu() if ctx is None else ctx]


def _check_same_architecture(snapshot: Snapshot, own: Dict[str, Any], contexts: List[Any]) -> None:
    for missing in (set(own) - set(snapshot.parameters), set(snapshot.parameters) - set(own)):
        if missing:
            raise RecordError(
                f"the snapshot is of another net: parameter {sorted(missing)[0]} is in one of the two only. "
                "Restore it into the net it was taken of, with the same other objects (also=)"
            )
    for name, parameter in own.items():
        saved = snapshot.parameters[name]
        known = is_initialized(parameter) or is_deferred(parameter)
        count = len(parameter.list_ctx() if known else contexts)
        if len(saved) != count:
            raise RecordError(
                f"the snapshot has {name} on {len(saved)} contexts, the net has it on {count}: each context has "
                "statistics and update counts of its own. Give the net as many contexts"
            )
        _check_same_shape(name, saved[0], parameter)


def _check_same_shape(name: str, saved: Any, parameter: Any) -> None:
    import numpy as np

    shape, dtype = parameter.shape or (), np.dtype(parameter.dtype)
    # A dimension of 0, or −1 under NumPy's semantics, is not known yet.
    fits = not shape or (len(shape) == len(saved.shape) and all(a in (b, 0, -1) for a, b in zip(shape, saved.shape)))
    if is_initialized(parameter):
        fits = tuple(shape) == tuple(saved.shape)
    if not fits or np.dtype(saved.dtype) != dtype:
        raise RecordError(
            f"the snapshot is of another net: {name} is {np.dtype(saved.dtype).name}{tuple(saved.shape)} there and "
            f"{dtype.name}{tuple(shape)} here"
        )


def _stored(array: Any) -> Any:
    return array if array.stype == "default" else array.data


def _itemsize(array: Any) -> int:
    import numpy as np

    return np.dtype(array.dtype).itemsize


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay Ctrl-C until the block ends: half a restore would be worse than none."""
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
