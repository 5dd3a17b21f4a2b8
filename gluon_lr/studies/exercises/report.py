"""The exercises' report: a section an exercise, made of nothing but the run records."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Sequence

from ...experiments.record import Record
from ...report.figures import save_figures
from ...report.grids import draw_rates
from ...report.page import BANDS, Section, made_by
from ...report.page import write_report as write_report_page
from ...report.tables import Table, pairs_table, rates_table, schedules_table
from ..compare.report import draw_best
from .claims import QUESTIONS, answers, of_exercise

NOTES = (
    "LeNet on all of Fashion-MNIST, batch 256, plain SGD, 6 epochs; the third exercise: GluonCV's ResNet-20 with "
    "momentum 0.9 and weight decay 1e-4 on 6,400 images of CIFAR-10, batch 128, 4 epochs, the first 5,000 test images.",
    "The same seed means the same initialization and order of batches for every schedule. A training counts at its "
    "best epoch by test accuracy, which flatters all schedules, unsteady trainings most; collapsed trainings count as "
    "they are.",
    "The exponents' schedule is MXNet's PolyScheduler. After a warmup the cosine is shortened, so that all trainings "
    "are equally long.",
    "In pictures without epochs a dot is a training, × counts collapsed ones, and the tick is the mean of the others.",
    BANDS,
)


def answers_table(records: Sequence[Record]) -> Table:
    """A line an exercise: what the runs answer."""
    rows = [[QUESTIONS[exercise], answer] for exercise, answer in answers(records).items()]
    return Table("The exercises and their answers", ["exercise", "answer"], rows)


def section(records: Sequence[Record], exercise: str, folder: Path, quick: bool) -> Section:
    """Pictures and tables of one exercise."""
    chosen = of_exercise(records, exercise)
    figures: Dict[str, Any] = {}
    tables: List[Table] = []
    if exercise == "fixed-rate":
        figures[exercise] = draw_rates(chosen, title="A constant rate")
        tables.append(rates_table(chosen, "Test accuracy at the best epoch, mean ± 95 % over seeds"))
    else:
        figures[exercise] = draw_rates(chosen, title="Each schedule, every training")
        figures[f"{exercise}-training"] = draw_best(chosen)
        tables.append(schedules_table(chosen, "Each schedule, mean ± 95 % over seeds"))
        tables.append(pairs_table(chosen, "Every two of them, paired over seeds"))
    return Section(QUESTIONS[exercise], [answers(chosen)[exercise]], tables, save_figures(figures, folder, quick))


def write_report(folder: Path, quick: bool = False) -> Path:
    """Write ``results.csv``, the figures and ``report.html`` from the records in ``folder``; the page's path."""
    folder = Path(folder)
    records, left_out = read_all(folder)
    sections = [section(records, name, folder, quick) for name in QUESTIONS if of_exercise(records, name)]
    words = [f"{QUESTIONS[name]} {answer}." for name, answer in answers(records).items()]
    if sections:
        found = Section("What was found", words, pictures=sections[0].pictures)
        sections = [found, replace(sections[0], pictures=()), *sections[1:]]
    title = "The chapter's exercises, worked"
    return write_report_page(folder, title, records, sections, [*NOTES, *left_out], quick)


def read_all(folder: Path) -> "tuple[List[Record], List[str]]":
    """The records that may stand in one table, exercise by exercise: the third one's are of fewer epochs."""
    from ...analysis.selection import of_one_size
    from ...experiments.store import Store

    records, notes = [], []
    every = Store(folder).records()
    for exercise in QUESTIONS:
        kept, left_out = of_one_size([r for r in every if r.spec["settings"]["exercise"] == exercise])
        records += kept
        notes += left_out
    return records, notes


def exercises_block(records: Sequence[Record]) -> str:
    """The table of answers, as the docs show it."""
    return "\n\n".join([answers_table(records).markdown(), *made_by(records)])
