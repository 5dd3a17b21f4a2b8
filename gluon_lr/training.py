"""The one training loop: net, batches, trainer, epochs → history."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from .checks import named_batch, require_trainable
from .data.host import array_of
from .denormals import denormals_as_zero
from .errors import UsageError
from .metrics import Metrics

log = logging.getLogger(__name__)

# Updates that may wait in MXNet's queue: enough to never stall it, few enough to bound its memory. Each wait changes
# threads, a sixth of a small net's update: so this many are waited for at once, when twice as many are queued.
_RUN_AHEAD = 16


@dataclass
class History:
    """What a training did, a number an epoch in each list.

    Attributes:
        train_loss, train_acc: mean over the epoch's training examples, each as its batch was trained on.
        test_loss, test_acc: over the test set after the epoch.
        valid_loss, valid_acc: over the validation set after the epoch; empty where there is none.
        first_loss, last_loss: mean loss of the epoch's first and last batch alone.
        lr_first, lr_mean, lr_last: the rates actually used in the epoch's first update, on average, in its last.
        updates: optimizer steps in the epoch.
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


def shards(batch: Sequence[Any], contexts: Sequence[mx.Context]) -> List[Tuple[Any, Any]]:
    """A batch's ``(X, y)`` as one pair a context."""
    X, y = batch
    if len(contexts) == 1:
        return [(_placed(X, contexts[0]), _placed(y, contexts[0]))]
    return list(
        zip(
            gluon.utils.split_and_load(X, contexts, even_split=False),
            gluon.utils.split_and_load(y, contexts, even_split=False),
        )
    )


def _placed(array: Any, context: mx.Context) -> Any:
    if isinstance(array, np.ndarray):
        with context:
            return array_of(array)
    return array.as_in_ctx(context) if isinstance(array, mx.np.ndarray) else array.as_in_context(context)


def forward_backward(
    net: Any, loss: Callable[..., Any], pairs: Sequence[Tuple[Any, Any]]
) -> Tuple[List[Any], List[Any]]:
    """Outputs and losses, a list entry a context, with the gradients left in the parameters."""
    with autograd.record():
        outputs = [net(X) for X, _ in pairs]
        losses = [loss(output, y) for output, (_, y) in zip(outputs, pairs)]
    autograd.backward(losses)
    return outputs, losses


def _parts(batch: Sequence[Any], at_once: Optional[int]) -> List[Any]:
    X, y = batch
    if at_once is None or len(X) <= at_once:
        return [batch]
    return [(X[i : i + at_once], y[i : i + at_once]) for i in range(0, len(X), at_once)]


def _add_gradients(net: Any, at_once: int) -> None:
    """Have gradients added up from here on, beginning at zero."""
    if at_once < 1:
        raise UsageError(f"at_once is {at_once}: expected at least 1")
    for parameter in net.collect_params().values():
        if parameter.grad_req == "write":
            parameter.grad_req = "add"
    net.collect_params().zero_grad()


def evaluate(net: Any, batches: Iterable[Any], loss: Callable[..., Any], ctx: Any) -> Tuple[float, float]:
    """Mean loss and accuracy of ``net`` over ``batches``; the net is not changed.

    Raises:
        UsageError: there are no batches, the net cannot take one, or a label is no class of the net's.
    """
    contexts = ctx if isinstance(ctx, (list, tuple)) else [ctx]
    metrics, examples = Metrics(loss), 0
    for batch in batches:
        with named_batch(*batch):
            for X, y in shards(batch, contexts):
                output = net(X)
                metrics.add(output, y, loss(output, y))
                examples += len(X)
    if not examples:
        raise UsageError("the test loader is empty: expected at least one batch of (data, label)")
    metrics.require_classes()
    return float(metrics.losses().sum() / examples), metrics.hits() / examples


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
) -> History:
    """Train ``net`` for ``num_epochs`` epochs, evaluating after each.

    The chapter's loop, with its metrics: the loss of each batch before its update, summed over an epoch. Metrics stay
    on the device and are read once an epoch.

    Args:
        net: an initialized Gluon net, of ``mx.np`` or ``mx.nd``; hybridize it for speed.
        train_iter: batches of ``(X, y)``, an epoch an iteration: :class:`~gluon_lr.data.ArrayBatches`, a Gluon
            ``DataLoader`` or d2l's.
        test_iter: likewise.
        num_epochs: in all; those that ``history`` has already are not trained again.
        loss: a Gluon loss, a value an example.
        trainer: the ``gluon.Trainer``, with or without a scheduler.
        ctx: a context, or a list of them to split each batch over.
        seed: seeds MXNet's generator with (seed, epoch) before each epoch, so that dropout in an epoch does not
            depend on where the training was begun; default leave it alone.
        history: what a previous call returned, to go on from there.
        schedules: of other hyperparameters: each one's ``apply(trainer, t)`` is called before update t = 1, 2, ….
        at_once: examples that go through the net together: a larger batch is done in parts whose gradients are added
            up before its one update, which is the same update to rounding (BatchNorm sees the parts). Default all.
        valid_iter: batches that are evaluated as the test set is, to choose an epoch by. Default none.
        on_epoch: called with the history after each epoch, for example to draw it.

    Returns:
        The history, the same object as ``history`` where that was given. Training ends early where an epoch's loss is
        not finite: nothing can be learned from there.

    Raises:
        UsageError: no epochs, an empty loader, nothing to train, data that the net cannot take, or a label that is no
            class of the net's (told after the epoch that it came in).

    Source: the chapter's ``train``.
    """
    if num_epochs < 1:
        raise UsageError(f"num_epochs is {num_epochs}: expected at least 1")
    require_trainable(net)
    history = History() if history is None else history
    contexts = list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]
    update = sum(history.updates)
    if at_once is not None:
        _add_gradients(net, at_once)
    with denormals_as_zero(contexts):
        for epoch in range(len(history), num_epochs):
            if history.train_loss and not math.isfinite(history.train_loss[-1]):
                break
            if seed is not None:
                mx.random.seed(int(np.random.SeedSequence((seed, epoch)).generate_state(1)[0] >> 1))
            if hasattr(train_iter, "epoch"):
                train_iter.epoch = epoch
            started = time.perf_counter()
            metrics, rates, sizes, parts, running = Metrics(loss), [], [], [], []
            for batch in train_iter:
                update += 1
                for schedule in schedules:
                    schedule.apply(trainer, update)
                size, count = len(batch[0]), 0
                for part in _parts(batch, at_once):
                    with named_batch(*part):
                        pairs = shards(part, contexts)
                        outputs, values = forward_backward(net, loss, pairs)
                    for output, (_, y), value in zip(outputs, pairs, values):
                        metrics.add(output, y, value)
                    count += len(pairs)
                trainer.step(size)
                rates.append(trainer.learning_rate)
                sizes.append(size)
                parts.append(count)
                if at_once is not None:
                    net.collect_params().zero_grad()
                running.append(values[-1])
                if len(running) == 2 * _RUN_AHEAD:
                    running[_RUN_AHEAD - 1].wait_to_read()
                    del running[:_RUN_AHEAD]
            if not sizes:
                raise UsageError("the training loader is empty: expected at least one batch of (data, label)")
            metrics.require_classes()
            sums = metrics.losses()
            test_loss, test_acc = evaluate(net, test_iter, loss, ctx)
            valid = {}
            if valid_iter is not None:
                valid["valid_loss"], valid["valid_acc"] = evaluate(net, valid_iter, loss, ctx)
            history.append(
                train_loss=float(sums.sum() / sum(sizes)),
                train_acc=metrics.hits() / sum(sizes),
                first_loss=float(sums[: parts[0]].sum() / sizes[0]),
                last_loss=float(sums[-parts[-1] :].sum() / sizes[-1]),
                test_loss=test_loss,
                test_acc=test_acc,
                lr_first=float(rates[0]),
                lr_mean=float(np.mean(rates)),
                lr_last=float(rates[-1]),
                updates=len(rates),
                seconds=time.perf_counter() - started,
                **valid,
            )
            if on_epoch is not None:
                on_epoch(history)
    return history
