"""What MXNet would do without a word, refused: nothing to train, and labels that are no classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from mxnet import gluon

from .errors import UsageError


def require_trainable(net: Any) -> None:
    """Refuse a net without any parameter that has a gradient.

    Raises:
        UsageError: there is nothing to train.
    """
    if all(parameter.grad_req == "null" for parameter in net.collect_params().values()):
        raise UsageError(f"nothing to train: no parameter of this {type(net).__name__} has a gradient (grad_req)")


def takes_classes(loss: Any) -> bool:
    """Whether labels are classes by number: MXNet would clip those out of range without a word."""
    return isinstance(loss, gluon.loss.SoftmaxCrossEntropyLoss) and loss._sparse_label


def require_classes(labels: np.ndarray, classes: int) -> None:
    """Refuse labels that are no classes 0 … ``classes`` − 1.

    Raises:
        UsageError: naming the first such label.
    """
    wrong = labels[~((labels >= 0) & (labels < classes))]
    if wrong.size:
        raise UsageError(f"a label is {wrong[0]:g}, but the net has {classes} outputs: expected 0 to {classes - 1}")
