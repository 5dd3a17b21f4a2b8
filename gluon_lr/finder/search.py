"""The search: it makes one update at each of ever greater rates, and then leaves no trace."""

from __future__ import annotations

import copy
import math
from typing import Any, Callable, List, Optional, Tuple

import numpy as np
from mxnet import autograd

from ..arguments import real_number, whole_number
from ..checks import has_shapes
from ..errors import UsageError
from ..hyper.hyperparameters import scale_momentum
from ..screen import visible
from ..state.private import updaters_of
from .learner import Learner
from .result import LRFinderResult
from .rules import momentum_of
from .stopping import LRFinderStoppingCriteria
from .trials import batches_from_the_start, losses_at, training_undone
from .tuned import TuneResult
from .tuning import Schedule, checked, curve_settings, run_trials


class LRFinder:
    """Find a learning rate by training a little at ever greater ones.

    Args:
        learner: the net with its data, loss and trainer: a :class:`Learner`, or an object of the user's own with
            ``net``, ``trainer`` and ``iteration(lr=None, take_step=True)``, which returns the mean loss.

    Source: Smith (2015), Cyclical Learning Rates; MXNet's *Learning Rate Finder* tutorial.

    Example:
        >>> import mxnet as mx
        >>> mx.random.seed(0)
        >>> data = [(mx.nd.random.normal(shape=(16, 4)), mx.nd.array([0, 1, 2, 3] * 4))]
        >>> net = mx.gluon.nn.Dense(4)
        >>> result = LRFinder(Learner(net, data, mx.cpu())).find(lr_start=1e-4, progress=False)
        >>> 1e-2 < result.suggestion.lr < 1e3
        True
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        self.results: Optional[LRFinderResult] = None

    def find(
        self,
        lr_start: float = 1e-6,
        lr_multiplier: float = 1.1,
        smoothing: float = 0.3,
        *,
        lr_stop: float = 100.0,
        max_updates: int = 1000,
        ladder: str = "exponential",
        repeats: int = 1,
        stopping: Optional[Callable[[float], bool]] = None,
        seed: Optional[int] = None,
        snapshot_file: Any = None,
        progress: bool = True,
    ) -> LRFinderResult:
        """Do one update at each rung of a ladder of rates until the loss diverges, then restore everything.

        Rung i is ``lr_start · lr_multiplier^i``, or of the linear ladder lr_start + i·(lr_stop − lr_start)/(n − 1)
        over n = ``max_updates``. If SGD has momentum from earlier training, it is scaled from that training's rate
        to the first rung's, or else old updates would go on at their old size. Net, trainer, scheduler, the loader's
        epoch, and NumPy's and Python's generators are restored exactly, whatever happens. MXNet's own random state
        cannot be restored: see ``seed``; nor can its iterators, but for an ``NDArrayIter``.

        Args:
            lr_start: the first rate; default 1e-6.
            lr_multiplier: of the exponential ladder; default 1.1.
            smoothing: of the stopping criterion; default 0.3.
            lr_stop: the greatest rate allowed; default 100.
            max_updates: the greatest number of updates; default 1000.
            ladder: ``exponential`` (default) or ``linear``.
            repeats: searches from the same start on other batches, combined in ln(lr); default 1.
            stopping: a function of the loss that says whether to stop, called after each update; if it has a
                ``reason``, that is recorded. With several ``repeats`` each has a copy of its own. In the place of an
                :class:`LRFinderStoppingCriteria` each search has a new one with its numbers; any other is yours to
                reset. Default :class:`LRFinderStoppingCriteria` with ``smoothing``.
            seed: MXNet's generator is seeded with it when the search ends; default it stays as the search left it.
            snapshot_file: where to keep the net's state during the search, so that it is still there after a kill
                (``snapshot.load`` restores it); default in memory.
            progress: draw a bar on standard error.

        Returns:
            The (lr, loss) pairs, with smoothed losses, each rule's suggestion, and why the search stopped.

        Raises:
            UsageError: an argument or the data make no sense. The net is unchanged.
        """
        rungs, end = _rungs(
            real_number("lr_start", lr_start),
            real_number("lr_multiplier", lr_multiplier),
            real_number("lr_stop", lr_stop),
            whole_number("max_updates", max_updates, least=2),
            ladder,
        )
        repeats = whole_number("repeats", repeats, least=1)
        if autograd.is_recording():
            raise UsageError("find() was called inside autograd.record(): call it outside, it records by itself")
        if stopping is not None and (not callable(stopping) or isinstance(stopping, type)):
            raise UsageError(
                f"stopping is {stopping!r}: expected a function of the loss that says whether to stop, or an object "
                "that is called so"
            )
        seed = None if seed is None else whole_number("seed", seed, least=0)
        stops = _stopping_rules(stopping, smoothing, repeats)
        learner, found = self.learner, []
        with batches_from_the_start(learner):
            if not has_shapes(learner.net):
                learner.iteration(take_step=False)  # of the user's own: it gives the net its shapes
            for stop in stops:
                with training_undone(learner, seed, snapshot_file):
                    found.append(self._search(rungs, stop, end, progress))
        (pairs, reason), rest = found[0], found[1:]
        momentum = momentum_of(learner.trainer.optimizer)
        others = [LRFinderResult(other, why, momentum=momentum) for other, why in rest]
        self.results = LRFinderResult(pairs, reason, others, momentum)
        return self.results

    def tune(
        self,
        updates: int,
        *,
        schedule: Optional[Schedule] = None,
        budget: float = 1.0,
        candidates: int = 8,
        validation: Any = None,
        seed: Optional[int] = None,
        snapshot_file: Any = None,
        progress: bool = True,
    ) -> TuneResult:
        """Find the rate for a training by trying a few for a part of it, then restore everything.

        A coarse search (:meth:`find`) says where to begin. From there rates are tried on the same batches from the same
        state, each for a quarter of the updates that the search leaves: first half the rate, then beyond whichever end
        is best (twice or half as far, later four times), or between the best and its better neighbour. The rate is the
        least of a parabola through the best three in ln(rate). It allows for what short trials get wrong: the best
        rate changes as training goes on, which the first parts of the trials show; and the shorter the trials, the
        nearer the answer stays to the curve's suggestion.

        Args:
            updates: of the training that the rate is for; at least 10.
            schedule: the training's, as a function of the rate and the number of updates; a trial runs the whole of it
                in its own length. Default a constant rate.
            budget: how much the search may cost, as a multiple of ``updates``; default 1. Where it is too small for
                trials, the rate is a curve's, or None where the curve shows none, and the result says so; the curve
                is then searched in finer steps, and twice where the budget allows 200 updates.
            candidates: the most rates that are tried; default 8. Above a budget of about 4, trials are whole trainings.
            validation: what judges a trial: batches, by the learner's own ``unpack`` and loss; or a function from the
                net to a loss. Default the mean loss of the trial's last third. Its passes are no updates and do not
                count.
            seed: MXNet's generator is seeded with it before each trial and at the end; default 0 before each.
            snapshot_file: as :meth:`find` takes it.
            progress: draw a bar on standard error.

        Returns:
            The rate, its range, every trial, and what was spent.

        Raises:
            UsageError: an argument makes no sense, the loader ended for good, or the first loss is not finite. The net
                is unchanged.

        Example:
            >>> import mxnet as mx
            >>> from gluon_lr import CosineScheduler
            >>> mx.random.seed(0)
            >>> data = [(mx.nd.random.normal(shape=(16, 4)), mx.nd.array([0, 1, 2, 3] * 4)) for _ in range(20)]
            >>> finder = LRFinder(Learner(mx.gluon.nn.Dense(4), data, mx.cpu()))
            >>> result = finder.tune(400, schedule=lambda lr, n: CosineScheduler(n, lr), progress=False)
            >>> result.updates_spent <= 400, 1e-3 < result.lr < 10
            (True, True)
        """
        from tqdm import tqdm

        request = checked(self.learner, updates, schedule, budget, candidates, validation, seed)
        if request.allowed < 2:
            raise UsageError(f"a budget of {budget:g} trainings is {request.allowed} updates: expected at least 2")
        learner = self.learner
        with batches_from_the_start(learner):
            if not has_shapes(learner.net):
                learner.iteration(take_step=False)
        bar = tqdm(total=request.allowed, desc="tune", unit="update", disable=not (progress and visible()), leave=False)
        with bar, training_undone(learner, seed, snapshot_file):
            curve = self.find(**curve_settings(request), progress=False)
            bar.update(sum(map(len, curve.repeats)))
            return run_trials(learner, curve, request, bar.update)

    def plot(self, ax: Any = None) -> Any:
        """Draw the last search; see :meth:`LRFinderResult.plot`.

        Raises:
            UsageError: there was no search yet.
        """
        if self.results is None:
            raise UsageError("nothing to draw yet: call find() first")
        return self.results.plot(ax)

    def _search(
        self, rungs: List[float], stop: Callable[[float], bool], end: str, progress: bool
    ) -> Tuple[List[Tuple[float, float]], str]:
        from tqdm import tqdm  # text in notebooks too, since a notebook's saved outputs do not keep widgets

        trainer = self.learner.trainer
        if any(updater.states for updater in updaters_of(trainer)):  # else no schedule has to have a rate yet
            # Momentum from the training's own rate is scaled down to the first rung.
            before = trainer.learning_rate
            scale_momentum(trainer, rungs[0] / before if before > 0 else 0.0)
        with tqdm(rungs, desc="lr finder", unit="update", disable=not (progress and visible()), leave=False) as bar:

            def shown(loss: float) -> bool:
                bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
                return stop(loss)

            losses, stopped = losses_at(self.learner, bar, shown)
        why = (getattr(stop, "reason", None) or "diverged") if stopped else end
        return list(zip(rungs, losses)), why


def _stopping_rules(stopping: Any, smoothing: float, repeats: int) -> List[Callable[[float], bool]]:
    """A rule for each search, since a rule remembers the losses that it saw.

    Raises:
        UsageError: the user's own cannot be copied.
    """
    if stopping is None:
        return [LRFinderStoppingCriteria(smoothing) for _ in range(repeats)]
    if type(stopping) is LRFinderStoppingCriteria:
        return [LRFinderStoppingCriteria(stopping.smoothing, stopping.min_iter) for _ in range(repeats)]
    if repeats == 1:
        return [stopping]
    try:
        return [copy.deepcopy(stopping) for _ in range(repeats)]
    except Exception as error:  # a file, a lock, whatever it holds
        raise UsageError(
            f"stopping cannot be copied ({error}), and each of {repeats} repeats needs a copy of its own: use "
            "repeats=1, or keep files, locks and the like out of it"
        ) from error


def _rungs(
    lr_start: float, lr_multiplier: float, lr_stop: float, max_updates: int, ladder: str
) -> Tuple[List[float], str]:
    """The rates of a ladder, each computed from the first so that rounding does not add up; and why the ladder ends."""
    if not (lr_start > 0 and math.isfinite(lr_start)):
        raise UsageError(f"lr_start is {lr_start}: expected a finite number above 0")
    if not (lr_stop > lr_start and math.isfinite(lr_stop)):
        raise UsageError(f"lr_stop is {lr_stop}: expected a finite number above lr_start, {lr_start}")
    if ladder == "linear":
        return np.linspace(lr_start, lr_stop, max_updates).tolist(), "lr_stop reached"
    if ladder != "exponential":
        raise UsageError(f"ladder is {ladder!r}: expected exponential or linear")
    if not (lr_multiplier > 1 and math.isfinite(lr_multiplier)):
        raise UsageError(f"lr_multiplier is {lr_multiplier}: expected a finite number above 1")
    # Add a rung if rounding alone puts the last one above lr_stop.
    count = int((math.log(lr_stop) - math.log(lr_start)) / math.log(lr_multiplier) + 1e-9) + 1
    end = "max_updates reached" if count > max_updates else "lr_stop reached"
    return [lr_start * lr_multiplier**i for i in range(min(count, max_updates))], end
