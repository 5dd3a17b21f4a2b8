"""``gluon-lr exercises``: work the chapter's exercises and write the report."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ...cli import run
from ...data.sources import CIFAR10, FASHION_MNIST
from ...experiments.record import Record
from ...experiments.spec import RunSpec
from ...report.tables import Table
from ..command import command
from ..options import Options
from ..study import Study
from .experiment import EPOCHS, RUNS, build, specifications
from .report import answers_table, exercises_block, read_all, write_report


def _specifications(options: Options) -> List[RunSpec]:
    return specifications(options.only, options.seeds, options.epochs, options.quick)


def _summary(records: Sequence[Record], options: Options) -> Table:
    return answers_table(records)


EXERCISES = Study(
    name="exercises",
    description="The chapter's exercises: fixed rates, exponents, cosine on a larger problem, the length of warmup.",
    takes="Takes 20 minutes a seed on two idle cores, with --quick a minute.",
    runs=RUNS,
    epochs=EPOCHS,
    datasets=(FASHION_MNIST, CIFAR10),
    specifications=_specifications,
    build=build,
    write_report=write_report,
    summary=_summary,
    blocks={"exercises": exercises_block},
    read=read_all,
)


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    return command(EXERCISES, argv)


if __name__ == "__main__":
    run(main, "exercises")
