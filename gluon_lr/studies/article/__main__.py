"""``gluon-lr article``: train the article's schedules and write the report with its charts."""

from __future__ import annotations

from typing import List, Optional, Sequence

from ...cli import run
from ...data.sources import FASHION_MNIST
from ...experiments.record import Record
from ...experiments.spec import RunSpec
from ...report.tables import Table, arms_table
from ..command import command
from ..options import Options
from ..study import Study
from .experiment import EPOCHS, QUICK_EPOCHS, QUICK_IMAGES, RUNS, build, specifications
from .report import article_block, power_block, stops_block, write_report


def _specifications(options: Options) -> List[RunSpec]:
    epochs = options.epochs or (QUICK_EPOCHS if options.quick else EPOCHS)
    return specifications(options.only, options.seeds, epochs, QUICK_IMAGES if options.quick else None)


def _summary(records: Sequence[Record], options: Options) -> Table:
    return arms_table(records, "The last epoch")


ARTICLE = Study(
    name="article",
    description="Schedules compared on an MLP and 20,000 images of Fashion-MNIST, with statistics.",
    takes="Takes 10 minutes a seed on two idle cores, with --quick a minute.",
    runs=RUNS,
    epochs=EPOCHS,
    datasets=(FASHION_MNIST,),
    specifications=_specifications,
    build=build,
    write_report=write_report,
    summary=_summary,
    blocks={"article": article_block, "article-stops": stops_block, "article-power": power_block},
)


def main(argv: Optional[List[str]] = None) -> int:
    """The command line; the exit code."""
    return command(ARTICLE, argv)


if __name__ == "__main__":
    run(main, "article")
