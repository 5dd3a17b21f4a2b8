"""AutoLRS: search for the rate of each stage by Bayesian optimization on forecasts of the loss."""

from __future__ import annotations

import itertools
import json
import logging
import math
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import mxnet as mx
import numpy as np

from ..arguments import MOST_SEED, real_number, whole_number
from ..checks import contexts_of
from ..errors import UsageError
from .learner import Learner
from .trials import losses_at, training_undone

log = logging.getLogger(__name__)

_LOST = 1e3  # times the best forecast, or 1 where that is less: such a rate diverged, though its losses are numbers


@dataclass(frozen=True)
class Candidate:
    """One rate tried in a stage: its training losses, and the forecast of the loss at the stage's end, infinite where
    the training diverged."""

    stage: int
    rate: float
    losses: Tuple[float, ...]
    forecast: float


def forecast(losses: Sequence[float], horizon: int) -> float:
    """The loss at update ``horizon``, from the first few: a·e^(b·x) + c fitted to them, smoothed, outliers dropped.

    Args:
        losses: of updates 0, 1, …; at least one.
        horizon: the update asked for.

    Returns:
        The forecast, never below what three times the fall seen so far would reach; the last smoothed loss where no
        curve fits; infinite where a loss is not finite.

    Source: Jin et al. (2021), after their public server's code: smooth with a spline, drop outliers, fit, b < 0.

    Example:
        >>> import numpy as np
        >>> x = np.arange(100)
        >>> abs(forecast(1.0 + np.exp(-0.01 * x), 1000) - 1.0) < 0.01
        True
    """
    from scipy.interpolate import UnivariateSpline
    from scipy.optimize import OptimizeWarning, curve_fit

    y = np.asarray(losses, float)
    if len(y) == 0:
        raise UsageError("no losses to forecast from: expected at least one")
    if not np.isfinite(y).all():
        return math.inf
    x = np.arange(len(y), dtype=float)
    if len(y) < 8:
        return float(y[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # splines and fits warn where they do not converge; that is handled here
        smooth = UnivariateSpline(x, y, s=len(y) * np.var(np.diff(y)) / 2)(x)
        residuals = np.abs(y - smooth)
        keep = residuals <= np.quantile(residuals, 0.97)
        warnings.simplefilter("error", OptimizeWarning)
        decrease = max(smooth[0] - smooth[-1], 1e-12)
        try:
            (a, b, c), _ = curve_fit(
                lambda x, a, b, c: a * np.exp(b * x) + c,
                x[keep],
                smooth[keep],
                p0=(decrease, -1.0 / len(y), smooth[-1]),
                bounds=([0, -np.inf, smooth[-1] - 2 * decrease], [np.inf, -1e-9, np.inf]),
                maxfev=5000,
            )
        except (RuntimeError, ValueError, OptimizeWarning):
            return float(smooth[-1])
    return float(a * math.exp(b * horizon) + c)


def _propose(low: float, high: float, tried: Sequence[Tuple[float, float]], draw: np.random.Generator) -> float:
    """The next rate to try: least lower confidence bound of a Gaussian process over ln η, Matérn 5/2."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    if len(tried) < 3:  # ends and middle first
        return float(math.exp((math.log(low), math.log(high), (math.log(low) + math.log(high)) / 2)[len(tried)]))
    x = np.log([[rate] for rate, _ in tried])
    values = np.array([value for _, value in tried])
    kept = values[values < _LOST * max(1.0, abs(values.min()))] if np.isfinite(values).any() else []
    worst = max(kept, default=1.0)
    values = np.minimum(values, worst + abs(worst) / 2)  # a diverged rate is bad, not infinitely worse
    kernel = ConstantKernel(1.0) * Matern(1.0, (0.1, 10), nu=2.5) + WhiteKernel(1e-3, (1e-6, 1.0))
    model = GaussianProcessRegressor(kernel, normalize_y=True, random_state=int(draw.integers(2**31)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, values)
    grid = np.linspace(math.log(low), math.log(high), 200)[:, None]
    mean, deviation = model.predict(grid, return_std=True)
    bound = mean - 2 * deviation
    bound[np.min(np.abs(grid - x.T), axis=1) < 1e-6] = np.inf
    return float(math.exp(grid[int(np.argmin(bound)), 0]))


def _for_json(candidate: Candidate, chosen: bool) -> Dict[str, Any]:
    """A candidate for JSON, with null for infinite numbers."""
    losses = [loss if math.isfinite(loss) else None for loss in candidate.losses]
    expected = candidate.forecast if math.isfinite(candidate.forecast) else None
    return {**asdict(candidate), "losses": losses, "forecast": expected, "chosen": chosen}


class AutoLRS:
    """Set the rate of each stage of a training to the one that a search found best for it.

    At the beginning of each stage of τ updates, ``trials`` rates between ``low`` and ``high`` are tried from one exact
    snapshot: each trains τ/10 updates (two or more), its loss at τ is forecast, and a Gaussian process proposes the
    next. Then everything is restored, and the stage is trained at the best rate. Stages double from ``first_stage`` to
    ``longest_stage``; at that length ``validate``, if given, judges the candidates. Ten trials a stage double its cost.

    Give it to :func:`gluon_lr.train` among its ``schedules``. A search depends on nothing but the net's state, the
    seed and the stage, so a resumed training makes the same search.

    Args:
        net, loss, ctx: those of the training.
        batches: :class:`~gluon_lr.data.ArrayBatches` for the trials alone: not the training's iterator.
        low, high: the range of rates; default 1e-4 to 1.
        first_stage, longest_stage: τ at first and at most, in updates; default 1000 and 8000.
        trials: candidates a stage; default 10.
        seed: of the search.
        validate: called with the net, returns a validation loss.
        log_path: every finished stage's candidates are appended there, a JSON object a line; infinite numbers are null.
            Its folder is made.

    Attributes:
        candidates: every :class:`Candidate` tried by this object, in order.
        rates: the chosen rates, in order.

    Raises:
        UsageError: the range or a length makes no sense; or, when applied, the trainer has a scheduler.

    Source: Jin et al. (2021), AutoLRS.
    """

    def __init__(
        self,
        net: Any,
        batches: Any,
        loss: Callable[..., Any],
        ctx: Any,
        *,
        low: float = 1e-4,
        high: float = 1.0,
        first_stage: int = 1000,
        longest_stage: int = 8000,
        trials: int = 10,
        seed: int = 0,
        validate: Optional[Callable[[Any], float]] = None,
        log_path: Any = None,
    ) -> None:
        low, high = real_number("low", low), real_number("high", high)
        if not 0 < low < high < math.inf:
            raise UsageError(f"low {low:g}, high {high:g}: expected 0 < low < high, both finite")
        if not (validate is None or callable(validate)):
            raise UsageError(f"validate is {validate!r}: expected a function from the net to a loss")
        seed = whole_number("seed", seed, least=0, most=MOST_SEED)
        first_stage = whole_number("first_stage", first_stage, least=1)
        longest_stage = whole_number("longest_stage", longest_stage, least=1)
        trials = whole_number("trials", trials, least=1)
        self.net, self.batches, self.loss = net, batches, loss
        self._contexts = contexts_of(net, ctx)
        self.low, self.high, self.trials, self.seed, self.validate = low, high, trials, seed, validate
        self.first_stage, self.longest_stage, self.log_path = first_stage, longest_stage, log_path
        self.candidates: List[Candidate] = []
        self.rates: List[float] = []

    def stage_at(self, t: int) -> Tuple[int, int, int]:
        """The stage that update ``t`` = 1, 2, … is in, its first update, and its length."""
        stage, start, length = 0, 1, min(self.first_stage, self.longest_stage)
        while t >= start + length:
            stage, start, length = stage + 1, start + length, min(2 * length, self.longest_stage)
        return stage, start, length

    def apply(self, trainer: Any, t: int) -> None:
        """Search if update ``t`` begins a stage; otherwise leave the rate as it is."""
        stage, start, length = self.stage_at(t)
        if t != start:
            return
        if trainer.optimizer.lr_scheduler is not None:
            raise UsageError("the trainer has a scheduler, and AutoLRS sets the rate itself: build it without one")
        draw = np.random.default_rng((self.seed, stage))
        tried: List[Candidate] = []
        later = int(mx.nd.random.randint(0, 2**31 - 1, shape=(1,)).asscalar())
        for trial in range(self.trials):
            rate = _propose(self.low, self.high, [(c.rate, c.forecast) for c in tried], draw)
            tried.append(self._try(trainer, rate, stage, trial, length))
        mx.random.seed(later)  # the training draws on as its own seed has it, not as the search's
        best = min(tried, key=lambda candidate: candidate.forecast)
        if best.forecast == math.inf:
            log.warning(
                "AutoLRS: all %d trials of stage %d diverged, down to a rate of %g. The stage is trained at that rate; "
                "give a lower low if the net itself is sound", len(tried), stage, best.rate
            )  # fmt: skip
        trainer.set_learning_rate(best.rate)
        self.candidates.extend(tried)
        self.rates.append(best.rate)
        if self.log_path is not None:
            Path(self.log_path).parent.mkdir(parents=True, exist_ok=True)
            lines = "".join(json.dumps(_for_json(c, c is best)) + "\n" for c in tried)
            with open(self.log_path, "a", encoding="utf-8") as stream:
                stream.write(lines)

    def _try(self, trainer: Any, rate: float, stage: int, trial: int, length: int) -> Candidate:
        self.batches.epoch = 1000 * (1 + stage)  # every trial of a stage sees the same batches
        learner = Learner(self.net, self.batches, self._contexts, self.loss, trainer)
        with training_undone(learner):
            # Every trial draws the same dropout, in a resumed training too.
            mx.random.seed(int(np.random.SeedSequence((self.seed, stage)).generate_state(1)[0] >> 1))
            rates = itertools.repeat(rate, max(2, length // 10))  # the first loss is from before its update
            losses, exploded = losses_at(learner, rates, lambda loss: not math.isfinite(loss))
            learner.close()
            if self.validate is not None and length >= self.longest_stage and not exploded:
                judged = real_number("the validation loss", self.validate(self.net))
                judged = judged if math.isfinite(judged) else math.inf
            else:
                judged = forecast(losses, length)
        log.debug("AutoLRS stage %d trial %d: rate %.3g, forecast %.4f", stage, trial, rate, judged)
        return Candidate(stage, rate, tuple(losses), judged)
