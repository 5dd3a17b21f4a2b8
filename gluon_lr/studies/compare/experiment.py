"""Schedules compared on a net of the user's own, with the studies' records, statistics and figures."""

from __future__ import annotations

import functools
import logging
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ...analysis.measures import ACCURACY, Score, score_of
from ...arguments import MOST_SEED, whole_number
from ...checks import number_of_classes
from ...data.forms import Unpack
from ...errors import UsageError
from ...experiments.run import seed_everything
from ...experiments.spec import Ingredients, RunSpec
from ...experiments.store import Store
from ...experiments.sweep import sweep
from ...files import writable_folder
from ...finder import TuneResult
from ...metrics import Metric
from ...schedulers import pure
from .arguments import (
    rate,
    require_context_name,
    require_functions,
    require_own_files,
    require_own_names,
    several,
)
from .comparison import Comparison
from .identified import Data, Identities, data_as_made, loaders, net_as_made, seeded
from .refusal import Planned, count_recorded, require_same
from .tuned import TUNE, tuned_rates

log = logging.getLogger(__name__)

MakeScheduler = Callable[[float], Any]


@dataclass(frozen=True)
class Given:
    """What every run of a comparison is built of; it goes to the processes that train.

    Attributes:
        make_net, data, schedules, loss, optimizer, optimizer_params, unpack, batch_metric: as :func:`compare` takes
            them.
    """

    make_net: Callable[[], Any]
    data: Data
    schedules: Mapping[str, MakeScheduler]
    loss: Optional[Callable[..., Any]]
    optimizer: str
    optimizer_params: Dict[str, Any]
    unpack: Optional[Unpack] = None
    batch_metric: Optional[Metric] = None


def compare(
    make_net: Callable[[], Any],
    data: Data,
    schedules: Mapping[str, MakeScheduler],
    *,
    seeds: Sequence[int] = (0, 1, 2),
    lrs: Union[Sequence[float], str] = (0.1,),
    epochs: int = 10,
    loss: Optional[Callable[..., Any]] = None,
    optimizer: str = "sgd",
    optimizer_params: Optional[Dict[str, Any]] = None,
    metric: Union[str, Callable[[Any], float], None] = None,
    larger_is_better: Optional[bool] = None,
    unpack: Optional[Unpack] = None,
    batch_metric: Optional[Metric] = None,
    names: Optional[Mapping[str, str]] = None,
    out: Union[str, Path] = "my_runs/compare",
    jobs: Optional[int] = None,
    ctx: str = "auto",
    fresh: bool = False,
    progress: bool = True,
) -> Comparison:
    """Train a net under every schedule, at every rate, with every seed, and compare them over common seeds.

    Runs go side by side in processes, or on the Dask cluster of joblib's active backend; each is recorded as it goes,
    and a second call with the same ``out`` does only what is missing: also in another process or session. A run is
    known by its schedule, rate, seed and epochs, and by what net, data, loss and optimizer are: the code of functions
    with the values that they are bound to, the state of objects, the contents of arrays, the net as it is made. To
    find that out, ``make_net`` and each seed's ``data`` are called once in the calling process too.

    Args:
        make_net: makes the Gluon net, initialized or not; called once a run, after seeding.
        data: ``(train, test)`` or ``(train, validation, test)``, each batches of (X, y) that can be iterated again;
            or a function of the seed that makes them, which is lighter to hand to worker processes.
        schedules: name → function of a rate that gives a scheduler of updates: ours, MXNet's, GluonCV's or a number;
            a schedule itself, or a number, is refused.
        seeds: of initialization and, where a loader has a ``seed``, batch order; the same for all schedules.
        lrs: the rates that every schedule is tried at; default 0.1 alone. ``"tune"`` finds one for each schedule
            (:meth:`LRFinder.tune`), at the cost of one training, judged by the validation data or, where there are
            none, by a tenth of the training data, held back during the search only.
        epochs: how many; default 10.
        loss: default softmax cross-entropy.
        optimizer, optimizer_params: as ``gluon.Trainer`` takes them; plain values; default plain SGD.
        metric: the number that a training is judged by, in tables, pairs and figures, and a schedule's rate is chosen
            by: a name of the history, such as ``test_loss``, or a function of the history, a dict of lists, that gives
            a number. A name stands for its value at the best epoch. Default test accuracy, or the test loss where
            labels are no classes and there is no ``batch_metric``.
        larger_is_better: of the metric; default False where its name, or that of the function, ends in loss or seconds,
            else True.
        unpack, batch_metric: as :func:`~gluon_lr.train` takes them, for batches of another form than (X, y) and for
            another number of each batch than accuracy.
        names: ``net``, ``data``, ``loss``, ``unpack``, ``batch_metric`` or a schedule's name → a name of your own that
            identifies it, for what cannot be identified otherwise, such as batches from a database:
            ``{"data": "orders-2024-v2"}``. Change it whenever the thing changes.
        out: folder for records, figures and ``report.html``.
        jobs: processes side by side; default as :func:`~gluon_lr.experiments.sweep.sweep` has it.
        ctx: ``auto``, ``cpu``, ``gpu`` or ``gpu:1``.
        fresh: train again what is recorded already, and tune again.
        progress: draw bars.

    Returns:
        Records, tables and figures, and how many runs were read and how many trained. With validation data a training
        counts at the epoch that is best on them, else at the one that is best on test data, which flatters all
        schedules, unsteady trainings most.

    Raises:
        UsageError: no schedules, seeds or rates; a schedule that is no function of the rate; data of another form; or
            something that nothing tells from another and that has no name in ``names``.
        RecordError: ``out`` holds records under the same names that were made of something else; the text says of
            what.

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
    require_functions(schedules)
    by = _judged_by(metric, larger_is_better, batch_metric)
    rates = [] if isinstance(lrs, str) and lrs == TUNE else require_own_names(several(lrs, "lrs", rate, "lrs=[0.1]"))
    jobs = None if jobs is None else whole_number("jobs", jobs, least=1)
    numbers = several(seeds, "seeds", functools.partial(whole_number, least=0, most=MOST_SEED), "seeds=range(3)")
    epochs = whole_number("epochs", epochs, least=1)
    require_context_name(ctx)
    given = Given(make_net, data, dict(schedules), loss, optimizer, dict(optimizer_params or {}), unpack, batch_metric)
    if isinstance(metric, str) and metric.startswith("valid_"):
        with seeded(numbers[0]):
            if loaders(data, numbers[0])[1] is None:
                raise UsageError(
                    f"metric is {metric!r}, and there are no validation data: expected (train, validation, test)"
                )
    identities, folder = Identities(names, schedules), Path(out)
    Store(folder).require_own("compare")
    tuned = {} if rates else _tuned(given, epochs, numbers[0], identities, folder, jobs, ctx, fresh)
    runs = [(name, lr, seed) for name in schedules for lr in rates or [_rounded(tuned[name])] for seed in numbers]
    planned = _plan(runs, epochs, given, identities)
    read = 0 if fresh else count_recorded(Store(folder), planned)
    build = functools.partial(_build, given, {run.spec.key: run for run in planned})
    records = sweep([run.spec for run in planned], build, folder, jobs=jobs, ctx=ctx, fresh=fresh, progress=progress)
    if metric is None and not any(math.isfinite(value) for r in records for value in r.history.get("test_acc", [])):
        by = score_of("test_loss", None)  # larger_is_better was said of the accuracy
    from .report import write_report

    found = Comparison(records, folder, write_report(folder, records, by), read, len(records) - read, by, tuned)
    log.info("%s", found.done())
    return found


def _tuned(
    given: Given,
    epochs: int,
    seed: int,
    identities: Identities,
    folder: Path,
    jobs: Optional[int],
    ctx: str,
    fresh: bool,
) -> Dict[str, TuneResult]:
    """Schedule → the rate that trials found for it, with the first seed."""
    planned = _plan([(name, 0.1, seed) for name in given.schedules], epochs, given, identities)
    build = functools.partial(_build, given, {run.spec.key: run for run in planned})
    schedules = {name: functools.partial(_scheduler, given.schedules, name) for name in given.schedules}
    specs = {run.spec.settings["schedule"]: run.spec for run in planned}
    return tuned_rates(specs, build, schedules, writable_folder(folder) / "tuned", jobs, ctx, fresh)


def _rounded(result: TuneResult) -> float:
    """A rate as a person would write it, and as the name of a run has it."""
    return float(f"{result.lr:.3g}")


def _judged_by(
    metric: Union[str, Callable[[Any], float], None], larger_is_better: Optional[bool], batch_metric: Optional[Metric]
) -> Score:
    from ...training import History

    if metric is None:
        by = ACCURACY if larger_is_better is None else score_of("test_acc", larger_is_better)
        return by if batch_metric is None else replace(by, name="batch_metric on test data")
    if not callable(metric) and metric not in History().as_dict():
        known = ", ".join(History().as_dict())
        raise UsageError(f"metric is {metric!r}: expected a function of the history, or one of its names: {known}")
    return score_of(metric, larger_is_better)


def _plan(
    runs: Sequence[Tuple[str, float, int]],
    epochs: int,
    given: Given,
    identities: Identities,
) -> List[Planned]:
    """Each run's specification, with what it is made of."""
    same = {"net": identities.net(given.make_net), "loss": identities.loss(given.loss)}
    optimizer = {
        "optimizer": identities.optimizer(given.optimizer),
        "optimizer_params": identities.params(given.optimizer_params),
    }
    hooks = {"unpack": given.unpack, "batch_metric": given.batch_metric}
    same.update({name: identities.hook(name, hook) for name, hook in hooks.items() if hook is not None})
    by_seed = {seed: identities.data(given.data, seed) for seed in dict.fromkeys(seed for _, _, seed in runs)}
    identified: Dict[Any, Any] = {}
    for name, lr, _ in runs:
        if (name, lr) not in identified:
            with seeded(0):
                scheduler = _scheduler(given.schedules, name, lr)
                identified[name, lr] = identities.schedule(name, scheduler, given.schedules[name])
    planned = []
    for name, lr, seed in runs:
        of = {"scheduler": identified[name, lr], **same, "data": by_seed[seed]}
        settings = {"schedule": name, "rate": lr, **{key: identity for key, (identity, _) in of.items()}, **optimizer}
        spec = RunSpec("compare", f"{name}@{lr:g}", seed, epochs, "per-update", None, settings)
        planned.append(Planned(spec, {key: words for key, (_, words) in of.items()}, identities.made(seed)))
    require_own_files([run.spec for run in planned])
    return planned


def _scheduler(schedules: Mapping[str, MakeScheduler], name: str, lr: float) -> Any:
    """The schedule of a rate, pure.

    Raises:
        UsageError: the function cannot be called with a rate, or gives something else.
    """
    try:
        scheduler = schedules[name](lr)
    except TypeError as error:
        raise UsageError(
            f"schedules[{name!r}] does not take a rate ({error}): expected a function of the rate, such as "
            f"{{{name!r}: lambda lr: CosineScheduler(400, lr)}}"
        ) from error
    try:
        return pure(scheduler)
    except (TypeError, UsageError) as error:
        raise UsageError(
            f"schedule {name!r} gives {scheduler!r}: expected a scheduler or a number ({error})"
        ) from error


def _build(
    given: Given, planned: Mapping[str, Planned], spec: RunSpec, ctx: Any, data_dir: Optional[str] = None
) -> Ingredients:
    """What one run of a comparison trains.

    Raises:
        UsageError: the functions do not make here, in a worker process, what they made where the run was planned.
    """
    from mxnet import gluon

    from ...data.forms import call, shards, unpack_pair
    from ...finder.learner import initialize_missing

    plan = planned[spec.key]
    seed_everything(0)  # as where the run was planned
    made = {"net": net_as_made(given.make_net())}
    seed_everything(spec.seed)
    train_iter, valid_iter, test_iter = loaders(given.data, spec.seed)
    require_same(plan.made, {**made, "data": data_as_made((train_iter, valid_iter, test_iter))})
    net = given.make_net()
    initialize_missing(net, [ctx])
    net.collect_params().reset_ctx(ctx)
    inputs, _ = shards((given.unpack or unpack_pair)(next(iter(test_iter))), [ctx])[0]
    output = call(net, inputs)
    loss = gluon.loss.SoftmaxCrossEntropyLoss() if given.loss is None else given.loss
    several = isinstance(output, (list, tuple))
    classes = 10 if several else max(2, number_of_classes(loss, output) or output.shape[-1])
    scheduler = _scheduler(given.schedules, spec.settings["schedule"], spec.settings["rate"])
    return Ingredients(
        net,
        train_iter,
        test_iter,
        loss,
        gluon.Trainer(net.collect_params(), given.optimizer, {**given.optimizer_params, "lr_scheduler": scheduler}),
        {"name": "the user's own", "edition": "the user's own", "described": plan.words},
        valid_iter=valid_iter,
        classes=classes,
        unpack=given.unpack,
        batch_metric=given.batch_metric,
    )
