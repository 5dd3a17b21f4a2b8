"""What the chapter printed and what it says, to be held against our runs.

Source: *Dive into Deep Learning* (Zhang, Lipton, Li, Smola), "Learning Rate Scheduling", the MXNet edition: one
unseeded run each of LeNet on Fashion-MNIST, 40 epochs, batch 256, SGD without momentum.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Dict, Iterable, List, Sequence, Tuple

import numpy as np

from ...analysis.measures import gap, late_gain, roughness
from ...analysis.selection import by_run, finished_by_seed
from ...analysis.verdicts import Claim, all_of
from ...experiments.record import Record

# run: (training loss, training accuracy, test accuracy) after the last epoch
PUBLISHED: Dict[str, Tuple[float, float, float]] = {
    "constant": (0.197, 0.923, 0.823),
    "square-root": (0.282, 0.898, 0.887),
    "multi-factor": (0.151, 0.943, 0.896),
    "cosine": (0.353, 0.873, 0.867),
    "cosine-warmup": (0.359, 0.869, 0.868),
}
UNPUBLISHED = (float("nan"),) * 3  # for a run of one's own
QUANTITIES = (("train_loss", "train loss"), ("train_acc", "train accuracy"), ("test_acc", "test accuracy"))

# The least difference that would matter of each quantity (δ), and why; fixed before the trainings of version 2.0.
ACCURACY = (0.005, "half a point: the error of an accuracy near 0.87 on 10,000 test images is a third of a point")
ROUGHNESS = (0.003, "what an accuracy changes by from epoch to epoch because it is of 10,000 test images only")
OVER_FITTING = (0.01, "a point between training and test accuracy")
LOSS = (0.05, "a tenth of what the training loss falls by in the first five epochs")

BySeed = Dict[int, Record]


def _pairs(first: BySeed, second: BySeed) -> List[Tuple[Record, Record]]:
    return [(first[seed], second[seed]) for seed in sorted(set(first) & set(second))]


def _known(values: Iterable[float]) -> List[float]:
    """Those that are numbers: a training of few epochs has no last quarter."""
    return [value for value in values if not math.isnan(value)]


def _gap(record: Record) -> float:
    return gap(record, epochs=max(1, record.epochs // 8))


def _roughness(record: Record) -> float:
    return roughness(record, skip=0.5)


def _decayed(runs: Dict[str, BySeed]) -> List[Tuple[Record, List[Record]]]:
    """Each seed's constant run beside its finished runs with a decreasing rate."""
    pairs = []
    for seed, constant in sorted(runs["constant"].items()):
        decayed = [runs[name][seed] for name in runs if name != "constant" and seed in runs[name]]
        if decayed:
            pairs.append((constant, decayed))
    return pairs


def ramped_claim(records: Sequence[Record]) -> List[Claim]:
    """The claim on warmup without its idle epoch: the ramped warmup beside the cosine per epoch."""
    per_epoch = [r for r in records if r.spec["reading"] == "per-epoch"]
    ramped = [r for r in records if r.spec["reading"] == "per-epoch-ramped"]
    cosine, warmup = finished_by_seed(per_epoch, "cosine"), finished_by_seed(ramped, "cosine-warmup")
    beside = [r for r in per_epoch if r.spec["run"] == "cosine"] + [
        r for r in ramped if r.spec["run"] == "cosine-warmup"
    ]
    return [replace(_on_warmup(cosine, warmup), trained=_common_seeds(beside))]


def _on_warmup(cosine: BySeed, warmup: BySeed) -> Claim:
    epochs = 5
    return Claim(
        "With warmup the net converges better in the first five epochs",
        "mean training loss of epochs 1 to 5, cosine without less cosine with warmup",
        [
            float(np.mean(c.history["train_loss"][:epochs]) - np.mean(w.history["train_loss"][:epochs]))
            for c, w in _pairs(cosine, warmup)
        ],
        *LOSS,
    )


def claims(records: Sequence[Record]) -> List[Claim]:
    """The chapter's claims, measured on the finished runs of one reading over their common seeds."""
    runs = {name: finished_by_seed(records, name) for name in PUBLISHED}
    constant, cosine = runs["constant"], runs["cosine"]
    found = [
        all_of(
            "A constant rate of 0.5 keeps improving training accuracy while test accuracy stalls",
            "gain of the last quarter of the epochs against the one before",
            {
                "that of training accuracy": _known(late_gain(r, "train_acc") for r in constant.values()),
                f"{ACCURACY[0]} less that of test accuracy": _known(
                    ACCURACY[0] - late_gain(r, "test_acc") for r in constant.values()
                ),
            },
        ),
        Claim(
            "Square root is smoother than the constant rate",
            "roughness of the test accuracy, constant less square root",
            _known(_roughness(c) - _roughness(s) for c, s in _pairs(constant, runs["square-root"])),
            *ROUGHNESS,
        ),
        Claim(
            "Square root over-fits less than the constant rate",
            "training less test accuracy, constant less square root",
            [_gap(c) - _gap(s) for c, s in _pairs(constant, runs["square-root"])],
            *OVER_FITTING,
        ),
        Claim(
            "Multi-factor gives slightly better solutions than square root",
            "last test accuracy, multi-factor less square root",
            [m.last("test_acc") - s.last("test_acc") for m, s in _pairs(runs["multi-factor"], runs["square-root"])],
            *ACCURACY,
        ),
        Claim(
            "Cosine need not improve on the constant rate",
            "last test accuracy, cosine less constant: the gain is below δ",
            [c.last("test_acc") - k.last("test_acc") for c, k in _pairs(cosine, constant)],
            *ACCURACY,
            denies=True,
        ),
        _on_warmup(cosine, runs["cosine-warmup"]),
        Claim(
            "Decreasing the rate improves accuracy",
            "last test accuracy, mean of the schedules that survive of four less constant",
            [float(np.mean([d.last("test_acc") for d in ds])) - c.last("test_acc") for c, ds in _decayed(runs)],
            *ACCURACY,
        ),
        Claim(
            "Decreasing the rate reduces over-fitting",
            "training less test accuracy, constant less mean of the schedules that survive of four",
            [_gap(c) - float(np.mean([_gap(d) for d in ds])) for c, ds in _decayed(runs)],
            *OVER_FITTING,
        ),
    ]
    own = [r for r in records if r.spec["run"] in PUBLISHED]  # not a schedule of the user's own beside them
    return [replace(claim, trained=_common_seeds(own)) for claim in found]


def _common_seeds(records: Sequence[Record]) -> int:
    """How many seeds every run was trained with, collapsed or not."""
    trained = [{r.spec["seed"] for r in group if r.complete} for group in by_run(records).values()]
    return len(set.intersection(*trained)) if trained else 0
