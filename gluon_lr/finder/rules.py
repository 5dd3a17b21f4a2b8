"""From a curve of losses over rates to one rate: the rules in use elsewhere, and ours.

All work on the smoothed loss over ln(lr). The default was chosen by measured regret:
``benchmarks/finder/regret.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy as np

from .stopping import divergence

_FEWEST = 10
# The loss must fall by this many standard errors. Of 2,000 curves of mere normal noise, at most five do.
CLEAR = 5.0
# On a ladder so coarse that a Gaussian would hold one loss alone, there would be no noise left to measure.
_STEPS = 1.5
UNCLEAR = (
    "the loss never falls by more than its noise: use larger batches, more repeats or a lower first rate, or look at "
    "the net and the data"
)


class NoSuggestion(Exception):
    """A rule can say nothing about this curve; the text is the reason."""


@dataclass(frozen=True)
class Suggestion:
    """A rule's answer to a curve.

    Attributes:
        rule: its name.
        lr: the rate; None where there is no suggestion.
        reason: why there is none.
    """

    rule: str
    lr: Optional[float]
    reason: Optional[str] = None

    def __bool__(self) -> bool:
        return self.lr is not None


@dataclass(frozen=True)
class Curve:
    """The curve that a rule judges.

    Attributes:
        lrs: the rates, ascending, shape ``(n,)``.
        losses: smoothed, shape ``(n,)``.
        momentum: of the optimizer, or Adam's β₁; 0 where it has none.
    """

    lrs: np.ndarray
    losses: np.ndarray
    momentum: float = 0.0


def smooth(lrs: Sequence[float], losses: Sequence[float], width: float = 0.5) -> np.ndarray:
    """Losses averaged with their neighbours on both sides by a Gaussian in ln(lr): no lag, unlike a running mean, and
    the same smoothness on a fine ladder as on a coarse one.

    A loss that has diverged counts as if it had only just diverged, or else it would drown its neighbours. Non-finite
    losses, which can only come last, count likewise, and are not returned.

    Args:
        lrs, losses: as many of each.
        width: the Gaussian's deviation in ln(lr), at least one and a half steps of the ladder; 0.5 is five rungs of the
            default one.

    Example:
        >>> smooth([0.1, 0.2, 0.4], [1.0, 1.0, 1.0]).round(6).tolist()
        [1.0, 1.0, 1.0]
    """
    smoothed, finite = _smooth(lrs, losses, width)[1:3]
    return smoothed[finite]


def _smooth(lrs: Sequence[float], losses: Sequence[float], width: float = 0.5) -> Tuple[np.ndarray, ...]:
    """Losses bounded by divergence, smoothed, which of them are finite, and the weights, a row each."""
    y = np.array(losses, float)
    finite = np.isfinite(y)
    if not finite.any():
        return y, y, finite, y
    highest = divergence(y[finite][:20].tolist())
    y = np.where(finite & (y < highest), y, highest)
    x = np.log(np.array(lrs, float))
    steps = np.diff(np.unique(x))
    width = max(width, _STEPS * float(np.median(steps))) if len(steps) else width
    weights = np.exp(-0.5 * ((x[:, None] - x[None, :]) / width) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    return y, weights @ y, finite, weights


def fall_in_standard_errors(lrs: Sequence[float], losses: Sequence[float]) -> float:
    """How far the loss falls: from its mean at rates too low to matter to its smoothed minimum, in standard errors.

    Rates too low to matter are those up to a tenth of the rate at the minimum. If these are fewer than ten, they are
    the first half of the rates up to the minimum. The standard error follows from the median distance of the losses
    from their smoothed values.

    Args:
        lrs, losses: as many of each, in any order: of one search, or of several together.

    Example:
        >>> losses = [2.0] * 15 + [2 - i / 10 for i in range(15)]
        >>> fall_in_standard_errors([1e-3 * 1.2**i for i in range(30)], losses) > 5
        True
    """
    order = np.argsort(lrs, kind="stable")
    rates = np.array(lrs, float)[order]
    y, smoothed, _, weights = _smooth(rates, np.array(losses, float)[order])
    least = int(np.argmin(smoothed)) if len(y) else 0
    if least == 0:
        return 0.0
    before = y[rates <= rates[least] / 10]
    if len(before) < 10:
        before = y[: max(1, least // 2)]
    residuals = y - smoothed
    deviation = 1.4826 * np.median(np.abs(residuals - np.median(residuals)))
    error = float(deviation * math.sqrt(1 / len(before) + (weights[least] ** 2).sum()))
    gained = float(before.mean() - smoothed[least])
    return gained / error if error > 0 else math.copysign(math.inf, gained) if gained else 0.0


def _fallen(losses: np.ndarray) -> int:
    """The index of the least loss, where the curve falls at all."""
    if len(losses) < _FEWEST:
        raise NoSuggestion(f"{len(losses)} points are too few, expected at least {_FEWEST}: search over more rates")
    least = int(np.argmin(losses))
    if losses[0] - losses[least] <= 1e-9 * abs(losses[0]):
        raise NoSuggestion("the loss never falls: begin at a lower rate, or look at the net and the data")
    return least


def turn(curve: Curve) -> float:
    """1.5·√(1 − m)·η*, with η* the rate at the least loss and m the momentum; no more than the last rate.

    A training bears somewhat more than the rate at which an untrained net's loss turns. But the search meets each
    rate only once, and once momentum has built up, updates are 1/(1 − m) times as long. The rate that trains
    best lies between the two; both numbers were chosen on six tasks, and each task was also judged by what the other
    five chose (``benchmarks/finder/regret.py``). This form and the smoothing's width were chosen on the same six.
    """
    least = _fallen(curve.losses)
    if least == len(curve.losses) - 1:
        raise NoSuggestion(
            "the loss still falls at the last rate: search on (a higher lr_stop, more max_updates), or in finer steps "
            "where it explodes at once"
        )
    return float(min(1.5 * math.sqrt(1 - curve.momentum) * curve.lrs[least], curve.lrs[-1]))


def steep(curve: Curve) -> float:
    """Where the loss falls fastest per ln(lr)."""
    least = _fallen(curve.losses)
    slope = np.gradient(curve.losses, np.log(curve.lrs))
    return float(curve.lrs[int(np.argmin(slope[: least + 1]))])


def minimum(curve: Curve) -> float:
    """A tenth of the rate at the least loss."""
    return float(curve.lrs[_fallen(curve.losses)] / 10)


def valley(curve: Curve) -> float:
    """In the longest falling subsequence b … e: index b + ⌊(e−b)/3⌋ + ⌊⌊(e−b)/3⌋/2⌋."""
    losses = curve.losses
    _fallen(losses)
    length, start = [1] * len(losses), list(range(len(losses)))
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j] and length[j] + 1 > length[i]:
                length[i], start[i] = length[j] + 1, start[j]
    e = int(np.argmax(length))
    b = start[e]
    third = (e - b) // 3
    return float(curve.lrs[b + third + third // 2])


def slide(curve: Curve) -> float:
    """Slide an interval of 15 rungs back from the end while the gradients at its ends differ by more than 0.005; its
    left end."""
    _fallen(curve.losses)
    if len(curve.losses) <= 15:
        raise NoSuggestion(f"{len(curve.losses)} points are too few for an interval of 15: search over more rates")
    slope = np.gradient(curve.losses)
    right = len(slope) - 1
    left = right - 15
    while left > 0 and abs(slope[right] - slope[left]) > 0.005:
        left, right = left - 1, right - 1
    return float(curve.lrs[left])


RULES: Dict[str, Callable[[Curve], float]] = {
    "turn": turn,
    "valley": valley,
    "steep": steep,
    "minimum": minimum,
    "slide": slide,
}
DEFAULT_RULE = "turn"


def read(rule: str, lrs: Sequence[float], losses: Sequence[float], momentum: float = 0.0) -> Suggestion:
    """Apply ``rule`` to a curve of raw losses, even if its fall is only noise; never raises for a curve."""
    rates = np.array([lr for lr, loss in zip(lrs, losses) if math.isfinite(loss)], float)
    try:
        return Suggestion(rule, RULES[rule](Curve(rates, smooth(lrs, losses), momentum)))
    except NoSuggestion as error:
        return Suggestion(rule, None, str(error))


def suggest(rule: str, lrs: Sequence[float], losses: Sequence[float], momentum: float = 0.0) -> Suggestion:
    """Apply ``rule`` to a curve of raw losses if it falls by more than its noise; never raises for a curve."""
    found = read(rule, lrs, losses, momentum)
    return found if not found or fall_in_standard_errors(lrs, losses) >= CLEAR else Suggestion(rule, None, UNCLEAR)


def momentum_of(optimizer: Any) -> float:
    """An optimizer's momentum, or Adam's β₁; 0 where it has neither.

    Example:
        >>> import mxnet as mx
        >>> momentum_of(mx.optimizer.SGD(momentum=0.9)), momentum_of(mx.optimizer.SGD())
        (0.9, 0.0)
    """
    return float(getattr(optimizer, "momentum", None) or getattr(optimizer, "beta1", None) or 0.0)
