"""Schedules tried at several rates, as pictures."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from ..analysis.measures import ACCURACY, Score, best_epoch, score
from ..analysis.selection import cells, scores
from ..experiments.record import Record
from .figures import family, looks, new_figure


def draw_rates(records: Sequence[Record], only: Sequence[str] = (), title: str = "", by: Score = ACCURACY) -> Any:
    """What trainings are judged by against the rate: a line a schedule through its seeds' means, a dot a seed.

    The default is test accuracy after the best epoch.
    """
    figure, ((ax,),) = new_figure(1, 1, width=8, height=4.2)
    shown = {name: rates for name, rates in cells(records).items() if not only or name in only}
    styles = looks(shown)
    for name, rates in shown.items():
        style = styles[name]
        means = [np.mean(list(scores(cell, by).values())) for cell in rates.values()]
        ax.plot(list(rates), means, label=name, ms=6, lw=1.5, **style)
        for rate, cell in rates.items():
            ax.plot([rate] * len(cell), list(scores(cell, by).values()), ".", color=style["color"], alpha=0.4, ms=4)
    ax.set_xscale("log")
    tried = sorted({rate for rates in shown.values() for rate in rates})
    if tried and tried[-1] < 100 * tried[0]:  # within two decades powers of ten say too little
        ax.set_xticks(tried, [f"{rate:g}" for rate in tried])
        ax.minorticks_off()
    ax.set_xlabel("learning rate (a schedule's greatest)")
    ax.set_ylabel(by.name if by.epoch is None else f"{by.name} at the best epoch")
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
