"""The article's runs: schedules compared on an MLP and 20,000 images of Fashion-MNIST.

Its schedules count epochs, from 0, save for the trap it warns of: a decay that a framework applies per update.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, List, Optional, Sequence

from ...errors import UsageError
from ...experiments.spec import Ingredients, RunSpec

EPOCHS, IMAGES, BATCH_SIZE, HIDDEN = 100, 20_000, 64, (256, 256)
QUICK_IMAGES, QUICK_EPOCHS = 4_000, 5
RUNS = (
    "constant",
    "linear",
    "polynomial",
    "time-based",
    "exponential",
    "step",
    "adam",
    "decay-per-epoch",
    "decay-per-update",
)


def article_scheduler(run: str) -> Any:
    """The schedule of a run over epochs, or over updates for ``decay-per-update``; None for Adam's constant rate."""
    from ... import schedulers as s

    makers: Dict[str, Callable[[], Any]] = {
        "constant": lambda: s.ConstantScheduler(0.01),
        "linear": lambda: s.LinearScheduler(100, base_lr=0.5),
        "polynomial": lambda: s.PolynomialScheduler(100, power=2, base_lr=0.5),
        "time-based": lambda: s.CompoundingTimeBasedScheduler(0.5 / 100, base_lr=0.5),
        "exponential": lambda: s.ExponentialScheduler(math.exp(-0.1), base_lr=0.5),
        "step": lambda: s.StepScheduler(10, 0.8, base_lr=0.5),
        "adam": lambda: None,
        "decay-per-epoch": lambda: s.TimeBasedScheduler(0.01, base_lr=0.1),
        "decay-per-update": lambda: s.TimeBasedScheduler(0.01, base_lr=0.1),
    }
    if run not in makers:
        raise UsageError(f"unknown run {run!r}: expected one of {', '.join(RUNS)}")
    return makers[run]()


def specifications(
    runs: Sequence[str], seeds: Sequence[int], epochs: int, limit: Optional[int] = None
) -> List[RunSpec]:
    """The article's experiments as data, seed by seed."""
    settings = {"batch_size": BATCH_SIZE, "hidden": list(HIDDEN), "images": IMAGES}
    return [
        RunSpec(
            "article", run, seed, epochs, "per-update" if run == "decay-per-update" else "per-epoch", limit, settings
        )
        for seed in seeds
        for run in runs
    ]


def build(spec: RunSpec, ctx: Any, data_dir: Optional[str] = None) -> Ingredients:
    """The MLP, the seed's own 20,000 images, all test images, and the trainer of one run."""
    import numpy as np
    from mxnet import gluon, init

    from ... import optimizers  # noqa: F401  registers plainsgd
    from ...data.batches import ArrayBatches, fashion_mnist_arrays
    from ...data.fetch import obtain
    from ...data.sources import FASHION_MNIST
    from ...nets import mlp
    from ...schedulers import PerEpochScheduler

    located = obtain(FASHION_MNIST, data_dir)
    train, train_labels, test, test_labels = fashion_mnist_arrays(located)
    chosen = np.random.default_rng((spec.seed, 20_000)).permutation(len(train))[: spec.limit or IMAGES]
    train_iter = ArrayBatches(train[chosen], train_labels[chosen], BATCH_SIZE, shuffle=True, seed=spec.seed)
    test_iter = ArrayBatches(test[: spec.limit], test_labels[: spec.limit], 1000)
    net = mlp(HIDDEN)
    net.initialize(init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    loss.hybridize(static_alloc=True, static_shape=True)
    scheduler = article_scheduler(spec.run)
    if scheduler is not None and spec.reading == "per-epoch":
        scheduler = PerEpochScheduler(scheduler, len(train_iter))
    if scheduler is None:
        trainer = gluon.Trainer(net.collect_params(), "adam")
    else:
        trainer = gluon.Trainer(net.collect_params(), "plainsgd", {"lr_scheduler": scheduler})
    return Ingredients(net, train_iter, test_iter, loss, trainer, located.as_recorded())
