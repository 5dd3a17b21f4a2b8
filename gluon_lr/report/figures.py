"""What all figures share: one colour, dash and marker per schedule everywhere, and axes that say their units."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from ..analysis.selection import by_run
from ..experiments.record import Record
from ..files import atomic

# Okabe and Ito's colours first, told apart by the colour-blind; dash and marker tell schedules apart in grey.
SCHEDULES: Dict[str, Tuple[str, Any, str]] = {
    "constant": ("#000000", "-", "o"),
    "square-root": ("#E69F00", "--", "s"),
    "multi-factor": ("#0072B2", "-.", "^"),
    "cosine": ("#009E73", ":", "D"),
    "cosine-warmup": ("#CC79A7", (0, (5, 1)), "v"),
    "factor": ("#999999", (0, (1, 1)), "x"),
    "step": ("#4B0092", (0, (8, 2, 1, 2)), "8"),
    "linear": ("#56B4E9", (0, (3, 1, 1, 1)), "<"),
    "polynomial": ("#7F7F00", (0, (3, 1, 1, 1, 1, 1)), ">"),
    "time-based": ("#66A61E", (0, (5, 2, 5, 1)), "p"),
    "exponential": ("#8C564B", (0, (7, 2)), "h"),
    "adam": ("#AA3377", (0, (2, 2)), "*"),
    "one-cycle": ("#D55E00", (0, (4, 1, 1, 1)), "P"),
    "warm-restarts": ("#7570B3", (0, (2, 1)), "X"),
    "constant-warmup": ("#666666", (0, (6, 1, 1, 1)), "d"),
    "batch-growth": ("#B2182B", (0, (1, 2)), "H"),
    "plateau": ("#1F4E79", (0, (9, 1)), "d"),
    "adaptive-momentum": ("#CAB200", (0, (4, 1, 1, 1, 1, 1)), "X"),
    "weight-decay": ("#E7298A", (0, (3, 3)), "<"),
    "scheduled-weight-decay": ("#1B9E77", (0, (7, 2, 1, 2, 1, 2)), ">"),
    "autolrs": ("#A6761D", (0, (3, 2)), "*"),
    "decay-per-epoch": ("#2C7FB8", (0, (6, 2)), "p"),
    "decay-per-update": ("#DD1C77", (0, (2, 1, 2, 3)), "H"),
}
# For names of the user's own: filled markers. As the three lengths have no common factor, looks repeat after 792 names.
_SPARE_COLORS = ("#332288", "#117733", "#AA4499", "#44AA99", "#999933", "#661100", "#6699CC", "#888888")
_SPARE_DASHES = (
    (0, (10, 2)), "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 2)), (0, (8, 2)), (0, (4, 2, 1, 2, 1, 2)),
)  # fmt: skip
_SPARE_MARKERS = ("*", "s", "^", "D", "v", "p", "h", "X", "P", "<", ">")


def family(name: str) -> str:
    """The schedule's name without what does not change its look: the length of a warm restart's cycle."""
    return "warm-restarts" if name.startswith("warm-restarts-") else name


def looks(names: Iterable[str]) -> Dict[str, Dict[str, Any]]:
    """Colour, dash and marker of each: a schedule's own, the same in every figure; any other name takes the next one
    that is spare."""
    spare = zip(*(itertools.cycle(values) for values in (_SPARE_COLORS, _SPARE_DASHES, _SPARE_MARKERS)))
    styles = {}
    for name in names:
        color, dash, marker = SCHEDULES[family(name)] if family(name) in SCHEDULES else next(spare)
        styles[name] = {"color": color, "linestyle": dash, "marker": marker}
    return styles


def look(name: str) -> Dict[str, Any]:
    """Colour, dash and marker of one schedule: see :func:`looks`."""
    return looks([name])[name]


def new_figure(rows: int, columns: int, width: float = 9.0, height: float = 3.0, **kwargs: Any) -> Tuple[Any, Any]:
    """A figure of ``rows`` × ``columns`` axes, ``width`` inches wide and ``height`` inches a row, drawn off screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def plain_ticks(axis: Any, ticks: Optional[Sequence[float]] = None) -> None:
    """Label a logarithmic axis as people type numbers: 0.01 and 1e-6, not 10⁻²; with only ``ticks``, if given."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    low, high = axis.get_view_interval()
    if ticks is not None:
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
    elif high < 30 * low:  # powers of ten alone would be one or two
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("e-0", "e-")))


def save_png(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    with atomic(path) as stream:
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return path


def save_figures(figures: Mapping[str, Any], folder: Path, quick: bool = False) -> List[Path]:
    """Write a report's figures to ``folder``/figures, each by its name, stamped if the run was a quick one."""
    for figure in figures.values():
        stamp(figure, "QUICK RUN" if quick else None)
    return [save_png(figure, folder / "figures" / f"{name}.png") for name, figure in figures.items()]


def stamp(figure: Any, text: Optional[str]) -> None:
    """Write ``text`` across a figure: the mark of a quick run."""
    if text:
        figure.text(0.5, 0.5, text, fontsize=26, color="red", alpha=0.25, ha="center", va="center", rotation=20)


def draw_mean(
    ax: Any, records: Sequence[Record], quantity: str, name: str, label: Optional[str] = None, **line: Any
) -> None:
    """One line a schedule: the mean over its finished runs at each epoch, in a band from the least to the greatest;
    ``line`` in place of parts of the schedule's own look. Where runs collapsed, the legend says how many did not."""
    table = finished_curves(records, quantity)
    if not len(table):
        collapsed = sum(record.status == "collapsed" for record in records)
        if collapsed:  # an outcome, which has to be seen where there is no curve
            ax.plot([], [], label=f"{label or name} (0 of {collapsed})", ms=4, lw=1.5, **{**look(name), **line})
        return
    epochs = np.arange(1, table.shape[1] + 1)
    style = {**look(name), **line}
    complete = sum(record.complete for record in records)
    label = (label or name) + (f" ({len(table)} of {complete})" if len(table) < complete else "")
    ax.plot(epochs, table.mean(axis=0), label=label, markevery=max(1, len(epochs) // 8), ms=4, lw=1.5, **style)
    if len(table) > 1:
        ax.fill_between(epochs, table.min(axis=0), table.max(axis=0), color=style["color"], alpha=0.12, lw=0)


def finished_curves(records: Sequence[Record], quantity: str) -> np.ndarray:
    """The curves of finished trainings, one a row, as long as the shortest."""
    curves = [record.history[quantity] for record in records if record.status == "finished"]
    return np.array([curve[: min(map(len, curves))] for curve in curves], float)


def draw_beside(
    records: Sequence[Record], quantity: str, label: str, counterparts: Optional[Mapping[str, str]] = None
) -> Any:
    """A panel a schedule, each over its counterpart in grey: by default the run ``constant`` for all of them."""
    groups = by_run(records)
    beside = counterparts or {name: "constant" for name in groups if name != "constant"}
    styles, shown = looks(groups), [name for name in groups if name in beside]
    columns = min(4, max(1, len(shown)))
    rows = max(1, -(-len(shown) // columns))
    figure, axes = new_figure(rows, columns, width=2.6 * columns + 0.4, height=2.1, sharex=True, sharey=True)
    for i, ax in enumerate(axes.flat):
        if i >= len(shown):
            ax.set_axis_off()
            continue
        name, other = shown[i], beside[shown[i]]
        if other in groups:
            draw_mean(ax, groups[other], quantity, other, color="0.6", marker="", linestyle="-")
        draw_mean(ax, groups[name], quantity, name, **styles[name])
        ax.set_title(f"{name}, grey: {other}" if counterparts else name, fontsize=8 if counterparts else 9)
        lost = sum(record.status == "collapsed" for record in groups[name])
        if lost:
            text = f"without {lost} of {len(groups[name])}, collapsed"
            ax.text(0.97, 0.05, text, transform=ax.transAxes, ha="right", fontsize=7)
        ax.tick_params(labelsize=8, labelbottom=i + columns >= len(shown))
        ax.grid(alpha=0.3)
        if i + columns >= len(shown):
            ax.set_xlabel("epoch", fontsize=9)
        if i % columns == 0:
            ax.set_ylabel(label, fontsize=9)
        if quantity == "lr_mean":
            ax.set_yscale("log")
            plain_ticks(ax.yaxis)
    if quantity != "lr_mean":
        curves = {name: finished_curves(group, quantity) for name, group in groups.items()}
        seen = [[curves[n] for n in (name, beside[name]) if n in curves] for name in shown]
        hold_to_medians(list(zip(axes.flat, seen)))
    if not counterparts and "constant" in groups:
        figure.suptitle("grey: constant", fontsize=9)
    return figure


def hold_to_medians(panels: Sequence[Tuple[Any, Sequence[np.ndarray]]]) -> None:
    """Where single seeds would press all curves into a line, keep to what the medians need; panels that are cut say how
    far their bands and means reach.

    Args:
        panels: axes that share their limits, each with the :func:`finished_curves` that it shows.
    """
    panels = [(ax, [table for table in tables if table.size and np.isfinite(table).all()]) for ax, tables in panels]
    every = [table for _, tables in panels for table in tables]
    if not every:
        return
    medians = np.concatenate([np.median(table, axis=0) for table in every])
    low, high = medians.min(), medians.max()
    reach = max(table.max() for table in every) - min(table.min() for table in every)
    if not reach > 2 * (high - low) > 0:
        return
    margin = 0.1 * (high - low)
    for ax, tables in panels:
        ax.set_ylim(low - margin, high + margin)
        if not tables:
            continue
        least, greatest = min(table.min() for table in tables), max(table.max() for table in tables)
        means = np.concatenate([table.mean(axis=0) for table in tables])
        if least < low - margin:
            text = f"band from {least:.2g}" + (f", mean from {means.min():.2g}" if means.min() < low - margin else "")
            ax.text(0.97, 0.03, text, transform=ax.transAxes, ha="right", fontsize=7)
        if greatest > high + margin:
            text = f"band to {greatest:.2g}" + (f", mean to {means.max():.2g}" if means.max() > high + margin else "")
            ax.text(0.97, 0.97, text, transform=ax.transAxes, ha="right", va="top", fontsize=7)


def draw_training(records: Sequence[Record], title: str, accuracy: str = "accuracy") -> Any:
    """Loss and accuracy against epochs: training and test side by side, a line a schedule.

    ``accuracy`` names what stands in its place. Where no training has a number of it, the test loss is shown.
    """
    panels = [("train_loss", "training loss"), ("train_acc", f"training {accuracy}"), ("test_acc", f"test {accuracy}")]
    if records and not any(np.isfinite(value) for r in records for value in r.history.get("test_acc", [])):
        panels = [("train_loss", "training loss"), ("test_loss", "test loss")]
    figure, axes = new_figure(1, len(panels), height=3.4)
    groups = by_run(records)
    styles = looks(groups)
    for ax, (quantity, label) in zip(axes[0], panels):
        for name, group in groups.items():
            draw_mean(ax, group, quantity, name, **styles[name])
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_ylabel(label)
        ax.grid(alpha=0.3)
    handles, labels = axes[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)
    figure.suptitle(title, fontsize=10)
    return figure
