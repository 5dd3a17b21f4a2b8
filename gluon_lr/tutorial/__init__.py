"""The tutorial: ResNet-18 v2 on CIFAR-10, the finder's plot, then 500 updates at three rates from one start;
``python -m gluon_lr.tutorial``.

A "run" here is one rate, an "epoch" is a hundred updates: the tutorial reads its losses every hundred.
"""

from __future__ import annotations

from typing import Any, List, Optional, Sequence

from ..records import RunSpec
from ..runs import Ingredients

RATES = {"lr-0.05": 0.05, "lr-0.5": 0.5, "lr-0.005": 0.005}
RUNS = tuple(RATES)
BATCH_SIZE = 128
UPDATES_PER_PART = 100
PARTS = 5
QUICK_IMAGES, QUICK_PARTS = 2_000, 2


def specifications(
    runs: Sequence[str], seeds: Sequence[int], parts: int = PARTS, limit: Optional[int] = None
) -> List[RunSpec]:
    """The tutorial's trainings as data: the rates of one seed start from the same parameters and see the same data."""
    settings = {"batch_size": BATCH_SIZE, "net": "resnet18_v2", "optimizer": "sgd"}
    updates = 10 if limit else UPDATES_PER_PART
    return [
        RunSpec("tutorial", run, seed, parts, "per-update", limit, {**settings, "updates_per_part": updates})
        for seed in seeds
        for run in runs
    ]


class Parts:
    """Batches without end, served in parts of so many: part e continues where part e − 1 ended.

    Args:
        batches: :class:`~gluon_lr.data.ArrayBatches`.
        size: batches a part.

    Attributes:
        epoch: the part that the next iteration serves.
    """

    def __init__(self, batches: Any, size: int) -> None:
        self.batches, self.size, self.epoch = batches, size, 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Any:
        first, self.epoch = self.epoch * self.size, self.epoch + 1
        full = len(self.batches.images) // self.batches.batch_size  # the last, smaller batch of a round is left out
        for i in range(first, first + self.size):
            if i == first or i % full == 0:
                order = self.batches.order(i // full)
            start = i % full * self.batches.batch_size
            yield self.batches.take(order[start : start + self.batches.batch_size])


def resnet(ctx: Any) -> Any:
    """ResNet-18 v2 of Gluon's model zoo for ten classes, with Xavier's initialization."""
    from mxnet import init
    from mxnet.gluon.model_zoo import vision

    net = vision.resnet18_v2(classes=10)
    net.initialize(init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    return net


def build(spec: RunSpec, ctx: Any, data_dir: Optional[str] = None) -> Ingredients:
    """Net, data and trainer of one rate."""
    from mxnet import gluon

    from ..data.batches import ArrayBatches, cifar10_arrays, normalize_cifar10
    from ..data.fetch import obtain
    from ..data.sources import CIFAR10

    located = obtain(CIFAR10, data_dir)
    train, train_labels, test, test_labels = cifar10_arrays(located)
    batches = ArrayBatches(
        train[: spec.limit], train_labels[: spec.limit], BATCH_SIZE, True, spec.seed, normalize_cifar10
    )
    # The tutorial does not look at test data; a slice tells a net that learns from one that does not.
    test_iter = ArrayBatches(test[:500], test_labels[:500], 100, transform=normalize_cifar10)
    net = resnet(ctx)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": RATES[spec.run]})
    data = {"name": "cifar10", "edition": located.edition, "sha1": located.sha1}
    return Ingredients(
        net,
        Parts(batches, spec.settings["updates_per_part"]),
        test_iter,
        gluon.loss.SoftmaxCrossEntropyLoss(),
        trainer,
        data,
    )
