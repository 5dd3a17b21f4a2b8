"""The tutorial's runs: ResNet-18 v2 on CIFAR-10, a search, then 500 updates at three rates from one start.

A run is one rate, and an epoch is a stretch of a hundred updates: the tutorial reads its losses every hundred.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, List, Optional, Sequence

from ...errors import RecordError
from ...experiments.spec import Ingredients, RunSpec
from ...finder import LRFinderResult

log = logging.getLogger(__name__)

RATES = {"lr-0.05": 0.05, "lr-0.5": 0.5, "lr-0.005": 0.005}
RUNS = tuple(RATES)
BATCH_SIZE = 128
UPDATES_PER_STRETCH = 100
STRETCHES = 5
QUICK_IMAGES, QUICK_STRETCHES = 2_000, 2


def specifications(
    runs: Sequence[str], seeds: Sequence[int], stretches: int = STRETCHES, limit: Optional[int] = None
) -> List[RunSpec]:
    """The tutorial's trainings as data: the rates of one seed start from the same parameters and see the same data."""
    settings = {"batch_size": BATCH_SIZE, "net": "resnet18_v2", "optimizer": "sgd"}
    updates = 10 if limit else UPDATES_PER_STRETCH
    return [
        RunSpec("tutorial", run, seed, stretches, "per-update", limit, {**settings, "updates_per_part": updates})
        for seed in seeds
        for run in runs
    ]


class Stretches:
    """Batches without end, served in stretches of so many: stretch e continues where stretch e − 1 ended.

    Args:
        batches: :class:`~gluon_lr.data.ArrayBatches`.
        size: batches a stretch.

    Attributes:
        epoch: the stretch that the next iteration serves.
    """

    def __init__(self, batches: Any, size: int) -> None:
        self.batches, self.size, self.epoch = batches, size, 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Any:
        begin, self.epoch = self.epoch * self.size, self.epoch + 1
        full = len(self.batches.images) // self.batches.batch_size  # the last, smaller batch of a round is left out
        for i in range(begin, begin + self.size):
            if i == begin or i % full == 0:
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

    from ...data.batches import ArrayBatches, cifar10_arrays, normalize_cifar10
    from ...data.fetch import obtain
    from ...data.sources import CIFAR10

    located = obtain(CIFAR10, data_dir)
    train, train_labels, test, test_labels = cifar10_arrays(located)
    batches = ArrayBatches(
        train[: spec.limit], train_labels[: spec.limit], BATCH_SIZE, True, spec.seed, normalize_cifar10
    )
    # The tutorial does not look at test data; a slice tells a net that learns from one that does not.
    test_iter = ArrayBatches(test[:500], test_labels[:500], 100, transform=normalize_cifar10)
    net = resnet(ctx)
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": RATES[spec.run]})
    return Ingredients(
        net,
        Stretches(batches, spec.settings["updates_per_part"]),
        test_iter,
        gluon.loss.SoftmaxCrossEntropyLoss(),
        trainer,
        located.as_recorded(),
    )


def saved_search(seed: int, folder: Path) -> Optional[LRFinderResult]:
    """The search of this seed that ``folder`` holds; None where there is none, or a damaged one."""
    path = Path(folder) / "finder" / f"seed{seed}.json"
    if not path.exists():
        return None
    try:
        return LRFinderResult.from_json(path)
    except RecordError as error:
        log.warning("searched again: %s", error)
        return None


def search(
    seed: int, folder: Path, ctx: str = "auto", data_dir: Optional[str] = None, quick: bool = False
) -> LRFinderResult:
    """The finder on a fresh net of this seed; saved as JSON in ``folder``/finder."""
    from ...data.batches import load_data_cifar10
    from ...experiments.run import seed_everything
    from ...finder import Learner, LRFinder
    from ...training import try_context

    context = try_context(ctx)
    seed_everything(seed)
    limit = QUICK_IMAGES if quick else None
    batches, _ = load_data_cifar10(BATCH_SIZE, data_dir, seed, limit)
    multiplier = 2.0 if quick else 1.1
    result = LRFinder(Learner(resnet(context), batches, context)).find(lr_start=1e-6, lr_multiplier=multiplier)
    result.to_json(Path(folder) / "finder" / f"seed{seed}.json")
    return result
