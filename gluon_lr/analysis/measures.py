"""What is measured of a training's curves: plain numbers of one record."""

from __future__ import annotations

import numpy as np

from ..experiments.record import Record


def best_epoch(record: Record) -> int:
    """The index of the epoch that is best on validation data."""
    return int(np.argmax(record.history.get("valid_acc") or record.history["test_acc"]))


def score(record: Record) -> float:
    """Test accuracy after the best epoch."""
    return float(record.history["test_acc"][best_epoch(record)])


def choice(record: Record) -> float:
    """What a rate is chosen by: the best validation accuracy, or test accuracy where there is no other."""
    return float(max(record.history.get("valid_acc") or record.history["test_acc"]))


def gap(record: Record, epochs: int) -> float:
    """Training less test accuracy, mean over the last ``epochs``: how much a net over-fits."""
    train, test = record.history["train_acc"], record.history["test_acc"]
    return float(np.mean(train[-epochs:]) - np.mean(test[-epochs:]))


def roughness(record: Record, skip: float) -> float:
    """Deviation of the test accuracy's change from one epoch to the next, after a share ``skip`` of the epochs."""
    values = np.array(record.history["test_acc"])
    return float(np.std(np.diff(values[int(skip * len(values)) :]), ddof=1))


def stall(record: Record) -> float:
    """By how much more the training accuracy gained than the test accuracy, last quarter against the one before."""
    quarter = record.epochs // 4

    def gain(name: str) -> float:
        values = record.history[name]
        return float(np.mean(values[-quarter:]) - np.mean(values[-2 * quarter : -quarter]))

    return gain("train_acc") - gain("test_acc")


def least_loss_epoch(record: Record) -> float:
    """The index of the epoch with the least test loss: over-fitting begins there."""
    return float(np.argmin(record.history["test_loss"]))


def last_mean(record: Record, epochs: int) -> float:
    """Test accuracy, mean over the last ``epochs``."""
    return float(np.mean(record.history["test_acc"][-epochs:]))


def mean_drop(record: Record) -> float:
    """How much the test accuracy falls from an epoch to the next, on average: 0 where it never falls."""
    return float(np.mean(np.maximum(0, -np.diff(record.history["test_acc"]))))


def best_share(record: Record) -> float:
    """When the best epoch comes, as a share of the training."""
    return (best_epoch(record) + 1) / record.epochs
