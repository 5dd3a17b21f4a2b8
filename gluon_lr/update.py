"""The one update, of training, finder and AutoLRS alike: forward and backward pass over a batch, then a step."""

from __future__ import annotations

import contextlib
import inspect
import math
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence

import mxnet as mx
import numpy as np
from mxnet import autograd, gluon

from .checks import named_batch, number_of_classes, require_classes
from .data.forms import Unpack, call, length, shards, slices, unpack_pair, unpacked
from .errors import UsageError
from .state.private import loss_scaler


class Shard(NamedTuple):
    """The results of one context for a batch, or for a slice of one.

    Attributes:
        output: what the net gave.
        target: what the loss compared it with.
        losses: one per example, shape ``(n, …)``.
    """

    output: Any
    target: Any
    losses: Any


def update(
    net: Any,
    loss: Callable[..., Any],
    trainer: gluon.Trainer,
    batch: Any,
    contexts: Sequence[mx.Context],
    *,
    unpack: Unpack = unpack_pair,
    at_once: Optional[int] = None,
    take_step: bool = True,
    check: bool = False,
) -> List[Shard]:
    """One update on a batch: its gradients, averaged over the examples, and the optimizer's step.

    Args:
        net: an initialized net.
        loss: a function of output and target that gives one loss an example, or several such to be added up.
        trainer: its trainer; AMP's loss scaler is used where it has one.
        batch: what the loader gave.
        contexts: to split the batch over.
        unpack: a function from the batch to inputs and targets.
        at_once: examples that go through the net together; the parameters then have to add their gradients up.
        take_step: False leaves the parameters as they are.
        check: whether to refuse labels that are not classes before the step, which then waits until they are read.

    Returns:
        A :class:`Shard` for each slice and context; MXNet may still be computing it.

    Raises:
        UsageError: the net or the loss cannot take the batch, or the loss gives one number for many examples.
    """
    pair = unpacked(unpack, batch)
    done: List[Shard] = []
    for piece in [pair] if at_once is None else slices(pair, at_once, len(contexts)):
        with named_batch(piece):
            done.extend(_forward_backward(net, loss, trainer, shards(piece, contexts)))
    if check:
        _require_classes(loss, done)
    if take_step:
        step(trainer, examples(done))
    return done


def forward(net: Any, loss: Callable[..., Any], pairs: Sequence[Any]) -> List[Shard]:
    """Outputs and losses, one shard per context; gradients are recorded only if the caller records."""
    done = []
    for inputs, target in pairs:
        output = call(net, inputs)
        done.append(Shard(output, target, _one_an_example(_losses(loss, output, target), inputs, target, loss)))
    return done


def examples(done: Sequence[Shard]) -> int:
    """How many examples were computed."""
    return sum((shard.losses.shape or (1,))[0] for shard in done)


def mean_loss(done: Sequence[Shard]) -> float:
    """The mean loss of a batch; reading it waits for the batch."""
    return sum(float(wide(shard.losses).sum().asnumpy().item()) for shard in done) / examples(done)


def wide(array: Any) -> Any:
    """Half precision as single: a sum in half precision ends at 65,504, and its whole numbers at 2,048."""
    return array.astype("float32") if array.dtype == np.float16 else array


def step(trainer: gluon.Trainer, size: int) -> None:
    """The optimizer's step for a batch of ``size``.

    Raises:
        UsageError: the trainer has parameters that the loss gives no gradient.
    """
    try:
        trainer.step(size)
    except UserWarning as error:
        raise UsageError(
            "the trainer has parameters that this loss gives no gradient: give the trainer of this net, with the "
            f"parameters that the net uses ({str(error).splitlines()[0]})"
        ) from error


@contextlib.contextmanager
def rate_set_to(trainer: gluon.Trainer, lr: Optional[float]) -> Iterator[None]:
    """In the block the trainer has the rate ``lr`` and no scheduler; None changes nothing. The rate stays set."""
    optimizer = trainer.optimizer
    scheduler = optimizer.lr_scheduler
    if lr is not None:
        optimizer.lr_scheduler = None
        optimizer.set_learning_rate(lr)
    try:
        yield
    finally:
        optimizer.lr_scheduler = scheduler


class _Noting:
    """A scheduler that remembers the first rate that it gave."""

    def __init__(self, scheduler: Callable[[int], float]) -> None:
        self.scheduler, self.rate = scheduler, math.nan

    def __call__(self, num_update: int) -> float:
        rate = self.scheduler(num_update)
        self.rate = float(rate) if math.isnan(self.rate) else self.rate
        return rate


@contextlib.contextmanager
def rate_noted(trainer: gluon.Trainer) -> Iterator[Callable[[], float]]:
    """In the block an update is made; the function says its rate.

    To ask a scheduler that counts its calls, as the book's does, would change what trains. So one that is neither ours
    nor MXNet's is overheard.
    """
    scheduler = trainer.optimizer.lr_scheduler
    if scheduler is None or type(scheduler).__module__.startswith(("gluon_lr.", "mxnet.lr_scheduler")):
        yield lambda: trainer.learning_rate
        return
    noting = trainer.optimizer.lr_scheduler = _Noting(scheduler)
    try:
        yield lambda: noting.rate
    finally:
        trainer.optimizer.lr_scheduler = scheduler


def _forward_backward(net: Any, loss: Callable[..., Any], trainer: Any, pairs: Sequence[Any]) -> List[Shard]:
    with autograd.record():
        done = forward(net, loss, pairs)
    losses = [shard.losses for shard in done]
    if loss_scaler(trainer) is None:
        autograd.backward(losses)
        return done
    from mxnet.contrib import amp

    with autograd.record(), amp.scale_loss(losses, trainer) as scaled:
        autograd.backward(scaled)
    return done


def _losses(loss: Callable[..., Any], output: Any, target: Any) -> Any:
    several = isinstance(output, (list, tuple))
    if several and type(loss).__module__ == "mxnet.gluon.loss":
        first, second = ("labels[0]", "labels[1]") if isinstance(target, (list, tuple)) else ("labels", "labels")
        raise UsageError(
            f"the net gives {len(output)} outputs, and {type(loss).__name__} takes one: give a loss of your own, for "
            f"example loss=lambda outputs, labels: one(outputs[0], {first}) + other(outputs[1], {second})"
        )
    try:
        return loss(output, target)
    except TypeError:
        _require_two_arguments(loss)
        raise


def _require_two_arguments(loss: Callable[..., Any]) -> None:
    """Refuse a loss that cannot be called with an output and a target."""
    try:
        inspect.signature(loss).bind(None, None)
    except TypeError as error:
        name = getattr(loss, "__name__", type(loss).__name__)
        raise UsageError(
            f"the loss {name} cannot be called with (outputs, targets) ({error}): it is given what the net gave and "
            "what unpack gave as targets, each one array or a tuple of them"
        ) from error
    except ValueError:  # a builtin has no signature to ask
        pass


def _one_an_example(losses: Any, inputs: Any, target: Any, loss: Callable[..., Any]) -> Any:
    """The losses, several added up.

    Raises:
        UsageError: they are not an array; or one number for many examples, which the step would average once more.
    """
    if isinstance(losses, (list, tuple)):
        losses = sum(losses[1:], losses[0]) if losses else None
    name = getattr(loss, "__name__", type(loss).__name__)
    first = "label[0]" if isinstance(target, (list, tuple)) else "label"
    if not isinstance(losses, mx.nd.NDArray):
        raise UsageError(f"the loss {name} gives a {type(losses).__name__}: expected an array, one loss an example")
    if losses.size == 1 and length(inputs) > 1:
        raise UsageError(
            f"the loss {name} gives one number for a batch of {length(inputs)}: expected one an example, since the "
            "trainer divides by their number itself. Leave .mean() or .sum() out, or spread a mean over its examples: "
            f"loss=lambda output, label: mean_loss(output, label).broadcast_to((len({first}),))"
        )
    return losses


def _require_classes(loss: Any, done: Sequence[Shard]) -> None:
    for shard in done:
        classes = number_of_classes(loss, shard.output)
        if classes is not None:
            require_classes(np.asarray(shard.target.asnumpy()), classes)
