"""Loss and accuracy of many batches, kept on the device until they are asked for."""

from __future__ import annotations

import math
from typing import Any, Callable, List, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from .checks import number_of_classes, require_classes
from .errors import UsageError
from .state.private import class_axis
from .update import Shard, wide

# Batches whose metrics are computed in one go, and the most numbers that their outputs may hold meanwhile.
_TOGETHER, _MOST_NUMBERS = 32, 1 << 20

Metric = Callable[[Any, Any], Any]


class Metrics:
    """The sum of the losses of each batch, and a metric: by default the share of labels that the net gets right.

    Four operators on a few numbers per batch cost as much as a small net's layer, nearly all of it for the calls. So
    batches of the same shape wait here and go through together. The numbers are those of each batch alone, to the
    last bit: each batch's losses are summed by themselves and in their order, and a count is exact.

    Accuracy is defined where labels name classes: output ``(n, classes, …)`` and labels ``(n, …)``, or ``(n, 1)``, that
    are whole numbers. Anywhere else it is NaN: for one-hot and soft labels, several labels an example, regression,
    several outputs. A loss that is not exactly Gluon's own may ignore labels: those that are no class then count
    neither as right nor as wrong.

    Args:
        loss: what the losses come from; says whether labels name classes by number.
        metric: a function of output and target that gives an array, whose mean over all batches is the metric.
    """

    def __init__(self, loss: Callable[..., Any], metric: Optional[Metric] = None) -> None:
        self._loss, self._metric = loss, metric
        self._waiting: List[Tuple[Any, Any, Any]] = []
        self._shapes: Any = None  # of what came last, and the same with the labels in their own form
        self._kind: Any = None
        self._classes = None
        self._losses: List[Any] = []
        self._right: List[Any] = []
        self._counted = 0
        self._labels: List[Any] = []
        self._none = False  # whether something came that has no accuracy

    def add(self, done: Sequence[Shard]) -> None:
        """Count the shards of a batch."""
        for output, target, losses in done:
            losses = wide(_classic(losses))
            if self._metric is not None:
                self._add_metric(output, target)
                self._losses.append(losses.reshape((1, -1)).sum(axis=1))
                continue
            if self._kind is None:
                self._classes = number_of_classes(self._loss, output)
            shapes = None
            if isinstance(output, mx.nd.NDArray) and isinstance(target, mx.nd.NDArray):
                output, target = _classic(output), _classic(target)
                shapes = (output.context, output.shape, target.shape, losses.shape)
            if shapes is None or shapes != self._shapes:
                labels = _labels(output, target, self._loss)
                if labels is None:
                    self._none = True
                    self._losses.append(losses.reshape((1, -1)).sum(axis=1))
                    continue
                self._settle()
                self._shapes, self._kind = shapes, (output.context, output.shape, labels.shape, losses.shape)
            elif shapes == self._kind:  # nearly always; asking for every shape again would cost as much as the sums
                labels = target
            else:
                labels = _labels(output, target, self._loss)
            # An iterator of MXNet's uses the memory of a batch again while its labels still wait here.
            self._waiting.append((output, labels.copy(), losses))
            if len(self._waiting) * math.prod(shapes[1]) > _MOST_NUMBERS or len(self._waiting) == _TOGETHER:
                self._settle()

    def losses(self) -> np.ndarray:
        """The sum of each shard's losses, in double precision from here on."""
        self._settle()
        return _read(self._losses)

    def accuracy(self) -> float:
        """The metric over all batches; NaN where there is none."""
        self._settle()
        if self._none or not self._right:
            return math.nan
        right = float(_read(self._right).sum())
        if self._metric is not None or self._classes is not None:
            return right / self._counted
        # Not Gluon's own loss: labels may not be classes at all, or it may ignore some.
        labels = np.concatenate([y.asnumpy().ravel() for y in self._labels])
        if not (labels == np.floor(labels)).all():
            return math.nan
        counted = int(((labels >= 0) & (labels < self._axis_length)).sum())
        return right / counted if counted else math.nan

    def require_classes(self) -> None:
        """Refuse labels that are not among the net's classes.

        Raises:
            UsageError: naming the first such label.
        """
        self._settle()
        if self._classes is not None and self._labels:
            require_classes(np.concatenate([y.asnumpy().ravel() for y in self._labels]), self._classes)

    def _add_metric(self, output: Any, target: Any) -> None:
        values = self._metric(output, target)  # type: ignore[misc]
        if not isinstance(values, mx.nd.NDArray):
            name = getattr(self._metric, "__name__", type(self._metric).__name__)
            raise UsageError(f"the metric {name} gives a {type(values).__name__}: expected an array of MXNet's")
        self._right.append(_classic(values).astype("float32", copy=False).reshape((1, -1)).sum(axis=1))
        self._counted += values.size

    def _settle(self) -> None:
        if not self._waiting:
            return
        _, outputs, labels, losses = self._kind
        axis = class_axis(self._loss, len(outputs))
        alike = axis == 1 and labels == outputs[:1] + outputs[2:] and losses == outputs[:1]
        self._axis_length = outputs[axis]
        for group in [self._waiting] if alike else [[one] for one in self._waiting]:
            output, y, values = (
                arrays[0] if len(arrays) == 1 else mx.nd.concat(*arrays, dim=0) for arrays in zip(*group)
            )
            self._losses.append(values.reshape((len(group), -1)).sum(axis=1))
            chosen = wide(output).argmax(axis=axis).astype("float32", copy=False)
            self._right.append((chosen == y.astype("float32", copy=False)).sum())
            self._counted += y.size
            self._labels.append(y)
        self._waiting = []


def _labels(output: Any, target: Any, loss: Any) -> Any:
    """The labels in the shape of the output without its classes; None where they are no classes by their shape."""
    if not isinstance(output, mx.nd.NDArray) or not isinstance(target, mx.nd.NDArray):
        return None
    shape = output.shape
    if len(shape) < 2:
        return None
    axis = class_axis(loss, len(shape))
    wanted = shape[:axis] + shape[axis + 1 :]
    if shape[axis] < 2 or target.size != output.size // shape[axis] or target.shape[0] != shape[0]:
        return None
    target = _classic(target)
    return target if target.shape == wanted else target.reshape(wanted)


def _classic(array: Any) -> Any:
    return array.as_nd_ndarray() if isinstance(array, mx.np.ndarray) else array


def _read(values: List[Any]) -> np.ndarray:
    """Many arrays of a few numbers read in one go, in double precision from here on."""
    context = values[0].context
    return mx.nd.concat(*[value.as_in_context(context) for value in values], dim=0).asnumpy().astype(np.float64)
