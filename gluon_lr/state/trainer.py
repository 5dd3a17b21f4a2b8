"""A trainer's state, copied and put back in place: optimizer, updaters, scheduler, AMP's scaler, kvstore."""

from __future__ import annotations

import itertools
from typing import Any, Dict, List, Optional

from ..errors import UsageError

# The optimizer's attributes that are links to other objects, not state.
_LINKS = {"param_dict", "lr_scheduler", "idx2name", "sym_info", "_index_update_count"}


def capture_trainer(trainer: Any, moves: List[str]) -> Dict[str, Any]:
    """A copy of the trainer's state; ``moves`` names its parameters in its own order."""
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
        "moves": moves,
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


def restore_trainer(saved: Dict[str, Any], trainer: Any, moves: List[str]) -> None:
    """Put a copy back; ``moves`` names the parameters in this trainer's order."""
    optimizer = trainer._optimizer
    saved = _renumbered(saved, moves)
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


def _renumbered(saved: Dict[str, Any], own: List[str]) -> Dict[str, Any]:
    """A captured trainer with its parameters numbered as ``own`` does."""
    if saved["moves"] == own:
        return saved
    number = {i: own.index(name) for i, name in enumerate(saved["moves"])}

    def anew(by_index: Dict[Any, Any]) -> Dict[Any, Any]:
        return {number.get(key, key): value for key, value in by_index.items()}

    counts = {device: anew(count) for device, count in saved["optimizer"]["_all_index_update_counts"].items()}
    updaters = [{part: anew(by_index) for part, by_index in updater.items()} for updater in saved["updaters"]]
    optimizer = {**saved["optimizer"], "_all_index_update_counts": counts}
    return {**saved, "optimizer": optimizer, "updaters": updaters}


def match_kvstore(was_there: bool, trainer: Any) -> None:
    """Have a kvstore if, and only if, there was one: at its first step a trainer makes one and, doing so, gives every
    context the first one's parameters, BatchNorm's statistics included."""
    if was_there and not trainer._kv_initialized:
        trainer._init_kvstore()
        trainer._init_params()
    elif trainer._kv_initialized and not was_there and not trainer._distributed:
        trainer._reset_kvstore()


def _updates_on_servers(trainer: Any) -> bool:
    """Whether parameter servers do the updates, or will from the first step on: a trainer chooses that so late."""
    if trainer._kv_initialized:
        return bool(trainer._distributed and trainer._update_on_kvstore)
    store = trainer._kvstore_params["kvstore"]
    kind = store if isinstance(store, str) else getattr(store, "type", "")
    return "dist" in kind and trainer._kvstore_params["update_on_kvstore"] is not False


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


def is_array(value: Any) -> bool:
    """Whether it is an array of MXNet's."""
    import mxnet as mx

    return isinstance(value, mx.nd.NDArray)


def _copied(value: Any) -> Any:
    """A copy of nested dicts, lists, tuples and stateful schedulers (as dicts) down to the arrays; other objects are
    kept as they are."""
    if is_array(value):
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
    if is_array(saved):
        if is_array(current) and current.shape == saved.shape and current.dtype == saved.dtype:
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
