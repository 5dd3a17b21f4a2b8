"""Schedules tried at several rates: each at its best rate, paired comparisons, and where in rate and time it is best.

A record of a grid has ``schedule`` and ``rate`` among its settings. A training counts at the epoch that is best on
validation data, or on test data where there are none.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from ..records import Record
from ..stats import compare_paired, holm
from .comparison import comparison_rows, spread
from .figures import family, looks, new_figure
from .page import Table

Cell = Dict[int, Record]  # seed → record


def best_epoch(record: Record) -> int:
    """The index of the epoch that is best on validation data."""
    return int(np.argmax(record.history.get("valid_acc") or record.history["test_acc"]))


def score(record: Record) -> float:
    """Test accuracy after the best epoch."""
    return float(record.history["test_acc"][best_epoch(record)])


def choice(record: Record) -> float:
    """What a rate is chosen by: the best validation accuracy, or test accuracy where there is no other."""
    return float(max(record.history.get("valid_acc") or record.history["test_acc"]))


def cells(records: Sequence[Record]) -> Dict[str, Dict[float, Cell]]:
    """Schedule → rate → seed → record, of the complete ones, collapsed ones included."""
    found: Dict[str, Dict[float, Cell]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        if record.complete:
            settings = record.spec["settings"]
            found[settings["schedule"]][settings["rate"]][record.spec["seed"]] = record
    return {name: dict(sorted(rates.items())) for name, rates in found.items()}


def best_rate(rates: Dict[float, Cell]) -> float:
    """The rate whose trainings are best on validation data on average, among those with the most seeds."""
    most = max(map(len, rates.values()))
    return max(
        (rate for rate in rates if len(rates[rate]) == most),
        key=lambda rate: np.mean([choice(record) for record in rates[rate].values()]),
    )


def scores(cell: Cell) -> Dict[int, float]:
    """Seed → test accuracy after the best epoch."""
    return {seed: score(record) for seed, record in cell.items()}


def at_best_rate(records: Sequence[Record]) -> Dict[str, Dict[int, float]]:
    """Schedule → seed → test accuracy after the best epoch, at the schedule's best rate."""
    return {name: scores(rates[best_rate(rates)]) for name, rates in cells(records).items()}


def told(cell: Cell, digits: int = 4) -> str:
    """A cell's mean with its interval; where trainings collapsed, how many, since no interval describes two heaps."""
    collapsed = sum(record.status == "collapsed" for record in cell.values())
    values = list(scores(cell).values())
    if not collapsed:
        return spread(values, digits)
    return f"{np.mean(values):.{digits}f} ({collapsed} of {len(cell)} collapsed)"


def schedules_table(records: Sequence[Record], caption: str) -> Table:
    """A line a schedule, at its best rate; the best schedule first."""
    rows: List[Tuple[float, List[str]]] = []
    for name, rates in cells(records).items():
        rate = best_rate(rates)
        values = list(scores(rates[rate]).values())
        epochs = np.mean([best_epoch(r) + 1 for r in rates[rate].values()])
        total = max(r.epochs for r in rates[rate].values())
        every = [r for cell in rates.values() for r in cell.values()]
        collapsed = f"{sum(r.status == 'collapsed' for r in every)} of {len(every)}"
        row = [name, f"{rate:g}", told(rates[rate]), f"{epochs:.1f} of {total}", str(len(values)), collapsed]
        rows.append((float(np.mean(values)), row))
    columns = ["schedule", "best rate", "test accuracy there", "best epoch", "seeds", "collapsed, all rates"]
    return Table(caption, columns, [row for _, row in sorted(rows, key=lambda pair: -pair[0])])


def rates_table(records: Sequence[Record], caption: str) -> Table:
    """A line a schedule, a column a rate: test accuracy after the best epoch."""
    found = cells(records)
    every = sorted({rate for rates in found.values() for rate in rates})
    rows = [[name, *(told(rates[rate], 3) if rate in rates else "" for rate in every)] for name, rates in found.items()]
    return Table(caption, ["schedule", *(f"{rate:g}" for rate in every)], rows)


def pairs_table(records: Sequence[Record], caption: str) -> Table:
    """Every two schedules at their best rates over common seeds, with Holm's correction over all pairs."""
    arms = at_best_rate(records)
    names = sorted(arms, key=lambda name: -float(np.mean(list(arms[name].values()))))
    comparisons = holm(
        [compare_paired(f"{a} − {b}", arms[a], arms[b]) for i, a in enumerate(names) for b in names[i + 1 :]]
    )
    return Table(caption, ["pair", "difference (95 %)", "p (Holm)", "verdict"], comparison_rows(comparisons))


def draw_rates(records: Sequence[Record], only: Sequence[str] = (), title: str = "") -> Any:
    """Test accuracy after the best epoch against the rate: a line a schedule through its seeds' means, a dot a seed."""
    figure, ((ax,),) = new_figure(1, 1, width=8, height=4.2)
    shown = {name: rates for name, rates in cells(records).items() if not only or name in only}
    styles = looks(shown)
    for name, rates in shown.items():
        style = styles[name]
        means = [np.mean(list(scores(cell).values())) for cell in rates.values()]
        ax.plot(list(rates), means, label=name, ms=6, lw=1.5, **style)
        for rate, cell in rates.items():
            ax.plot([rate] * len(cell), list(scores(cell).values()), ".", color=style["color"], alpha=0.4, ms=4)
    ax.set_xscale("log")
    tried = sorted({rate for rates in shown.values() for rate in rates})
    if tried and tried[-1] < 100 * tried[0]:  # within two decades powers of ten say too little
        ax.set_xticks(tried, [f"{rate:g}" for rate in tried])
        ax.minorticks_off()
    ax.set_xlabel("learning rate (a schedule's greatest)")
    ax.set_ylabel("test accuracy at the best epoch")
    ax.set_title(title, fontsize=10)
    ax.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def draw_map(records: Sequence[Record], updates_used: str = "lr_mean") -> Any:
    """Every training as a point: its best epoch, the mean rate of that epoch, coloured by its test accuracy there."""
    figure, ((ax,),) = new_figure(1, 1, width=8, height=4.4)
    grid = cells(records)
    every = [r for rates in grid.values() for cell in rates.values() for r in cell.values()]
    low, high = (min(map(score, every)), max(map(score, every))) if every else (0, 1)
    drawn, families = None, {}
    for name, style in looks(grid).items():
        group = [record for cell in grid[name].values() for record in cell.values()]
        at = [best_epoch(r) for r in group]
        used = [r.history[updates_used][epoch] for r, epoch in zip(group, at)]
        drawn = ax.scatter(
            [epoch + 1 for epoch in at], used, c=[score(r) for r in group], vmin=low, vmax=high, cmap="viridis",
            marker=style["marker"], s=42, edgecolors="0.3", linewidths=0.4,
        )  # fmt: skip
        # Grey in the legend: colour means accuracy here.
        families[family(name)] = ax.plot([], [], style["marker"], color="0.6", label=family(name))[0]
    ax.set_yscale("log")
    ax.set_xlabel("best epoch (by validation accuracy)")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_ylabel("mean learning rate of that epoch")
    ax.grid(alpha=0.3)
    if drawn is not None:
        figure.colorbar(drawn, ax=ax, label="test accuracy after it")
        figure.legend(handles=list(families.values()), loc="outside lower center", ncols=4, fontsize=8)
    return figure
