"""The part that comparing studies share: a table of arms, and paired comparisons with counterparts."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np

from ..files import write_text
from ..records import Record, results_csv
from ..stats import Comparison, Verdict, compare_paired, count_seeds, holm, mean_interval
from .figures import by_run, draw_training, save_png
from .page import Section, Table, environments, write_page


def finished_by_seed(records: Sequence[Record], run: str) -> Dict[int, Record]:
    """Seed → record of a run's finished trainings."""
    return {r.spec["seed"]: r for r in records if r.spec["run"] == run and r.status == "finished"}


def last_by_seed(records: Sequence[Record], run: str, quantity: str) -> Dict[int, float]:
    """Seed → a run's last value, of its finished trainings."""
    return {seed: record.last(quantity) for seed, record in finished_by_seed(records, run).items()}


def spread(values: Sequence[float], digits: int = 4) -> str:
    """A mean with its 95 % interval, as text."""
    interval = mean_interval(values)
    if interval.n == 0:
        return "–"
    around = "" if interval.n == 1 else f" ± {interval.half_width:.{digits}f}"
    return f"{interval.mean:.{digits}f}{around}"


def arms_table(records: Sequence[Record], caption: str) -> Table:
    """A line an arm: its last figures over seeds."""
    rows = []
    for run, group in by_run(records).items():
        good = [r for r in group if r.status == "finished"]
        rows.append(
            [
                run,
                *(spread([r.last(q) for r in good]) for q in ("train_loss", "test_loss", "test_acc")),
                f"{np.mean([sum(r.history.get('updates', [])) for r in group]):.0f}",
                f"{sum(r.seconds for r in group) / len(group):.0f}",
                str(sum(r.complete for r in group)),
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
    records: Sequence[Record], pairs: Sequence["tuple[str, str]"], quantity: str, larger_is_better: bool
) -> Table:
    """A line a pair: first less second over common seeds, with Holm's correction over all pairs."""
    comparisons = holm(
        [
            compare_paired(
                f"{first} − {second}", last_by_seed(records, first, quantity), last_by_seed(records, second, quantity)
            )
            for first, second in pairs
        ]
    )
    columns = ["pair", f"difference of the last {quantity} (95 %)", "p (Holm)", "verdict"]
    return Table("Paired over common seeds", columns, comparison_rows(comparisons, larger_is_better))


def comparison_rows(comparisons: Sequence[Comparison], larger_is_better: bool = True) -> List[List[str]]:
    """A row a comparison: its name, the difference with its interval, the corrected p-value, and a verdict."""
    rows = []
    for comparison in comparisons:
        gain = comparison.difference
        if comparison.p_corrected < 0.05:
            verdict = "better" if (gain.mean > 0) == larger_is_better else "worse"
        else:
            verdict = f"not resolved at {count_seeds(gain.n)}"
        measured = f"{gain.mean:+.4f} ({gain.low:+.4f} … {gain.high:+.4f})" if gain.n > 1 else "–"
        rows.append([comparison.name, measured, f"{comparison.p_corrected:.3g}", verdict])
    return rows


def verdict_table(verdicts: Sequence[Verdict], caption: str) -> Table:
    """A line a claim: how it was measured, what came out, and the verdict."""
    rows = []
    for verdict in verdicts:
        gain = verdict.comparison.difference
        measured = f"{gain.mean:+.4f} ({gain.low:+.4f} … {gain.high:+.4f})" if gain.n > 1 else "–"
        p = f"{verdict.comparison.p_corrected:.3g}"
        rows.append([verdict.claim.text, verdict.claim.measure, measured, p, verdict.verdict])
    return Table(
        caption, ["claim", "measured as (positive supports)", "mean (95 % interval)", "p (Holm)", "verdict"], rows
    )


def write_comparison(
    folder: Path,
    records: Sequence[Record],
    title: str,
    pairs: Sequence["tuple[str, str]"],
    notes: Sequence[str],
    quick: Optional[str] = None,
    quantity: str = "test_acc",
    larger_is_better: bool = True,
    extra: Sequence[Section] = (),
) -> Path:
    """Write ``results.csv``, the training curves and ``report.html``; the page's path."""
    write_text(folder / "results.csv", results_csv(records))
    pictures: List[Path] = []
    if any(r.status == "finished" for r in records):
        pictures.append(save_png(draw_training(records, title, quick), folder / "figures" / "training.png"))
    failures = [f"{r.path.name if r.path else ''}: {r.error}" for r in records if r.status == "failed"]
    sections = [
        Section("Every arm", tables=[arms_table(records, "The last epoch, mean ± 95 % over seeds")], pictures=pictures),
        Section("Beside its counterpart", tables=[paired_table(records, pairs, quantity, larger_is_better)]),
        *extra,
        Section("Notes", [*notes, *environments(records), *failures]),
    ]
    mark = f"{quick}: a slice of the data, few epochs; not comparable" if quick else ""
    return write_page(folder / "report.html", title, sections, mark)
