"""``python -m gluon_lr.beyond``: what scheduling other things than the rate buys, or does not."""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional, Sequence

from ..cli import run
from ..data.sources import FASHION_MNIST
from ..records import Record, read_comparable
from ..report.comparison import paired_table, write_comparison
from ..report.page import update_readme
from ..study import output_folder, parse, run_comparison, study_parser
from . import COUNTERPARTS, EPOCHS, QUICK_EPOCHS, QUICK_IMAGES, RUNS, build, specifications

PAIRS = [(name, other) for name, other in COUNTERPARTS.items() if other]
NOTES = (
    "All arms: LeNet, batch 256 (batch growth: up to 1024), plain SGD at 0.1, unless their way of scheduling says "
    "otherwise. The same seed means the same initialization and order of images in every arm.",
    "Step: the rate halves every three epochs; batch growth: the batch doubles instead, up to 1024. Plateau: halves "
    "where the test loss does not fall by 2 % from one epoch to the next. It watches the test set, as a user's "
    "validation set would be watched. AutoLRS: stages of two, then four epochs, ten trials each between 0.01 and 1; "
    "its seconds contain its trials. Adaptive momentum and the two decays keep the constant rate.",
)


def write_report(folder: Path, quick: bool = False) -> Path:
    """The report of what is in ``folder``; its path."""
    records, left_out = read_comparable(folder)
    records.sort(key=lambda r: (RUNS.index(r.spec["run"]), r.spec["seed"]))
    return write_comparison(
        Path(folder),
        records,
        "Beyond the rate: LeNet on Fashion-MNIST",
        PAIRS,
        [*NOTES, *left_out],
        "QUICK RUN" if quick else None,
    )


def readme_block(records: Sequence[Record]) -> str:
    """The table of pairs, as the README shows it."""
    return paired_table(records, PAIRS, "test_acc", larger_is_better=True).markdown()


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    description = "Schedules of batch size, momentum and weight decay, and rates that watch the training."
    parser = study_parser("beyond", description, RUNS, EPOCHS, "chapter_runs/beyond", ["beyond"])
    options = parse(parser, argv)
    epochs = options.epochs or (QUICK_EPOCHS if options.quick else EPOCHS)
    specs = specifications(options.only, options.seeds, epochs, QUICK_IMAGES if options.quick else None)
    code = run_comparison(options, FASHION_MNIST, specs, build, write_report)
    if options.readme:
        update_readme(options.readme, {"beyond": readme_block(read_comparable(output_folder(options))[0])})
    return code


if __name__ == "__main__":
    run(main)
