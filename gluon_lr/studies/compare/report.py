"""The report of a comparison: each schedule at its best rate, every rate, every pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Sequence

from ...analysis.comparisons import ranking_words
from ...analysis.measures import ACCURACY, Score
from ...analysis.selection import best_rate, cells
from ...experiments.record import Record
from ...report.figures import draw_training, save_figures
from ...report.grids import draw_rates
from ...report.page import BANDS, Section
from ...report.page import write_report as write_report_page
from ...report.tables import pairs_table, rates_table, schedules_table


def draw_best(records: Sequence[Record], by: Score = ACCURACY) -> Any:
    """Loss and accuracy against epochs, each schedule at its best rate by the score."""
    best, grid = [], cells(records)
    for name, rates in grid.items():
        rate = best_rate(rates, by)
        best += [replace(r, spec={**r.spec, "run": name}) for r in rates[rate].values()]
    several = any(len(rates) > 1 for rates in grid.values())
    number = "batch_metric" if any("batch_metric" in r.spec["settings"] for r in records) else "accuracy"
    return draw_training(best, "Each schedule at its best rate" if several else "Each schedule", number)


def write_report(folder: Path, records: Sequence[Record], by: Score = ACCURACY) -> Path:
    """Write ``results.csv``, the figures and ``report.html`` of the records; the page's path."""
    sections = []
    if any(record.complete for record in records):
        figures = {"rates": draw_rates(records, by=by), "training": draw_best(records, by)}
        shown = by.name if by.epoch is None else f"{by.name} at the best epoch"
        tables = [
            schedules_table(records, f"Each schedule at its best rate, {shown}", by),
            rates_table(records, "Every rate" if by is ACCURACY else f"Every rate, {shown}", by),
            pairs_table(records, "Every two schedules, each at its best rate, paired over seeds", by),
        ]
        rates, training = save_figures(figures, folder)
        words = ranking_words(records, by)
        sections.append(Section("What was found", [f"{words[0].upper()}{words[1:]}."], pictures=[rates]))
        sections.append(Section("Schedules", tables=tables, pictures=[training]))
    return write_report_page(folder, "Schedules compared", records, sections, [BANDS])
