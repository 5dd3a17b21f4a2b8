"""Which records belong together: by run, by seed, by schedule and rate, at the best rate.

A record of a grid has ``schedule`` and ``rate`` among its settings. A training counts at the epoch that is best on
validation data, or on test data where there are none.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..experiments.record import Record
from ..experiments.store import Store
from .measures import ACCURACY, Score

Cell = Dict[int, Record]  # seed → record


def of_one_size(records: Sequence[Record]) -> Tuple[List[Record], List[str]]:
    """The records that may stand in one table, and a note on each group of others.

    Those are of the size that most complete ones have: epochs, images, and the preset where a study has some. A record
    of other epochs beside them would pass for one more seed.
    """
    groups: Dict[Tuple[int, Optional[int], str], List[Record]] = {}
    for record in records:
        spec = record.spec
        size = (spec["epochs"], spec["limit"], json.dumps(spec["settings"].get("preset"), sort_keys=True))
        groups.setdefault(size, []).append(record)
    if len(groups) < 2:
        return list(records), []

    def weight(size: Tuple[int, Optional[int], str]) -> Tuple[int, int, int]:
        return sum(record.complete for record in groups[size]), len(groups[size]), size[0]

    kept, *others = sorted(groups, key=weight, reverse=True)
    notes = []
    for epochs, limit, preset in others:
        group = groups[epochs, limit, preset]
        images = "" if limit is None else f" and {limit} images"
        other = ", of another preset" if preset != kept[2] else ""
        notes.append(
            f"left out: {len(group)} record{'s' if len(group) > 1 else ''} of {epochs} epochs{images}{other}, which do "
            f"not compare with the {len(groups[kept])} others: an output folder of their own would show them"
        )
    return groups[kept], notes


def read_comparable(folder: Path) -> Tuple[List[Record], List[str]]:
    """The records below ``folder`` that may stand in one table, and notes: see :func:`of_one_size`."""
    return of_one_size(Store(folder).records())


def by_run(records: Sequence[Record]) -> Dict[str, List[Record]]:
    """Records grouped by their run's name, in the order of their first appearance."""
    groups: Dict[str, List[Record]] = {}
    for record in records:
        groups.setdefault(record.spec["run"], []).append(record)
    return groups


def finished_by_seed(records: Sequence[Record], run: str) -> Dict[int, Record]:
    """Seed → record of a run's finished trainings."""
    return {r.spec["seed"]: r for r in records if r.spec["run"] == run and r.status == "finished"}


def last_by_seed(records: Sequence[Record], run: str, quantity: str) -> Dict[int, float]:
    """Seed → a run's last value, of its finished trainings."""
    return {seed: record.last(quantity) for seed, record in finished_by_seed(records, run).items()}


def cells(records: Sequence[Record]) -> Dict[str, Dict[float, Cell]]:
    """Schedule → rate → seed → record, of the complete ones, collapsed ones included."""
    found: Dict[str, Dict[float, Cell]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        if record.complete:
            settings = record.spec["settings"]
            found[settings["schedule"]][settings["rate"]][record.spec["seed"]] = record
    return {name: dict(sorted(rates.items())) for name, rates in found.items()}


def best_rate(rates: Dict[float, Cell], by: Score = ACCURACY) -> float:
    """The rate whose trainings are best on validation data on average, over seeds that all candidates have.

    Candidates are rates with at most one seed fewer than the one with most, and with two if any has: one seed alone may
    have been lucky, and one that is missing costs a rate nothing. A rate comes after those of which fewer trainings
    have no finite number.
    """
    most = max(map(len, rates.values()))
    candidates = {rate: cell for rate, cell in rates.items() if len(cell) >= max(most - 1, min(most, 2))}
    common = set.intersection(*map(set, candidates.values()))
    chosen = {rate: {seed: by.choice(record) for seed, record in cell.items()} for rate, cell in candidates.items()}
    lost = {rate: sum(not np.isfinite(number) for number in numbers.values()) for rate, numbers in chosen.items()}
    rivals = {rate: chosen[rate] for rate in candidates if lost[rate] == min(lost.values())}
    known = {seed for seed in common if all(np.isfinite(numbers[seed]) for numbers in rivals.values())}

    def quality(rate: float) -> float:
        numbers = rivals[rate]
        shown = [numbers[seed] for seed in known or numbers if np.isfinite(numbers[seed])]
        return by.sign * float(np.mean(shown)) if shown else -np.inf

    return max(rivals, key=quality)


def scores(cell: Cell, by: Score = ACCURACY) -> Dict[int, float]:
    """Seed → the number that its training is judged by: default test accuracy after the best epoch."""
    return {seed: by.measure(record) for seed, record in cell.items()}


def at_best_rate(records: Sequence[Record], by: Score = ACCURACY) -> Dict[str, Dict[int, float]]:
    """Schedule → seed → the number that the training is judged by, at the schedule's best rate."""
    return {name: scores(rates[best_rate(rates, by)], by) for name, rates in cells(records).items()}
