"""What MXNet does without a word, or says in words of its own: refused in terms of what the user gave."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Optional

import numpy as np
from mxnet import gluon
from mxnet.base import MXNetError

from .errors import UsageError


def require_trainable(net: Any) -> None:
    """Refuse a net without any parameter that has a gradient.

    Raises:
        UsageError: there is nothing to train.
    """
    if all(parameter.grad_req == "null" for parameter in net.collect_params().values()):
        raise UsageError(f"nothing to train: no parameter of this {type(net).__name__} has a gradient (grad_req)")


def number_of_classes(loss: Any, output: Any) -> Optional[int]:
    """How many classes labels can name by number, where they do; else None.

    Args:
        loss: what the labels are given to.
        output: the net's, with the classes along the loss's axis.
    """
    by_number = isinstance(loss, gluon.loss.SoftmaxCrossEntropyLoss) and loss._sparse_label
    return output.shape[loss._axis] if by_number else None


def require_classes(labels: np.ndarray, classes: int) -> None:
    """Refuse labels that are no classes 0 … ``classes`` − 1: MXNet would clip them without a word.

    Raises:
        UsageError: naming the first such label.
    """
    wrong = labels[~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))]
    if wrong.size:
        raise UsageError(
            f"a label is {wrong[0]:g}, but the net has {classes} outputs: expected whole numbers, 0 to {classes - 1}"
        )


@contextlib.contextmanager
def named_batch(X: Any, y: Any) -> Iterator[None]:
    """Say what MXNet cannot compute in terms of the batch that it was given.

    Raises:
        UsageError: in place of MXNet's error.
    """
    try:
        yield
    except MXNetError as error:
        reason = str(error).strip().splitlines()[-1]
        raise UsageError(
            f"MXNet failed on data {_described(X)} with labels {_described(y)}: expected what net and loss were made "
            f"for, most often float32 ({reason})"
        ) from error


def _described(array: Any) -> str:
    return f"{array.shape} of {np.dtype(array.dtype).name}" if hasattr(array, "shape") else type(array).__name__
