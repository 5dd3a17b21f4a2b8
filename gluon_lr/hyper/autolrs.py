"""AutoLRS: the rate of each stage is searched for by Bayesian optimization on forecasts of the loss."""

from __future__ import annotations

import logging
import math
import warnings
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Iterator, List, Sequence, Tuple

import numpy as np

from ..errors import UsageError
from ..snapshot import capture, restore
from ..training import forward_backward, shards

log = logging.getLogger(__name__)

_DIVERGED = 1e3  # what a candidate whose loss is not finite counts as


@dataclass(frozen=True)
class Candidate:
    """One rate that was tried in a stage: its training losses, and the loss forecast for the stage's end."""

    stage: int
    rate: float
    losses: Tuple[float, ...]
    forecast: float


@dataclass
class AutoLRSLog:
    """Everything that was tried, and what was chosen.

    Attributes:
        candidates: in the order tried.
        rates: the chosen rate of each stage.
        lengths: updates of each stage.
        losses: of every update that was kept.
    """

    candidates: List[Candidate] = field(default_factory=list)
    rates: List[float] = field(default_factory=list)
    lengths: List[int] = field(default_factory=list)
    losses: List[float] = field(default_factory=list)


def forecast(losses: Sequence[float], horizon: int) -> float:
    """The loss at update ``horizon``, from the first few: a·e^(b·x) + c fitted to them, smoothed, outliers dropped.

    Args:
        losses: of updates 0, 1, …; at least one.
        horizon: the update asked for.

    Returns:
        The forecast, never below what three times the fall seen so far would reach; the last smoothed loss where no
        curve fits.

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
        return _DIVERGED
    x = np.arange(len(y), dtype=float)
    if len(y) < 8:
        return float(y[-1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # splines and fits warn where they do not converge; that is handled here
        smooth = UnivariateSpline(x, y, s=len(y) * np.var(np.diff(y)) / 2)(x)
        residuals = np.abs(y - smooth)
        keep = residuals <= np.quantile(residuals, 0.97)
        warnings.simplefilter("error", OptimizeWarning)
        fall = max(smooth[0] - smooth[-1], 1e-12)
        try:
            (a, b, c), _ = curve_fit(
                lambda x, a, b, c: a * np.exp(b * x) + c,
                x[keep],
                smooth[keep],
                p0=(fall, -1.0 / len(y), smooth[-1]),
                bounds=([0, -np.inf, smooth[-1] - 2 * fall], [np.inf, -1e-9, np.inf]),
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
    finite = values[values < _DIVERGED]
    ceiling = (finite.max() if len(finite) else 1.0) * 1.5  # a diverged rate is bad, not a thousand times worse
    values = np.minimum(values, ceiling)
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


def _forever(batches: Iterable[Any]) -> Iterator[Any]:
    while True:
        empty = True
        for batch in batches:
            empty = False
            yield batch
        if empty:
            raise UsageError("the training loader is empty: expected at least one batch of (data, label)")


def autolrs(
    net: Any,
    trainer: Any,
    batches: Iterable[Any],
    loss: Callable[..., Any],
    ctx: Any,
    updates: int,
    *,
    low: float = 1e-4,
    high: float = 1.0,
    first_stage: int = 1000,
    longest_stage: int = 8000,
    trials: int = 10,
    seed: int = 0,
    validate: Any = None,
) -> AutoLRSLog:
    """Train for ``updates`` updates in stages, each at the rate that a search found best for it.

    In each stage of τ updates, up to ``trials`` rates between ``low`` and ``high`` are tried from one exact snapshot:
    each trains τ/10 updates, its loss at τ is forecast, and a Gaussian process proposes the next. Then the stage is
    trained at the best. Stages double from ``first_stage`` to ``longest_stage``; once there, candidates are judged by
    ``validate`` where it is given. With ten trials a stage costs twice its updates.

    Args:
        net, trainer, batches, loss, ctx: as :func:`gluon_lr.train` takes them; the trainer without a scheduler.
        updates: that are kept.
        low, high: the range of rates.
        first_stage, longest_stage: τ at first and at most.
        trials: candidates a stage.
        seed: of the search.
        validate: called with the net, returns a validation loss.

    Returns:
        The log of every candidate, the rates chosen, and the losses of the updates that were kept.

    Raises:
        UsageError: the range or a length makes no sense, or the trainer has a scheduler.

    Source: Jin et al. (2021), AutoLRS.
    """
    if not 0 < low < high:
        raise UsageError(f"low {low:g}, high {high:g}: expected 0 < low < high")
    if min(updates, first_stage, longest_stage, trials) < 1:
        raise UsageError("updates, first_stage, longest_stage and trials: expected at least 1 each")
    if trainer.optimizer.lr_scheduler is not None:
        raise UsageError("the trainer has a scheduler, and AutoLRS sets the rate itself: build it without one")
    contexts = list(ctx) if isinstance(ctx, (list, tuple)) else [ctx]
    draw, stream, told = np.random.default_rng(seed), _forever(batches), AutoLRSLog()

    def run(rate: float, count: int) -> List[float]:
        trainer.set_learning_rate(rate)
        losses = []
        for _ in range(count):
            pairs = shards(next(stream), contexts)
            _, values = forward_backward(net, loss, pairs)
            size = sum(len(X) for X, _ in pairs)
            trainer.step(size)
            losses.append(sum(float(value.sum().asnumpy()) for value in values) / size)
            if not math.isfinite(losses[-1]):
                break
        return losses

    stage, length = 0, first_stage
    while sum(told.lengths) < updates:
        length = min(length, updates - sum(told.lengths))
        start, tried = capture(net, trainer), []
        for _ in range(trials):
            rate = _propose(low, high, tried, draw)
            losses = run(rate, max(1, length // 10))
            if validate is not None and length >= longest_stage and math.isfinite(losses[-1]):
                value = float(validate(net))
            else:
                value = forecast(losses, length)
            restore(start, net, trainer)
            tried.append((rate, value))
            told.candidates.append(Candidate(stage, rate, tuple(losses), value))
            log.info("AutoLRS stage %d: rate %.3g, forecast %.4f", stage, rate, value)
        best = min(tried, key=lambda pair: pair[1])[0]
        kept = run(best, length)
        told.rates.append(best)
        told.lengths.append(length)
        told.losses.extend(kept)
        if not math.isfinite(kept[-1]):
            log.warning("AutoLRS stage %d diverged at its chosen rate %.3g", stage, best)
            break
        stage, length = stage + 1, min(2 * length, longest_stage)
    return told
