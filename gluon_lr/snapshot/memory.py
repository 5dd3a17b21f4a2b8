"""Exact capture and restore of a net and its trainer, in memory.

What is captured: every parameter on every context (BatchNorm's running statistics are parameters too), gradients that
are still to be used, every updater's optimizer state, the optimizer's own counters and numbers (update counts, rate,
``rescale_grad``, weight decay, Nadam's momentum schedule …), the attached scheduler and its state, and AMP's loss
scaler. What cannot be captured is MXNet's random state: it can only be seeded
(see :func:`~gluon_lr.snapshot.preserved`).
"""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..errors import RecordError, UsageError

# The optimizer's attributes that are links to other objects, not state.
_LINKS = {"param_dict", "lr_scheduler", "idx2name", "sym_info", "_index_update_count"}


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
    return Snapshot(parameters, gradients, fresh, None if trainer is None else _capture_trainer(trainer))


def restore(snapshot: Snapshot, net: Any, trainer: Any = None) -> None:
    """Put a snapshot back in place, bit for bit: every array and object that the caller holds stays valid.

    Args:
        snapshot: from :func:`capture` or from a file.
        net: the net it was taken of, or another of the same architecture.
        trainer: likewise; None leaves it alone.

    Raises:
        RecordError: the net's parameters have other names, shapes or contexts than the snapshot's, or the trainer has
            another optimizer. Nothing is changed.
    """
    own = parameters_of(net, None if snapshot.trainer is None else trainer)
    with uninterrupted():
        _check_same_architecture(snapshot, own)
        if trainer is not None and snapshot.trainer is not None:
            _check_same_optimizer(snapshot.trainer, trainer)
            _match_kvstore(snapshot.trainer["kvstore"], trainer)
        for name, parameter in own.items():
            for saved, array in zip(snapshot.parameters[name], parameter.list_data()):
                saved.copyto(array)
            for saved, array in zip(snapshot.gradients.get(name, ()), _gradients(parameter)):
                saved.copyto(array)
            for saved, array in zip(snapshot.fresh.get(name, ()), parameter.list_data()):
                array._fresh_grad = saved
        if trainer is not None and snapshot.trainer is not None:
            _restore_trainer(snapshot.trainer, trainer)


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


def _check_same_optimizer(saved: Dict[str, Any], trainer: Any) -> None:
    kind = type(trainer._optimizer).__name__
    if saved["optimizer_kind"] != kind:
        raise RecordError(
            f"the snapshot is of a trainer with the optimizer {saved['optimizer_kind']}, this one has {kind}: their "
            "states differ. Restore it into a trainer with the same optimizer, or the net alone"
        )


def _capture_trainer(trainer: Any) -> Dict[str, Any]:
    if _updates_on_servers(trainer):
        raise UsageError(
            "the trainer updates on parameter servers, whose weights and optimizer state cannot be read. "
            "Build it with gluon.Trainer(..., update_on_kvstore=False)"
        )
    optimizer = trainer._optimizer
    counts = optimizer._all_index_update_counts
    current = [device for device, count in counts.items() if count is optimizer._index_update_count]
    scaler = getattr(trainer, "_amp_loss_scaler", None)
    return {
        "optimizer_kind": type(optimizer).__name__,
        "optimizer": {key: _copied(value) for key, value in vars(optimizer).items() if key not in _LINKS},
        "current_device": current[0] if current else next(iter(counts)),
        "updaters": [
            {"states": _copied(updater.states), "synced": dict(updater.states_synced)}
            for updater in updaters_of(trainer)
        ],
        "kvstore": bool(trainer._kv_initialized),
        "scale": trainer._scale,
        "scaler": None if scaler is None else _copied(vars(scaler)),
        "scheduler": optimizer.lr_scheduler,
        "scheduler_state": _scheduler_state(optimizer.lr_scheduler),
    }


def _updates_on_servers(trainer: Any) -> bool:
    """Whether parameter servers do the updates, or will from the first step on: a trainer chooses that so late."""
    if trainer._kv_initialized:
        return bool(trainer._distributed and trainer._update_on_kvstore)
    store = trainer._kvstore_params["kvstore"]
    kind = store if isinstance(store, str) else getattr(store, "type", "")
    return "dist" in kind and trainer._kvstore_params["update_on_kvstore"] is not False


def _is_stateful(scheduler: Any) -> bool:
    """Whether a scheduler changes when it is called, as MXNet's and GluonCV's do; a pure one does not."""
    from mxnet.lr_scheduler import LRScheduler

    from ..schedulers.base import Scheduler

    return isinstance(scheduler, LRScheduler) and not isinstance(scheduler, Scheduler)


def _scheduler_state(scheduler: Any) -> Optional[Dict[str, Any]]:
    """The state of a stateful scheduler and of those within it; pure ones have none and need no keeping."""
    from ..schedulers.base import Scheduler

    if scheduler is None or isinstance(scheduler, Scheduler) or not hasattr(scheduler, "__dict__"):
        return None
    return {key: _copied(value) for key, value in vars(scheduler).items() if not isinstance(value, Scheduler)}


def _restore_trainer(saved: Dict[str, Any], trainer: Any) -> None:
    optimizer = trainer._optimizer
    for key, value in saved["optimizer"].items():
        setattr(optimizer, key, _put_back(value, getattr(optimizer, key, None)))
    optimizer._index_update_count = optimizer._all_index_update_counts[saved["current_device"]]
    nothing = {"states": {}, "synced": {}}  # of a kvstore that was not there yet
    for there, updater in itertools.zip_longest(saved["updaters"], updaters_of(trainer), fillvalue=nothing):
        updater.states = _put_back(there["states"], updater.states)
        updater.states_synced.clear()
        updater.states_synced.update(there["synced"])
    if _updates_on_kvstore(trainer):
        _put_weights_on_kvstore(trainer)
    trainer._scale = saved["scale"]
    scaler = getattr(trainer, "_amp_loss_scaler", None)
    if scaler is not None and saved["scaler"] is not None:
        vars(scaler).update(_copied(saved["scaler"]))
    if "scheduler" in saved:  # a snapshot from disk has none: the trainer keeps its own
        optimizer.lr_scheduler = saved["scheduler"]
    if saved["scheduler_state"] is not None and optimizer.lr_scheduler is not None:
        _put_into(saved["scheduler_state"], optimizer.lr_scheduler)


def _match_kvstore(was_there: bool, trainer: Any) -> None:
    """Have a kvstore if, and only if, there was one: at its first step a trainer makes one and, doing so, gives every
    context the first one's parameters, BatchNorm's statistics included."""
    if was_there and not trainer._kv_initialized:
        trainer._init_kvstore()
        trainer._init_params()
    elif trainer._kv_initialized and not was_there and not trainer._distributed:
        trainer._reset_kvstore()


def _updates_on_kvstore(trainer: Any) -> bool:
    return bool(trainer._kv_initialized and trainer._kvstore is not None and trainer._update_on_kvstore)


def updaters_of(trainer: Any) -> List[Any]:
    """Whoever holds optimizer state: an updater a context, and the kvstore's own where it does the updates."""
    return trainer._updaters + ([trainer._kvstore._updater] if _updates_on_kvstore(trainer) else [])


def _put_weights_on_kvstore(trainer: Any) -> None:
    """Make the kvstore's own copy of the weights that of the net: a push then assigns instead of updating."""
    store, updater = trainer._kvstore, trainer._kvstore._updater
    store._set_updater(lambda key, pushed, kept: pushed.copyto(kept))
    try:
        for i, parameter in enumerate(trainer._params):
            if parameter.grad_req != "null":
                store.push(i, parameter.list_data()[0])
    finally:
        store._set_updater(updater)


def _is_array(value: Any) -> bool:
    import mxnet as mx

    return isinstance(value, mx.nd.NDArray)


def _itemsize(array: Any) -> int:
    import numpy as np

    return np.dtype(array.dtype).itemsize


def _arrays(value: Any) -> Iterator[Any]:
    if _is_array(value):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _arrays(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _arrays(part)


def _copied(value: Any) -> Any:
    """A copy of nested dicts, lists, tuples and stateful schedulers (as dicts) down to the arrays; other objects are
    kept as they are."""
    if _is_array(value):
        return value.copy()
    if isinstance(value, dict):
        return {key: _copied(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_copied(part) for part in value)
    if _is_stateful(value):
        return _scheduler_state(value)
    return value


def _put_back(saved: Any, current: Any) -> Any:
    """``saved`` written into ``current`` where the two are alike, so that references to ``current`` stay valid."""
    if _is_array(saved):
        if _is_array(current) and current.shape == saved.shape and current.dtype == saved.dtype:
            saved.copyto(current)
            return current
        return saved.copy()
    if isinstance(saved, dict):
        if _is_stateful(current):
            return _put_into(saved, current)
        target = current if isinstance(current, dict) else {}
        parts = {key: _put_back(part, target.get(key)) for key, part in saved.items()}
        target.clear()
        target.update(parts)
        return target
    if type(saved) in (list, tuple):
        alike = type(current) is type(saved) and len(current) == len(saved)
        parts = [_put_back(part, current[i] if alike else None) for i, part in enumerate(saved)]
        if type(current) is list and isinstance(saved, list):
            current[:] = parts
            return current
        return type(saved)(parts)
    return saved


def _put_into(saved: Dict[str, Any], scheduler: Any) -> Any:
    from ..schedulers.base import Scheduler

    own = vars(scheduler)
    for new in [key for key, value in own.items() if key not in saved and not isinstance(value, Scheduler)]:
        del own[new]
    own.update({key: _put_back(value, own.get(key)) for key, value in saved.items()})
    return scheduler


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
