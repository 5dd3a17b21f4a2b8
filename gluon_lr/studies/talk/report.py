"""The talk's report: its plots, its findings with verdicts, made of nothing but the run records."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from ...analysis.selection import at_best_rate, read_comparable
from ...analysis.verdicts import judge
from ...experiments.record import Record
from ...report.figures import save_figures
from ...report.grids import draw_map, draw_rates
from ...report.page import Section, made_by
from ...report.page import write_report as write_report_page
from ...report.tables import pairs_table, rates_table, schedules_table
from ...report.verdicts import delta_words, means_words, power_table, verdict_table, verdict_words
from .claims import ACCURACY, claims
from .experiment import GRID, SCHEDULES

NOTES = (
    "Scaled down: the talk trains a ViT of about 12.5 million parameters for 100 epochs on nearly all of CIFAR-10, "
    "batch 512, on a GPU (here --preset paper, which takes 7 layers of width 384 on patches of 4, 5,000 images kept "
    "for validation). The default preset has 3 layers of width 64 on patches of 8 (0.16 million parameters), 10,240 "
    "training, 2,000 validation and the first 5,000 test images, batch 128, 12 epochs.",
    "The talk's clock is kept: a hundredth of all updates counts as one of its epochs, for warmup, steps and restarts, "
    "and every schedule moves with each update. Cosine with warmup falls over the 94 parts that are left.",
    "The talk gives a range for each schedule's rates; here they are its powers of ten. Two schedules are best at the "
    "greatest of these, so both were tried at 0.03 and 0.1 too: that counts where a schedule stands at its best rate, "
    "and in no other claim. Restarts do not grow longer. Its data augmentation is not known; here there is none. "
    "One-cycle moves Adam's first momentum as its common implementation does.",
    "The same seed means the same initialization, the same images kept for validation and the same order of batches "
    "in every cell. A training counts at its best epoch by validation accuracy, a schedule at its best rate by the "
    "same. In the tables collapsed trainings count with the accuracy that they have.",
    "The p-values do not allow for earlier looks at the first three and the first seven seeds. Taken three times for "
    "these, those above 0.0167 are no longer below 0.05.",
    "In the pictures of accuracy against the rate a line goes through the means over seeds, and a dot is a training.",
)


def write_report(folder: Path, quick: bool = False) -> Path:
    """Write ``results.csv``, the figures and ``report.html`` from the records in ``folder``; the page's path."""
    folder = Path(folder)
    order = list(SCHEDULES)
    records, left_out = read_comparable(folder)
    records.sort(
        key=lambda r: (order.index(r.spec["settings"]["schedule"]), r.spec["settings"]["rate"], r.spec["seed"])
    )
    several = [name for name in order if len(GRID[name]) > 1]
    warmup = ["constant", "constant-warmup", "cosine", "cosine-warmup"]
    charts = {
        "rates": draw_rates(records, several, "Accuracy against the rate"),
        "warmup": draw_rates(records, warmup, "The influence of warmup"),
        "map": draw_map(records),
    }
    verdicts = judge(claims(records))
    at_best = {name: list(by_seed.values()) for name, by_seed in at_best_rate(records).items()}
    best, *others = save_figures(charts, folder, quick)
    sections = [
        Section(
            "What was found",
            [
                *means_words("Test accuracy after the best epoch at each schedule's best rate", at_best),
                verdict_words(verdicts, " of the talk"),
            ],
            pictures=[best],
        ),
        Section("The talk's other plots", pictures=others),
        Section(
            "Every schedule at its best rate",
            tables=[
                schedules_table(records, "Test accuracy after the best epoch, mean ± 95 % over seeds"),
                rates_table(records, "The whole grid"),
            ],
        ),
        Section(
            "The talk's findings",
            delta_words(claims(records)),
            tables=[verdict_table(verdicts, "Paired over common seeds")],
        ),
        Section(
            "Every two schedules",
            tables=[pairs_table(records, "Each at its best rate, paired over seeds", delta=ACCURACY[0])],
        ),
    ]
    title = "Choosing a schedule: the talk, reproduced"
    return write_report_page(folder, title, records, sections, [*NOTES, *left_out], quick)


def talk_block(records: Sequence[Record]) -> str:
    """Every schedule at its best rate, and the talk's findings with their verdicts, as the docs show them."""
    tables = [schedules_table(records, ""), verdict_table(judge(claims(records)), "")]
    return "\n\n".join([*(table.markdown() for table in tables), *made_by(records)])


def power_block(records: Sequence[Record]) -> str:
    """What ten seeds can show, by the spread of the three that there were when they were planned."""
    planned = [r for r in records if r.spec["seed"] < 3]
    return power_table(claims(planned), 10, "What ten seeds can show").markdown()
