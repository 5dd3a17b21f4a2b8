"""Schedules tried at several rates, as pictures."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

import numpy as np

from ..analysis.measures import ACCURACY, Score, best_epoch, score
from ..analysis.selection import Cell, cells, scores
from ..experiments.record import Record
from .figures import family, looks, new_figure, plain_ticks


def draw_rates(records: Sequence[Record], only: Sequence[str] = (), title: str = "", by: Score = ACCURACY) -> Any:
    """What trainings are judged by against the rate: a line a schedule through its seeds' means, a dot a seed.

    Rates at which trainings collapsed have a cross at the bottom; those trainings stay out of the mean. The default is
    test accuracy after the best epoch. Where only one rate was tried there is nothing to draw against it, and the
    schedules stand side by side.
    """
    shown = {name: rates for name, rates in cells(records).items() if not only or name in only}
    styles = looks(shown)
    label = by.name if by.epoch is None else f"{by.name} at the best epoch"
    tried = sorted({rate for rates in shown.values() for rate in rates})
    if len(tried) == 1:
        return _draw_side_by_side({name: rates[tried[0]] for name, rates in shown.items()}, by, label, title)
    figure, ((ax,),) = new_figure(1, 1, width=8, height=4.2)
    some_collapsed = False
    for name, rates in shown.items():
        style = styles[name]
        uncollapsed = {rate: _uncollapsed_scores(cell, by) for rate, cell in rates.items()}
        means = [np.mean(values) if values else np.nan for values in uncollapsed.values()]
        ax.plot(list(rates), means, label=name, ms=6, lw=1.5, **style)
        for rate, values in uncollapsed.items():
            ax.plot([rate] * len(values), values, ".", color=style["color"], alpha=0.4, ms=4)
            if len(values) < len(rates[rate]):
                ax.plot([rate], [0.03], "x", color=style["color"], ms=6, transform=ax.get_xaxis_transform())
                some_collapsed = True
    if some_collapsed:
        ax.plot([], [], "x", color="0.4", ms=6, label="collapsed, whatever\ntheir accuracy\n(not in the mean)")
    ax.set_xscale("log")
    # Within two decades powers of ten say too little.
    plain_ticks(ax.xaxis, tried if tried and tried[-1] < 100 * tried[0] else None)
    ax.set_xlabel("learning rate (a schedule's greatest)")
    ax.set_ylabel(label)
    ax.set_title(title, fontsize=10)
    ax.grid(alpha=0.3)
    figure.legend(loc="outside right upper", fontsize=8)
    return figure


def _uncollapsed_scores(cell: Cell, by: Score) -> List[float]:
    """The numbers of a cell's trainings that did not collapse."""
    return list(scores({seed: r for seed, r in cell.items() if r.status != "collapsed"}, by).values())


def _draw_side_by_side(by_cell: Dict[str, Cell], by: Score, label: str, title: str) -> Any:
    """A row a schedule: a dot a seed, lines joining what one seed gives under each, and the mean of those that did not
    collapse as a tick; the others are crosses."""
    by_schedule = {name: scores(cell, by) for name, cell in by_cell.items()}
    figure, ((ax,),) = new_figure(1, 1, width=8, height=0.42 * len(by_schedule) + 1.3)
    for seed in sorted(set().union(*by_schedule.values())):
        points = [(values[seed], y) for y, values in enumerate(by_schedule.values()) if seed in values]
        ax.plot(*zip(*points), color="0.8", lw=0.8, zorder=1)
    styles = looks(by_schedule)
    for y, (name, values) in enumerate(by_schedule.items()):
        style = styles[name]
        for seed, value in values.items():
            marker = "x" if by_cell[name][seed].status == "collapsed" else style["marker"]
            ax.plot([value], [y], marker, color=style["color"], ms=6, alpha=0.7)
        uncollapsed = _uncollapsed_scores(by_cell[name], by)
        if uncollapsed:
            ax.plot([np.mean(uncollapsed)], [y], "|", color=style["color"], ms=18, mew=2)
    ax.set_yticks(range(len(by_schedule)), list(by_schedule))
    ax.set_ylim(len(by_schedule) - 0.5, -0.5)
    some_collapsed = any(record.status == "collapsed" for cell in by_cell.values() for record in cell.values())
    without = " of those that did not collapse (×)" if some_collapsed else ""
    ax.set_xlabel(f"{label}; a dot a seed, grey lines join a seed's, a tick at the mean{without}", fontsize=9)
    ax.set_title(title, fontsize=10)
    ax.grid(alpha=0.3, axis="x")
    return figure


def draw_map(records: Sequence[Record]) -> Any:
    """Every training as a point: its best epoch, the mean rate of that epoch, coloured by its test accuracy there.

    A panel a family of schedules, and a seed's points a little to the side of another's, so that none hides another.
    """
    grid = cells(records)
    families: Dict[str, List[Record]] = {}
    for name, rates in grid.items():
        families.setdefault(family(name), []).extend(r for cell in rates.values() for r in cell.values())
    every = [record for group in families.values() for record in group]
    low, high = (min(map(score, every)), max(map(score, every))) if every else (0, 1)
    seeds = sorted({record.spec["seed"] for record in every})
    columns = 3
    rows = max(1, -(-len(families) // columns))
    figure, axes = new_figure(rows, columns, width=10, height=2.3, sharex=True, sharey=True)
    for ax in list(axes.flat)[len(families) :]:
        ax.set_axis_off()
    drawn = None
    for ax, (name, group) in zip(axes.flat, families.items()):
        at = [best_epoch(r) for r in group]
        aside = [0.5 * ((seeds.index(r.spec["seed"]) + 0.5) / len(seeds) - 0.5) for r in group]
        drawn = ax.scatter(
            [epoch + 1 + shift for epoch, shift in zip(at, aside)],
            [r.history["lr_mean"][epoch] for r, epoch in zip(group, at)],
            c=[score(r) for r in group], vmin=low, vmax=high, cmap="viridis", s=26, edgecolors="0.3", linewidths=0.4,
        )  # fmt: skip
        ax.set_yscale("log")
        plain_ticks(ax.yaxis)
        ax.set_title(name, fontsize=9)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.tick_params(labelbottom=True)  # also above a panel that is off
        ax.grid(alpha=0.3)
    figure.supxlabel("best epoch by validation accuracy (a seed beside another around each)", fontsize=9)
    figure.supylabel("mean learning rate of that epoch", fontsize=9)
    if drawn is not None:
        figure.colorbar(drawn, ax=list(axes.flat), label="test accuracy after it")
    return figure
