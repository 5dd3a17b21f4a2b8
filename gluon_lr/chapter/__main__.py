"""``python -m gluon_lr.chapter``: train the chapter's five networks and write the report."""

from __future__ import annotations

from typing import List, Optional

from ..cli import run
from ..data.fetch import obtain
from ..data.sources import FASHION_MNIST
from ..records import read_comparable
from ..report.page import update_readme
from ..study import output_folder, parse, run_study, study_parser
from . import EPOCHS, QUICK_EPOCHS, QUICK_IMAGES, READINGS, RUNS, build, specifications


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    parser = study_parser(
        "chapter",
        "LeNet on Fashion-MNIST under the chapter's five schedules: published beside reproduced.",
        RUNS,
        EPOCHS,
        "chapter_runs",
        ["chapter-results", "chapter-claims"],
    )
    parser.add_argument("--reading", choices=READINGS, default="as-printed", help="what the schedules count")
    options = parse(parser, argv)
    epochs = options.epochs or (QUICK_EPOCHS if options.quick else EPOCHS)
    limit = QUICK_IMAGES if options.quick else None
    specs = specifications(options.only, options.reading, options.seeds, epochs, limit)
    if not options.report_only:
        obtain(FASHION_MNIST, options.data_dir)  # once, here, rather than in every worker at the same time

    from .report import results_table, write_report

    code = run_study(options, specs, build, write_report)
    records, _ = read_comparable(output_folder(options))
    table = results_table(records, options.reading)
    print(f"\n{table.caption}" + (" (QUICK RUN: not comparable)" if options.quick else "") + f"\n{table.markdown()}")
    if options.readme:
        from .readme import blocks

        update_readme(options.readme, blocks(records))
    return code


if __name__ == "__main__":
    run(main)
