"""Batches that grow: a schedule of sizes, and growth in the place of a falling rate."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Iterator, Tuple

from ..data.batches import ArrayBatches
from ..errors import UsageError
from ..schedulers import FunctionScheduler, Scheduler, pure
from ..schedulers.arguments import checked


@dataclass(frozen=True)
class _BatchSize:
    """B(t) = min(largest, base · η(0)/η(t)), a whole number of at least 1."""

    rate: Scheduler
    base: int
    largest: int

    def __call__(self, t: float) -> float:
        rate = self.rate(t)
        return min(self.largest, max(1, round(self.base * self.rate(0) / rate))) if rate > 0 else self.largest


class _Rate(_BatchSize):
    """The rate that remains: η(t)·B(t)/base."""

    def __call__(self, t: float) -> float:
        return self.rate(t) * super().__call__(t) / self.base


def grow_batch_instead(schedule: Any, batch_size: int, largest: int) -> Tuple[Scheduler, Scheduler]:
    """Where a schedule's rate would fall by α, let the batch grow by 1/α, up to a largest size; then let the rate fall.

    The ratio of rate to batch size, which sets the noise of the gradient, is the schedule's at every t.

    Args:
        schedule: the falling rate, over epochs.
        batch_size: at t = 0.
        largest: the greatest number of examples in a batch.

    Returns:
        The batch size's schedule and the rate's.

    Raises:
        UsageError: sizes are not whole numbers of at least 1, or are in the wrong order, or the schedule begins at 0
            or watches the training.

    Source: Smith et al. (2017), Don't Decay the Learning Rate, Increase the Batch Size.

    Example:
        >>> from gluon_lr.schedulers import StepScheduler
        >>> sizes, rates = grow_batch_instead(StepScheduler(1, 0.5, base_lr=0.4), batch_size=100, largest=300)
        >>> sizes.values(4).tolist()
        [100.0, 200.0, 300.0, 300.0]
        >>> rates.values(4).round(3).tolist()
        [0.4, 0.4, 0.3, 0.15]
    """
    batch_size = checked(batch_size, "batch_size", least=1, whole=True)
    largest = checked(largest, "largest", least=1, whole=True)
    if batch_size > largest:
        raise UsageError(f"batch_size {batch_size}, largest {largest}: expected 1 <= batch_size <= largest")
    rate = pure(schedule)
    if not rate(0) > 0:
        raise UsageError("the schedule begins at 0: expected a rate above 0 there, beside which batches grow")
    return FunctionScheduler(_BatchSize(rate, batch_size, largest)), FunctionScheduler(_Rate(rate, batch_size, largest))


class ScheduledBatches(ArrayBatches):
    """Mini-batches whose size follows a schedule of epochs; ``len`` counts those of the epoch that begins next.

    Args:
        sizes: a scheduler of whole numbers of at least 1, its t the epoch.
        images, labels, shuffle, seed, transform: those of :class:`~gluon_lr.data.ArrayBatches`.

    Raises:
        UsageError: a size is not a whole number of at least 1 when its epoch begins; or ``sizes`` is not pure.

    Example:
        >>> import numpy as np
        >>> from gluon_lr.schedulers import PiecewiseConstantScheduler
        >>> sizes = PiecewiseConstantScheduler([1], [1, 2])
        >>> batches = ScheduledBatches(np.zeros((4, 1), np.uint8), np.arange(4), sizes)
        >>> [[len(y) for X, y in batches] for epoch in range(2)]
        [[1, 1, 1, 1], [2, 2]]
    """

    def __init__(self, images: Any, labels: Any, sizes: Any, **kwargs: Any) -> None:
        self.sizes = pure(sizes)
        super().__init__(images, labels, self._size(0), **kwargs)

    def _size(self, epoch: int) -> int:
        size: int = checked(self.sizes(epoch), f"the batch size of epoch {epoch}", least=1, whole=True)
        return size

    def __len__(self) -> int:
        return -(-len(self.images) // self._size(self.epoch))

    def __iter__(self) -> Iterator[Tuple[Any, Any]]:
        served = copy.copy(self)  # the first epoch's size stays this object's own, by which compare knows it again
        served.batch_size = self._size(self.epoch)
        self.epoch += 1
        return ArrayBatches.__iter__(served)
