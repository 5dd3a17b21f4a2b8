"""Records as tables: published beside reproduced, arms, pairs, grids, claims, and ``results.csv``."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Iterable, List, Optional, Sequence, Tuple

import numpy as np

from ..analysis.comparisons import compare_collapses, compare_runs, compare_schedules, finite
from ..analysis.measures import ACCURACY, Score
from ..analysis.selection import Cell, best_rate, by_run, cells, scores
from ..analysis.statistics import Interval, PairedTest, are_zero, mean_interval
from ..analysis.verdicts import Claim, judge
from ..experiments.record import Record

COLUMNS = (
    "run",
    "reading",
    "seed",
    "status",
    "epochs",
    "train_loss",
    "train_acc",
    "test_acc",
    "seconds",
    "dataset_edition",
    "gluon_lr",
    "commit",
    "processor",
)


@dataclass(frozen=True)
class Table:
    """A table: its caption, the columns' names, and rows of text."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """The table in GitHub's Markdown, without its caption."""
        return markdown_table(self.columns, self.rows)


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in GitHub's Markdown.

    Example:
        >>> print(markdown_table(["rate", "loss"], [["0.1", "0.5"]]))
        | rate | loss |
        | --- | --- |
        | 0.1 | 0.5 |
    """
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def results_csv(records: Iterable[Record]) -> str:
    """The records as a table, a line a run, in the columns :data:`COLUMNS`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for record in records:
        spec = record.spec
        numbers = [f"{record.last(name):.6f}" for name in ("train_loss", "train_acc", "test_acc")]
        writer.writerow(
            [spec["run"], spec["reading"], spec["seed"], record.status, record.epochs, *numbers,
             f"{record.seconds:.1f}", record.edition, record.made_by, record.environment.get("commit", ""),
             record.environment.get("processor", "")]
        )  # fmt: skip
    return stream.getvalue()


def spread(values: Sequence[float], digits: int = 4) -> str:
    """A mean with its 95 % interval, as text."""
    if not len(values) or not np.isfinite(values).all():
        return "–"
    interval = mean_interval(values)
    if interval.n == 1:
        return f"{interval.mean:.{_digits(interval.mean, digits)}f}"
    shown = _digits(interval.half_width, digits)
    return f"{interval.mean:.{shown}f} ± {interval.half_width:.{shown}f}"


def difference_text(gain: Interval, digits: int = 4) -> str:
    """A mean difference with its 95 % interval, as text; without one where all seeds differ by the same."""
    if not math.isfinite(gain.mean):
        return "–"
    if not math.isfinite(gain.low):
        return f"{gain.mean + 0.0:+.{_digits(gain.mean, digits)}f} in every seed"
    shown = _digits(gain.half_width, digits)
    mean, low, high = (round(number, shown) + 0.0 for number in (gain.mean, gain.low, gain.high))  # no minus before 0
    return f"{mean:+.{shown}f} ({low:+.{shown}f} … {high:+.{shown}f})"


def _digits(scale: float, least: int) -> int:
    """Decimals that show two figures of ``scale``, where ``least`` of them show none."""
    small = 1e-12 < abs(scale) < 0.5 * 10.0**-least  # below that it is rounding
    return 1 - math.floor(math.log10(abs(scale))) if small else least


def arms_table(records: Sequence[Record], caption: str) -> Table:
    """A line an arm: its last figures over seeds."""
    rows = []
    for run, group in by_run(records).items():
        whole = [r for r in group if r.complete]
        good = [r for r in whole if r.status == "finished"]
        rows.append(
            [
                run,
                *(spread([r.last(q) for r in good]) for q in ("train_loss", "test_loss", "test_acc")),
                f"{np.mean([sum(r.history.get('updates', [])) for r in whole]):.0f}" if whole else "–",
                f"{np.mean([r.seconds for r in whole]):.0f}" if whole else "–",
                str(len(whole)),
                str(sum(r.status == "collapsed" for r in group)),
                str(sum(r.status == "failed" for r in group)),
            ]
        )
    columns = [
        "run",
        "train loss",
        "test loss",
        "test accuracy",
        "updates",
        "seconds a run",
        "seeds",
        "collapsed",
        "failed",
    ]
    return Table(caption, columns, rows)


def paired_table(
    records: Sequence[Record],
    pairs: Sequence["tuple[str, str]"],
    quantity: str,
    larger_is_better: bool,
    delta: Optional[float] = None,
) -> Table:
    """A line a pair: first less second over common seeds, with Holm's correction over all pairs.

    Where ``delta`` is given, a pair is also tested for a difference smaller than that.
    """
    columns = ["pair", f"difference of the last {quantity} (95 %)", "p (Holm)", "verdict"]
    tests = compare_runs(records, pairs, quantity)
    return Table("Paired over common seeds", columns, _test_rows(tests, larger_is_better, delta))


def _test_rows(
    tests: Sequence[PairedTest], larger_is_better: bool = True, delta: Optional[float] = None
) -> List[List[str]]:
    """A row a test: its name, the difference with its interval, the corrected p-value, and a verdict."""
    verdicts = judge([Claim(test.name, "", test.differences, delta) for test in tests])
    words = {"supported": "better", "refuted": "worse"}
    if not larger_is_better:
        words = {"supported": "worse", "refuted": "better"}
    rows = []
    for verdict in verdicts:
        gain = verdict.test.difference
        measured = difference_text(gain) if gain.n > 1 else "–"
        text = words.get(verdict.verdict, verdict.verdict)
        if gain.n > 1 and are_zero(verdict.test.differences):  # two names of one thing
            text = f"the same with all {gain.n} seeds"
        rows.append([verdict.claim.text, measured, f"{verdict.test.p_corrected:.3g}", text])
    return rows


def collapse_table(records: Sequence[Record], beside: str, caption: str) -> Table:
    """A line a run: how many trainings collapsed, and whether that is more or less than in the run ``beside``."""
    rows = []
    for name, collapsed, of, p in compare_collapses(records, beside):
        rows.append([name, f"{collapsed} of {of}", "–" if p is None else f"{p:.3g}"])
    return Table(caption, ["run", "collapsed", f"beside {beside}: p (exact, Holm)"], rows)


def _cell_text(cell: Cell, digits: int = 4, by: Score = ACCURACY) -> str:
    """A cell's mean with its interval; where trainings collapsed, how many, since no interval describes two heaps."""
    collapsed = sum(record.status == "collapsed" for record in cell.values())
    values = list(finite(scores(cell, by)).values())
    lost = len(cell) - len(values)
    without = f"; {lost} without a finite number left out" if lost else ""
    if not values:
        return f"– ({collapsed} of {len(cell)} collapsed{without})"
    if not collapsed and not lost:
        return spread(values, digits)
    return f"{np.mean(values):.{_digits(np.mean(values), digits)}f} ({collapsed} of {len(cell)} collapsed{without})"


def schedules_table(records: Sequence[Record], caption: str, by: Score = ACCURACY) -> Table:
    """A line a schedule, at its best rate; the best schedule first."""
    rows: List[Tuple[float, List[str]]] = []
    for name, rates in cells(records).items():
        rate = best_rate(rates, by)
        cell = rates[rate]
        mean = float(np.mean(list(finite(scores(cell, by)).values()) or [np.nan]))
        every = [r for cell in rates.values() for r in cell.values()]
        collapsed = f"{sum(r.status == 'collapsed' for r in every)} of {len(every)}"
        row = [
            name,
            _rate_text(rate, list(rates)),
            _cell_text(cell, by=by),
            *_epochs_text(cell, by),
            str(len(cell)),
            collapsed,
        ]
        rows.append((by.sign * mean if np.isfinite(mean) else -np.inf, row))
    epoch = [] if by.epoch is None else ["best epoch"]
    columns = ["schedule", "best rate", f"{by.name} there", *epoch, "seeds", "collapsed, all rates"]
    return Table(caption, columns, [row for _, row in sorted(rows, key=lambda pair: -pair[0])])


def _rate_text(rate: float, tried: Sequence[float]) -> str:
    """A rate, and whether it lies at an end of those tried, so that a better one may lie beyond."""
    end = "greatest" if rate == max(tried) else "least" if rate == min(tried) else ""
    return f"{rate:g} (the {end} tried)" if end and len(tried) > 1 else f"{rate:g}"


def _epochs_text(cell: Cell, by: Score) -> List[str]:
    if by.epoch is None:
        return []
    epochs = np.mean([by.epoch(record) + 1 for record in cell.values()])
    return [f"{epochs:.1f} of {max(record.epochs for record in cell.values())}"]


def rates_table(records: Sequence[Record], caption: str, by: Score = ACCURACY) -> Table:
    """A line a schedule, a column a rate: the number that trainings are judged by, default test accuracy after the
    best epoch."""
    found = cells(records)
    every = sorted({rate for rates in found.values() for rate in rates})
    rows = [
        [name, *(_cell_text(rates[rate], 3, by) if rate in rates else "" for rate in every)]
        for name, rates in found.items()
    ]
    return Table(caption, ["schedule", *(f"{rate:g}" for rate in every)], rows)


def pairs_table(records: Sequence[Record], caption: str, by: Score = ACCURACY, delta: Optional[float] = None) -> Table:
    """Every two schedules at their best rates over common seeds, with Holm's correction over all pairs.

    Where ``delta`` is given, a pair is also tested for a difference smaller than that.
    """
    difference = "difference (95 %)" if by is ACCURACY else f"difference of {by.name} (95 %)"
    rows = _test_rows(compare_schedules(records, by), by.larger_is_better, delta)
    return Table(caption, ["pair", difference, "p (Holm)", "verdict"], rows)
