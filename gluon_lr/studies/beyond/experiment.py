"""The runs that schedule something else than the rate: LeNet on Fashion-MNIST.

Each way of scheduling stands beside its counterpart without it: batch growth beside the falling rate that it takes
the place of, scheduled weight decay beside a constant one, the others beside the constant rate.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence

from ...experiments.spec import Ingredients, RunSpec

# run: its counterpart
COUNTERPARTS: Dict[str, Optional[str]] = {
    "constant": None,
    "step": "constant",
    "batch-growth": "step",
    "plateau": "constant",
    "adaptive-momentum": "constant",
    "weight-decay": "constant",
    "scheduled-weight-decay": "weight-decay",
    "autolrs": "constant",
}
RUNS = tuple(COUNTERPARTS)
EPOCHS = 10
RATE, DECAY, BATCH_SIZE = 0.1, 5e-4, 256
QUICK_IMAGES, QUICK_EPOCHS = 5_000, 3


def specifications(
    runs: Sequence[str], seeds: Sequence[int], epochs: int, limit: Optional[int] = None
) -> List[RunSpec]:
    """The demonstrations as data."""
    settings = {"batch_size": BATCH_SIZE, "net": "lenet", "rate": RATE, "decay": DECAY}
    return [RunSpec("beyond", run, seed, epochs, "per-epoch", limit, settings) for seed in seeds for run in runs]


def build(spec: RunSpec, ctx: Any, data_dir: Optional[str] = None) -> Ingredients:
    """LeNet with one of the ways of scheduling."""
    from mxnet import gluon, init, nd

    from ... import hyper, optimizers  # noqa: F401  registers adaptiveheavyball
    from ...data.batches import ArrayBatches, fashion_mnist_arrays
    from ...data.fetch import obtain
    from ...data.sources import FASHION_MNIST
    from ...finder.autolrs import AutoLRS
    from ...nets import lenet
    from ...schedulers import PerEpochScheduler, StepScheduler

    located = obtain(FASHION_MNIST, data_dir)
    train, train_labels, test, test_labels = fashion_mnist_arrays(located)
    images, labels = train[: spec.limit], train_labels[: spec.limit]
    train_iter = ArrayBatches(images, labels, BATCH_SIZE, shuffle=True, seed=spec.seed)
    test_iter = ArrayBatches(test[: spec.limit], test_labels[: spec.limit], 1000)
    net = lenet(ctx)
    net.initialize(init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True)
    net(nd.zeros((1, 1, 28, 28), ctx=ctx))  # schedules read all weights before the first update
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    run = Ingredients(net, train_iter, test_iter, loss, None, located.as_recorded())
    optimizer, rule = "sgd", {"learning_rate": RATE}
    falling = StepScheduler(3, 0.5, base_lr=RATE)  # a t is an epoch
    if spec.run == "step":
        rule = {"lr_scheduler": PerEpochScheduler(falling, len(train_iter))}
    elif spec.run == "batch-growth":
        sizes, rates = hyper.grow_batch_instead(falling, BATCH_SIZE, largest=1024)
        run.train_iter = hyper.ScheduledBatches(images, labels, sizes, shuffle=True, seed=spec.seed)
        run.schedules = [ByEpoch("learning_rate", rates, run.train_iter)]
    elif spec.run == "plateau":
        plateau = hyper.ReduceOnPlateau(RATE, factor=0.5, patience=0, threshold=0.02)
        rule = {"lr_scheduler": plateau}
        run.after_epoch = [lambda history: plateau.observe(history.test_loss[-1])]
    elif spec.run == "adaptive-momentum":
        optimizer = "adaptiveheavyball"
    elif spec.run == "weight-decay":
        rule["wd"] = DECAY
    elif spec.run == "scheduled-weight-decay":
        run.schedules = [hyper.ScheduledWeightDecay(DECAY)]
    elif spec.run == "autolrs":
        trials = ArrayBatches(images, labels, BATCH_SIZE, shuffle=True, seed=spec.seed + 10_000)
        stage = 2 * len(train_iter)
        run.schedules = [
            AutoLRS(
                net, trials, loss, ctx, low=1e-2, high=1.0, first_stage=stage, longest_stage=2 * stage, seed=spec.seed
            )
        ]
    run.trainer = gluon.Trainer(net.collect_params(), optimizer, rule)
    return run


class ByEpoch:
    """Set one of the optimizer's numbers by a schedule whose t is the epoch that a loader is in.

    Where batches grow, updates an epoch change, and an update's number no longer tells its epoch.

    Args:
        name: as in :class:`~gluon_lr.hyper.HyperparameterSchedule`.
        schedule: over epochs.
        batches: the loader, whose ``epoch`` is one ahead while it is iterated.
    """

    def __init__(self, name: str, schedule: Any, batches: Any) -> None:
        from ...hyper import HyperparameterSchedule

        self._setting, self._batches = HyperparameterSchedule(name, schedule), batches

    def apply(self, trainer: Any, t: int) -> None:
        """Set the value for update ``t``, whatever its number."""
        self._setting.apply(trainer, self._batches.epoch - 1)
