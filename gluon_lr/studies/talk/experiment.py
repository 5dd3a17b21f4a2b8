"""The talk's runs: schedules × rates on CIFAR-10 with a vision transformer and AdamW.

The talk's clock is kept whatever the budget: a hundredth of all updates is one of its hundred epochs, so that its
warmup of 6, its steps of 5 and its restarts every 10 to 50 take the same share of every training.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ...errors import UsageError
from ...experiments.spec import Ingredients, RunSpec

TICKS = 100  # the talk's epochs
WARMUP, STEP, STEP_FACTOR, FLOOR, RESTART_RATE, DECAY = 6, 5, 0.9, 1e-6, 4.6e-4, 1e-4
_FOUR = (1e-5, 1e-4, 1e-3, 1e-2)
_FIVE = (1e-6, *_FOUR)

# schedule: the rates it is tried at
GRID: Dict[str, Tuple[float, ...]] = {
    "constant": _FIVE,
    "constant-warmup": _FIVE,
    "cosine": _FOUR,
    "cosine-warmup": _FOUR,
    "step": _FOUR,
    "one-cycle": _FOUR,
    **{f"warm-restarts-{t}": (RESTART_RATE,) for t in (10, 20, 30, 40, 50)},
}
SCHEDULES = tuple(GRID)
# Rates that the talk did not try, for schedules that are best at the greatest that it did.
BEYOND: Dict[str, Tuple[float, ...]] = {"cosine-warmup": (0.03, 0.1), "one-cycle": (0.03, 0.1)}


@dataclass(frozen=True)
class Preset:
    """The size of a net and its budget.

    Attributes:
        width, depth, heads, patch: of :class:`~gluon_lr.nets.ViT`.
        images: training images; None for all that are not kept for validation.
        validation, test: images of each.
        batch_size: images an update.
        epochs: through the training images.
    """

    width: int
    depth: int
    heads: int
    patch: int
    images: Optional[int]
    validation: int
    test: int
    batch_size: int
    epochs: int


# The talk's own, 12.5 million parameters, is for a GPU; "small" is for two cores, less than half an hour a seed.
PRESETS = {
    "small": Preset(64, 3, 2, 8, 10_240, 2_000, 5_000, 128, 12),
    "paper": Preset(384, 7, 6, 4, None, 5_000, 10_000, 512, 100),
}
QUICK = Preset(32, 1, 2, 8, 1_280, 500, 500, 128, 10)


def run_name(schedule: str, rate: float) -> str:
    """How a run of the grid is called.

    Example:
        >>> run_name("one-cycle", 0.001)
        'one-cycle@0.001'
    """
    return f"{schedule}@{rate:g}"


def talk_scheduler(schedule: str, rate: float, updates: int) -> Any:
    """A schedule of the talk over ``updates`` updates, whose hundredth part is one of its epochs."""
    from ... import schedulers as s

    tick = updates / TICKS
    if schedule.startswith("warm-restarts-"):
        length = int(schedule.rpartition("-")[2]) * tick
        # The first update is t = 1: one back, or the last update would be the first of a new cycle.
        return s.PerEpochScheduler(s.CosineWarmRestartsScheduler(length, base_lr=rate, final_lr=FLOOR), 1)
    makers = {
        "constant": lambda: s.ConstantScheduler(rate),
        "constant-warmup": lambda: s.WarmupScheduler(rate, WARMUP * tick),
        "cosine": lambda: s.CosineScheduler(updates, rate, FLOOR),
        "cosine-warmup": lambda: s.WarmupScheduler(
            s.CosineScheduler((TICKS - WARMUP) * tick, rate, FLOOR), WARMUP * tick
        ),
        "step": lambda: s.StepScheduler(STEP * tick, STEP_FACTOR, rate),
        "one-cycle": lambda: s.OneCycleScheduler(updates, rate),
    }
    if schedule not in makers:
        raise UsageError(f"unknown schedule {schedule!r}: expected one of {', '.join(SCHEDULES)}")
    return makers[schedule]()


def specifications(
    schedules: Sequence[str], seeds: Sequence[int], preset: Preset, epochs: Optional[int] = None, quick: bool = False
) -> List[RunSpec]:
    """The talk's grid and the rates beyond it as data, seed by seed."""
    return [
        RunSpec(
            "talk",
            run_name(schedule, rate),
            seed,
            epochs or preset.epochs,
            "per-update",
            preset.images if quick else None,
            {"schedule": schedule, "rate": rate, "optimizer": "adamw", "decay": DECAY, "preset": vars(preset)},
        )
        for seed in seeds
        for schedule in schedules
        for rate in (*GRID[schedule], *BEYOND.get(schedule, ()))
    ]


def build(spec: RunSpec, ctx: Any, data_dir: Optional[str] = None) -> Ingredients:
    """The transformer, the seed's own training and validation images, and the trainer of one cell of the grid."""
    import numpy as np
    from mxnet import gluon, init

    from ... import optimizers  # noqa: F401  registers adamw
    from ...data.batches import ArrayBatches, cifar10_arrays, normalize_cifar10
    from ...data.fetch import obtain
    from ...data.sources import CIFAR10
    from ...hyper import HyperparameterSchedule
    from ...nets import ViT

    preset = Preset(**spec.settings["preset"])
    located = obtain(CIFAR10, data_dir)
    train, train_labels, test, test_labels = cifar10_arrays(located)
    shuffled = np.random.default_rng((spec.seed, 10_000)).permutation(len(train))
    held, chosen = shuffled[: preset.validation], shuffled[preset.validation :][: preset.images]

    def evaluated(images: Any, labels: Any) -> ArrayBatches:
        return ArrayBatches(images, labels, 250, transform=normalize_cifar10)

    train_iter = ArrayBatches(
        train[chosen], train_labels[chosen], preset.batch_size, True, spec.seed, normalize_cifar10
    )
    net = ViT(preset.width, preset.depth, preset.heads, preset.patch)
    net.initialize(init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    loss.hybridize(static_alloc=True, static_shape=True)
    scheduler = talk_scheduler(spec.settings["schedule"], spec.settings["rate"], spec.epochs * len(train_iter))
    trainer = gluon.Trainer(net.collect_params(), "adamw", {"lr_scheduler": scheduler, "wd": DECAY})
    return Ingredients(
        net,
        train_iter,
        evaluated(test[: preset.test], test_labels[: preset.test]),
        loss,
        trainer,
        located.as_recorded(),
        # The common implementation's one-cycle moves Adam's first momentum against the rate.
        schedules=[HyperparameterSchedule("beta1", scheduler.momentum())] if hasattr(scheduler, "momentum") else (),
        valid_iter=evaluated(train[held], train_labels[held]),
    )
