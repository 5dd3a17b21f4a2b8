"""The exercises' runs: fixed rates, exponents, cosine on a larger problem, and how long warmup lasts.

The fifth exercise, sampling, trains no net: :func:`~gluon_lr.studies.exercises.sampling.walk`.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from ...errors import UsageError
from ...experiments.spec import Ingredients, RunSpec

EPOCHS, BATCH_SIZE = 6, 256
LARGER_EPOCHS, LARGER_BATCH_SIZE, LARGER_IMAGES, LARGER_TEST_IMAGES = 4, 128, 6_400, 5_000
QUICK_EPOCHS, QUICK_IMAGES = 2, 1_024
POWERS = {"power 0.5": 0.5, "power 1": 1.0, "power 2": 2.0, "power 4": 4.0}
WARMUPS = {"0 epochs": 0.0, "0.5 epochs": 0.5, "1 epochs": 1.0, "2 epochs": 2.0, "5 epochs": 5.0}

# exercise: its schedules, and the rates that each is tried at
GRIDS: Dict[str, Tuple[Sequence[str], Sequence[float]]] = {
    "fixed-rate": (("constant",), (0.05, 0.1, 0.2, 0.4, 0.6)),
    "exponents": (("constant", *POWERS), (0.3,)),
    "larger": (("constant", "cosine", "GluonCV's cosine"), (0.1,)),
    "warmup": (tuple(WARMUPS), (0.5,)),
}
RUNS = tuple(GRIDS)


def specifications(
    exercises: Sequence[str], seeds: Sequence[int], epochs: Optional[int] = None, quick: bool = False
) -> List[RunSpec]:
    """The exercises as data, seed by seed; a quick one sees a slice of the images."""
    return [
        RunSpec(
            "exercises",
            f"{exercise} {schedule}@{rate:g}",
            seed,
            epochs or (QUICK_EPOCHS if quick else LARGER_EPOCHS if exercise == "larger" else EPOCHS),
            "per-update",
            QUICK_IMAGES if quick else None,
            {"exercise": exercise, "schedule": schedule, "rate": rate},
        )
        for seed in seeds
        for exercise in exercises
        for schedule in GRIDS[exercise][0]
        for rate in GRIDS[exercise][1]
    ]


def exercise_scheduler(schedule: str, rate: float, epochs: int, updates_per_epoch: int) -> Any:
    """A schedule of an exercise over a training of so many epochs; t counts updates."""
    from mxnet import lr_scheduler

    from ... import schedulers as s

    updates = epochs * updates_per_epoch
    if schedule == "constant":
        return s.ConstantScheduler(rate)
    if schedule in POWERS:
        return lr_scheduler.PolyScheduler(max_update=updates, base_lr=rate, pwr=POWERS[schedule])
    if schedule in WARMUPS:  # the cosine is shortened, so that all trainings are equally long
        length = min(WARMUPS[schedule], epochs - 1) * updates_per_epoch
        return s.WarmupScheduler(s.CosineScheduler(updates - length, rate, 0.01), length)
    if schedule == "cosine":
        return s.CosineScheduler(updates - 1, rate)
    if schedule == "GluonCV's cosine":
        from gluoncv.utils import LRScheduler

        return LRScheduler("cosine", base_lr=rate, target_lr=0, niters=updates)
    raise UsageError(f"unknown schedule {schedule!r}: expected one of those in GRIDS")


def build(spec: RunSpec, ctx: Any, data_dir: Optional[str] = None) -> Ingredients:
    """The chapter's LeNet on Fashion-MNIST, or GluonCV's ResNet-20 on CIFAR-10, under one schedule."""
    from mxnet import gluon, init

    make = _larger if spec.settings["exercise"] == "larger" else _lenet
    net, train_iter, test_iter, located, options = make(spec, ctx, data_dir)
    net.initialize(init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    loss.hybridize(static_alloc=True, static_shape=True)
    scheduler = exercise_scheduler(spec.settings["schedule"], spec.settings["rate"], spec.epochs, len(train_iter))
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"lr_scheduler": scheduler, **options})
    return Ingredients(net, train_iter, test_iter, loss, trainer, located.as_recorded())


def _lenet(spec: RunSpec, ctx: Any, data_dir: Optional[str]) -> Tuple[Any, ...]:
    from ...data.batches import ArrayBatches, fashion_mnist_arrays
    from ...data.fetch import obtain
    from ...data.sources import FASHION_MNIST
    from ...nets import lenet

    located = obtain(FASHION_MNIST, data_dir)
    train, train_labels, test, test_labels = fashion_mnist_arrays(located)
    train_iter = ArrayBatches(train[: spec.limit], train_labels[: spec.limit], BATCH_SIZE, True, spec.seed)
    return lenet(ctx), train_iter, ArrayBatches(test[: spec.limit], test_labels[: spec.limit], 1000), located, {}


def _larger(spec: RunSpec, ctx: Any, data_dir: Optional[str]) -> Tuple[Any, ...]:
    from gluoncv.model_zoo import get_model

    from ...data.batches import ArrayBatches, cifar10_arrays, normalize_cifar10
    from ...data.fetch import obtain
    from ...data.sources import CIFAR10

    located = obtain(CIFAR10, data_dir)
    train, train_labels, test, test_labels = cifar10_arrays(located)
    images = spec.limit or LARGER_IMAGES
    few = min(images, LARGER_TEST_IMAGES)
    train_iter = ArrayBatches(
        train[:images], train_labels[:images], LARGER_BATCH_SIZE, True, spec.seed, normalize_cifar10
    )
    test_iter = ArrayBatches(test[:few], test_labels[:few], 500, transform=normalize_cifar10)
    return get_model("cifar_resnet20_v1", classes=10), train_iter, test_iter, located, {"momentum": 0.9, "wd": 1e-4}
