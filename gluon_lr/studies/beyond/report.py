"""The report on what else can be scheduled: each way beside its counterpart, made of nothing but the run records."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from ...analysis.comparisons import compare_runs
from ...analysis.selection import by_run, read_comparable
from ...experiments.record import Record
from ...report.figures import draw_beside, save_figures
from ...report.page import BANDS, Section, made_by
from ...report.page import write_report as write_report_page
from ...report.tables import arms_table, paired_table
from .claims import DELTA, PAIRS
from .experiment import RUNS

NOTES = (
    "All arms: LeNet, batch 256 (batch growth: up to 1024), plain SGD at 0.1, unless their way of scheduling says "
    "otherwise. The same seed means the same initialization and order of images in every arm.",
    "Step: the rate halves every three epochs; batch growth: the batch doubles instead, up to 1024. Plateau: halves "
    "where the test loss does not fall by 2 % from one epoch to the next. It watches the test set, as a user's "
    "validation set would be watched. AutoLRS: stages of two, then four epochs, ten trials each between 0.01 and 1; "
    "its seconds contain its trials. Adaptive momentum and the two decays keep the constant rate.",
    BANDS,
)


def write_report(folder: Path, quick: bool = False) -> Path:
    """Write ``results.csv``, the figures and ``report.html`` from the records in ``folder``; the page's path."""
    folder = Path(folder)
    records, left_out = read_comparable(folder)
    records.sort(key=lambda r: (RUNS.index(r.spec["run"]), r.spec["seed"]))
    title = "Beyond the rate: LeNet on Fashion-MNIST"
    finished = any(r.status == "finished" for r in records)
    beside = draw_beside(records, "test_acc", "test accuracy", dict(PAIRS)) if finished else None
    sections = [
        Section(
            "What was found",
            [found_words(records)],
            pictures=save_figures({"beside": beside} if finished else {}, folder, quick),
        ),
        Section(
            "Every arm",
            tables=[arms_table(records, "The last epoch, mean ± 95 % over seeds")],
        ),
        Section("Beside its counterpart", tables=[paired_table(records, PAIRS, "test_acc", True, DELTA)]),
    ]
    return write_report_page(folder, title, records, sections, [*NOTES, *left_out], quick)


def found_words(records: Sequence[Record]) -> str:
    """Which ways of scheduling can be told from their counterparts, in a sentence."""
    tests = compare_runs(records, PAIRS, "test_acc")
    told_apart = [
        f"{test.name.replace(' − ', ' is better than ' if test.difference.mean > 0 else ' is worse than ')}"
        for test in tests
        if test.p_corrected < 0.05
    ]
    which = "; ".join(told_apart) if told_apart else "none"
    trained = sum(test.difference.n > 1 for test in tests)
    if not trained:
        return "Two seeds or more of a way and of its counterpart are needed to tell them apart."
    ways = "1 way of scheduling," if trained == 1 else f"{trained} ways of scheduling, each"
    text = f"Of {ways} beside its counterpart, these can be told apart: {which}."
    groups = by_run([record for record in records if record.complete])
    lost = {run: sum(record.status == "collapsed" for record in group) for run, group in groups.items()}
    counts = ", ".join(f"{count} of {len(groups[run])} of {run}" for run, count in lost.items() if count)
    return f"{text} Trainings that collapsed: {counts}." if counts else text


def beyond_block(records: Sequence[Record]) -> str:
    """The table of pairs, as the docs show it."""
    return "\n\n".join([paired_table(records, PAIRS, "test_acc", True, DELTA).markdown(), *made_by(records)])
