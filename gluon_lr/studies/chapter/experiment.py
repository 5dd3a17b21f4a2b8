"""The chapter's runs: LeNet on Fashion-MNIST under five schedules, in three readings.

Gluon's trainer calls a scheduler with the number of updates, 235 an epoch, while the chapter draws its schedulers
against 40 epochs; and it draws the very object it then trains with, though MXNet's change when they are called. So
there are three readings of each schedule: *as printed* (drawn first, then counted in updates), *per update* (a fresh
object, counted in updates) and *per epoch* (what the text means).

Per epoch, MXNet's warmup begins at 0, so its whole first epoch has the rate 0 and trains nothing. A fourth reading,
*per epoch, ramped*, is of the schedule with warmup alone: its rate rises with every update instead.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence

from ...cli import imported
from ...errors import UsageError
from ...experiments.spec import Ingredients, RunSpec
from .variation import AS_IN_THE_CHAPTER, RATE, Variation

READINGS = ("as-printed", "per-update", "per-epoch", "per-epoch-ramped")
WITH_WARMUP = "cosine-warmup"
RUNS = ("constant", "square-root", "multi-factor", "cosine", "cosine-warmup")
EPOCHS = 40
BATCH_SIZE = 256
QUICK_IMAGES, QUICK_EPOCHS = 20_000, 5


def chapter_scheduler(run: str, lr: float = RATE) -> Any:
    """A fresh scheduler object of a run, made as the chapter makes it, with all its rates scaled from 0.5 to ``lr``;
    None for the constant rate."""
    from mxnet import lr_scheduler

    from ...schedulers import SquareRootScheduler

    makers: Dict[str, Callable[[], Any]] = {
        "constant": lambda: None,
        "square-root": lambda: SquareRootScheduler(lr=lr / 0.5),
        "multi-factor": lambda: lr_scheduler.MultiFactorScheduler(step=[15, 30], factor=0.5, base_lr=lr),
        "cosine": lambda: lr_scheduler.CosineScheduler(max_update=40, base_lr=lr, final_lr=lr / 50),
        "cosine-warmup": lambda: lr_scheduler.CosineScheduler(
            max_update=40, base_lr=lr, final_lr=lr / 50, warmup_steps=5
        ),
    }
    if run not in makers:
        raise UsageError(f"unknown run {run!r}: expected one of {', '.join(RUNS)}")
    return makers[run]()


def place_of(run: str) -> int:
    """Where a run stands among others: the chapter's five in its order, then one's own."""
    return RUNS.index(run) if run in RUNS else len(RUNS)


def drawn_rates(run: str, epochs: int = EPOCHS) -> List[float]:
    """What the chapter draws for a run: a fresh scheduler called with 0, 1, …, epochs − 1."""
    scheduler = chapter_scheduler(run)
    return [0.5 if scheduler is None else float(scheduler(t)) for t in range(epochs)]


def trained_scheduler(run: str, reading: str, updates_per_epoch: int, lr: float = RATE) -> Any:
    """The scheduler that a trainer is given for a run in a reading; None for the constant rate."""
    from ...schedulers import PerEpochScheduler

    scheduler = chapter_scheduler(run, lr)
    if scheduler is None or reading == "per-update":
        return scheduler
    if reading == "per-epoch":
        return PerEpochScheduler(scheduler, updates_per_epoch)
    if reading == "per-epoch-ramped":
        return PerEpochScheduler(scheduler, updates_per_epoch, every="update")
    if reading == "as-printed":
        for epoch in range(EPOCHS):  # the drawing, which moves MXNet's schedulers
            scheduler(epoch)
        return scheduler
    raise UsageError(f"unknown reading {reading!r}: expected one of {', '.join(READINGS)}")


def specifications(
    runs: Sequence[str],
    reading: str,
    seeds: Sequence[int],
    epochs: int,
    limit: Optional[int] = None,
    variation: Variation = AS_IN_THE_CHAPTER,
) -> List[RunSpec]:
    """The chapter's experiments as data, seed by seed; schedules of one's own come after its five.

    Raises:
        UsageError: the ramped reading is asked for a run without warmup, or a schedule of one's own has the name of one
            of the five.
    """
    for name in variation.schedules:
        if name in RUNS:
            raise UsageError(
                f"--schedule {name}={variation.schedules[name]}: {name} is the chapter's; take another name"
            )
    if reading == "per-epoch-ramped" and list(runs) != [WITH_WARMUP]:
        raise UsageError(
            f"--reading {reading} is of the schedule with warmup alone: give --only {WITH_WARMUP}, beside --reading "
            "per-epoch --only cosine in the same --out"
        )
    settings = {"batch_size": BATCH_SIZE, "net": "lenet", "optimizer": "sgd"}
    own = {run: {**settings, **variation.settings(run)} for run in (*runs, *variation.schedules)}
    return [RunSpec("chapter", run, seed, epochs, reading, limit, own[run]) for seed in seeds for run in own]


def build(spec: RunSpec, ctx: Any, data_dir: Optional[str] = None) -> Ingredients:
    """LeNet, its data and its trainer as the chapter sets them up, for one run."""
    from mxnet import gluon, init

    from ...data.batches import ArrayBatches, fashion_mnist_arrays
    from ...data.fetch import obtain
    from ...data.sources import FASHION_MNIST
    from ...nets import lenet

    located = obtain(FASHION_MNIST, data_dir)
    train, train_labels, test, test_labels = fashion_mnist_arrays(located)
    batch_size = spec.settings["batch_size"]
    train_iter = ArrayBatches(train[: spec.limit], train_labels[: spec.limit], batch_size, shuffle=True, seed=spec.seed)
    test_iter = ArrayBatches(test[: spec.limit], test_labels[: spec.limit], batch_size=1000)
    settings = spec.settings
    net = lenet(ctx) if settings["net"] == "lenet" else imported(settings["net"][0])(ctx)
    net.initialize(init.Xavier(), ctx=ctx)
    net.hybridize(static_alloc=True, static_shape=True)
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    loss.hybridize(static_alloc=True, static_shape=True)
    lr = settings.get("lr", RATE)
    if "schedule" in settings:
        scheduler = imported(settings["schedule"][0])(lr, spec.epochs, len(train_iter))
    else:
        scheduler = trained_scheduler(spec.run, spec.reading, len(train_iter), lr)
    rule = {"learning_rate": lr} if scheduler is None else {"lr_scheduler": scheduler}
    trainer = gluon.Trainer(net.collect_params(), "sgd", rule)
    return Ingredients(net, train_iter, test_iter, loss, trainer, located.as_recorded())
