"""``python -m gluon_lr.tutorial``: search, then train at three rates, and write the report."""

from __future__ import annotations

import logging
from typing import Any, List, Optional

from ..cli import run
from ..data.fetch import obtain
from ..data.sources import CIFAR10
from ..errors import RecordError
from ..files import writable_folder
from ..records import read_comparable
from ..report.page import update_readme
from ..study import output_folder, parse, run_study, study_parser
from . import BATCH_SIZE, PARTS, QUICK_IMAGES, QUICK_PARTS, RUNS, build, resnet, specifications

log = logging.getLogger(__name__)


def search(seed: int, options: Any) -> None:
    """The finder on a fresh net of this seed, saved as JSON; nothing where that is there already."""
    from ..data.batches import load_data_cifar10
    from ..finder import Learner, LRFinder, LRFinderResult
    from ..runs import seed_everything
    from ..training import try_context

    path = output_folder(options) / "finder" / f"seed{seed}.json"
    if path.exists() and not options.fresh:
        try:
            LRFinderResult.from_json(path)
            return
        except RecordError as error:
            log.warning("searched anew: %s", error)
    ctx = try_context(options.ctx)
    seed_everything(seed)
    limit = QUICK_IMAGES if options.quick else None
    batches, _ = load_data_cifar10(BATCH_SIZE, options.data_dir, seed, limit)
    multiplier = 2.0 if options.quick else 1.1
    result = LRFinder(Learner(resnet(ctx), batches, ctx)).find(lr_start=1e-6, lr_multiplier=multiplier)
    result.to_json(path)
    print(f"seed {seed}: {result!r}")


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    parser = study_parser(
        "tutorial",
        "ResNet-18 v2 on CIFAR-10: the finder, then 500 updates at 0.05, 0.5 and 0.005; an epoch is 100 updates.",
        RUNS,
        PARTS,
        "chapter_runs/tutorial",
        ["tutorial"],
    )
    options = parse(parser, argv)
    parts = options.epochs or (QUICK_PARTS if options.quick else PARTS)
    specs = specifications(options.only, options.seeds, parts, QUICK_IMAGES if options.quick else None)
    if not options.report_only:
        obtain(CIFAR10, options.data_dir)

    from .report import results_table, summary_table, write_report

    def searches() -> None:
        writable_folder(output_folder(options))
        for seed in options.seeds:
            search(seed, options)

    code = run_study(options, specs, build, write_report, first=searches)
    records, _ = read_comparable(output_folder(options))
    table = results_table(records)
    print(f"\n{table.caption}" + (" (QUICK RUN: not comparable)" if options.quick else "") + f"\n{table.markdown()}")
    if options.readme:
        update_readme(options.readme, {"tutorial": summary_table(records).markdown()})
    return code


if __name__ == "__main__":
    run(main)
