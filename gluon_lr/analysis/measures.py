"""What is measured of a training's curves: plain numbers of one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Union

import numpy as np

from ..errors import UsageError
from ..experiments.record import Record


def best_epoch(record: Record) -> int:
    """The index of the epoch that is best on validation data."""
    return _finite_argmax(_judging(record))


def score(record: Record) -> float:
    """Test accuracy after the best epoch."""
    return float(record.history["test_acc"][best_epoch(record)])


def choice(record: Record) -> float:
    """What a rate is chosen by: the best validation accuracy, or test accuracy where there is no other."""
    return float(_judging(record)[best_epoch(record)])


def _judging(record: Record) -> np.ndarray:
    """Validation accuracies, or test accuracies where there are no others."""
    return np.array(record.history.get("valid_acc") or record.history["test_acc"], float)


def _finite_argmax(values: np.ndarray) -> int:
    """The index of the greatest finite number, the first of equals; of the last one where none is finite."""
    finite = np.isfinite(values)
    return int(np.where(finite, values, -np.inf).argmax()) if finite.any() else len(values) - 1


@dataclass(frozen=True)
class Score:
    """The number that a training is judged by.

    Attributes:
        name: what the number is, as tables name it.
        measure: record → the number.
        choice: record → what a rate is chosen by: the same on validation data, where there are some.
        larger_is_better: whether it is.
        epoch: record → the index of the epoch that the number is of; None where it is of the whole training.
    """

    name: str
    measure: Callable[[Record], float]
    choice: Callable[[Record], float]
    larger_is_better: bool = True
    epoch: Optional[Callable[[Record], int]] = None

    @property
    def sign(self) -> int:
        """1 where larger is better, else −1."""
        return 1 if self.larger_is_better else -1


ACCURACY = Score("test accuracy", score, choice, True, best_epoch)
_LOWER = ("loss", "seconds")  # what ends so is better where it is lower
_WORDS = {"acc": "accuracy", "loss": "loss", "train": "training", "test": "test", "valid": "validation"}


def score_of(what: Union[str, Callable[[Any], float]], larger_is_better: Optional[bool] = None) -> Score:
    """A score by a name of the history, or by a function of it.

    Args:
        what: a name, such as ``test_loss``: its value at the best epoch, which is chosen on validation data where the
            name begins with ``test`` and there are some. Or a function of the history, a dict of lists, that gives a
            number.
        larger_is_better: default False where the name, or that of the function, ends in loss or seconds, else True.

    Example:
        >>> def first_loss(history):
        ...     return history["test_loss"][0]
        >>> score_of("test_loss").larger_is_better, score_of(first_loss).larger_is_better
        (False, False)
    """
    if callable(what):
        name = getattr(what, "__name__", type(what).__name__)
        larger = not name.endswith(_LOWER) if larger_is_better is None else bool(larger_is_better)

        def measure(record: Record) -> float:
            return _number(what, record)

        return Score("metric (a lambda)" if name == "<lambda>" else name, measure, measure, larger)
    larger = not what.endswith(_LOWER) if larger_is_better is None else bool(larger_is_better)
    words = " ".join(_WORDS.get(word, word) for word in what.split("_"))

    def chosen_by(record: Record) -> Any:
        validation = what.replace("test_", "valid_", 1) if what.startswith("test_") else what
        return _list(record, validation) if record.history.get(validation) else _list(record, what)

    def epoch(record: Record) -> int:
        values = chosen_by(record)
        return _finite_argmax(values if larger else -values)

    def at_best_epoch(record: Record) -> float:
        return float(_list(record, what)[epoch(record)])

    def best(record: Record) -> float:
        return float(chosen_by(record)[epoch(record)])

    return Score(words, at_best_epoch, best, larger, epoch)


def _list(record: Record, name: str) -> np.ndarray:
    """A list of the history; infinite numbers as NaN, so that no epoch is chosen for one."""
    if not record.history.get(name):
        known = ", ".join(sorted(name for name, values in record.history.items() if values))
        raise UsageError(f"the history has no {name!r}: expected one of {known}, or a function of the history")
    values = np.array(record.history[name], float)
    return np.where(np.isfinite(values), values, np.nan)


def _number(function: Callable[[Any], float], record: Record) -> float:
    """Call a user's function of a history; if it fails, the error lists the names that a history has."""
    try:
        return float(function({name: list(values) for name, values in record.history.items()}))
    except Exception as error:
        known = ", ".join(sorted(record.history))
        raise UsageError(
            f"the metric failed on {record.spec['run']}, seed {record.spec['seed']} ({type(error).__name__}: {error}): "
            f"expected a function of the history that gives a number; its lists are {known}"
        ) from error


def gap(record: Record, epochs: int) -> float:
    """Training less test accuracy, mean over the last ``epochs``: how much a net over-fits."""
    train, test = record.history["train_acc"], record.history["test_acc"]
    return float(np.mean(train[-epochs:]) - np.mean(test[-epochs:]))


def roughness(record: Record, skip: float) -> float:
    """How unevenly the test accuracy moves: the deviation of its changes from one epoch to the next.

    r = √(Σ(dₜ − d̄)² / (n − 1)) over the n changes dₜ = aₜ₊₁ − aₜ that are left after a share ``skip`` of the epochs;
    NaN for fewer than two.
    """
    values = np.array(record.history["test_acc"])
    changes = np.diff(values[int(skip * len(values)) :])
    return float(np.std(changes, ddof=1)) if len(changes) > 1 else float("nan")


def late_gain(record: Record, name: str) -> float:
    """What a list of the history gained in the last quarter of the epochs, against the quarter before; NaN for fewer
    than four epochs."""
    quarter, values = record.epochs // 4, record.history[name]
    if quarter == 0:
        return float("nan")
    return float(np.mean(values[-quarter:]) - np.mean(values[-2 * quarter : -quarter]))


def least_loss_epoch(record: Record) -> float:
    """The index of the epoch with the least test loss: over-fitting begins there."""
    return float(_finite_argmax(-np.array(record.history["test_loss"], float)))


def last_mean(record: Record, epochs: int) -> float:
    """Test accuracy, mean over the last ``epochs``."""
    return float(np.mean(record.history["test_acc"][-epochs:]))


def mean_drop(record: Record) -> float:
    """How much the test accuracy falls from an epoch to the next, on average: 0 where it never falls."""
    if record.epochs < 2:
        return 0.0
    return float(np.mean(np.maximum(0, -np.diff(record.history["test_acc"]))))


def best_share(record: Record) -> float:
    """When the best epoch comes, as a share of the training."""
    return (best_epoch(record) + 1) / record.epochs
