"""``python -m gluon_lr.talk``: train the talk's grid of schedules and rates and write the report with its plots."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence

from ..cli import run
from ..data.sources import CIFAR10
from ..errors import UsageError
from ..files import write_text
from ..records import Record, read_comparable, results_csv
from ..report.comparison import verdict_table
from ..report.figures import save_png, stamp
from ..report.grid import draw_map, draw_rates, pairs_table, rates_table, schedules_table
from ..report.page import Section, environments, update_readme, write_page
from ..stats import judge
from ..study import output_folder, parse, run_study, study_parser
from . import GRID, PRESETS, QUICK, SCHEDULES, build, specifications
from .published import claims

NOTES = (
    "Scaled down: the talk trains a ViT of about 12.5 million parameters for 100 epochs on nearly all of CIFAR-10, "
    "batch 512, on a GPU (here --preset paper, which takes 7 layers of width 384 on patches of 4, 5,000 images kept "
    "for validation). The default preset has 3 layers of width 64 on patches of 8 (0.16 million parameters), 10,240 "
    "training, 2,000 validation and the first 5,000 test images, batch 128, 12 epochs.",
    "The talk's clock is kept: a hundredth of all updates counts as one of its epochs, for warmup, steps and restarts, "
    "and every schedule moves with each update. Cosine with warmup falls over the 94 parts that are left.",
    "The talk gives a range for each schedule's rates; here they are its powers of ten. Restarts do not grow longer. "
    "Its data augmentation is not known; here there is none. One-cycle moves Adam's first momentum as its common "
    "implementation does.",
    "The same seed means the same initialization, the same images kept for validation and the same order of batches "
    "in every cell. A training counts at its best epoch by validation accuracy, a schedule at its best rate by the "
    "same; collapsed trainings count with the accuracy that they have.",
)


def write_report(folder: Path, quick: bool = False) -> Path:
    """The report of what is in ``folder``; its path."""
    folder = Path(folder)
    order = list(SCHEDULES)
    records, left_out = read_comparable(folder)
    records.sort(
        key=lambda r: (order.index(r.spec["settings"]["schedule"]), r.spec["settings"]["rate"], r.spec["seed"])
    )
    write_text(folder / "results.csv", results_csv(records))
    mark = "QUICK RUN" if quick else None
    charts = {
        "rates": draw_rates(records, [name for name in order if len(GRID[name]) > 1], "Accuracy against the rate"),
        "warmup": draw_rates(
            records, ["constant", "constant-warmup", "cosine", "cosine-warmup"], "The influence of warmup"
        ),
        "map": draw_map(records),
    }
    pictures = []
    for name, figure in charts.items():
        stamp(figure, mark)
        pictures.append(save_png(figure, folder / "figures" / f"{name}.png"))
    failures = [f"{r.path.name if r.path else ''}: {r.error}" for r in records if r.status == "failed"]
    sections = [
        Section("The talk's plots", pictures=pictures),
        Section(
            "Every schedule at its best rate",
            tables=[
                schedules_table(records, "Test accuracy after the best epoch, mean ± 95 % over seeds"),
                rates_table(records, "The whole grid"),
            ],
        ),
        Section("The talk's findings", tables=[verdict_table(judge(claims(records)), "Paired over common seeds")]),
        Section("Every two schedules", tables=[pairs_table(records, "Each at its best rate, paired over seeds")]),
        Section("Notes", [*NOTES, *left_out, *environments(records), *failures]),
    ]
    text = f"{mark}: a slice of the data, a smaller net, few epochs; not comparable" if mark else ""
    return write_page(folder / "report.html", "Choosing a schedule: the talk, reproduced", sections, text)


def readme_block(records: Sequence[Record]) -> str:
    """Every schedule at its best rate, and the talk's findings with their verdicts, as the README shows them."""
    return "\n\n".join([schedules_table(records, "").markdown(), verdict_table(judge(claims(records)), "").markdown()])


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    description = "Schedules and rates compared on CIFAR-10 with a vision transformer and AdamW, with statistics."
    epochs = PRESETS["small"].epochs
    parser = study_parser("talk", description, SCHEDULES, epochs, "chapter_runs/talk", ["talk"])
    parser.add_argument("--preset", choices=list(PRESETS), default="small", help="paper is the talk's size, for a GPU")
    options = parse(parser, argv)
    if options.quick and options.preset != "small":
        raise UsageError("--quick has a size of its own: leave --preset out")
    preset = QUICK if options.quick else PRESETS[options.preset]
    specs = specifications(options.only, options.seeds, preset, options.epochs, options.quick)
    if not options.report_only:
        from ..data.fetch import obtain

        obtain(CIFAR10, options.data_dir)
    code = run_study(options, specs, build, write_report)
    records, _ = read_comparable(output_folder(options))
    table = schedules_table(records, "QUICK RUN" if options.quick else "Each schedule at its best rate")
    print(f"\n{table.caption}\n{table.markdown()}")
    if options.readme:
        update_readme(options.readme, {"talk": readme_block(records)})
    return code


if __name__ == "__main__":
    run(main)
