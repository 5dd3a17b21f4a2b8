"""Read and write MXNet's private attributes, one function for each: no other file of the project touches them.

MXNet 1.9.1 is the last release, so these names will not change. We found all of them in its source.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

# What a Block keeps for MXNet's own use: children, names, hooks, and the graph and settings of hybridize().
_PLUMBING = frozenset(
    (
        "_children",
        "_empty_prefix",
        "_prefix",
        "_params",
        "_name",
        "_scope",
        "_reg_params",
        "_forward_hooks",
        "_forward_pre_hooks",
        "_cached_graph",
        "_cached_op",
        "_cached_op_args",
        "_out_format",
        "_in_format",
        "_active",
        "_flags",
        "_callback",
        "_monitor_all",
        "_backend",
        "_backend_opts",
    )
)


def call_library(function: str, *arguments: Any) -> None:
    """Call a function of MXNet's C library; what goes wrong there raises MXNet's own error."""
    from mxnet.base import _LIB, check_call

    check_call(getattr(_LIB, function)(*arguments))


# Parameters and their gradients


def is_initialized(parameter: Any) -> bool:
    """Whether a parameter has its arrays: MXNet has no public function for it; ``data()`` raises without them."""
    return parameter._data is not None


def is_deferred(parameter: Any) -> bool:
    """Whether ``initialize()`` was called on a parameter whose shape will follow from the first batch."""
    return not is_initialized(parameter) and bool(parameter._deferred_init)


def arrays_of(parameter: Any) -> List[Any]:
    """A parameter's own arrays, one a context; ``list_data()`` refuses sparse ones."""
    return parameter._data


def zero_gradient(parameter: Any) -> None:
    """Set a parameter's dense gradients to 0; MXNet's own ``zero_grad`` fails for those of ``mx.np``."""
    for gradient in parameter._grad or ():  # none before the first batch where shapes are not known
        gradient[:] = 0


def whole_arrays_of(parameter: Any) -> List[Any]:
    """A parameter's up-to-date arrays: only the trainer's kvstore has the current rows of a sparse weight."""
    trainer = parameter._trainer
    if parameter._stype == "default" or trainer is None or not trainer._kv_initialized:
        return arrays_of(parameter)
    if any(waiting is parameter for waiting in trainer._params_to_init):
        return arrays_of(parameter)
    whole = parameter._reduce()
    return [whole for _ in arrays_of(parameter)]


def gradient_is_fresh(array: Any) -> bool:
    """Whether a parameter's array has a gradient that no step has used; a step refuses arrays without one."""
    return bool(array._fresh_grad)


def mark_gradient(array: Any, fresh: bool) -> None:
    """Say whether an array's gradient is still to be used; writing to the array marks it as used."""
    array._fresh_grad = fresh


def has_sparse_gradient(parameter: Any) -> bool:
    """Whether a parameter's gradient holds only the rows that a batch used."""
    return parameter._grad_stype != "default"


def initialize_with(parameter: Any, array: Any, contexts: Any) -> Callable[[], None]:
    """Give an uninitialized parameter its shape and value, as ``load_parameters`` does, without a random draw; a
    function that takes them back.

    Args:
        parameter: deferred, or never initialized.
        array: its value.
        contexts: where to put it, if it was never initialized; a deferred one knows.
    """
    before = dict(vars(parameter))

    def take_back() -> None:
        vars(parameter).clear()
        vars(parameter).update(before)

    parameter._load_init(array, None if parameter._deferred_init else contexts)
    return take_back


def deferred_initializers(parameter: Any) -> List[Any]:
    """What a deferred parameter will be initialized with, once its shape is known; empty for any other."""
    deferred = parameter._deferred_init
    return [deferred[0], deferred[2]] if deferred else []


def structural_parameters(block: Any) -> Dict[str, Any]:
    """A block's parameters by their place in it, such as ``0.weight``, as ``save_parameters`` writes them."""
    return block._collect_params_with_prefix()


# Blocks


def children_of(block: Any) -> Dict[str, Any]:
    """A block's registered children by the names that structural names are made of."""
    return dict(block._children)


def hooks_of(block: Any) -> List[Any]:
    """What is called before and after a block's forward pass."""
    return [*block._forward_pre_hooks.values(), *block._forward_hooks.values()]


def output_symbol(block: Any) -> Any:
    """The graph that a SymbolBlock was made of."""
    return block._cached_graph[1]


def own_attributes(block: Any) -> Dict[str, Any]:
    """A block's Python attributes without those that MXNet itself needs."""
    return {name: value for name, value in vars(block).items() if name not in _PLUMBING}


def registered_parameters(block: Any) -> Dict[str, Any]:
    """The parameters that a HybridBlock hands to its ``hybrid_forward`` by name."""
    return block._reg_params


# Losses


def labels_are_numbers(loss: Any) -> bool:
    """Whether a softmax cross-entropy takes classes as whole numbers, and not as a distribution."""
    return bool(loss._sparse_label)


def class_axis(loss: Any, dimensions: int) -> int:
    """The axis of an output of so many dimensions that counts classes: the loss's own, else the second."""
    axis = getattr(loss, "_axis", 1)
    return axis % dimensions if isinstance(axis, int) else 1


# Loaders


def what_loader_serves(loader: Any) -> Dict[str, Any]:
    """What a ``DataLoader`` serves: its dataset, the sampler of its batches, and how examples become a batch."""
    return {"dataset": loader._dataset, "batch_sampler": loader._batch_sampler, "batchify_fn": loader._batchify_fn}


def arrays_of_dataset(dataset: Any) -> List[Any]:
    """What an ``ArrayDataset`` takes its examples from, also under transforms; nothing of another dataset."""
    from mxnet import gluon

    while isinstance(getattr(dataset, "_data", None), gluon.data.Dataset):
        dataset = dataset._data
    data = getattr(dataset, "_data", None)
    return list(data) if isinstance(dataset, gluon.data.ArrayDataset) and isinstance(data, list) else []


def examples_rolled_over(loader: Any) -> Optional[List[Any]]:
    """What a ``DataLoader`` with ``last_batch="rollover"`` has left for its next epoch; None for any other loader."""
    left = getattr(getattr(loader, "_batch_sampler", None), "_prev", None)
    return list(left) if isinstance(left, list) else None  # a copy: the sampler goes on filling its own list


def roll_over(loader: Any, examples: List[Any]) -> None:
    """Set what such a ``DataLoader`` begins its next epoch with."""
    loader._batch_sampler._prev = examples


def batch_size_of(loader: Any) -> Optional[int]:
    """The batch size of a ``DataLoader`` whose sampler has one."""
    return getattr(getattr(loader, "_batch_sampler", None), "_batch_size", None)


# Trainers


def trainer_parameters(trainer: Any) -> List[Any]:
    """A trainer's parameters in its own order, by which it numbers states and counts."""
    return trainer._params


def gradient_scale(trainer: Any) -> float:
    """What a trainer multiplies gradients by, besides 1 / batch size."""
    return trainer._scale


def set_gradient_scale(trainer: Any, scale: float) -> None:
    """Change what a trainer multiplies gradients by, besides 1 / batch size; ``rescale_grad`` is only its start."""
    trainer._scale = scale


def loss_scaler(trainer: Any) -> Optional[Any]:
    """AMP's loss scaler, where ``amp.init_trainer`` gave the trainer one."""
    return getattr(trainer, "_amp_loss_scaler", None)


def update_counts(optimizer: Any) -> Dict[int, Dict[Any, int]]:
    """Device number → parameter's number → its updates so far; schedules and bias corrections follow these."""
    return optimizer._all_index_update_counts


def current_device(optimizer: Any) -> int:
    """The number of the device that the optimizer counts updates of at the moment."""
    counts = update_counts(optimizer)
    return next((device for device, count in counts.items() if count is optimizer._index_update_count), min(counts))


def set_current_device(optimizer: Any, device: int) -> None:
    """Have the optimizer count the updates of this device."""
    optimizer._set_current_context(device)


def updaters_of(trainer: Any) -> List[Any]:
    """The holders of optimizer state: one updater per context, and the kvstore's own where it does the updates."""
    store = trainer._kvstore._updater if updates_on_kvstore(trainer) else None  # None on parameter servers
    return trainer._updaters + ([] if store is None else [store])


def second_moments(trainer: Any) -> Iterator[Tuple[Any, int]]:
    """Adam's running mean of squared gradients of each parameter, on the kvstore where that does the updates, else on
    the first context; and its updates so far."""
    counts = trainer.optimizer._index_update_count
    updater = trainer._kvstore._updater if updates_on_kvstore(trainer) else trainer._updaters[0]
    for index, (_, variance) in updater.states.items():
        yield variance, counts[index]


# Kvstores


def has_kvstore(trainer: Any) -> bool:
    """Whether the trainer has decided on a kvstore, which it does at its first step."""
    return bool(trainer._kv_initialized)


def updates_on_kvstore(trainer: Any) -> bool:
    """Whether the trainer's kvstore does the updates, with its own copy of the weights."""
    return bool(trainer._kv_initialized and trainer._kvstore is not None and trainer._update_on_kvstore)


def compresses_gradients(trainer: Any) -> bool:
    """Whether a trainer's kvstore compresses what is pushed to it, and keeps what that leaves over to itself."""
    if not trainer._compression_params or (trainer._kv_initialized and trainer._kvstore is None):
        return False
    store = trainer._kvstore_params["kvstore"]
    return len(trainer._contexts) > 1 or not isinstance(store, str) or "dist" in store  # else it will have no kvstore


def updates_on_servers(trainer: Any) -> bool:
    """Whether parameter servers do the updates, or will from the first step on, since a trainer decides only then."""
    if trainer._kv_initialized:
        return bool(trainer._distributed and trainer._update_on_kvstore)
    store = trainer._kvstore_params["kvstore"]
    kind = store if isinstance(store, str) else getattr(store, "type", "")
    return "dist" in kind and trainer._kvstore_params["update_on_kvstore"] is not False


def match_kvstore(was_there: bool, updates: bool, trainer: Any) -> bool:
    """Give the trainer a kvstore if, and only if, there was one. A trainer makes it at its first step, and then
    copies the first context's parameters, BatchNorm's statistics included, to every other context.

    False, and nothing is changed, if one of the two updates on its kvstore and the other does not.
    """
    undecided = not trainer._kv_initialized
    if was_there and undecided:
        trainer._init_kvstore()
    elif not was_there and not undecided and not trainer._distributed:
        trainer._reset_kvstore()
    if updates_on_kvstore(trainer) != updates:
        if undecided and trainer._kv_initialized and not trainer._distributed:
            trainer._reset_kvstore()
        return False
    if was_there and undecided:
        trainer._init_params()
    return True


def put_weights_on_kvstore(trainer: Any) -> None:
    """Make the kvstore's own copy of the weights that of the net: a push then assigns instead of updating."""
    store, updater = trainer._kvstore, trainer._kvstore._updater
    store._set_updater(lambda key, pushed, kept: pushed.copyto(kept))
    try:
        for i, parameter in enumerate(trainer._params):  # frozen ones too, which may be trained again later
            store.push(i, arrays_of(parameter)[0])
    finally:
        store._set_updater(updater)


def attach_kvstore(trainer: Any, store: Any, workers: int) -> None:
    """Make a trainer that has made no step yet add its gradients up over ``workers`` workers through ``store``.

    Each worker then updates its own copy of the net with the mean, so that schedules and other optimizers work.
    """
    trainer._kvstore_params.update(kvstore=store, update_on_kvstore=False)
    trainer._scale /= workers


def barrier(store: Any) -> None:
    """Wait until every worker has called this."""
    store._barrier()
