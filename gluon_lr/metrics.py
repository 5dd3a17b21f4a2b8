"""Loss and accuracy of many batches, kept on the device until they are asked for."""

from __future__ import annotations

from typing import Any, Callable, List, Tuple

import mxnet as mx
import numpy as np

from .checks import number_of_classes, require_classes

# Batches whose metrics are computed in one go, and the most numbers that their outputs may hold meanwhile.
_TOGETHER, _MOST_NUMBERS = 32, 1 << 20


class Metrics:
    """The sum of the losses of each batch, how many examples are put in the right class, and the labels that came.

    Four operators of a few numbers a batch cost as much as a small net's layer, nearly all of it to call them: so
    batches of the same shape wait here and go through them together. The numbers are those of each batch alone, to the
    last bit: each batch's losses are summed by themselves and in their order, and a count is exact.

    Args:
        loss: what the losses come from; says whether labels name classes by number.
    """

    def __init__(self, loss: Callable[..., Any]) -> None:
        self._loss = loss
        self._waiting: List[Tuple[Any, Any, Any]] = []
        self._kind: Any = None
        self._numbers, self._classes = 0, None
        self._losses: List[Any] = []
        self._hits: List[Any] = []
        self._labels: List[Any] = []

    def add(self, output: Any, y: Any, losses: Any) -> None:
        """Count a batch: the net's output ``(n, classes, …)``, the labels ``(n, …)``, the losses ``(n,)``."""
        if self._kind is None:
            self._classes = number_of_classes(self._loss, output)
        output, y, losses = _classic(output), _classic(y), _classic(losses)
        kind = (output.context, output.shape, y.shape, losses.shape)
        if kind != self._kind or len(self._waiting) >= _TOGETHER or self._numbers > _MOST_NUMBERS:
            self._settle()
            self._kind = kind
        self._waiting.append((output, y, losses))
        self._numbers += output.size

    def losses(self) -> np.ndarray:
        """The sum of each batch's losses, in double precision from here on."""
        self._settle()
        return _read(self._losses)

    def hits(self) -> float:
        """How many examples of all batches have their own class's output as the greatest."""
        self._settle()
        return float(_read(self._hits).sum())

    def require_classes(self) -> None:
        """Refuse labels that are no classes of the net's.

        Raises:
            UsageError: naming the first such label.
        """
        self._settle()
        if self._classes is not None:
            require_classes(np.concatenate([y.asnumpy().ravel() for y in self._labels]), self._classes)

    def _settle(self) -> None:
        if not self._waiting:
            return
        _, outputs, labels, losses = self._kind
        alike = labels == outputs[:1] + outputs[2:] and losses == outputs[:1]
        for group in [self._waiting] if alike else [[one] for one in self._waiting]:
            output, y, values = (parts[0] if len(parts) == 1 else mx.nd.concat(*parts, dim=0) for parts in zip(*group))
            self._losses.append(values.reshape((len(group), -1)).sum(axis=1))
            self._hits.append(correct(output, y))
            self._labels.append(y)
        self._waiting, self._numbers = [], 0


def correct(output: Any, y: Any) -> Any:
    """How many of a batch's examples the net puts in the right class, as an array of one number on the device."""
    output, y = _classic(output), _classic(y)
    return (output.argmax(axis=1) == y.astype("float32", copy=False)).sum()


def _classic(array: Any) -> Any:
    return array.as_nd_ndarray() if isinstance(array, mx.np.ndarray) else array


def _read(values: List[Any]) -> np.ndarray:
    """Many arrays of a few numbers read in one go, in double precision from here on."""
    context = values[0].context
    return mx.nd.concat(*[value.as_in_context(context) for value in values], dim=0).asnumpy().astype(np.float64)
