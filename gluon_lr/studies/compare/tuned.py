"""The rate that suits each schedule, found by trials without the test data, before schedules are compared."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ...data.batches import ArrayBatches
from ...data.forms import unpack_pair
from ...data.loaders import passes
from ...errors import RecordError, UsageError
from ...experiments.run import seed_everything
from ...experiments.spec import Build, RunSpec
from ...experiments.sweep import in_processes
from ...files import digest
from ...finder import Learner, LRFinder, TuneResult
from ...schedulers import ConstantScheduler, FunctionScheduler
from ...training import try_context

log = logging.getLogger(__name__)

TUNE = "tune"
_HELD_BACK = 0.1  # of the training data, where there are no validation data


def tuned_rates(
    specs: Mapping[str, RunSpec],
    build: Build,
    schedules: Mapping[str, Callable[[float], Any]],
    folder: Path,
    jobs: Optional[int],
    ctx: str,
    fresh: bool = False,
) -> Dict[str, TuneResult]:
    """Schedule → what trials at the cost of one training found for it, read from ``folder`` where it is there.

    Args:
        specs: schedule → a run of it at any rate, by which a file is known and a trial is built.
        build: the comparison's.
        schedules: name → function of the rate that gives a pure schedule.
        folder: for a file a schedule.
        jobs, ctx, fresh: as ``compare`` takes them.

    Raises:
        UsageError: there is no rate for a schedule; or the training data cannot be divided.
    """
    paths = {name: folder / f"{spec.key}-{digest(spec.as_dict())[:12]}.json" for name, spec in specs.items()}
    found: Dict[str, TuneResult] = {}
    for name, path in paths.items():
        if path.exists() and not fresh:
            try:
                found[name] = TuneResult.from_json(path)
            except RecordError as error:
                log.warning("%s; tuning again", error)
    missing = [(_tune, name, specs[name], build, schedules[name], ctx) for name in specs if name not in found]
    for name, result in in_processes(missing, jobs) if missing else ():
        result.to_json(paths[name])
        found[name] = result
        if result and not result.trials:
            log.warning("schedule %s: no rate was tried, %s. Longer trainings allow trials", name, result.how)
    for name, result in found.items():
        if not result:
            raise UsageError(f"no rate for the schedule {name!r}: {result.reason}. Give lrs=[…] instead")
    return {name: found[name] for name in specs}


def _tune(
    name: str, spec: RunSpec, build: Build, schedule: Callable[[float], Any], ctx: str, parent: Optional[int]
) -> Tuple[str, TuneResult]:
    """One search, in a worker process."""
    context = try_context(ctx)
    seed_everything(spec.seed)
    run = build(spec, context, None)
    train_iter, valid_iter = (run.train_iter, run.valid_iter) if run.valid_iter else divided(run.train_iter)
    counted = hasattr(run.train_iter, "__len__")
    updates = spec.epochs * (len(run.train_iter) if counted else sum(1 for _ in passes(run.train_iter)))
    learner = Learner(run.net, train_iter, context, run.loss, run.trainer, run.unpack or unpack_pair)

    def squeezed(lr: float, length: int) -> Any:
        """The whole schedule in fewer updates."""
        full_length = schedule(lr)
        return FunctionScheduler(lambda t: full_length(t * updates / length))

    constant = isinstance(schedule(spec.settings["rate"]), ConstantScheduler)
    result = LRFinder(learner).tune(
        updates,
        schedule=None if constant else squeezed,
        validation=list(valid_iter),
        seed=spec.seed,
        progress=False,
    )
    return name, result


def divided(batches: Any) -> Tuple[ArrayBatches, ArrayBatches]:
    """Nine tenths of the examples to train on, and the last tenth to judge by.

    Raises:
        UsageError: the batches are no :class:`~gluon_lr.data.ArrayBatches`, whose examples can be told apart.
    """
    if not isinstance(batches, ArrayBatches):
        raise UsageError(
            f"lrs={TUNE!r} judges rates by data that are not trained on, and a {type(batches).__name__} cannot be "
            "divided: return (train, validation, test) from your data"
        )
    order = batches.order(0)
    cut = len(order) - max(1, int(_HELD_BACK * len(order)))
    kept: List[ArrayBatches] = []
    for chosen in (order[:cut], order[cut:]):
        part = copy.copy(batches)
        part.images, part.labels, part.epoch = batches.images[chosen], batches.labels[chosen], 0
        kept.append(part)
    kept[1].shuffle = False
    return kept[0], kept[1]
