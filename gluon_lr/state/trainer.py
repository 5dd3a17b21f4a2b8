"""A trainer's state, copied and put back in place: optimizer, updaters, scheduler, AMP's scaler, kvstore."""

from __future__ import annotations

import inspect
import logging
from typing import Any, Dict, FrozenSet, List, Optional

from ..errors import RecordError, UsageError
from .private import (
    compresses_gradients,
    current_device,
    gradient_scale,
    has_kvstore,
    loss_scaler,
    match_kvstore,
    put_weights_on_kvstore,
    set_current_device,
    set_gradient_scale,
    trainer_parameters,
    updaters_of,
    updates_on_kvstore,
    updates_on_servers,
)
from .values import ObjectState, Own, copied, detached, is_plain_object, put_back, put_into

log = logging.getLogger(__name__)

# The optimizer's attributes that are links to other objects, not state.
_LINKS = {"param_dict", "lr_scheduler", "idx2name", "sym_info", "_index_update_count"}
_COUNTS = "_all_index_update_counts"
_BY_PARAMETER = ("cumgrads",)  # LBSGD's sums of gradients

# Attributes that the constructors of MXNet's and GluonCV's schedulers set for good. The others change during a run:
# in MXNet's, ``base_lr`` is the present rate, and ``count`` and ``cur_step_ind`` say how far they have come.
_SETTINGS = {
    "mxnet.lr_scheduler.LRScheduler": "warmup_steps warmup_begin_lr warmup_final_lr warmup_mode",
    "mxnet.lr_scheduler.FactorScheduler": "step factor stop_factor_lr",
    "mxnet.lr_scheduler.MultiFactorScheduler": "step factor",
    "mxnet.lr_scheduler.PolyScheduler": "power base_lr_orig max_update final_lr max_steps",
    "mxnet.lr_scheduler.CosineScheduler": "base_lr_orig max_update final_lr max_steps",
    "gluoncv.utils.lr_scheduler.LRScheduler": "mode base_lr target_lr niters step offset power step_factor",
    "gluoncv.utils.lr_scheduler.LRSequential": "update_sep count",
}


def capture_trainer(trainer: Any, moves: List[str]) -> Dict[str, Any]:
    """A copy of the trainer's state; ``moves`` names its parameters in its own order."""
    if updates_on_servers(trainer):
        raise UsageError(
            "the trainer updates on parameter servers, whose weights and optimizer state cannot be read. "
            "Build it with gluon.Trainer(..., update_on_kvstore=False)"
        )
    if compresses_gradients(trainer):
        raise UsageError(
            "the trainer compresses gradients, and what that leaves over for later updates cannot be read or put back. "
            "Build it without compression_params"
        )
    optimizer, scaler = trainer.optimizer, loss_scaler(trainer)
    return {
        "of": trainer,
        "optimizer_kind": type(optimizer).__name__,
        "moves": moves,
        "contexts": _contexts_of(trainer),
        "optimizer": {key: copied(value) for key, value in vars(optimizer).items() if key not in _LINKS},
        "current_device": current_device(optimizer),
        "updaters": [
            {"states": copied(updater.states), "synced": dict(updater.states_synced)}
            for updater in updaters_of(trainer)
        ],
        "kvstore": has_kvstore(trainer),
        "on_kvstore": updates_on_kvstore(trainer),
        "scale": gradient_scale(trainer),
        "scaler": copied(scaler, lambda value: value is not None and value is scaler),
        "scheduler": copied(optimizer.lr_scheduler, is_plain_object),
    }


def detached_trainer(saved: Dict[str, Any]) -> Dict[str, Any]:
    """A captured trainer without the objects that it was taken of, for a file or for another trainer."""
    return {
        **{key: value for key, value in saved.items() if key != "of"},
        "optimizer": {key: detached(value) for key, value in saved["optimizer"].items()},
        "updaters": [
            # A state may be on another context than its weight now: MXNet moves it at its first use.
            {"states": detached(updater["states"]), "synced": dict.fromkeys(updater["synced"], False)}
            for updater in saved["updaters"]
        ],
        "scaler": detached(saved["scaler"]),
        "scheduler": detached(saved["scheduler"]),
    }


def check_trainer(saved: Dict[str, Any], trainer: Any, moves: List[str]) -> None:
    """Refuse a trainer that the captured one's state does not fit.

    Raises:
        RecordError: it has another optimizer or scheduler, moves other parameters, or its devices do not correspond.
    """
    kind = type(trainer.optimizer).__name__
    if saved["optimizer_kind"] != kind:
        raise RecordError(
            f"the snapshot is of a trainer with the optimizer {saved['optimizer_kind']}, this one has {kind}: their "
            "states differ. Restore it into a trainer with the same optimizer, or the net alone"
        )
    apart = set(saved["moves"]) ^ set(moves)
    if apart:
        raise RecordError(
            f"the snapshot is of a trainer that moves other parameters: {sorted(apart)[0]} is moved by one of the two "
            "only. Restore it into a trainer of the same parameters, or the net alone"
        )
    _device_numbers(saved, _contexts_of(trainer))
    if saved.get("of") is not trainer:
        check_same_object(detached(saved["scheduler"]), trainer.optimizer.lr_scheduler, "scheduler")


def match_trainer(saved: Dict[str, Any], trainer: Any) -> None:
    """Have a kvstore where the captured trainer had one; all parameters must be initialized.

    Raises:
        RecordError: one of the two updates on its kvstore and the other does not.
    """
    if not match_kvstore(saved["kvstore"], saved["on_kvstore"], trainer):
        raise RecordError(
            "one of the snapshot's trainer and this one updates on its kvstore, and the other does not: build it with "
            f"gluon.Trainer(..., update_on_kvstore={saved['on_kvstore']})"
        )


def restore_trainer(saved: Dict[str, Any], trainer: Any, moves: List[str]) -> None:
    """Put a copy back; ``moves`` names the parameters in this trainer's order."""
    unchanged = saved["moves"] == moves and saved["contexts"] == _contexts_of(trainer)
    if saved.get("of") is trainer and unchanged:
        _put_back(saved, trainer)
    else:
        saved = _with_devices(_renumbered(detached_trainer(saved), moves), _contexts_of(trainer))
        _write_into(saved, trainer)
    set_current_device(trainer.optimizer, saved["current_device"])
    set_gradient_scale(trainer, saved["scale"])
    for there, updater in zip(saved["updaters"], updaters_of(trainer)):
        updater.states_synced.clear()
        updater.states_synced.update(there["synced"])
    if updates_on_kvstore(trainer):
        put_weights_on_kvstore(trainer)


def _put_back(saved: Dict[str, Any], trainer: Any) -> None:
    """Restore the trainer that was captured: it holds every object again that it held then."""
    optimizer = trainer.optimizer
    for new in set(vars(optimizer)) - set(saved["optimizer"]) - _LINKS:
        delattr(optimizer, new)
    for key, value in saved["optimizer"].items():
        setattr(optimizer, key, put_back(value))
    for there, updater in zip(saved["updaters"], updaters_of(trainer)):
        updater.states = put_back(there["states"])
    put_back(saved["scaler"])
    optimizer.lr_scheduler = put_back(saved["scheduler"])


def _write_into(saved: Dict[str, Any], trainer: Any) -> None:
    """Restore a similar trainer, which keeps its own objects, including its scheduler."""
    optimizer, scaler = trainer.optimizer, loss_scaler(trainer)
    for key, value in saved["optimizer"].items():
        setattr(optimizer, key, put_into(value, getattr(optimizer, key, None)))
    for there, updater in zip(saved["updaters"], updaters_of(trainer)):
        updater.states = put_into(there["states"], updater.states)
    if scaler is not None and saved["scaler"] is not None:
        put_into(saved["scaler"], scaler)
    put_into(saved["scheduler"], optimizer.lr_scheduler)


def _renumbered(saved: Dict[str, Any], own: List[str]) -> Dict[str, Any]:
    """A captured trainer with its parameters numbered as ``own`` does."""
    if saved["moves"] == own:
        return saved
    number = {i: own.index(name) for i, name in enumerate(saved["moves"])}

    def renumbered(by_index: Dict[Any, Any]) -> Dict[Any, Any]:
        return {number.get(key, key): value for key, value in by_index.items()}

    optimizer = dict(saved["optimizer"])
    optimizer[_COUNTS] = {device: renumbered(count) for device, count in optimizer[_COUNTS].items()}
    optimizer.update({key: renumbered(optimizer[key]) for key in _BY_PARAMETER if key in optimizer})
    updaters = [{part: renumbered(by_index) for part, by_index in updater.items()} for updater in saved["updaters"]]
    return {**saved, "optimizer": optimizer, "updaters": updaters}


def _contexts_of(trainer: Any) -> List[List[Any]]:
    """Kind and number of each context that the trainer's parameters are on, in their order."""
    parameters = trainer_parameters(trainer)
    return [[context.device_type, context.device_id] for context in (parameters[0].list_ctx() if parameters else ())]


def _with_devices(saved: Dict[str, Any], contexts: List[List[Any]]) -> Dict[str, Any]:
    """A captured trainer whose update counts, which MXNet keeps by a device's number, are those of ``contexts``.

    Each context's counts go to the context in the same place. Counts of devices that the captured trainer no longer
    used are left out.
    """
    number = _device_numbers(saved, contexts)
    if number is None:
        return saved
    counts = {here: saved["optimizer"][_COUNTS].get(there, {}) for there, here in number.items()}
    current = number.get(saved["current_device"], contexts[0][1])
    return {**saved, "optimizer": {**saved["optimizer"], _COUNTS: counts}, "current_device": current}


def _device_numbers(saved: Dict[str, Any], contexts: List[List[Any]]) -> Optional[Dict[int, int]]:
    """Number of the captured trainer's device → that of the device that takes its place; None where none changes."""
    before = saved["contexts"]
    if before == contexts:
        return None
    if saved["on_kvstore"]:
        if all(kind.startswith("cpu") for kind, _ in (*before, *contexts)):
            return None  # a kvstore of the CPU counts on device 0, wherever the net's copies are
        raise RecordError(
            f"the snapshot's trainer updated on its kvstore, which counts updates by its own devices: it cannot go "
            f"from {_named(before)} to {_named(contexts)}. Use the same contexts, or update_on_kvstore=False"
        )
    pairs = {(there[1], here[1]) for there, here in zip(before, contexts)}
    number = dict(pairs)
    if not len(before) == len(contexts) or not len(pairs) == len(number) == len(set(number.values())):
        raise RecordError(
            f"the snapshot's trainer counted its updates on {_named(before)}, this one is on {_named(contexts)}: the "
            "counts, which schedules follow, cannot be handed on one to one. Use as many contexts, with numbers apart"
        )
    return None if all(there == here for there, here in pairs) else number


def _named(contexts: List[List[Any]]) -> str:
    return "[" + ", ".join(f"{kind}({number})" for kind, number in contexts) + "]"


def check_same_object(saved: Any, own: Any, name: str) -> None:
    """Refuse to write a schedule's state into another kind of schedule, or into one of other settings.

    Args:
        saved: what :func:`~gluon_lr.state.values.detached` made of the captured one, or of a part of it.
        own: the trainer's own, or the same part of it.
        name: of the part.
    """
    kind = type(own).__name__
    if isinstance(saved, (ObjectState, Own)) or (saved is None) != (own is None):
        saved_kind = getattr(saved, "kind", type(saved).__name__)
        if saved_kind != kind:
            there, here = (None if found == "NoneType" else found for found in (saved_kind, kind))
            raise RecordError(
                f"the snapshot was saved with the {name} {there}, not {here}: give the trainer one of the same class"
            )
    if isinstance(saved, ObjectState):
        _check_settings(saved, own, name)
        for key, value in saved.attributes.items():
            if _has_objects(value):
                check_same_object(value, vars(own).get(key), f"{name}.{key}")
    elif isinstance(saved, (list, tuple, dict)) and _has_objects(saved):
        if type(saved) is not type(own) or len(saved) != len(own):
            raise RecordError(f"the snapshot has {len(saved)} schedules in {name}: give the trainer's as many")
        for key in saved if isinstance(saved, dict) else range(len(saved)):
            check_same_object(saved[key], own[key], f"{name}[{key}]")


def _has_objects(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(_has_objects(part) for part in value)
    if isinstance(value, dict):
        return any(_has_objects(part) for part in value.values())
    return isinstance(value, (ObjectState, Own))


def _check_settings(saved: ObjectState, own: Any, name: str) -> None:
    """Refuse other settings of a class whose settings are known; say where another class's arguments differ.

    In a user's own class we cannot tell a setting from a number that changes, so we restore everything that was saved.
    """
    known = _settings_of(own)
    arguments = frozenset(inspect.signature(type(own).__init__).parameters) - {"base_lr"}
    differing = {
        key: f"{key} is {value!r} there and {vars(own)[key]!r} here"
        for key, value in saved.attributes.items()
        if key in known | arguments and key in vars(own) and not _has_objects(value) and _differ(value, vars(own)[key])
    }
    refused = [said for key, said in differing.items() if key in known]
    if refused:
        raise RecordError(
            f"the snapshot's {name} ({saved.kind}) has other settings: {'; '.join(refused)}. Build it with the "
            "snapshot's, or use one of gluon_lr's own, which has no state and can be another when a training goes on"
        )
    if differing:
        log.warning("the %s (%s) goes on as it was saved: %s", name, saved.kind, "; ".join(differing.values()))


def _differ(first: Any, second: Any) -> bool:
    simple = (bool, int, float, str, list, tuple, type(None))
    return isinstance(first, simple) and isinstance(second, simple) and first != second


def _settings_of(scheduler: Any) -> FrozenSet[str]:
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(scheduler).__mro__]
    return frozenset(key for name in names for key in _SETTINGS.get(name, "").split())
