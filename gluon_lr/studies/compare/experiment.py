"""Schedules compared on a net of the user's own, with the studies' records, statistics and figures."""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ...errors import RecordError, UsageError
from ...experiments.record import Record
from ...experiments.spec import Ingredients, RunSpec
from ...experiments.store import Store
from ...experiments.sweep import sweep

MakeScheduler = Callable[[float], Any]
Data = Union[Sequence[Any], Callable[[int], Sequence[Any]]]


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found.

    Attributes:
        records: one a run, in the order schedules, rates, seeds.
        folder: where they and the report are.
        report: the page.
    """

    records: List[Record]
    folder: Path
    report: Path

    def table(self) -> Any:
        """A line a schedule at its best rate: test accuracy, mean ± 95 % over seeds. ``.markdown()`` prints it."""
        from ...report.tables import schedules_table

        return schedules_table(self.records, "Each schedule at its best rate")

    def pairs(self) -> Any:
        """A line for every two schedules: their difference over common seeds, corrected p-value, verdict."""
        from ...report.tables import pairs_table

        return pairs_table(self.records, "Every two schedules, each at its best rate")

    def plot(self) -> Any:
        """Test accuracy against the rate, a line a schedule; a matplotlib figure."""
        from ...report.grids import draw_rates

        return draw_rates(self.records)

    def plot_training(self) -> Any:
        """Loss and accuracy against epochs, each schedule at its best rate; a matplotlib figure."""
        from .report import draw_best

        return draw_best(self.records)


def compare(
    make_net: Callable[[], Any],
    data: Data,
    schedules: Mapping[str, MakeScheduler],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    lrs: Sequence[float] = (0.1,),
    epochs: int = 10,
    loss: Optional[Callable[..., Any]] = None,
    optimizer: str = "sgd",
    optimizer_params: Optional[Dict[str, Any]] = None,
    out: Union[str, Path] = "my_runs/compare",
    jobs: Optional[int] = None,
    ctx: str = "auto",
    fresh: bool = False,
    progress: bool = True,
) -> Comparison:
    """Train a classifier under every schedule, at every rate, with every seed, and compare them over common seeds.

    Runs go side by side in processes, or on the Dask cluster of joblib's active backend; each is recorded as it goes,
    and a second call with the same ``out`` does only what is missing.

    Args:
        make_net: makes the Gluon net, initialized or not; called once a run, after seeding.
        data: ``(train, test)`` or ``(train, validation, test)``, each batches of (X, y) that can be iterated again;
            or a function of the seed that makes them, which is lighter to hand to worker processes.
        schedules: name → function of a rate that gives a scheduler of updates: ours, MXNet's, GluonCV's or a number.
        seeds: of initialization and, where a loader has a ``seed``, batch order; the same for all schedules.
        lrs: the rates that every schedule is tried at; default 0.1 alone.
        epochs: how many; default 10.
        loss: default softmax cross-entropy.
        optimizer, optimizer_params: as ``gluon.Trainer`` takes them; plain values; default plain SGD.
        out: folder for records, figures and ``report.html``.
        jobs: processes side by side; default as :func:`~gluon_lr.sweep.sweep` has it.
        ctx: ``auto``, ``cpu``, ``gpu`` or ``gpu:1``.
        fresh: train anew what is recorded already.
        progress: draw bars.

    Returns:
        Records, tables and figures. With validation data a training counts at the epoch that is best on them, else at
        the one that is best on test data, which flatters every schedule alike.

    Raises:
        UsageError: no schedules, seeds or rates, or data of another form.
        RecordError: ``out`` holds records of other settings under the same names, or of other data: other numbers of
            batches, or, for :class:`~gluon_lr.data.ArrayBatches`, other images or labels.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from mxnet import gluon
        >>> from gluon_lr import ConstantScheduler, CosineScheduler, compare
        >>> from gluon_lr.data import ArrayBatches
        >>> def two_clouds(seed):
        ...     rng = np.random.default_rng(seed)
        ...     y = np.arange(64) % 2
        ...     X = rng.normal(size=(64, 2)).astype("float32") + 3 * y[:, None]
        ...     make = lambda a, b: ArrayBatches(X[a:b], y[a:b], 8, shuffle=True, seed=seed, transform=lambda x: x)
        ...     return make(0, 48), make(48, 64)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = compare(lambda: gluon.nn.Dense(2), two_clouds,
        ...                     {"constant": ConstantScheduler, "cosine": lambda lr: CosineScheduler(12, lr)},
        ...                     seeds=[0, 1], epochs=2, out=folder, progress=False)
        >>> len(found.records), sorted(row[0] for row in found.table().rows)
        (4, ['constant', 'cosine'])
    """
    if not (schedules and len(seeds) and len(lrs)):
        raise UsageError("nothing to compare: expected at least one schedule, one seed and one rate")
    if epochs < 1:
        raise UsageError(f"epochs is {epochs}: expected at least 1")
    specs = [
        RunSpec(
            "compare",
            f"{name}@{lr:g}",
            int(seed),
            epochs,
            "per-update",
            None,
            {
                "schedule": name,
                "rate": float(lr),
                "scheduler": repr(_pure(make(lr), name)),
                "net": _identity(make_net),
                "data": _identity(data) if callable(data) else "loaders",
                "loss": type(loss).__name__ if loss is not None else "SoftmaxCrossEntropyLoss",
                "optimizer": optimizer,
                "optimizer_params": dict(optimizer_params or {}),
            },
        )
        for name, make in schedules.items()
        for lr in lrs
        for seed in seeds
    ]
    build = functools.partial(_build, make_net, data, dict(schedules), loss)
    folder = Path(out)
    if not fresh:
        _require_same_data(folder, [spec for spec in specs if spec.seed == specs[0].seed], data)
    records = sweep(specs, build, folder, jobs=jobs, ctx=ctx, fresh=fresh, progress=progress)
    from .report import write_report

    return Comparison(records, folder, write_report(folder, records))


def _identity(function: Any) -> str:
    """A function's name and a digest of its source, where there is one, so that another one's records are refused."""
    import hashlib
    import inspect

    name = getattr(function, "__qualname__", type(function).__name__)
    try:
        return f"{name} {hashlib.sha1(inspect.getsource(function).encode('utf-8')).hexdigest()[:12]}"
    except (OSError, TypeError):
        return name


def _pure(scheduler: Any, name: str) -> Any:
    from ...schedulers import pure

    try:
        return pure(scheduler)
    except (TypeError, UsageError) as error:
        raise UsageError(
            f"schedule {name!r} gives {scheduler!r}: expected a scheduler or a number ({error})"
        ) from error


def _build(
    make_net: Callable[[], Any],
    data: Data,
    schedules: Mapping[str, MakeScheduler],
    loss: Optional[Callable[..., Any]],
    spec: RunSpec,
    ctx: Any,
    data_dir: Optional[str] = None,
) -> Ingredients:
    """What one run of a comparison trains."""
    from mxnet import gluon, init

    from ...data.forms import shards

    train_iter, valid_iter, test_iter = _loaders(data, spec.seed)
    net = make_net()
    for parameter in net.collect_params().values():
        if parameter._data is None and not parameter._deferred_init:
            parameter.initialize(default_init=init.Xavier(), ctx=ctx)
    net.collect_params().reset_ctx(ctx)
    X, _ = shards(next(iter(test_iter)), [ctx])[0]
    classes = net(X[:1]).shape[-1]
    scheduler = _pure(schedules[spec.settings["schedule"]](spec.settings["rate"]), spec.settings["schedule"])
    params = {**spec.settings["optimizer_params"], "lr_scheduler": scheduler}
    return Ingredients(
        net,
        train_iter,
        test_iter,
        gluon.loss.SoftmaxCrossEntropyLoss() if loss is None else loss,
        gluon.Trainer(net.collect_params(), spec.settings["optimizer"], params),
        {
            "name": "the user's own",
            "edition": "the user's own",
            "contents": _contents(train_iter, valid_iter, test_iter),
        },
        valid_iter=valid_iter,
        classes=classes,
    )


def _loaders(data: Data, seed: int) -> Tuple[Any, Any, Any]:
    """Training, validation and test batches of a seed."""
    made = data(seed) if callable(data) else data
    if not isinstance(made, (tuple, list)) or len(made) not in (2, 3):
        raise UsageError("data are of another form: expected (train, test) or (train, validation, test) batches")
    train_iter, test_iter = copy.copy(made[0]), made[-1]
    if not callable(data) and hasattr(train_iter, "seed"):
        train_iter.seed, train_iter.epoch = seed, 0
    return train_iter, made[1] if len(made) == 3 else None, test_iter


def _contents(*loaders: Any) -> List[str]:
    """What the loaders hold, as text: what is cheap to know without going through them."""
    from ...data.batches import ArrayBatches
    from ...files import array_digest

    told = []
    for loader in loaders:
        text = f"{len(loader)} batches" if hasattr(loader, "__len__") else type(loader).__name__
        if isinstance(loader, ArrayBatches):
            digests = (array_digest(array)[:16] for array in (loader.images, loader.labels))
            text += " of {}, SHA-256 {}, {}".format(loader.batch_size, *digests)
        told.append(text)
    return told


def _require_same_data(folder: Path, specs: Sequence[RunSpec], data: Data) -> None:
    """Refuse records that were made on other data: a function's source does not tell what it reads.

    Raises:
        RecordError: naming the first.
    """
    store = Store(folder)
    found = [record for record in (store.find(spec) for spec in specs) if record is not None]
    made_on = [record for record in found if "contents" in record.data]
    if not made_on:
        return
    now = _contents(*_loaders(data, specs[0].seed))
    for record in made_on:
        if record.data["contents"] != now:
            raise RecordError(
                f"{record.path}: was made on other data ({'; '.join(record.data['contents'])}) than are given now "
                f"({'; '.join(now)}). Have it made anew (fresh=True) or name another output folder (out=)"
            )
