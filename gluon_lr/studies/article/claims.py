"""What the article concludes, as claims on our runs. It prints curves, no table of figures.

Its setting: 20,000 random training images, the full test set for validation, an MLP with two hidden layers, batch 64,
SGD, 100 epochs, one run each.
"""

from __future__ import annotations

from typing import Callable, Dict, List, Sequence

import numpy as np

from ...analysis.measures import gap, last_mean, least_loss_epoch, roughness
from ...analysis.selection import finished_by_seed
from ...analysis.verdicts import Claim, against_every
from ...experiments.record import Record
from .experiment import RUNS

# The least difference that would matter of each quantity (δ), and why; fixed when there were five seeds, before others.
ACCURACY = (0.005, "half a point: the error of an accuracy near 0.87 on 10,000 images is a third of a point")
ROUGHNESS = (0.0005, "half of what the smoothest schedules have")
OVER_FITTING = (0.01, "a point: three times the error of an accuracy near 0.87 on 10,000 images")
ONSET = (5.0, "five epochs of 100: half of the ten over which the other claims average")
LOSS = (0.02, "a twentieth of the least validation loss")
DECAYING = ("linear", "time-based", "exponential", "step")


def _gap(record: Record) -> float:
    return gap(record, epochs=10)


def _last(record: Record) -> float:
    return last_mean(record, epochs=10)


def _roughness(record: Record) -> float:
    return roughness(record, skip=0.25)


def _since(group: Dict[int, Record], measure: str, epoch: int) -> List[float]:
    """The last tenth of a schedule's trainings less the ten epochs around one that is named for 100."""
    changes = []
    for _, record in sorted(group.items()):
        values, tenth = np.array(record.history[measure]), record.epochs // 10
        middle = round(record.epochs * epoch / 100)
        if tenth > 1:
            changes.append(float(values[-tenth:].mean() - values[middle - tenth // 2 :][:tenth].mean()))
    return changes


def stops_by_schedule(records: Sequence[Record]) -> List[Claim]:
    """That learning stops near epoch 60, of each decaying schedule by itself: a family of its own."""
    measure = "validation accuracy, last tenth less epochs 55 to 65: the gain is below δ"
    return [
        Claim(
            f"{name.capitalize()} stops learning near epoch 60",
            measure,
            _since(finished_by_seed(records, name), "test_acc", 60),
            *ACCURACY,
            denies=True,
        )
        for name in DECAYING
    ]


def final_accuracies(records: Sequence[Record]) -> Dict[str, List[float]]:
    """Schedule → the validation accuracy of each of its trainings, mean of the last ten epochs."""
    return {name: [_last(r) for r in finished_by_seed(records, name).values()] for name in RUNS}


def claims(records: Sequence[Record]) -> List[Claim]:
    """The article's conclusions, each as a difference that is positive if it holds."""
    runs = {name: finished_by_seed(records, name) for name in dict.fromkeys(r.spec["run"] for r in records)}

    def paired(measure: Callable[[Record], float], first: str, second: str) -> List[float]:
        a: Dict[int, Record] = runs.get(first, {})
        b: Dict[int, Record] = runs.get(second, {})
        return [measure(a[seed]) - measure(b[seed]) for seed in sorted(set(a) & set(b))]

    last = "validation accuracy, mean of the last ten epochs"
    onset = "epoch of the least validation loss"
    common = set.intersection(*(set(runs.get(name, {})) for name in DECAYING))
    late = [_since({seed: runs[name][seed] for seed in common}, "test_acc", 60) for name in DECAYING]

    return [
        Claim(
            "A constant 0.01 barely moves validation accuracy",
            "gain from the second to the last tenth of the epochs is below δ",
            [
                float(
                    np.mean(r.history["test_acc"][-10:])
                    - np.mean(r.history["test_acc"][len(r.history["test_acc"]) // 10 :][:10])
                )
                for r in runs.get("constant", {}).values()
                if r.epochs >= 20
            ],
            *ACCURACY,
            denies=True,
        ),
        Claim("Exponential beats time-based", last, paired(_last, "exponential", "time-based"), *ACCURACY),
        Claim("Time-based beats linear", last, paired(_last, "time-based", "linear"), *ACCURACY),
        Claim("Time-based beats step", last, paired(_last, "time-based", "step"), *ACCURACY),
        against_every(
            "Exponential is the best of all",
            last,
            {name: paired(_last, "exponential", name) for name in RUNS if name != "exponential"},
            *ACCURACY,
        ),
        against_every(
            "Exponential is the smoothest of all",
            "roughness",
            {name: paired(_roughness, name, "exponential") for name in RUNS if name != "exponential"},
            *ROUGHNESS,
        ),
        Claim(
            "Linear over-fits more than exponential",
            "training less validation accuracy",
            paired(_gap, "linear", "exponential"),
            *OVER_FITTING,
        ),
        Claim(
            "Step over-fits more than exponential",
            "training less validation accuracy",
            paired(_gap, "step", "exponential"),
            *OVER_FITTING,
        ),
        against_every(
            "Adam over-fits soonest of all",
            onset,
            {name: paired(least_loss_epoch, name, "adam") for name in RUNS if name != "adam"},
            *ONSET,
        ),
        Claim(
            "Learning stops near epoch 60",
            "validation accuracy, mean of the four decays, last tenth less epochs 55 to 65: the gain is below δ",
            np.mean(late, axis=0).tolist(),
            *ACCURACY,
            denies=True,
        ),
        Claim(
            "Time-based stops learning near epoch 38",
            "validation accuracy, last tenth less epochs 33 to 43: the gain is below δ",
            _since(runs.get("time-based", {}), "test_acc", 38),
            *ACCURACY,
            denies=True,
        ),
        Claim(
            "Linear over-fits after about 40 epochs",
            "validation loss, last tenth less epochs 35 to 45",
            _since(runs.get("linear", {}), "test_loss", 40),
            *LOSS,
        ),
        Claim(
            "A decay per update trains worse than the same decay per epoch",
            last,
            paired(_last, "decay-per-epoch", "decay-per-update"),
            *ACCURACY,
        ),
    ]
