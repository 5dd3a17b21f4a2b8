"""The one training loop: net, batches, trainer, epochs → history."""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from .arguments import whole_number
from .checks import as_contexts, contexts_of, named_batch, require_trainable
from .data.forms import Unpack, shards, unpack_pair, unpacked
from .data.loaders import passes, tell_epoch
from .denormals import denormals_as_zero
from .errors import UsageError
from .metrics import Metric, Metrics
from .state import parameters_of
from .state.private import has_sparse_gradient, loss_scaler, zero_gradient
from .update import examples, forward, rate_noted, update

# Updates that may wait in MXNet's queue: enough never to stall it, few enough to bound its memory. Each wait switches
# threads, which costs a sixth of a small net's update. So we wait for this many at once, when twice as many are queued.
_RUN_AHEAD = 16


@dataclass
class History:
    """The history of a training: each list has one number per epoch.

    Attributes:
        train_loss, train_acc: mean over the epoch's training examples, each as its batch was trained on; accuracies
            are NaN if labels are not classes.
        test_loss, test_acc: over the test set after the epoch.
        valid_loss, valid_acc: over the validation set after the epoch; empty where there is none.
        first_loss, last_loss: mean loss of the epoch's first and last batch alone.
        lr_first, lr_mean, lr_last: the rates actually used in the epoch's first update, on average, in its last.
        updates: optimizer steps in the epoch; those that AMP skipped do not count.
        seconds: wall time of the epoch, evaluation included.
    """

    train_loss: List[float] = field(default_factory=list)
    train_acc: List[float] = field(default_factory=list)
    test_loss: List[float] = field(default_factory=list)
    test_acc: List[float] = field(default_factory=list)
    first_loss: List[float] = field(default_factory=list)
    last_loss: List[float] = field(default_factory=list)
    lr_first: List[float] = field(default_factory=list)
    lr_mean: List[float] = field(default_factory=list)
    lr_last: List[float] = field(default_factory=list)
    updates: List[int] = field(default_factory=list)
    seconds: List[float] = field(default_factory=list)
    valid_loss: List[float] = field(default_factory=list)
    valid_acc: List[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.train_loss)

    def append(self, **numbers: float) -> None:
        """Add an epoch: a number for every list, of validation where there is any."""
        for name, values in vars(self).items():
            if name in numbers or not name.startswith("valid"):
                values.append(numbers[name])

    def as_dict(self) -> Dict[str, List[float]]:
        """Plain lists, for JSON."""
        return asdict(self)


def try_context(name: str = "auto") -> mx.Context:
    """The context called ``name``: a GPU where there is one (``auto``), ``cpu``, ``gpu`` or ``gpu:1``.

    Raises:
        UsageError: the name is unknown, or this machine has no such GPU.
    """
    gpus = mx.context.num_gpus()
    if name == "auto":
        return mx.gpu(0) if gpus else mx.cpu()
    if name == "cpu":
        return mx.cpu()
    kind, _, index = name.partition(":")
    if kind == "gpu" and (index or "0").isdecimal():
        if int(index or 0) >= gpus:
            raise UsageError(f"no context {name}: this MXNet sees {gpus} GPUs. Use cpu, or install mxnet-cu112")
        return mx.gpu(int(index or 0))
    raise UsageError(f"unknown context {name!r}: expected auto, cpu, gpu or gpu:1")


@contextlib.contextmanager
def _gradients_added(parameters: Sequence[Any], at_once: Optional[int]) -> Iterator[Callable[[], None]]:
    """A function to call before each update, which empties the gradients that add up: those of parameters that the user
    made so, and all others with ``at_once``, also where a layer was frozen before. Afterwards they replace again."""
    changed = []

    def empty() -> None:
        for parameter in parameters:
            if at_once is not None and parameter.grad_req == "write":
                if has_sparse_gradient(parameter):
                    raise UsageError(
                        f"at_once={at_once}: MXNet cannot add up sparse gradients, and {parameter.name} has one: leave "
                        "at_once out, or sparse_grad=True"
                    )
                parameter.grad_req = "add"
                changed.append(parameter)
            if parameter.grad_req == "add":
                zero_gradient(parameter)

    try:
        yield empty
    finally:
        for parameter in changed:
            if parameter.grad_req == "add":  # else it was frozen meanwhile
                parameter.grad_req = "write"


def evaluate(
    net: Any,
    batches: Iterable[Any],
    loss: Callable[..., Any],
    ctx: Any,
    *,
    unpack: Unpack = unpack_pair,
    batch_metric: Optional[Metric] = None,
) -> Tuple[float, float]:
    """Mean loss and accuracy of ``net`` over ``batches``; the net is not changed.

    Args:
        net, loss, ctx, unpack, batch_metric: as :func:`train` takes them.
        batches: we pass through them once.

    Returns:
        The mean loss, and the accuracy or the mean of ``batch_metric``; NaN where there is none.

    Raises:
        UsageError: there are no batches, the net cannot take one, or a label is no class of the net's.
    """
    contexts = contexts_of(net, None) if ctx is None else as_contexts(ctx)
    metrics, count = Metrics(loss, batch_metric), 0
    with autograd.pause():
        for batch in passes(batches):
            pair = unpacked(unpack, batch)
            with named_batch(pair):
                done = forward(net, loss, shards(pair, contexts))
                metrics.add(done)
                count += examples(done)
    if not count:
        raise UsageError("the test loader is empty: expected at least one batch of (data, label)")
    metrics.require_classes()
    return float(metrics.losses().sum() / count), metrics.accuracy()


def train(
    net: Any,
    train_iter: Iterable[Any],
    test_iter: Iterable[Any],
    num_epochs: int,
    loss: Callable[..., Any],
    trainer: gluon.Trainer,
    ctx: Any,
    *,
    seed: Optional[int] = None,
    history: Optional[History] = None,
    schedules: Sequence[Any] = (),
    at_once: Optional[int] = None,
    valid_iter: Optional[Iterable[Any]] = None,
    on_epoch: Optional[Callable[[History], None]] = None,
    unpack: Unpack = unpack_pair,
    batch_metric: Optional[Metric] = None,
) -> History:
    """Train ``net`` for ``num_epochs`` epochs, evaluating after each.

    The chapter's loop, with its metrics: the loss of each batch before its update, summed over an epoch. Metrics stay
    on the device and are read once an epoch.

    Args:
        net: an initialized Gluon net, of ``mx.np`` or ``mx.nd``; hybridize it for speed.
        train_iter: batches of ``(X, y)``, an epoch an iteration: :class:`~gluon_lr.data.ArrayBatches`, a Gluon
            ``DataLoader``, d2l's, or an iterator of ``mx.io``. Other batches need ``unpack``.
        test_iter: likewise.
        num_epochs: in all; epochs that ``history`` already holds are not trained again.
        loss: a Gluon loss, or any function of the net's output and the targets that gives one loss an example; where
            it gives a list or tuple of such, they are added up.
        trainer: the ``gluon.Trainer``, with or without a scheduler.
        ctx: a context, or a list of them to split each batch over; None for the net's own.
        seed: seeds MXNet's generator with (seed, epoch) before each epoch, so that dropout in an epoch does not
            depend on where the training began; default leave it alone.
        history: what a previous call returned, to go on from there.
        schedules: of other hyperparameters: each one's ``apply(trainer, t)`` is called before update t, which goes on
            from the updates that the trainer has made, or ``history`` where that has more: t = 1 for a new trainer.
        at_once: examples that go through the net together, on n contexts at least 2n − 1: a larger batch is done in
            slices whose gradients are added up before its one update, which is the same update to rounding (BatchNorm
            sees the slices). Not for sparse gradients. Default all.
        valid_iter: batches that are evaluated as the test set is, to choose an epoch by. Default none.
        on_epoch: called with the history after each epoch, for example to draw it.
        unpack: a function from a batch to what the net takes and what its output is compared with, such as
            ``lambda batch: ((batch["text"], batch["length"]), batch["label"])``. A tuple or list of arrays is given to
            a net whose forward pass takes several arguments as these, else as one. Default for ``(data, label)`` pairs
            and ``mx.io.DataBatch``.
        batch_metric: a function of output and target that gives an array, whose mean stands in ``train_acc`` and
            ``test_acc``. Default accuracy where labels are classes, else NaN: see
            :class:`~gluon_lr.metrics.Metrics`.

    Returns:
        The history, the same object as ``history`` where that was given. Training ends early where an epoch's loss is
        not finite: nothing can be learned from there.

    Raises:
        UsageError: no epochs, validation data that begin or end within a history, an empty loader, nothing to train, a
            net on other contexts, batches of another form, data that the net cannot take, a loss of one number for a
            whole batch, or a label that is no class of the net's (found after the epoch that it came in).

    Source: the chapter's ``train``.
    """
    num_epochs = whole_number("num_epochs", num_epochs, least=1)
    if not (history is None or isinstance(history, History)):
        raise UsageError(f"history is a {type(history).__name__}: expected what an earlier call of train returned")
    if not (on_epoch is None or callable(on_epoch)):
        raise UsageError(f"on_epoch is {on_epoch!r}: expected a function that is called with the history")
    if hasattr(schedules, "apply") or not isinstance(schedules, Iterable):
        raise UsageError(f"schedules is {schedules!r}: expected a list of schedules, such as schedules=[schedule]")
    at_once = None if at_once is None else whole_number("at_once", at_once, least=1)
    seed = None if seed is None else whole_number("seed", seed, least=0)
    require_trainable(net, trainer)
    if not isinstance(trainer, gluon.Trainer):
        raise UsageError(f"trainer is {trainer!r}: expected a gluon.Trainer")
    if test_iter is None:
        raise UsageError("test_iter is None: expected batches to evaluate after each epoch, such as those that train")
    schedules = list(schedules)
    for schedule in schedules:
        if not callable(getattr(schedule, "apply", None)):
            raise UsageError(
                f"schedules has {schedule!r}: expected objects with apply(trainer, t), such as a "
                "HyperparameterSchedule; a schedule of the rate belongs to the trainer, as its lr_scheduler"
            )
    contexts = contexts_of(net, ctx)
    if at_once is not None and at_once < 2 * len(contexts) - 1:
        raise UsageError(
            f"at_once is {at_once}: expected at least {2 * len(contexts) - 1}, so that each slice of a batch has an "
            f"example for each of {len(contexts)} contexts"
        )
    parameters = list(parameters_of(net, trainer, (loss,)).values())
    history = History() if history is None else history
    # A new trainer has made none of the history's updates; one that trained before has made more.
    made, applied = max(trainer.optimizer.num_update, sum(history.updates)), -1
    if 0 < len(history) < num_epochs and bool(history.valid_loss) != (valid_iter is not None):
        raise UsageError(
            f"valid_iter is {'missing' if history.valid_loss else 'new'}: expected validation data in all epochs of a "
            "history or in none, or its lists would not be of the same epochs"
        )
    with denormals_as_zero(contexts), _gradients_added(parameters, at_once) as empty_gradients:
        for epoch in range(len(history), num_epochs):
            if history.train_loss and not math.isfinite(history.train_loss[-1]):
                break
            if seed is not None:
                mx.random.seed(int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0] >> 1))
            tell_epoch(train_iter, epoch)
            started, before = time.perf_counter(), made
            metrics, rates, sizes, counts, running = Metrics(loss, batch_metric), [], [], [], []
            for batch in passes(train_iter):
                if made != applied:  # else AMP skipped the last step, and this is the same update again
                    applied = made
                    for schedule in schedules:
                        schedule.apply(trainer, made + 1)
                empty_gradients()
                counted = trainer.optimizer.num_update
                with rate_noted(trainer) as rate_used:
                    done = update(net, loss, trainer, batch, contexts, unpack=unpack, at_once=at_once)
                new = 1 if loss_scaler(trainer) is None else trainer.optimizer.num_update - counted
                made += new
                metrics.add(done)
                rates += [rate_used()] * new
                sizes.append(examples(done))
                counts.append(len(done))
                running.append(done[-1].losses)
                if len(running) == 2 * _RUN_AHEAD:
                    running[_RUN_AHEAD - 1].wait_to_read()
                    del running[:_RUN_AHEAD]
            if not sizes:
                raise UsageError("the training loader is empty: expected at least one batch of (data, label)")
            metrics.require_classes()
            sums = metrics.losses()
            numbers = {"train_loss": float(sums.sum() / sum(sizes)), "train_acc": metrics.accuracy()}
            judged = [("test", test_iter)] + ([] if valid_iter is None else [("valid", valid_iter)])
            for name, batches in judged:
                found = evaluate(net, batches, loss, contexts, unpack=unpack, batch_metric=batch_metric)
                numbers[f"{name}_loss"], numbers[f"{name}_acc"] = found
            history.append(
                **numbers,
                first_loss=float(sums[: counts[0]].sum() / sizes[0]),
                last_loss=float(sums[-counts[-1] :].sum() / sizes[-1]),
                lr_first=float(rates[0]) if rates else math.nan,  # where AMP skipped every step
                lr_mean=float(np.mean(rates)) if rates else math.nan,
                lr_last=float(rates[-1]) if rates else math.nan,
                updates=made - before,
                seconds=time.perf_counter() - started,
            )
            if on_epoch is not None:
                on_epoch(history)
    return history
