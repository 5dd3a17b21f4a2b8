"""The report of a comparison: each schedule at its best rate, every rate, every pair."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Sequence

from ...analysis.selection import best_rate, cells
from ...experiments.record import Record
from ...report.figures import draw_training, save_figures
from ...report.grids import draw_rates
from ...report.page import Section
from ...report.page import write_report as write_report_page
from ...report.tables import pairs_table, rates_table, schedules_table


def draw_best(records: Sequence[Record]) -> Any:
    """Loss and accuracy against epochs, each schedule at its best rate."""
    best = []
    for name, rates in cells(records).items():
        rate = best_rate(rates)
        best += [replace(r, spec={**r.spec, "run": name}) for r in rates[rate].values()]
    return draw_training(best, "Each schedule at its best rate")


def write_report(folder: Path, records: Sequence[Record]) -> Path:
    """Write ``results.csv``, the figures and ``report.html`` of the records; the page's path."""
    sections = []
    if any(record.complete for record in records):
        figures = {"rates": draw_rates(records), "training": draw_best(records)}
        tables = [
            schedules_table(records, "Each schedule at its best rate, test accuracy at the best epoch"),
            rates_table(records, "Every rate"),
            pairs_table(records, "Every two schedules, each at its best rate, paired over seeds"),
        ]
        sections.append(Section("Schedules", tables=tables, pictures=save_figures(figures, folder)))
    return write_report_page(folder, "Schedules compared", records, sections, [])
