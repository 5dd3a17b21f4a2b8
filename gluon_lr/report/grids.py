"""Schedules tried at several rates, as pictures."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import numpy as np

from ..analysis.measures import ACCURACY, Score, best_epoch, score
from ..analysis.selection import Cell, cells, scores
from ..experiments.record import Record
from .figures import looks, new_figure, plain_ticks


def draw_rates(records: Sequence[Record], only: Sequence[str] = (), title: str = "", by: Score = ACCURACY) -> Any:
    """What trainings are judged by against the rate: a line a schedule through its seeds' means, a dot a seed.

    Rates at which trainings collapsed have a cross at the bottom that says how many; those stay out of the mean. The
    default is test accuracy after the best epoch. Where only one rate was tried there is nothing to draw against it,
    and the schedules stand side by side.
    """
    shown = {name: rates for name, rates in cells(records).items() if not only or name in only}
    styles = looks(shown)
    label = by.name if by.epoch is None else f"{by.name} at the best epoch"
    tried = sorted({rate for rates in shown.values() for rate in rates})
    if len(tried) == 1:
        return _draw_side_by_side({name: rates[tried[0]] for name, rates in shown.items()}, by, label, title)
    figure, ((ax,),) = new_figure(1, 1, width=8, height=4.2)
    lost: Dict[float, List[Tuple[str, str]]] = {}
    for name, rates in shown.items():
        style = styles[name]
        uncollapsed = {rate: list(_uncollapsed(cell, by).values()) for rate, cell in rates.items()}
        means = [np.mean(values) if values else np.nan for values in uncollapsed.values()]
        ax.plot(list(rates), means, label=name, ms=6, lw=1.5, **style)
        for rate, values in uncollapsed.items():
            ax.plot([rate] * len(values), values, ".", color=style["color"], alpha=0.4, ms=4)
            if len(values) < len(rates[rate]):
                count = f"{len(rates[rate]) - len(values)} of {len(rates[rate])}"
                lost.setdefault(rate, []).append((name, count))
    for rate, every in lost.items():
        for i, (name, count) in enumerate(every):  # one above the other, so that each is seen
            at, bottom = (rate, 0.03 + 0.08 * i), ax.get_xaxis_transform()
            ax.plot([at[0]], [at[1]], "x", color=styles[name]["color"], ms=6, transform=bottom)
            above = {"xytext": (0, 5), "textcoords": "offset points"}
            ax.annotate(count, at, xycoords=bottom, ha="center", fontsize=7, **above)
    if lost:
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


def _uncollapsed(cell: Cell, by: Score) -> Dict[int, float]:
    """Seed → the number of each of a cell's trainings that did not collapse."""
    return scores({seed: r for seed, r in cell.items() if r.status != "collapsed"}, by)


def _draw_side_by_side(by_cell: Dict[str, Cell], by: Score, label: str, title: str) -> Any:
    """A row a schedule: a dot a seed, lines joining what one seed gives under each, and their mean as a tick. A cross
    at the left edge counts those that collapsed, whose accuracies would press the others together."""
    by_schedule = {name: _uncollapsed(cell, by) for name, cell in by_cell.items()}
    figure, ((ax,),) = new_figure(1, 1, width=8, height=0.42 * len(by_schedule) + 1.3)
    for seed in sorted(set().union(*by_schedule.values())):
        points = [(values[seed], y) for y, values in enumerate(by_schedule.values()) if seed in values]
        ax.plot(*zip(*points), color="0.8", lw=0.8, zorder=1)
    styles, some_collapsed = looks(by_schedule), False
    for y, (name, values) in enumerate(by_schedule.items()):
        style = styles[name]
        ax.plot(list(values.values()), [y] * len(values), style["marker"], color=style["color"], ms=6, alpha=0.7)
        if values:
            ax.plot([np.mean(list(values.values()))], [y], "|", color=style["color"], ms=18, mew=2)
        lost = sum(record.status == "collapsed" for record in by_cell[name].values())
        if lost:
            some_collapsed, edge = True, ax.get_yaxis_transform()
            ax.plot([0.012], [y], "x", color=style["color"], ms=6, transform=edge)
            ax.text(0.025, y, f"{lost} of {len(by_cell[name])}", transform=edge, va="center", fontsize=7)
    ax.set_yticks(range(len(by_schedule)), list(by_schedule))
    ax.set_ylim(len(by_schedule) - 0.5, -0.5)
    ax.margins(x=0.12 if some_collapsed else 0.05)
    without = "\n× collapsed, whatever their accuracy, and not in the mean" if some_collapsed else ""
    ax.set_xlabel(f"{label}; a dot a seed, grey lines join a seed's, a tick at the mean{without}", fontsize=9)
    ax.set_title(title, fontsize=10)
    ax.grid(alpha=0.3, axis="x")
    return figure


def draw_map(records: Sequence[Record]) -> Any:
    """The best epochs of every schedule and rate: a disc an epoch, at the mean rate of that epoch; its area and the
    number in it say how many seeds are at their best there, its colour their mean test accuracy.

    A panel a schedule.
    """
    discs = {name: _discs([r for cell in rates.values() for r in cell.values()])
             for name, rates in cells(records).items()}  # fmt: skip
    columns = 3
    rows = max(1, -(-len(discs) // columns))
    figure, axes = new_figure(rows, columns, width=10, height=2.1, sharex=True, sharey=True)
    for ax in list(axes.flat)[len(discs) :]:
        ax.set_axis_off()
    every = [np.mean(found) for by_place in discs.values() for found in by_place.values()]
    low, high = (min(every), max(every)) if every else (0, 1)
    seeds = len({record.spec["seed"] for record in records})
    drawn = None
    for ax, (name, by_place) in zip(axes.flat, discs.items()):
        counts = [len(found) for found in by_place.values()]
        drawn = ax.scatter(
            [epoch for epoch, _ in by_place], [rate for _, rate in by_place],
            c=[np.mean(found) for found in by_place.values()], vmin=low, vmax=high, cmap="viridis",
            s=[20 + 150 * count / max(1, seeds) for count in counts], edgecolors="0.3", linewidths=0.4, zorder=3,
        )  # fmt: skip
        for (epoch, rate), found in by_place.items():
            dark = np.mean(found) < (low + high) / 2
            ax.annotate(f"{len(found)}", (epoch, rate), ha="center", va="center", fontsize=6, zorder=4,
                        color="white" if dark else "black")  # fmt: skip
        ax.set_yscale("log")
        plain_ticks(ax.yaxis)
        ax.set_title(name, fontsize=9)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.margins(x=0.08, y=0.12)
        ax.tick_params(labelbottom=True)  # also above a panel that is off
        ax.grid(alpha=0.3)
    figure.supxlabel("best epoch by validation accuracy (in a disc: how many seeds)", fontsize=9)
    figure.supylabel("mean learning rate of that epoch", fontsize=9)
    if drawn is not None:
        figure.colorbar(drawn, ax=list(axes.flat), label="mean test accuracy after it")
    return figure


def _discs(records: Sequence[Record]) -> Dict[Tuple[int, float], List[float]]:
    """(best epoch, from 1; mean rate of that epoch) → the test accuracies after it of the trainings that share both."""
    found: Dict[Tuple[int, float], List[float]] = {}
    for record in records:
        epoch = best_epoch(record)
        rate = float(f"{record.history['lr_mean'][epoch]:.6g}")  # the same, however its mean was rounded
        found.setdefault((epoch + 1, rate), []).append(score(record))
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))  # small ones are drawn last, upon the others
