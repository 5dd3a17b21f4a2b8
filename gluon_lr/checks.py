"""Refuse what MXNet would do silently or report obscurely, in terms of what the user gave."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, List, Optional

import mxnet as mx
import numpy as np
from mxnet import gluon
from mxnet.base import MXNetError

from .errors import UsageError
from .state.private import class_axis, is_deferred, is_initialized, labels_are_numbers, trainer_parameters


def has_shapes(net: Any) -> bool:
    """Whether every parameter is initialized; a deferred one still waits for a first batch to give its shape."""
    return all(is_initialized(parameter) for parameter in net.collect_params().values())


def contexts_of(net: Any, ctx: Any) -> List[mx.Context]:
    """The contexts to work on, ``ctx`` or where the net is, or the CPU.

    Raises:
        UsageError: one of ``ctx`` is no context, or the net is on others.
    """
    own: List[mx.Context] = []
    for parameter in net.collect_params().values():
        if is_initialized(parameter) or is_deferred(parameter):
            own = list(parameter.list_ctx())
            break
    wanted = own or [mx.cpu()] if ctx is None else as_contexts(ctx)
    if own and set(own) != set(wanted):
        raise UsageError(f"the net is on {own}, but ctx is {wanted}: give the net's own contexts")
    return wanted


def as_contexts(ctx: Any) -> List[mx.Context]:
    """A context, or several, as a list.

    Raises:
        UsageError: one of them is something else.
    """
    contexts = list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]
    if not contexts:
        raise UsageError("ctx is an empty list: expected a context, such as mx.cpu() or mx.gpu(0), or a list of them")
    for one in contexts:
        if not isinstance(one, mx.Context):
            raise UsageError(f"ctx is {one!r}: expected a context, such as mx.cpu() or mx.gpu(0), or a list of them")
    return contexts


def require_trainable(net: Any, trainer: Any) -> None:
    """Refuse a trainer that moves no parameter that has a gradient; without a trainer, such a net.

    Raises:
        UsageError: there is nothing to train.
    """
    own = net.collect_params().values()
    moved = trainer_parameters(trainer) if isinstance(trainer, gluon.Trainer) else own
    if all(parameter.grad_req == "null" for parameter in moved):
        raise UsageError(f"nothing to train: no parameter of this {type(net).__name__} has a gradient (grad_req)")


def number_of_classes(loss: Any, output: Any) -> Optional[int]:
    """How many classes the labels can name by number; None if they may mean something else.

    A loss derived from Gluon's may ignore labels or read them in its own way, so we cannot know.

    Args:
        loss: what the labels are given to.
        output: the net's, with the classes along the loss's axis.
    """
    if type(loss) is not gluon.loss.SoftmaxCrossEntropyLoss or not labels_are_numbers(loss):
        return None
    return output.shape[class_axis(loss, len(output.shape))]


def require_classes(labels: np.ndarray, classes: int) -> None:
    """Refuse labels that are not classes 0 … ``classes`` − 1: MXNet would clip them silently.

    Raises:
        UsageError: naming the first such label.
    """
    wrong = labels[~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))]
    if wrong.size:
        raise UsageError(
            f"a label is {wrong[0]:g}, but the net has {classes} outputs: expected whole numbers, 0 to {classes - 1}"
        )


@contextlib.contextmanager
def named_batch(pair: Any) -> Iterator[None]:
    """If MXNet fails in the block, say so in terms of the inputs and targets that it was given.

    Raises:
        UsageError: in place of MXNet's error.
    """
    try:
        yield
    except MXNetError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        inputs, targets = pair
        raise UsageError(
            f"MXNet failed on data {_described(inputs)} with labels {_described(targets)}: expected what net and loss "
            f"were made for, most often float32 ({reason})"
        ) from error


def _described(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_described(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(map(_described, value)) + ")"
    return f"{value.shape} of {np.dtype(value.dtype).name}" if hasattr(value, "shape") else type(value).__name__
