"""Tuning: find the rate for a training by trying a few rates for a part of it, and undo it all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import Any, Callable, Dict, List, Optional

import mxnet as mx

from ..arguments import real_number, whole_number
from ..errors import UsageError
from ..schedulers import Scheduler, pure
from ..training import evaluate
from .learner import Learner
from .result import LRFinderResult
from .trials import batches_from_the_start, losses_at, training_undone
from .tuned import Trial, TuneResult
from .walk import Reading, end_of, next_rate, read_off

Schedule = Callable[[float, int], Any]

TRIALS = 4  # that the budget is shared by; measured: benchmarks/finder
LADDER = 1.3  # coarser than the finder's own, since trials follow
ALONE = 1.2  # finer, where the curve has to do without trials
_CURVE, _CURVE_ALONE = 60, 100  # the updates that one search in such steps takes, about
_SHORTEST, _LEAST_SHARE = 60, 0.05  # a trial has so many updates, and this share of the training's, or it says nothing
_EXPLODED = 100.0  # times the first loss, or what is usual where that is more


@dataclass(frozen=True)
class TrialSetup:
    """What all trials of a search have in common.

    Attributes:
        learner: trained and restored.
        schedule: of a trial's rate and length; None for a constant rate.
        validation: judges a trial; None for its own last losses.
        seed: that MXNet's generator has at the start of every trial.
        on_update: called after each update.
        usual: what losses are before anything is learned, since the first one of a trial may be tiny by chance.
    """

    learner: Any
    schedule: Optional[Schedule]
    validation: Optional[Callable[[Any], float]]
    seed: int
    on_update: Callable[[], Any]
    usual: float = 0.0

    def attempt(self, rate: float, updates: int) -> Trial:
        """Train at a rate, look, and undo it."""
        first: Optional[float] = None

        def exploded(loss: float) -> bool:
            nonlocal first
            self.on_update()
            first = loss if first is None else first
            return not math.isfinite(loss) or loss - first > _EXPLODED * (max(abs(first), self.usual) or 1.0)

        with batches_from_the_start(self.learner), training_undone(self.learner):
            mx.random.seed(self.seed)
            losses, ended = losses_at(self.learner, rates_of(self.schedule, rate, updates), exploded)
            score = math.inf if ended else end_of(losses, updates)
            if self.validation is not None and score < math.inf:
                judged = real_number("the validation loss", self.validation(self.learner.net))
                score = judged if math.isfinite(judged) else math.inf
        return Trial(rate, updates, tuple(losses), score)


def rates_of(schedule: Optional[Schedule], rate: float, updates: int) -> List[float]:
    """The rate of each update, under the whole schedule in so many updates.

    Raises:
        UsageError: it is no function of rate and updates that gives a schedule.
    """
    if schedule is None:
        return [rate] * updates
    try:
        policy = pure(schedule(rate, updates))
        return [float(policy(t)) for t in range(1, updates + 1)]
    except TypeError as error:
        raise UsageError(
            f"schedule does not give a scheduler of a rate and a number of updates ({error}): expected a function, "
            "such as schedule=lambda lr, updates: CosineScheduler(updates, lr)"
        ) from error


@dataclass(frozen=True)
class TuneRequest:
    """What a search by trials was asked for, checked.

    Attributes:
        updates: of the training that the rate is for.
        allowed: updates that the search may make.
        candidates: the most rates that are tried.
        schedule, validation: as of a :class:`TrialSetup`.
        seed: as :meth:`LRFinder.tune` takes it.
    """

    updates: int
    allowed: int
    candidates: int
    schedule: Optional[Schedule]
    validation: Optional[Callable[[Any], float]]
    seed: Optional[int]


def checked(
    learner: Any, updates: Any, schedule: Any, budget: Any, candidates: Any, validation: Any, seed: Any
) -> TuneRequest:
    """The arguments of :meth:`LRFinder.tune`, as they are meant.

    Raises:
        UsageError: one of them makes no sense.
    """
    updates = whole_number("updates", updates, least=10)
    budget = real_number("budget", budget)
    if not (budget > 0 and math.isfinite(budget)):
        raise UsageError(f"budget is {budget:g}: expected a finite number above 0, in trainings of {updates} updates")
    if schedule is not None:
        if not callable(schedule) or isinstance(schedule, mx.lr_scheduler.LRScheduler) or _other_arguments(schedule):
            raise UsageError(
                f"schedule is {schedule!r}: expected a function of a rate and a number of updates, such as "
                "schedule=lambda lr, updates: CosineScheduler(updates, lr)"
            )
        rates, alike = rates_of(schedule, 0.1, updates), []
        for low, high in ((0.1, 0.2), (1e-6, 2e-6)):  # a schedule may well hold large rates down
            alike.append(rates_of(schedule, low, updates) == rates_of(schedule, high, updates))
        if not max(rates) > 0 or all(alike):
            what = "the same rates for 0.1 and 0.2" if max(rates) > 0 else "no rate above 0 for a rate of 0.1"
            raise UsageError(
                f"schedule gives {what} over {updates} updates: expected a function of the rate and the number of "
                "updates, in this order"
            )
    candidates = whole_number("candidates", candidates, least=2)
    seed = None if seed is None else whole_number("seed", seed, least=0)
    return TuneRequest(updates, int(budget * updates), candidates, schedule, _judge(learner, validation), seed)


def _other_arguments(schedule: Any) -> bool:
    """Whether it is a class of ours or MXNet's, whose first two arguments are not a rate and a number of updates."""
    ours = isinstance(schedule, type) and issubclass(schedule, Scheduler)
    return ours or getattr(schedule, "__module__", "") == "mxnet.lr_scheduler"


def _judge(learner: Any, validation: Any) -> Optional[Callable[[Any], float]]:
    """A function of the net that gives its validation loss."""
    if validation is None or callable(validation):
        return validation
    if type(learner) is not Learner or not hasattr(validation, "__iter__"):
        raise UsageError(
            f"validation is {type(validation).__name__}: expected a function of the net that gives a loss"
            + (", or batches of (data, label)" if type(learner) is Learner else "")
        )
    return lambda net: evaluate(net, validation, learner.loss, learner.ctx, unpack=learner.unpack)[0]


def curve_settings(request: TuneRequest) -> Dict[str, Any]:
    """How :meth:`LRFinder.find` is to search: once and coarsely where trials follow; where the budget is too small for
    any, in finer steps and twice, as far as it reaches."""
    repeats = min(2, request.allowed // _CURVE_ALONE)
    if not repeats or trial_length(request.allowed - _CURVE, request.updates, request.candidates):
        return {"lr_multiplier": LADDER, "max_updates": min(request.allowed, 1000)}
    return {"lr_multiplier": ALONE, "repeats": repeats, "max_updates": min(request.allowed // repeats, 1000)}


def run_trials(
    learner: Any, curve: LRFinderResult, request: TuneRequest, on_updates: Callable[[int], Any]
) -> TuneResult:
    """Try rates from the curve's on, and read one off; everything is undone after each."""
    if not math.isfinite(curve[0][1]):
        raise UsageError("the loss of the first update is not finite: look at the net and the data")
    spent = sum(map(len, curve.repeats))
    left = request.allowed - spent
    length = trial_length(left, request.updates, request.candidates)
    suggestion = curve.suggestion.lr
    if not length:
        small = f"the budget of {request.allowed} updates is too small for trials"
        if suggestion is None:
            reason = f"{small}, and the curve shows no rate ({curve.suggestion.reason})"
            return TuneResult(None, None, None, small, [], request.updates, spent, reason)
        return TuneResult(suggestion, None, None, f"the curve's suggestion: {small}", [], request.updates, spent)
    usual = median([abs(loss) for _, loss in curve[:20] if math.isfinite(loss)] or [0.0])
    setup = TrialSetup(learner, request.schedule, request.validation, request.seed or 0, lambda: on_updates(1), usual)
    start = suggestion or start_without_suggestion(curve)
    trials = trials_from(setup.attempt, start, length, min(request.candidates, left // length))
    scores = {trial.rate: trial.score for trial in trials}
    spent += sum(len(trial.losses) for trial in trials)
    if min(scores.values()) == math.inf:
        reason = (
            f"all {len(trials)} trials exploded, the least rate was {min(scores):.3g}: look at the net and the data"
        )
        return TuneResult(None, None, None, "nothing to read off", trials, request.updates, spent, reason)
    curves = {trial.rate: trial.losses for trial in trials}
    allow_for_drift = request.schedule is None and request.validation is None
    of_losses = request.validation is None
    found = read_off(curves, scores, length, request.updates, allow_for_drift, suggestion, of_losses)
    return TuneResult(found.rate, found.low, found.high, _words(found, trials), trials, request.updates, spent)


def trial_length(left: int, updates: int, candidates: int) -> int:
    """The updates of each trial, of those that are left for all; 0 where such short trials would say nothing."""
    length = min(updates, left // min(TRIALS, candidates))
    return length if length >= max(_SHORTEST, math.ceil(_LEAST_SHARE * updates)) else 0


def trials_from(attempt: Callable[[float, int], Trial], rate: float, length: int, most: int) -> List[Trial]:
    """Trials at a rate and then wherever those before point to; at most so many."""
    trials: List[Trial] = []
    step: Optional[float] = rate
    while step is not None and len(trials) < most:
        trials.append(attempt(step, length))
        step = next_rate({trial.rate: trial.score for trial in trials})
    return trials


def start_without_suggestion(curve: LRFinderResult) -> float:
    """Where to begin if the curve shows no rate: a tenth of the last, at which it diverged or was stopped."""
    return curve[-1][0] / 10


def _words(found: Reading, trials: List[Trial]) -> str:
    text = f"{len(trials)} trials of {trials[0].updates} updates"
    if not found.parabola:
        text += "; the best lies at the end of the range that was tried, and low and high are its neighbours"
    elif found.by_noise:
        text += "; the least of the parabola through the best three, which low and high exceed by two standard errors"
    else:
        text += "; the least of the parabola through the best three; low and high are the nearest rates that were tried"
    if found.drift:
        longer = "lower" if found.drift > 0 else "higher"
        text += f". Longer trainings prefer {longer} rates: times (trial / training length)^{found.drift:.2f}"
    if found.weight < 1:
        text += f". The trials count {found.weight:.0%}, the curve's suggestion the rest"
    return text
