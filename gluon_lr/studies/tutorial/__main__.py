"""``gluon-lr tutorial``: search, then train at three rates, and write the report."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ...cli import run
from ...data.sources import CIFAR10
from ...experiments.record import Record
from ...experiments.spec import RunSpec
from ...files import writable_folder
from ...report.tables import Table
from ..command import command
from ..options import Options
from ..study import Study
from .experiment import QUICK_IMAGES, QUICK_STRETCHES, RUNS, STRETCHES, build, saved_search, search, specifications
from .report import claims_block, results_table, tutorial_block, write_report


def _specifications(options: Options) -> List[RunSpec]:
    stretches = options.epochs or (QUICK_STRETCHES if options.quick else STRETCHES)
    return specifications(options.only, options.seeds, stretches, QUICK_IMAGES if options.quick else None)


def _summary(records: Sequence[Record], options: Options) -> Table:
    return results_table(records)


def _search(options: Options) -> None:
    folder = writable_folder(options.folder)
    for seed in options.seeds:
        if options.fresh or saved_search(seed, folder) is None:
            result = search(seed, folder, options.ctx, options.data_dir, options.quick)
            print(f"seed {seed}: {result!r}")


TUTORIAL = Study(
    name="tutorial",
    description="ResNet-18 v2 on CIFAR-10: the finder, then 500 updates at three rates; an epoch is 100 updates.",
    takes="Takes 5 minutes a seed on two idle cores, with --quick a minute.",
    runs=RUNS,
    epochs=STRETCHES,
    datasets=(CIFAR10,),
    specifications=_specifications,
    build=build,
    write_report=write_report,
    summary=_summary,
    blocks={"tutorial": tutorial_block, "tutorial-claims": claims_block},
    before=_search,
)


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    return command(TUTORIAL, argv)


if __name__ == "__main__":
    run(main, "tutorial")
