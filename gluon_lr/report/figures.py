"""What all figures share: one colour, dash and marker per schedule everywhere, and axes that say their units."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from ..files import atomic
from ..records import Record

# Okabe and Ito's colours, told apart by the colour-blind; dash and marker tell them apart in grey.
_LOOKS: Dict[str, Tuple[str, Any, str]] = {
    "constant": ("#000000", "-", "o"),
    "square-root": ("#E69F00", "--", "s"),
    "multi-factor": ("#0072B2", "-.", "^"),
    "cosine": ("#009E73", ":", "D"),
    "cosine-warmup": ("#CC79A7", (0, (5, 1)), "v"),
    "factor": ("#999999", (0, (1, 1)), "x"),
    "step": ("#0072B2", "-.", "^"),
    "linear": ("#56B4E9", (0, (3, 1, 1, 1)), "<"),
    "polynomial": ("#7F7F00", (0, (3, 1, 1, 1, 1, 1)), ">"),
    "time-based": ("#D55E00", "--", "p"),
    "exponential": ("#8C564B", (0, (7, 2)), "h"),
    "adam": ("#AA3377", (0, (2, 2)), "*"),
    "one-cycle": ("#D55E00", (0, (4, 1, 1, 1)), "P"),
    "warm-restarts": ("#56B4E9", (0, (2, 1)), "X"),
    "constant-warmup": ("#666666", (0, (6, 1, 1, 1)), "d"),
    "batch-growth": ("#E69F00", "--", "s"),
    "plateau": ("#009E73", ":", "D"),
    "adaptive-momentum": ("#D55E00", (0, (4, 1, 1, 1)), "P"),
    "weight-decay": ("#56B4E9", (0, (3, 1, 1, 1)), "<"),
    "scheduled-weight-decay": ("#8C564B", (0, (7, 2)), "h"),
    "autolrs": ("#AA3377", (0, (2, 2)), "*"),
    "decay-per-epoch": ("#009E73", ":", "D"),
    "decay-per-update": ("#CC79A7", (0, (5, 1)), "v"),
}
_SPARE = ["#332288", "#117733", "#882255", "#44AA99", "#DDCC77", "#661100", "#6699CC", "#888888"]
_MARKERS = ["d", "H", "1", "2", "3", "4", "|", "_"]


def look(name: str) -> Dict[str, Any]:
    """Colour, dash and marker of a schedule, the same in every figure; of any other name, one that stays the same."""
    if name.startswith("warm-restarts-"):  # whatever the cycle's length
        name = "warm-restarts"
    if name in _LOOKS:
        color, dash, marker = _LOOKS[name]
    else:
        number = sum(name.encode("utf-8"))
        color, dash, marker = _SPARE[number % 8], (0, (1 + number % 5, 1)), _MARKERS[number // 8 % 8]
    return {"color": color, "linestyle": dash, "marker": marker}


def new_figure(rows: int, columns: int, width: float = 9.0, height: float = 3.0, **kwargs: Any) -> Tuple[Any, Any]:
    """A figure of ``rows`` × ``columns`` axes, ``width`` inches wide and ``height`` inches a row, drawn off screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **kwargs)


def save_png(figure: Any, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all."""
    with atomic(path) as stream:
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return path


def stamp(figure: Any, text: Optional[str]) -> None:
    """Write ``text`` across a figure: the mark of a quick run."""
    if text:
        figure.text(0.5, 0.5, text, fontsize=26, color="red", alpha=0.25, ha="center", va="center", rotation=20)


def by_run(records: Sequence[Record]) -> Dict[str, List[Record]]:
    """Records grouped by their run's name, in the order of their first appearance."""
    groups: Dict[str, List[Record]] = {}
    for record in records:
        groups.setdefault(record.spec["run"], []).append(record)
    return groups


def draw_mean(
    ax: Any, records: Sequence[Record], quantity: str, name: str, label: Optional[str] = None, **line: Any
) -> None:
    """One line a schedule: the mean over its whole runs at each epoch, in a band from the least to the greatest;
    ``line`` in place of parts of the schedule's own look."""
    curves = [record.history[quantity] for record in records if record.status == "finished"]
    if not curves:
        return
    table = np.array([curve[: min(map(len, curves))] for curve in curves], float)
    epochs = np.arange(1, table.shape[1] + 1)
    style = {**look(name), **line}
    ax.plot(epochs, table.mean(axis=0), label=label or name, markevery=max(1, len(epochs) // 8), ms=4, lw=1.5, **style)
    if len(table) > 1:
        ax.fill_between(epochs, table.min(axis=0), table.max(axis=0), color=style["color"], alpha=0.12, lw=0)


def draw_training(records: Sequence[Record], title: str, quick: Optional[str] = None) -> Any:
    """Loss and accuracy against epochs: training and test side by side, a line a schedule."""
    figure, axes = new_figure(1, 3, height=3.4)
    panels = (("train_loss", "training loss"), ("train_acc", "training accuracy"), ("test_acc", "test accuracy"))
    for ax, (quantity, label) in zip(axes[0], panels):
        for name, group in by_run(records).items():
            draw_mean(ax, group, quantity, name)
        ax.set_xlabel("epoch")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_ylabel(label)
        ax.grid(alpha=0.3)
    handles, labels = axes[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=5, fontsize=8)
    figure.suptitle(title, fontsize=10)
    stamp(figure, quick)
    return figure
