"""From trials to the next rate to try, and in the end to the best one: plain numbers, no net.

Everything is computed in ln(rate); near its minimum the loss is almost a parabola there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import List, Mapping, Optional, Sequence, Tuple

import numpy as np

# Chosen with what follows on the losses of eleven tasks, before tune ran on any: docs/results/finder.md.
FACTOR = 2.0
_CLOSE = 1.25  # no rate is tried between two that are closer
# The best rate is proportional to updates^−drift. Short trials show it with much noise, so it is averaged with the
# usual value.
USUAL_DRIFT, _OWN_SHARE, _DRIFTS = 0.1, 0.5, (-0.4, 0.6)
_LEAST_WEIGHT = 0.4  # of trials beside the curve, to which their share of the training's updates is added
_PREFIXES = (0.35, 0.5, 0.7, 1.0)  # of a trial, that its drift is read from


def next_rate(scores: Mapping[float, float]) -> Optional[float]:
    """The rate to try next: beyond an end while the best lies there, else half-way to the better neighbour.

    The first two steps are by :data:`FACTOR`, further ones beyond an end by its square.

    Args:
        scores: rate → the loss after its trial, infinite where it exploded; at least one.

    Returns:
        The rate; None where the neighbours are close already.

    Example:
        >>> next_rate({0.1: 2.0}), next_rate({0.1: 2.0, 0.05: 3.0}), next_rate({0.1: 2.0, 0.05: 3.0, 0.2: 1.5})
        (0.05, 0.2, 0.8)
        >>> next_rate({0.1: 2.0, 0.05: 3.0, 0.2: 2.5})
        0.14142135623730953
    """
    rates = sorted(scores)
    best = min(rates, key=lambda rate: (scores[rate], rate))
    step = FACTOR if len(rates) < 3 else FACTOR**2
    if best == rates[0]:
        return best / step
    if best == rates[-1]:
        return best * step
    place = rates.index(best)
    low, high = rates[place - 1], rates[place + 1]
    between = math.sqrt(best * (low if scores[low] <= scores[high] else high))
    return None if min(max(between / rate, rate / between) for rate in rates) < _CLOSE else between


def lowest(scores: Mapping[float, float]) -> Tuple[float, float]:
    """Where the parabola through the best rate and its neighbours is least, and its curvature in ln(rate).

    An exploded neighbour counts as worse than the best by three times what the other neighbour is. Where the best rate
    lies at an end, or the parabola opens downwards, it is the best rate itself and a curvature of 0.

    Example:
        >>> rate, curvature = lowest({1.0: 2.0, math.e: 1.0, math.e**2: 2.0})
        >>> round(rate, 6), round(curvature, 6)
        (2.718282, 1.0)
    """
    rates = sorted(scores)
    best = min(rates, key=lambda rate: (scores[rate], rate))
    place = rates.index(best)
    if place in (0, len(rates) - 1) or scores[best] == math.inf:
        return best, 0.0
    three = rates[place - 1 : place + 2]
    losses = np.array([scores[rate] for rate in three])
    finite = np.isfinite(losses)
    if finite.sum() < 2:
        return best, 0.0
    difference = float(np.ptp(losses[finite])) or abs(scores[best]) or 1.0
    losses[~finite] = scores[best] + 3 * difference
    x = np.log(three)
    curvature, slope, _ = np.polyfit(x - x[1], losses, 2)
    if curvature <= 0:
        return best, 0.0
    return float(np.exp(np.clip(x[1] - slope / (2 * curvature), x[0], x[2]))), float(curvature)


def end_of(losses: Sequence[float], updates: int) -> float:
    """The mean loss of the last third of a trial; infinite where it exploded."""
    numbers = np.asarray(losses, float)
    if len(numbers) < updates or not np.isfinite(numbers).all():
        return math.inf
    return float(numbers[-max(1, updates // 3) :].mean())


def drift(curves: Mapping[float, Sequence[float]], updates: int) -> float:
    """How fast the best rate falls as training goes on: best rate ∝ updates^−drift.

    It is read from the first parts of the trials, each part as if it were the whole.

    Args:
        curves: rate → the losses of its trial.
        updates: of each trial.
    """
    points: List[Tuple[float, float]] = []
    for share in _PREFIXES:
        part = max(3, int(share * updates))
        scores = {rate: end_of(losses[:part], part) for rate, losses in curves.items()}
        if min(scores.values()) < math.inf:
            points.append((math.log(part), math.log(lowest(scores)[0])))
    if len(points) < 3 or points[0][0] == points[-1][0]:
        return USUAL_DRIFT
    seen = float(np.clip(-np.polyfit(*zip(*points), 1)[0], *_DRIFTS))
    return _OWN_SHARE * seen + (1 - _OWN_SHARE) * USUAL_DRIFT


def noise(curves: Mapping[float, Sequence[float]], scores: Mapping[float, float], updates: int) -> float:
    """The standard error of the difference between the best trial and the next best, over the last third of their
    updates, which were made on the same batches; 0 where there are no two."""
    best_two = sorted((rate for rate in scores if scores[rate] < math.inf), key=lambda rate: scores[rate])[:2]
    if len(best_two) < 2:
        return 0.0
    last = max(1, updates // 3)
    differences = np.subtract(*(np.asarray(curves[rate][-last:], float) for rate in best_two))
    # Neighbouring updates are alike, so that means of a few blocks are what is independent.
    blocks = [block.mean() for block in np.array_split(differences, min(8, len(differences)))]
    return float(np.std(blocks, ddof=1) / math.sqrt(len(blocks))) if len(blocks) > 1 else 0.0


@dataclass(frozen=True)
class Reading:
    """What trials say of the rate for a training.

    Attributes:
        rate: the best.
        low, high: the range that the noise of the trials leaves open, moved by the drift as the rate is, or the nearest
            that were tried.
        drift: that was allowed for.
        weight: of the trials beside the curve's suggestion.
        parabola: whether the rate is a parabola's least, or the best of those tried, at an end of them.
        by_noise: whether the range is by the noise.
    """

    rate: float
    low: float
    high: float
    drift: float
    weight: float
    parabola: bool
    by_noise: bool


def read_off(
    curves: Mapping[float, Sequence[float]],
    scores: Mapping[float, float],
    trial_updates: int,
    updates: int,
    allow_for_drift: bool,
    suggestion: Optional[float] = None,
    judged_by_losses: bool = True,
) -> Reading:
    """The rate for a training, from trials that were shorter.

    The longer the trials, the more they count beside the curve's suggestion: the answer is a mean of both in ln(rate).

    Args:
        curves: rate → losses of its trial.
        scores: rate → what the trial is judged by; at least one is finite.
        trial_updates: of each trial.
        updates: of the training.
        allow_for_drift: not where the trials ran a whole schedule.
        suggestion: the curve's; None where it had none.
        judged_by_losses: whether scores and losses are in the same units, so that the noise of the losses says which
            other rates did as well; else, and where there is no parabola, the nearest neighbours bound what is known.
    """
    rate, curvature = lowest(scores)
    found_drift = drift(curves, trial_updates) if allow_for_drift else 0.0
    order = sorted(scores)
    by_noise = curvature > 0 and judged_by_losses
    if by_noise:
        widest = math.log(order[-1] / order[0])  # all that was tried; noise of any size has an end there
        width = math.exp(min(widest, math.sqrt(2 * noise(curves, scores, trial_updates) / curvature)))
        low, high = rate / width, rate * width
    else:
        low = max((other for other in order if other < rate), default=rate)
        high = min((other for other in order if other > rate), default=rate)
    weight = 1.0 if suggestion is None else min(1.0, _LEAST_WEIGHT + trial_updates / updates)
    chosen = rate * (updates / trial_updates) ** -found_drift
    if suggestion is not None:
        chosen = math.exp(weight * math.log(chosen) + (1 - weight) * math.log(suggestion))
    shift = chosen / rate
    return Reading(
        chosen, min(chosen, low * shift), max(chosen, high * shift), found_drift, weight, curvature > 0, by_noise
    )
